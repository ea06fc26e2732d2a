"""Bybit v5 spot: as the derivatives, at one websocket."""

from jetl2.devstack import dotted_topics
from jetl2.devstack.market import Listing

LISTINGS = (
    Listing("BTCUSDT", "BTC", "USDT", 1, 6, 650_000),
    Listing("ETHUSDT", "ETH", "USDT", 2, 5, 191_000),
)

DIALECT = dotted_topics.dialect(LISTINGS, contracts=False, exchange="bybit-spot")
