"""Gemini's socket of 2026: the book is a message with one number twice, deltas begin where one ended."""

import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qs, urlsplit

from jetl2.devstack.dialect import BOOK, TICKER, TRADE, Care, Dialect, Frame
from jetl2.devstack.market import Event, Listing, Market
from jetl2.devstack.wire import dumps, increment, levels

_WHOLE = "-1"


class GeminiFeed:
    """Streams, `btcusd@depth@100ms`; the connection's address says whether books come with them."""

    def __init__(self, path: str, markets: Mapping[str, Market], _number: int) -> None:
        """Begin with nothing subscribed."""
        self._markets = markets
        self._whole = parse_qs(urlsplit(path).query).get("snapshot") == [_WHOLE]
        self._streams: dict[str, None] = {}

    def greet(self) -> list[Frame]:
        """Say nothing."""
        return []

    def receive(self, text: str) -> list[Frame]:
        """Send the books of new streams, and only then the answer; one unknown stream refuses all."""
        request = json.loads(text)
        streams = request.get("params", [])
        if any(stream.partition("@")[0] not in self._markets for stream in streams):
            return [_refusal(request["id"])]
        frames = []
        for stream in streams:
            self._streams.pop(stream, None)
            if request["method"] == "subscribe":
                self._streams[stream] = None
                symbol, _, kind = stream.partition("@")
                if kind.startswith("depth") and self._whole:
                    frames.append(_whole(self._markets[symbol]))
        return [*frames, Frame(dumps({"id": request["id"], "status": 200}))]

    def publish(self, market: Market, event: Event) -> list[Frame]:
        """Return the event on each of the symbol's streams."""
        symbol, frames = market.listing.symbol, []
        # Without a change there is no message: its two numbers would be one
        if f"{symbol}@depth@100ms" in self._streams and event.last_id > event.prev_id:
            sides = event.bids, event.asks
            frames.append(_depth(market, sides, event.prev_id, event.last_id))
        if event.trade and f"{symbol}@trade" in self._streams:
            frames.append(Frame(_trade(market, event), TRADE, symbol))
        if event.top_changed and f"{symbol}@bookTicker" in self._streams:
            frames.append(Frame(_ticker(market), TICKER, symbol))
        return frames

    def heartbeat(self) -> list[Frame]:
        """Say nothing: the client pings."""
        return []


def _whole(market: Market) -> Frame:
    bids, asks = (dict(side) for side in market.top())
    return _depth(market, (bids, asks), market.update_id, market.update_id)


def _depth(
    market: Market, sides: tuple[dict[int, int], dict[int, int]], first: int, last: int
) -> Frame:
    listing = market.listing
    bids, asks = (levels(listing, side) for side in sides)
    head = {"e": "depthUpdate", "E": market.ts, "s": listing.symbol, "U": first, "u": last}
    return Frame(dumps(head | {"b": bids, "a": asks}), BOOK, listing.symbol)


def _trade(market: Market, event: Event) -> str:
    trade, listing = event.trade, market.listing
    if trade is None:
        return ""
    price, size = listing.price_text(trade.price), listing.size_text(trade.size)
    head = {"E": event.ts, "s": listing.symbol, "t": trade.trade_id}
    # m: the buyer was the maker
    return dumps(head | {"p": price, "q": size, "m": not trade.buy})


def _ticker(market: Market) -> str:
    listing, (bid, bid_size, ask, ask_size) = market.listing, market.best()
    ((b, b_size),), ((a, a_size),) = (
        levels(listing, {bid: bid_size}),
        levels(listing, {ask: ask_size}),
    )
    head = {"u": market.update_id, "E": market.ts, "s": listing.symbol}
    return dumps(head | {"b": b, "B": b_size, "a": a, "A": a_size})


def _refusal(number: Any) -> Frame:
    error = {"code": -1013, "msg": "Invalid stream"}
    return Frame(dumps({"id": number, "status": 400, "error": error}))


def instruments(path: str, symbols: Sequence[str]) -> Any:
    """Answer the details of all symbols; the names of the two steps are the exchange's."""
    if path != "/v1/symbols/details/all":
        return None
    known = {listing.symbol: listing for listing in LISTINGS}
    found = []
    for symbol in symbols:
        _, base, quote, price, size, _ = known.get(symbol) or Listing(
            symbol, symbol, "usd", 2, 8, 0
        )
        names = {"symbol": symbol.upper(), "base_currency": base, "quote_currency": quote}
        steps = {"tick_size": increment(size), "quote_increment": increment(price)}
        found.append(names | steps | {"status": "open", "product_type": "spot"})
    return found


def refuse(text: str) -> list[Frame] | None:
    """Refuse a subscription."""
    request = json.loads(text)
    return [_refusal(request["id"])] if request["method"] == "subscribe" else None


LISTINGS = (
    Listing("btcusd", "BTC", "USD", 2, 8, 6_500_000),
    Listing("ethusd", "ETH", "USD", 2, 6, 191_000),
)

DIALECT = Dialect(
    exchange="gemini",
    listings=LISTINGS,
    connect=GeminiFeed,
    instruments=instruments,
    care=Care(is_ping=lambda text: json.loads(text)["method"] == "ping"),
    refuse=refuse,
)
