"""Hyperliquid: whole books of 20 levels, nothing numbered, a subscription for each symbol and type."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from jetl2.devstack.dialect import BOOK, OTHER, TICKER, TRADE, Care, Dialect, Frame
from jetl2.devstack.market import Event, Listing, Market
from jetl2.devstack.wire import dumps, levels, ms

_DEPTH = 20
_Levels = Sequence[tuple[int, int]]


class HyperliquidFeed:
    """Subscriptions by (type, coin)."""

    def __init__(self, _path: str, markets: Mapping[str, Market], _number: int) -> None:
        """Begin with nothing subscribed."""
        self._markets = markets
        self._subscribed: dict[tuple[str, str], None] = {}

    def greet(self) -> list[Frame]:
        """Say nothing."""
        return []

    def receive(self, text: str) -> list[Frame]:
        """Acknowledge a subscription; what is known at once follows."""
        request = json.loads(text)
        if request["method"] == "ping":
            return [Frame(dumps({"channel": "pong"}))]
        kind, coin = request["subscription"]["type"], request["subscription"]["coin"]
        if coin not in self._markets:
            return refuse(text) or []
        self._subscribed.pop((kind, coin), None)
        frames = [Frame(dumps({"channel": "subscriptionResponse", "data": request}), symbol=coin)]
        if request["method"] == "subscribe":
            self._subscribed[kind, coin] = None
            if kind == "l2Book":
                frames.append(_book(self._markets[coin]))
            elif kind == "activeAssetCtx":
                frames.append(_context(self._markets[coin]))
        return frames

    def publish(self, market: Market, event: Event) -> list[Frame]:
        """Return what follows from the event; books with each one, not with each block."""
        coin, frames = market.listing.symbol, []
        if ("l2Book", coin) in self._subscribed:
            frames.append(_book(market))
        if event.trade and ("trades", coin) in self._subscribed:
            frames.append(Frame(_trade(market, event), TRADE, coin))
        if event.top_changed and ("bbo", coin) in self._subscribed:
            bids, asks = market.top(1)
            best = [*_levels(market.listing, bids), *_levels(market.listing, asks)]
            data = {"coin": coin, "time": ms(event.ts), "bbo": best}
            frames.append(Frame(dumps({"channel": "bbo", "data": data}), TICKER, coin))
        return frames

    def heartbeat(self) -> list[Frame]:
        """Send the state of each asset, when subscribed."""
        return [_context(self._markets[c]) for t, c in self._subscribed if t == "activeAssetCtx"]


def _book(market: Market) -> Frame:
    coin = market.listing.symbol
    sides = [_levels(market.listing, side) for side in market.top(_DEPTH)]
    data = {"coin": coin, "time": ms(market.ts), "levels": sides}
    # the next one makes up for its loss, so that nobody can notice it
    return Frame(dumps({"channel": "l2Book", "data": data}), BOOK, coin, matters=False)


def _levels(listing: Listing, side: _Levels) -> list[dict[str, Any]]:
    return [{"px": price, "sz": size, "n": 1} for price, size in levels(listing, list(side))]


def _trade(market: Market, event: Event) -> str:
    trade, listing = event.trade, market.listing
    if trade is None:
        return ""
    item = {
        "coin": listing.symbol,
        "side": "B" if trade.buy else "A",
        "px": listing.price_text(trade.price),
        "sz": listing.size_text(trade.size),
        "hash": f"0x{trade.trade_id:064x}",
        "time": ms(event.ts),
        "tid": trade.trade_id,
    }
    return dumps({"channel": "trades", "data": [item]})


def _context(market: Market) -> Frame:
    coin, price = market.listing.symbol, market.listing.price_text(market.best()[0])
    context = {"funding": "0.0000125", "openInterest": f"{market.update_id}", "premium": "0.0"}
    context |= {"oraclePx": price, "markPx": price, "midPx": price, "prevDayPx": price}
    text = dumps({"channel": "activeAssetCtx", "data": {"coin": coin, "ctx": context}})
    return Frame(text, OTHER, coin)


def instruments(path: str, symbols: Sequence[str]) -> Any:
    """Answer the universe and the state of each asset in it, in its order."""
    if path != "/info":
        return None
    places = {listing.symbol: listing.size_places for listing in LISTINGS}
    universe = [{"name": s, "szDecimals": places.get(s, 2), "maxLeverage": 20} for s in symbols]
    contexts = [{"dayNtlVlm": f"{1000 - n}.0"} for n in range(len(universe))]
    return [{"universe": universe}, contexts]


def refuse(text: str) -> list[Frame] | None:
    """Refuse a subscription."""
    request = json.loads(text)
    if request["method"] != "subscribe":
        return None
    return [Frame(dumps({"channel": "error", "data": f"Invalid subscription {text}"}))]


LISTINGS = (
    Listing("BTC", "BTC", "USDC", 1, 5, 650_000),
    Listing("ETH", "ETH", "USDC", 1, 4, 19_100),
)

DIALECT = Dialect(
    exchange="hyperliquid",
    listings=LISTINGS,
    connect=HyperliquidFeed,
    instruments=instruments,
    care=Care(is_ping=lambda text: json.loads(text)["method"] == "ping"),
    refuse=refuse,
)
