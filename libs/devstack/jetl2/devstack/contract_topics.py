"""Contracts under market.<contract>.<channel> and public.<contract>.<channel>, every frame gzip.

The book comes after its subscription, and again after a new one; numbers rise by one from event to
event. Prices and sizes are numbers. Funding and liquidations have a websocket of their own.
"""

import gzip
import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

from jetl2.devstack.dialect import BOOK, OTHER, TICKER, TRADE, Care, Dialect, Frame
from jetl2.devstack.market import Event, Listing, Market
from jetl2.devstack.wire import dumps, increment, levels, ms

PING_S = 5
# After five pings without an answer
PONG_WITHIN_S = 25
# Of so many trades one is a liquidation
FORCED = 20
FUNDING_NS = 8 * 3600 * 10**9
NOTICES = ("funding_rate", "liquidation_orders")


class ContractFeed:
    """Topics of one of the two websockets."""

    def __init__(self, path: str, markets: Mapping[str, Market]) -> None:
        """Begin with nothing subscribed."""
        self._notices = path.endswith("-notification")
        self._markets = markets
        # contract -> channel -> whole topic
        self._topics: dict[str, dict[str, str]] = {}

    def greet(self) -> list[Frame]:
        """Say nothing."""
        return []

    def receive(self, text: str) -> list[Frame]:
        """Acknowledge a topic, and send the book of one; other websockets' topics are refused."""
        request = json.loads(text)
        if "pong" in request or request.get("op") == "pong":
            return []
        verb = request.get("op", "sub" if "sub" in request else "unsub")
        topic = request["topic"] if "op" in request else request[verb]
        _, symbol, channel = topic.split(".", 2)
        if symbol not in self._markets or (channel in NOTICES) != self._notices:
            return [_error(request, f"invalid topic {topic}")]
        topics = self._topics.setdefault(symbol, {})
        topics.pop(channel, None)
        if verb == "sub":
            topics[channel] = topic
        frames = [self._ack(request, verb, topic)]
        if verb == "sub" and channel.startswith("depth."):
            market = self._markets[symbol]
            bids, asks = market.top()
            frames.append(_book(topic, "snapshot", market, {"bids": bids, "asks": asks}))
        return frames

    def publish(self, market: Market, event: Event) -> list[Frame]:
        """Return the event on each of the contract's topics."""
        frames = []
        for channel, topic in self._topics.get(market.listing.symbol, {}).items():
            frames += _said(channel, topic, market, event)
        return frames

    def heartbeat(self) -> list[Frame]:
        """Return the funding of each contract, once it trades."""
        return [
            _notice(topics["funding_rate"], market.ts, [_funding(market)], market.listing.symbol)
            for symbol, market in self._markets.items()
            if "funding_rate" in (topics := self._topics.get(symbol, {})) and market.ts
        ]

    def _ack(self, request: Mapping[str, Any], verb: str, topic: str) -> Frame:
        if self._notices:
            answer = {"op": verb, "cid": request.get("cid"), "topic": topic, "err-code": 0}
        else:
            answer = {"id": request.get("id"), "status": "ok", f"{verb}bed": topic}
        return packed(answer | {"ts": _now()})


def packed(frame: Mapping[str, Any], kind: str = OTHER, symbol: str = "") -> Frame:
    """Return a frame, compressed quickly: there are many."""
    return Frame(gzip.compress(dumps(frame).encode(), 1, mtime=0), kind, symbol)


def _error(request: Mapping[str, Any], why: str) -> Frame:
    if "op" in request:
        return packed({"op": request["op"], "err-code": 2014, "err-msg": why, "ts": _now()})
    error = {"status": "error", "err-code": "bad-request", "err-msg": why}
    return packed(error | {"id": request.get("id"), "ts": _now()})


def _now() -> int:
    return ms(time.time_ns())


def _said(channel: str, topic: str, market: Market, event: Event) -> list[Frame]:
    listing, trade, symbol = market.listing, event.trade, market.listing.symbol
    if channel.startswith("depth."):
        return [_book(topic, "update", market, {"bids": event.bids, "asks": event.asks})]
    if channel == "bbo":
        return [_best(topic, market)] if event.top_changed else []
    if trade is None:
        return []
    price, size = float(listing.price_text(trade.price)), float(listing.size_text(trade.size))
    side = "buy" if trade.buy else "sell"
    if channel == "trade.detail":
        # of contracts only `id` numbers trades
        item = {"id": trade.trade_id, "ts": ms(event.ts), "price": price, "amount": size}
        tick = {"id": event.last_id, "ts": ms(event.ts), "data": [item | {"direction": side}]}
        return [packed({"ch": topic, "ts": ms(event.ts), "tick": tick}, TRADE, symbol)]
    if channel == "liquidation_orders" and trade.trade_id % FORCED == 0:
        order = {"contract_code": symbol, "direction": side, "price": price, "volume": size}
        return [_notice(topic, event.ts, [order | {"created_at": ms(event.ts)}], symbol)]
    return []


def _book(topic: str, kind: str, market: Market, sides: Mapping[str, Any]) -> Frame:
    # a side without changes is left out
    told = {
        name: [[float(price), float(size)] for price, size in levels(market.listing, side)]
        for name, side in sides.items()
        if side
    }
    tick = {"ch": topic, "event": kind, "mrid": market.update_id, "ts": ms(market.ts)}
    tick |= {"version": market.events, **told}
    frame = {"ch": topic, "ts": ms(market.ts), "tick": tick}
    return packed(frame, BOOK, market.listing.symbol)


def _best(topic: str, market: Market) -> Frame:
    listing, (bid, bid_size, ask, ask_size) = market.listing, market.best()
    sides = {"bid": (bid, bid_size), "ask": (ask, ask_size)}
    tick: dict[str, Any] = {
        name: [float(listing.price_text(price)), float(listing.size_text(size))]
        for name, (price, size) in sides.items()
    }
    tick |= {"ch": topic, "version": market.events, "ts": ms(market.ts)}
    return packed({"ch": topic, "ts": ms(market.ts), "tick": tick}, TICKER, listing.symbol)


def _notice(topic: str, ts: int, data: list[dict[str, Any]], symbol: str) -> Frame:
    return packed({"op": "notify", "topic": topic, "ts": ms(ts), "data": data}, OTHER, symbol)


def _funding(market: Market) -> dict[str, Any]:
    settled = ms((market.ts // FUNDING_NS + 1) * FUNDING_NS)
    rates = {"funding_rate": "0.0001", "estimated_rate": None, "settlement_time": f"{settled}"}
    return {"contract_code": market.listing.symbol} | rates


def dialect(folder: str, listings: Sequence[Listing], **fields: Any) -> Dialect:
    """Return the dialect of a kind of contract.

    Args:
        folder: By which all its paths begin.
        fields: The rest of it.
    """
    known = {listing.symbol: listing.price_places for listing in listings}

    def connect(path: str, markets: Mapping[str, Market], _number: int) -> ContractFeed:
        return ContractFeed(path, markets)

    def instruments(path: str, symbols: Sequence[str]) -> Any:
        if path != f"/{folder}-api/v1/swap_contract_info":
            return None
        data = [
            {
                "contract_code": symbol,
                "contract_status": 1,
                "price_tick": float(increment(known.get(symbol, 4))),
                "contract_size": 10,
            }
            for symbol in symbols
        ]
        return {"status": "ok", "data": data, "ts": _now()}

    return Dialect(
        listings=listings,
        connect=connect,
        instruments=instruments,
        care=Care(
            ping=ping,
            ping_every_s=PING_S,
            is_pong=lambda text: '"pong"' in text,
            pong_within_s=PONG_WITHIN_S,
        ),
        refuse=refuse,
        **fields,
    )


def refuse(text: str) -> list[Frame] | None:
    """Refuse a subscription."""
    request = json.loads(text)
    wanted = "sub" in request or request.get("op") == "sub"
    return [_error(request, "too many topics")] if wanted else None


def ping(now: int) -> Frame:
    """Return what must be answered with its number, in the form of the first websocket."""
    return packed({"ping": ms(now)})
