"""Binance spot, JSON streams: deltas with id ranges onto a REST snapshot, no checksum.

The streams of Binance TR are of the same matching engine (its documents call these symbols MBX, and
its REST snapshots at api.binance.me join them): that numbers and books are the very same is UNSURE,
for no recording has both at once.
"""

from jetl2.exchanges import named_streams, named_streams_rest
from jetl2.exchanges.exchange import Exchange, Instruments, Limits
from jetl2.exchanges.over_fix.binance import FIX
from jetl2.orderbook import sequence

REST = "https://api.binance.com/api/v3/"

EXCHANGE = Exchange(
    name="binance",
    docs="https://developers.binance.com/docs/binance-spot-api-docs (2026-07-17, read 2026-11-22)",
    url="wss://stream.binance.com:9443/stream",
    hosts=(
        "stream.binance.com",
        "data-stream.binance.vision",
        "stream-cloud.binance.tr",
        "stream-cloud.trbinance.com",
    ),
    channels=named_streams.SPOT,
    subscribe=named_streams.subscriber(named_streams.SPOT),
    classify=named_streams.classify,
    parse=named_streams.spot,
    rule=sequence.REST_RANGE,
    snapshot=named_streams_rest.snapshot(f"{REST}depth", weight=50, weight_per_minute=5000),
    instruments=Instruments(
        url=f"{REST}exchangeInfo",
        parse=named_streams_rest.parse_instruments,
        volumes_url=f"{REST}ticker/24hr",
        volumes=named_streams_rest.parse_volumes,
    ),
    keepalive=named_streams.KEEPALIVE,
    limits=Limits(
        symbols=200,
        connects_per_minute=30,
        sends_per_second=named_streams.SPOT_SENDS,
        lifetime_s=23 * 3600,
    ),
    fix=FIX,
)
