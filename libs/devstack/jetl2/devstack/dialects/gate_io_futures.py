"""Gate futures v4: as spot, sizes in whole contracts, that of a sale below zero."""

from collections.abc import Sequence
from typing import Any

from jetl2.devstack import market_channels
from jetl2.devstack.market import Listing
from jetl2.devstack.wire import increment


def instruments(path: str, symbols: Sequence[str]) -> Any:
    """Answer the list of contracts."""
    if path != "/api/v4/futures/usdt/contracts":
        return None
    known = {listing.symbol: listing.price_places for listing in LISTINGS}
    return [
        {
            "name": symbol,
            "order_price_round": increment(known.get(symbol, 8)),
            "quanto_multiplier": "0.0001",
            "in_delisting": False,
        }
        for symbol in symbols
    ]


LISTINGS = (
    Listing("BTC_USDT", "BTC", "USDT", 1, 0, 650_000),
    Listing("ETH_USDT", "ETH", "USDT", 2, 0, 191_000),
)

DIALECT = market_channels.dialect("futures", LISTINGS, instruments, exchange="gate-io-futures")
