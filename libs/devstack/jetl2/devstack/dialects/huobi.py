"""HTX spot: every frame gzip; books at /feed with their snapshot on request, all else at /ws."""

import gzip
import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

from jetl2.devstack.dialect import BOOK, OTHER, TICKER, TRADE, Care, Dialect, Frame
from jetl2.devstack.market import Event, Listing, Market
from jetl2.devstack.wire import dumps, levels, ms

PING_S = 5
# After five pings without an answer
PONG_WITHIN_S = 25


class HuobiFeed:
    """Topics of one of the websockets, "market.btcusdt.mbp.400"."""

    def __init__(self, path: str, markets: Mapping[str, Market], _number: int) -> None:
        """Begin with nothing subscribed."""
        self._books = path.startswith("/feed")
        self._markets = markets
        self._topics: dict[str, None] = {}

    def greet(self) -> list[Frame]:
        """Say nothing."""
        return []

    def receive(self, text: str) -> list[Frame]:
        """Acknowledge topics, answer requests for books; other websockets' topics are refused."""
        request = json.loads(text)
        if "pong" in request:
            return []
        verb = next(word for word in ("sub", "unsub", "req") if word in request)
        topic = request[verb]
        _, symbol, channel = topic.split(".", 2)
        if symbol not in self._markets or channel.startswith("mbp.") != self._books:
            return [_error(request, f"invalid topic {topic}")]
        if verb == "req":
            return [_book(topic, request, self._markets[symbol])]
        self._topics.pop(topic, None)
        if verb == "sub":
            self._topics[topic] = None
        answer = {"id": request.get("id"), "status": "ok", f"{verb}bed": topic}
        return [_packed(answer | {"ts": _now()}, symbol=symbol)]

    def publish(self, market: Market, event: Event) -> list[Frame]:
        """Return the event on each of the symbol's topics."""
        listing, frames = market.listing, []
        for topic in self._topics:
            _, symbol, channel = topic.split(".", 2)
            if symbol != listing.symbol:
                continue
            kind, tick = _tick(channel, market, event)
            if tick is not None:
                frame = {"ch": topic, "ts": ms(event.ts), "tick": tick}
                frames.append(_packed(frame, kind, symbol))
        return frames

    def heartbeat(self) -> list[Frame]:
        """Say nothing: pings are the connection's."""
        return []


def _packed(frame: dict[str, Any], kind: str = OTHER, symbol: str = "") -> Frame:
    return Frame(gzip.compress(dumps(frame).encode(), mtime=0), kind, symbol)


def _error(request: dict[str, Any], why: str) -> Frame:
    error = {"status": "error", "err-code": "bad-request", "err-msg": why}
    return _packed(error | {"id": request.get("id"), "ts": _now()})


def _now() -> int:
    return ms(time.time_ns())


def _book(topic: str, request: dict[str, Any], market: Market) -> Frame:
    bids, asks = market.top()
    sides = _sides(market.listing, {"bids": bids, "asks": asks})
    answer = {"id": request.get("id"), "rep": topic, "status": "ok", "ts": _now()}
    return _packed(answer | {"data": {"seqNum": market.update_id} | sides}, OTHER)


def _sides(listing: Listing, sides: Mapping[str, Any]) -> dict[str, list[list[float]]]:
    return {
        name: [[float(price), float(size)] for price, size in levels(listing, side)]
        for name, side in sides.items()
        if side
    }


def _tick(channel: str, market: Market, event: Event) -> tuple[str, dict[str, Any] | None]:
    listing, trade = market.listing, event.trade
    if channel.startswith("mbp."):
        ids = {"seqNum": event.last_id, "prevSeqNum": event.prev_id}
        # a side without changes is left out
        return BOOK, ids | _sides(listing, {"bids": event.bids, "asks": event.asks})
    if channel == "trade.detail" and trade is not None:
        item = {
            "id": event.last_id * 10**12 + trade.trade_id,
            "tradeId": trade.trade_id,
            "ts": ms(event.ts),
            "price": float(listing.price_text(trade.price)),
            "amount": float(listing.size_text(trade.size)),
            "direction": "buy" if trade.buy else "sell",
        }
        return TRADE, {"id": event.last_id, "ts": ms(event.ts), "data": [item]}
    if channel == "bbo" and event.top_changed:
        bid, bid_size, ask, ask_size = market.best()
        best = {
            "bid": float(listing.price_text(bid)),
            "bidSize": float(listing.size_text(bid_size)),
        }
        best |= {
            "ask": float(listing.price_text(ask)),
            "askSize": float(listing.size_text(ask_size)),
        }
        return TICKER, best | {"seqId": event.last_id, "quoteTime": ms(event.ts)}
    return OTHER, None


def rest(path: str, _query: Mapping[str, str], markets: Mapping[str, Market]) -> Any:
    """Answer the volumes of a day."""
    if path != "/market/tickers":
        return None
    data = [{"symbol": symbol, "vol": market.trade_id} for symbol, market in markets.items()]
    return {"status": "ok", "data": data}


def instruments(path: str, symbols: Sequence[str]) -> Any:
    """Answer the list of symbols."""
    if path != "/v2/settings/common/symbols":
        return None
    known = {listing.symbol: listing for listing in LISTINGS}
    return {"status": "ok", "data": [_instrument(symbol, known.get(symbol)) for symbol in symbols]}


def _instrument(symbol: str, listing: Listing | None) -> dict[str, Any]:
    quote = next((q for q in ("usdt", "husd", "btc", "eth") if symbol.endswith(q)), symbol[-3:])
    price, size = (listing.price_places, listing.size_places) if listing else (8, 8)
    names = {"sc": symbol, "bc": symbol.removesuffix(quote), "qc": quote}
    return names | {"state": "online", "tpp": price, "tap": size}


def refuse(text: str) -> list[Frame] | None:
    """Refuse a subscription."""
    request = json.loads(text)
    return [_error(request, "too many topics")] if "sub" in request else None


def ping(now: int) -> Frame:
    """Return what must be answered with its number."""
    return _packed({"ping": ms(now)})


LISTINGS = (
    Listing("btcusdt", "BTC", "USDT", 2, 6, 6_500_000),
    Listing("ethusdt", "ETH", "USDT", 2, 4, 191_000),
)

DIALECT = Dialect(
    exchange="huobi",
    listings=LISTINGS,
    connect=HuobiFeed,
    rest=rest,
    instruments=instruments,
    care=Care(
        ping=ping,
        ping_every_s=PING_S,
        is_pong=lambda text: '"pong"' in text,
        pong_within_s=PONG_WITHIN_S,
    ),
    refuse=refuse,
)
