"""Coinbase Exchange: a snapshot after the subscription, then deltas without number or sum."""

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

from jetl2.devstack.dialect import BOOK, OTHER, TICKER, TRADE, Dialect, Frame
from jetl2.devstack.market import Event, Listing, Market
from jetl2.devstack.wire import dumps, increment, iso, levels

BOOKS = "level2_batch"


class ExchangeFeed:
    """Channels by product."""

    def __init__(self, _path: str, markets: Mapping[str, Market], _number: int) -> None:
        """Begin with nothing subscribed."""
        self._markets = markets
        self._channels: dict[str, dict[str, None]] = {}

    def greet(self) -> list[Frame]:
        """Say nothing."""
        return []

    def receive(self, text: str) -> list[Frame]:
        """Acknowledge by the list of all subscriptions; books follow."""
        request = json.loads(text)
        frames = []
        for symbol in request["product_ids"]:
            if symbol not in self._markets:
                return [_error(f"{symbol} is not a valid product")]
            channels = self._channels.setdefault(symbol, {})
            for channel in request["channels"]:
                channels.pop(channel, None)
                if request["type"] == "subscribe":
                    channels[channel] = None
                    frames += self._first(channel, symbol)
        return [self._subscriptions(), *frames]

    def publish(self, market: Market, event: Event) -> list[Frame]:
        """Return the event on each of the product's channels."""
        channels = self._channels.get(market.listing.symbol, {})
        frames = []
        if BOOKS in channels:
            frames.append(_delta(market.listing, event))
        if "matches" in channels and event.trade:
            frames.append(_match(market.listing, event))
        if "ticker" in channels and event.top_changed:
            frames.append(_ticker(market))
        return frames

    def heartbeat(self) -> list[Frame]:
        """Return the heartbeat of each product."""
        return [
            _frame("heartbeat", symbol, time.time_ns(), OTHER, sequence=market.update_id)
            for symbol, market in self._markets.items()
            if "heartbeat" in self._channels.get(symbol, {})
        ]

    def _first(self, channel: str, symbol: str) -> list[Frame]:
        if channel != BOOKS:
            return []
        market = self._markets[symbol]
        bids, asks = (levels(market.listing, side) for side in market.top())
        return [_frame("snapshot", symbol, time.time_ns(), BOOK, bids=bids, asks=asks)]

    def _subscriptions(self) -> Frame:
        by_channel: dict[str, list[str]] = {}
        for symbol, channels in self._channels.items():
            for channel in channels:
                by_channel.setdefault(channel, []).append(symbol)
        named = [{"name": name, "product_ids": ids} for name, ids in by_channel.items()]
        return Frame(dumps({"type": "subscriptions", "channels": named}))


def _frame(name: str, symbol: str, ts: int, kind: str, **more: Any) -> Frame:
    text = dumps({"type": name, "product_id": symbol, "time": iso(ts), **more})
    # Nothing shows that one is missing
    return Frame(text, kind, symbol, matters=False)


def _error(why: str) -> Frame:
    return Frame(dumps({"type": "error", "message": "Failed to subscribe", "reason": why}))


def _delta(listing: Listing, event: Event) -> Frame:
    sides = (("buy", event.bids), ("sell", event.asks))
    changes = [[name, *level] for name, side in sides for level in levels(listing, side)]
    return _frame("l2update", listing.symbol, event.ts, BOOK, changes=changes)


def _match(listing: Listing, event: Event) -> Frame:
    trade = event.trade
    assert trade is not None
    ids = {"trade_id": trade.trade_id, "maker_order_id": "maker", "taker_order_id": "taker"}
    amount = {"size": listing.size_text(trade.size), "price": listing.price_text(trade.price)}
    # the side of the maker
    more = ids | amount | {"side": "sell" if trade.buy else "buy", "sequence": event.last_id}
    return _frame("match", listing.symbol, event.ts, TRADE, **more)


def _ticker(market: Market) -> Frame:
    listing, (bid, bid_size, ask, ask_size) = market.listing, market.best()
    best = {"best_bid": listing.price_text(bid), "best_bid_size": listing.size_text(bid_size)}
    best |= {"best_ask": listing.price_text(ask), "best_ask_size": listing.size_text(ask_size)}
    more = {"sequence": market.update_id, "price": listing.price_text(bid), **best}
    return _frame("ticker", listing.symbol, market.ts, TICKER, **more)


def instruments(path: str, symbols: Sequence[str]) -> Any:
    """Answer the list of products."""
    if path != "/products":
        return None
    known = {listing.symbol: listing for listing in LISTINGS}
    return [_instrument(symbol, known.get(symbol)) for symbol in symbols]


def _instrument(symbol: str, listing: Listing | None) -> dict[str, Any]:
    base, _, quote = symbol.partition("-")
    price, size = (listing.price_places, listing.size_places) if listing else (2, 8)
    names = {"id": symbol, "base_currency": base, "quote_currency": quote, "status": "online"}
    return names | {"quote_increment": increment(price), "base_increment": increment(size)}


def refuse(text: str) -> list[Frame] | None:
    """Refuse a subscription."""
    if json.loads(text)["type"] != "subscribe":
        return None
    return [_error("too many subscriptions")]


LISTINGS = (
    Listing("BTC-USD", "BTC", "USD", 2, 8, 6_500_000),
    Listing("ETH-EUR", "ETH", "EUR", 2, 8, 176_000),
)

DIALECT = Dialect(
    exchange="coinbase-exchange",
    listings=LISTINGS,
    connect=ExchangeFeed,
    instruments=instruments,
    refuse=refuse,
)
