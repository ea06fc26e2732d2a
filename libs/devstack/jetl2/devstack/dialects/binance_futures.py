"""Binance USD-M futures: a path for each kind of stream, deltas that name the one before, REST."""

from jetl2.devstack import named_streams
from jetl2.devstack.market import Listing

# Where each stream is; elsewhere it is acknowledged and never sent
PATHS = {
    "depth@100ms": "/public/stream",
    "bookTicker": "/public/stream",
    "aggTrade": "/market/stream",
    named_streams.MARK_PRICE: "/market/stream",
    "forceOrder": "/market/stream",
}

LISTINGS = (
    Listing("BTCUSDT", "BTC", "USDT", 2, 3, 6_500_000),
    Listing("ETHUSDT", "ETH", "USDT", 2, 3, 191_000),
)

DIALECT = named_streams.dialect(
    "/fapi/v1", LISTINGS, contracts=True, here=PATHS, exchange="binance-futures"
)
