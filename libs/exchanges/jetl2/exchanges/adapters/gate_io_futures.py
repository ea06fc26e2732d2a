"""Gate futures settled in USDT, WebSocket v4: perpetuals; sizes are numbers of contracts.

Contracts that trade in fractions have them in books; trades without the header X-Gate-Size-Decimal,
which we cannot send, may tell them cut to whole ones. UNSURE: the sign of a liquidation's size,
taken for that of the order which closes the position.
"""

from collections.abc import Iterable

from jetl2.exchanges import market_channels
from jetl2.exchanges.exchange import Frame, Instrument, Instruments

REST = "https://api.gateio.ws/api/v4/futures/usdt"


def parse_instruments(body: Frame) -> Iterable[Instrument]:
    """Return what is listed."""
    for item in body:
        base, _, quote = item["name"].partition("_")
        yield Instrument(
            symbol=item["name"],
            base=base,
            quote=quote,
            kind="perpetual",
            active=not item.get("in_delisting", False),
            price_increment=item["order_price_round"],
            size_increment="1",
            contract_size=item["quanto_multiplier"],
        )


def parse_volumes(body: Frame) -> Iterable[tuple[str, float]]:
    """Return the volume of each contract in USDT."""
    for item in body:
        yield item["contract"], float(item["volume_24h_quote"] or 0)


EXCHANGE = market_channels.exchange(
    "futures",
    "contract",
    market_channels.NAMES,
    name="gate-io-futures",
    family="gateio",
    markets=("linear",),
    docs="https://www.gate.com/docs/developers/futures/ws/en (v4, read 2026-11-22)",
    url="wss://fx-ws.gateio.ws/v4/ws/usdt",
    rest=REST,
    instruments=Instruments(
        url=f"{REST}/contracts",
        parse=parse_instruments,
        volumes_url=f"{REST}/tickers",
        volumes=parse_volumes,
    ),
)
