"""Binance spot: combined or raw streams, deltas with id ranges, the snapshot by REST."""

from jetl2.devstack import named_streams
from jetl2.devstack.market import Listing

LISTINGS = (
    Listing("BTCUSDT", "BTC", "USDT", 2, 5, 6_500_000),
    Listing("ETHUSDT", "ETH", "USDT", 2, 4, 191_000),
)

DIALECT = named_streams.dialect(
    "/api/v3",
    LISTINGS,
    contracts=False,
    exchange="binance",
    recording="binance/session-spot-btcusdt-20240808.jsonl.gz",
)
