"""Gate spot, WebSocket v4: a whole book in its channel, then deltas by ranges of numbers.

UNSURE: how many streams a connection may have, and whether a request's time is looked at.
"""

from collections.abc import Iterable

from jetl2.exchanges import market_channels
from jetl2.exchanges.exchange import Frame, Instrument, Instruments

REST = "https://api.gateio.ws/api/v4/spot"


def parse_instruments(body: Frame) -> Iterable[Instrument]:
    """Return what is listed; precisions are numbers of decimals."""
    for item in body:
        yield Instrument(
            symbol=item["id"],
            base=item["base"],
            quote=item["quote"],
            kind="spot",
            active=item["trade_status"] == "tradable",
            price_increment=_increment(item["precision"]),
            size_increment=_increment(item["amount_precision"]),
        )


def _increment(decimals: int) -> str:
    return f"0.{'1'.rjust(decimals, '0')}" if decimals else "1"


def parse_volumes(body: Frame) -> Iterable[tuple[str, float]]:
    """Return the volume of each symbol in its quote currency."""
    for item in body:
        yield item["currency_pair"], float(item["quote_volume"] or 0)


EXCHANGE = market_channels.exchange(
    "spot",
    "currency_pair",
    ("book_delta", "trade", "book_ticker"),
    name="gate-io",
    family="gateio",
    docs="https://www.gate.com/docs/developers/apiv4/ws/en (v4, read 2026-11-22)",
    url="wss://api.gateio.ws/ws/v4/",
    rest=REST,
    instruments=Instruments(
        url=f"{REST}/currency_pairs",
        parse=parse_instruments,
        volumes_url=f"{REST}/tickers",
        volumes=parse_volumes,
    ),
)
