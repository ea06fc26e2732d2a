"""Gate spot v4: a whole book after its subscription, then deltas whose ranges follow each other."""

from collections.abc import Sequence
from typing import Any

from jetl2.devstack import market_channels
from jetl2.devstack.market import Listing


def instruments(path: str, symbols: Sequence[str]) -> Any:
    """Answer the list of pairs."""
    if path != "/api/v4/spot/currency_pairs":
        return None
    known = {listing.symbol: listing for listing in LISTINGS}
    return [_instrument(symbol, known.get(symbol)) for symbol in symbols]


def _instrument(symbol: str, listing: Listing | None) -> dict[str, Any]:
    base, _, quote = symbol.partition("_")
    price, size = (listing.price_places, listing.size_places) if listing else (8, 8)
    names = {"id": symbol, "base": base, "quote": quote, "trade_status": "tradable"}
    return {**names, "precision": price, "amount_precision": size}


LISTINGS = (
    Listing("BTC_USDT", "BTC", "USDT", 1, 6, 650_000),
    Listing("ETH_USDT", "ETH", "USDT", 2, 4, 191_000),
)

DIALECT = market_channels.dialect("spot", LISTINGS, instruments, exchange="gate-io")
