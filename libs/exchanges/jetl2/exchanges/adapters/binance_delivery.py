"""Binance COIN-M futures: as USD-M, sizes in contracts of dollars, one websocket for all streams.

Open interest is told by REST only, the index by a stream of the pair, so both are left out. Requests
share one allowance with USD-M since 2026.
"""

from collections.abc import Iterable

from jetl2.exchanges import named_streams, named_streams_rest
from jetl2.exchanges.exchange import Exchange, Frame, Instruments, Limits
from jetl2.orderbook import sequence

REST = "https://dapi.binance.com/dapi/v1/"


def parse_volumes(body: Frame) -> Iterable[tuple[str, float]]:
    """Return what was traded in dollars; "volume" counts contracts of different sizes."""
    for item in body:
        yield item["symbol"], float(item["baseVolume"]) * float(item["weightedAvgPrice"])


EXCHANGE = Exchange(
    name="binance-delivery",
    docs="https://developers.binance.com/docs/derivatives/coin-margined-futures (read 2026-11-22)",
    url="wss://dstream.binance.com/stream",
    family="binance",
    markets=("inverse",),
    hosts=("dstream.binance.com",),
    channels=named_streams.DERIVATIVES,
    subscribe=named_streams.subscriber(named_streams.DERIVATIVES),
    classify=named_streams.classify,
    parse=named_streams.derivatives,
    rule=sequence.REST_PREV,
    # USD-M and COIN-M share 2400 a minute: either takes less than its half
    snapshot=named_streams_rest.snapshot(f"{REST}depth", weight=20, weight_per_minute=1100),
    instruments=Instruments(
        url=f"{REST}exchangeInfo",
        parse=named_streams_rest.parse_instruments,
        volumes_url=f"{REST}ticker/24hr",
        volumes=parse_volumes,
    ),
    keepalive=named_streams.KEEPALIVE,
    limits=Limits(
        symbols=40,
        connects_per_minute=30,
        sends_per_second=named_streams.DERIVATIVES_SENDS,
        lifetime_s=23 * 3600,
    ),
)
