"""Binance.US spot: the protocol of Binance spot on an engine and at addresses of its own.

Weights of requests are those of its documents as known before 2025: UNSURE today, and kept low.
"""

from jetl2.exchanges import named_streams, named_streams_rest
from jetl2.exchanges.exchange import Exchange, Instruments, Limits
from jetl2.orderbook import sequence

REST = "https://api.binance.us/api/v3/"

EXCHANGE = Exchange(
    name="binance-us",
    docs="https://docs.binance.us (as Binance spot, read 2026-11-22)",
    url="wss://stream.binance.us:9443/stream",
    aliases=("binanceus", "binance_us"),
    hosts=("stream.binance.us",),
    channels=named_streams.SPOT,
    subscribe=named_streams.subscriber(named_streams.SPOT),
    classify=named_streams.classify,
    parse=named_streams.spot,
    rule=sequence.REST_RANGE,
    snapshot=named_streams_rest.snapshot(f"{REST}depth", weight=10, weight_per_minute=1200),
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
)
