"""KuCoin spot, Pro: JSON in binary frames, a snapshot some time after the request, then ranges."""

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

from jetl2.devstack.dialect import BOOK, OTHER, TICKER, TRADE, Care, Dialect, Frame
from jetl2.devstack.market import Event, Listing, Market
from jetl2.devstack.wire import dumps, increment, levels

PING_S = 18
PING_TIMEOUT_S = 10


class KucoinProFeed:
    """Topics of symbols, one a request."""

    def __init__(self, _path: str, markets: Mapping[str, Market], number: int) -> None:
        """Begin with nothing subscribed."""
        self._markets = markets
        self._number = number
        self._topics: dict[tuple[str, str], None] = {}

    def greet(self) -> list[Frame]:
        """Say welcome, and how often to ping."""
        welcome = {"sessionId": f"s{self._number}", "message": "welcome"}
        return [_frame(welcome | {"pingInterval": PING_S * 1000})]

    def receive(self, text: str) -> list[Frame]:
        """Acknowledge a request, known symbol or not; a book's snapshot follows."""
        request = json.loads(text)
        if request.get("type") == "ping":
            return [_frame({"type": "pong", "id": request["id"], "ts": time.time_ns()})]
        topic = request["channel"], request["symbol"]
        self._topics.pop(topic, None)
        frames = [_frame({"id": request["id"], "result": True})]
        if request["action"] == "subscribe" and request["symbol"] in self._markets:
            self._topics[topic] = None
            if request["channel"] == "obu":
                frames.append(_snapshot(self._markets[request["symbol"]]))
        return frames

    def publish(self, market: Market, event: Event) -> list[Frame]:
        """Return the event on each of the symbol's topics."""
        symbol, frames = market.listing.symbol, []
        if ("obu", symbol) in self._topics:
            frames.append(_delta(market.listing, event))
        if event.trade and ("trade", symbol) in self._topics:
            frames.append(_trade(market.listing, event))
        if event.top_changed and ("ticker", symbol) in self._topics:
            frames.append(_ticker(market))
        return frames

    def heartbeat(self) -> list[Frame]:
        """Say nothing: only pings are answered."""
        return []


def _frame(document: Any, kind: str = OTHER, symbol: str = "") -> Frame:
    return Frame(dumps(document).encode(), kind, symbol)


def _push(channel: str, ts: int, kind: str, symbol: str, data: Any, **more: str) -> Frame:
    head = {"T": f"{channel}.SPOT", **more, "P": ts + 345_678}
    return _frame({**head, "d": {"s": symbol, "M": ts, **data}}, kind, symbol)


def _book(listing: Listing, kind: str, ts: int, data: Any) -> Frame:
    return _push("obu", ts, BOOK, listing.symbol, data, dp="increment@10ms", t=kind)


def _snapshot(market: Market) -> Frame:
    bids, asks = market.top()
    sides = {"b": levels(market.listing, bids), "a": levels(market.listing, asks)}
    ids = {"O": market.update_id, "C": market.update_id}
    return _book(market.listing, "snapshot", market.ts, {**ids, **sides})


def _delta(listing: Listing, event: Event) -> Frame:
    sides = {"b": levels(listing, event.bids), "a": levels(listing, event.asks)}
    return _book(listing, "delta", event.ts, {"O": event.first_id, "C": event.last_id, **sides})


def _trade(listing: Listing, event: Event) -> Frame:
    trade = event.trade
    assert trade is not None
    amount = {"p": listing.price_text(trade.price), "q": listing.size_text(trade.size)}
    number = {"E": trade.trade_id, "ti": str(trade.trade_id)}
    data = {**amount, **number, "S": "buy" if trade.buy else "sell"}
    return _push("trade", event.ts, TRADE, listing.symbol, data)


def _ticker(market: Market) -> Frame:
    listing, (bid, bid_size, ask, ask_size) = market.listing, market.best()
    price, size = listing.price_text, listing.size_text
    best = {"b": price(bid), "B": size(bid_size), "a": price(ask), "A": size(ask_size)}
    last = {"l": price(bid), "q": size(bid_size), "S": "SELL", "E": market.update_id}
    return _push("ticker", market.ts, TICKER, listing.symbol, best | last)


def instruments(path: str, symbols: Sequence[str]) -> Any:
    """Answer the list of symbols."""
    if path != "/api/v2/symbols":
        return None
    known = {listing.symbol: listing for listing in LISTINGS}
    return {"code": "200000", "data": [_instrument(s, known.get(s)) for s in symbols]}


def _instrument(symbol: str, listing: Listing | None) -> dict[str, Any]:
    base, _, quote = symbol.partition("-")
    price, size = (listing.price_places, listing.size_places) if listing else (8, 8)
    names = {"symbol": symbol, "baseCurrency": base, "quoteCurrency": quote}
    steps = {"priceIncrement": increment(price), "baseIncrement": increment(size)}
    return {**names, **steps, "enableTrading": True}


def refuse(text: str) -> list[Frame] | None:
    """Refuse a subscription."""
    request = json.loads(text)
    if request.get("action") != "subscribe":
        return None
    return [_frame({"id": request["id"], "result": False, "message": "too many topics"})]


LISTINGS = (
    Listing("BTC-USDT", "BTC", "USDT", 1, 8, 650_000),
    Listing("ETH-USDT", "ETH", "USDT", 2, 7, 191_000),
)

DIALECT = Dialect(
    exchange="kucoin-pro",
    listings=LISTINGS,
    connect=KucoinProFeed,
    instruments=instruments,
    care=Care(
        is_ping=lambda text: '"ping"' in text,
        ping_within_s=PING_S + PING_TIMEOUT_S,
    ),
    refuse=refuse,
)
