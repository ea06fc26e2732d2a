"""Binance.US spot: as Binance spot, with quotes in dollars."""

from jetl2.devstack import named_streams
from jetl2.devstack.market import Listing

LISTINGS = (
    Listing("BTCUSD", "BTC", "USD", 2, 5, 6_500_000),
    Listing("SOLUSDT", "SOL", "USDT", 2, 3, 14_200),
)

DIALECT = named_streams.dialect("/api/v3", LISTINGS, contracts=False, exchange="binance-us")
