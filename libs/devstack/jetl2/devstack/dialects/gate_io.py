"""Gate spot v4: a whole book after its subscription, then deltas whose ranges follow each other."""

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

from jetl2.devstack.dialect import BOOK, OTHER, TICKER, TRADE, Care, Dialect, Frame
from jetl2.devstack.market import Event, Listing, Market
from jetl2.devstack.wire import dumps, levels, ms

# Who sends nothing for so long is cut
IDLE_S = 30


class GateFeed:
    """Streams of books, and channels by symbol."""

    def __init__(self, _path: str, markets: Mapping[str, Market], _number: int) -> None:
        """Begin with nothing subscribed."""
        self._markets = markets
        self._topics: dict[tuple[str, str], None] = {}

    def greet(self) -> list[Frame]:
        """Say nothing."""
        return []

    def receive(self, text: str) -> list[Frame]:
        """Acknowledge a request; a book comes before its acknowledgement."""
        request = json.loads(text)
        channel, event = request["channel"], request.get("event", "")
        if channel == "spot.ping":
            return [_frame("spot.pong", time.time_ns(), event="", result=None)]
        frames = []
        for name in request["payload"]:
            symbol = _symbol(name)
            if event == "subscribe" and (channel, symbol) in self._topics:
                return [_refusal(request, f"Alert sub {name}")]
            self._topics.pop((channel, symbol), None)
            # an unknown symbol is acknowledged all the same
            if event == "subscribe" and symbol in self._markets:
                self._topics[channel, symbol] = None
                frames += self._first(channel, self._markets[symbol])
        answer = {"event": event, "payload": request["payload"], "result": {"status": "success"}}
        return [*frames, _frame(channel, time.time_ns(), **answer)]

    def publish(self, market: Market, event: Event) -> list[Frame]:
        """Return the event on each of the symbol's channels."""
        symbol, listing, frames = market.listing.symbol, market.listing, []
        if ("spot.obu", symbol) in self._topics:
            sides = {"b": levels(listing, event.bids), "a": levels(listing, event.asks)}
            # a side without a change is left out
            sides = {name: side for name, side in sides.items() if side}
            frames.append(_book(market, {"U": event.first_id, "u": event.last_id, **sides}))
        if event.trade and ("spot.trades", symbol) in self._topics:
            frames.append(_trade(listing, event))
        if event.top_changed and ("spot.book_ticker", symbol) in self._topics:
            frames.append(_ticker(market))
        return frames

    def heartbeat(self) -> list[Frame]:
        """Say nothing: only pings are answered."""
        return []

    def _first(self, channel: str, market: Market) -> list[Frame]:
        if channel != "spot.obu":
            return []
        bids, asks = market.top()
        sides = {"b": levels(market.listing, bids), "a": levels(market.listing, asks)}
        return [_book(market, {"full": True, "u": market.update_id, **sides})]


def _symbol(name: str) -> str:
    return name.split(".")[1] if name.startswith("ob.") else name


def _frame(channel: str, ts: int, kind: str = OTHER, symbol: str = "", **fields: Any) -> Frame:
    head = {"time": ms(ts) // 1000, "time_ms": ms(ts), "channel": channel}
    return Frame(dumps(head | fields), kind, symbol)


def _push(channel: str, ts: int, kind: str, symbol: str, result: Any) -> Frame:
    return _frame(channel, ts, kind, symbol, event="update", result=result)


def _refusal(request: Mapping[str, Any], text: str) -> Frame:
    error = {"code": 2, "message": text}
    fields = {"event": request["event"], "payload": request["payload"], "error": error}
    return _frame(request["channel"], time.time_ns(), **fields, result=None)


def _book(market: Market, result: dict[str, Any]) -> Frame:
    symbol = market.listing.symbol
    stream = {"t": ms(market.ts), "s": f"ob.{symbol}.400"}
    return _push("spot.obu", market.ts, BOOK, symbol, stream | result)


def _trade(listing: Listing, event: Event) -> Frame:
    trade = event.trade
    assert trade is not None
    times = {"create_time": ms(event.ts) // 1000, "create_time_ms": f"{ms(event.ts)}.123"}
    amount = {"amount": listing.size_text(trade.size), "price": listing.price_text(trade.price)}
    head = {"id": trade.trade_id, "currency_pair": listing.symbol}
    result = {**head, **times, **amount, "side": "buy" if trade.buy else "sell"}
    return _push("spot.trades", event.ts, TRADE, listing.symbol, result)


def _ticker(market: Market) -> Frame:
    listing, (bid, bid_size, ask, ask_size) = market.listing, market.best()
    result = {
        "t": ms(market.ts),
        "u": market.update_id,
        "s": listing.symbol,
        "b": listing.price_text(bid),
        "B": listing.size_text(bid_size),
        "a": listing.price_text(ask),
        "A": listing.size_text(ask_size),
    }
    return _push("spot.book_ticker", market.ts, TICKER, listing.symbol, result)


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


def refuse(text: str) -> list[Frame] | None:
    """Refuse a subscription."""
    request = json.loads(text)
    if request.get("event") != "subscribe":
        return None
    return [_refusal(request, "too many requests")]


LISTINGS = (
    Listing("BTC_USDT", "BTC", "USDT", 1, 6, 650_000),
    Listing("ETH_USDT", "ETH", "USDT", 2, 4, 191_000),
)

DIALECT = Dialect(
    exchange="gate-io",
    listings=LISTINGS,
    connect=GateFeed,
    instruments=instruments,
    care=Care(
        is_ping=lambda text: json.loads(text)["channel"] == "spot.ping", ping_within_s=IDLE_S
    ),
    refuse=refuse,
)
