"""Bybit v5 derivatives: a websocket for each kind of contract, the book in its topic, numbers +1."""

from jetl2.devstack import dotted_topics
from jetl2.devstack.market import Listing

LISTINGS = (
    Listing("BTCUSDT", "BTC", "USDT", 2, 3, 6_500_000),
    Listing("ETHUSD", "ETH", "USD", 2, 0, 191_000),
)

DIALECT = dotted_topics.dialect(LISTINGS, contracts=True, exchange="bybit")
