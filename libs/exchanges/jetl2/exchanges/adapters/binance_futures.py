"""Binance USD-M futures: deltas that name the one before, onto a REST snapshot, no checksum.

Since April 2026 one host has a path for each kind of stream: books and best prices under /public,
all else under /market. A stream asked for at the other is acknowledged and silent. Recordings from
before have neither path. Open interest is told by REST only, so it is left out. UNSURE: that a
liquidation stream names one order of a symbol in a second at most, the largest.
"""

from jetl2.exchanges import named_streams, named_streams_rest
from jetl2.exchanges.exchange import Exchange, Instruments, Limits
from jetl2.orderbook import sequence

BOOKS = "wss://fstream.binance.com/public/stream"
OTHERS = "wss://fstream.binance.com/market/stream"
REST = "https://fapi.binance.com/fapi/v1/"


def route(_symbol: str, data_type: str) -> str:
    """Return the websocket of a data type."""
    return BOOKS if data_type in ("book_delta", "book_ticker") else OTHERS


EXCHANGE = Exchange(
    name="binance-futures",
    docs="https://developers.binance.com/docs/derivatives/usds-margined-futures (read 2026-11-22)",
    url=BOOKS,
    route=route,
    family="binance",
    markets=("linear",),
    hosts=("fstream.binance.com",),
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
        volumes=named_streams_rest.parse_volumes,
    ),
    keepalive=named_streams.KEEPALIVE,
    limits=Limits(
        symbols=66,
        connects_per_minute=30,
        sends_per_second=named_streams.DERIVATIVES_SENDS,
        lifetime_s=23 * 3600,
    ),
)
