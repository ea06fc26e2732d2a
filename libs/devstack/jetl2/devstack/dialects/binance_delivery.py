"""Binance COIN-M futures: as USD-M, sizes in whole contracts, one websocket for all streams."""

from jetl2.devstack import named_streams
from jetl2.devstack.market import Listing

LISTINGS = (
    Listing("BTCUSD_PERP", "BTC", "USD", 1, 0, 650_000),
    Listing("ETHUSD_PERP", "ETH", "USD", 2, 0, 191_000),
)

DIALECT = named_streams.dialect("/dapi/v1", LISTINGS, contracts=True, exchange="binance-delivery")
