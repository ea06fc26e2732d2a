"""REST lists of spot symbols with their 24 h volumes, as the sites of one house share them."""

from collections.abc import Iterable

from jetl2.exchanges.exchange import Frame, Instrument, Instruments


def instruments(rest: str) -> Instruments:
    """Return how symbols and volumes are listed.

    Args:
        rest: https://host.
    """
    return Instruments(
        url=f"{rest}/api/v2/symbols",
        parse=parse_instruments,
        volumes_url=f"{rest}/api/v1/market/allTickers",
        volumes=parse_volumes,
    )


def parse_instruments(body: Frame) -> Iterable[Instrument]:
    """Return what is listed."""
    for item in body["data"]:
        yield Instrument(
            symbol=item["symbol"],
            base=item["baseCurrency"],
            quote=item["quoteCurrency"],
            kind="spot",
            active=item["enableTrading"],
            price_increment=item["priceIncrement"],
            size_increment=item["baseIncrement"],
        )


def parse_volumes(body: Frame) -> Iterable[tuple[str, float]]:
    """Return the volume of each symbol in its quote currency."""
    for item in body["data"]["ticker"]:
        yield item["symbol"], float(item["volValue"] or 0)
