"""Coinbase Advanced Trade: one counter over all frames of a connection, heartbeats included."""

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

from jetl2.devstack.dialect import BOOK, OTHER, TICKER, TRADE, Dialect, Frame
from jetl2.devstack.market import Event, Listing, Market
from jetl2.devstack.wire import dumps, increment, iso


class CoinbaseFeed:
    """Channels by (channel, product); a number for every frame that is made, sent or lost."""

    def __init__(self, _path: str, markets: Mapping[str, Market], _number: int) -> None:
        """Begin with nothing subscribed, at number 0."""
        self._markets = markets
        self._channels: dict[tuple[str, str], None] = {}
        self._heartbeats = False
        self._sent = 0
        self._beats = 0

    def greet(self) -> list[Frame]:
        """Say nothing."""
        return []

    def receive(self, text: str) -> list[Frame]:
        """Send the snapshots of a subscription, and what is now subscribed."""
        request = json.loads(text)
        channel, on = request["channel"], request["type"] == "subscribe"
        if channel == "heartbeats":
            self._heartbeats = on
        frames = []
        for product in request.get("product_ids", ()):
            if product not in self._markets:
                return [self._frame(OTHER, "", {"type": "error", "message": f"unknown {product}"})]
            self._channels.pop((channel, product), None)
            if on:
                self._channels[channel, product] = None
                frames += self._first(channel, self._markets[product])
        subscribed: dict[str, list[str]] = (
            {"heartbeats": ["heartbeats"]} if self._heartbeats else {}
        )
        for name, product in self._channels:
            subscribed.setdefault(name, []).append(product)
        events = [{"subscriptions": subscribed}]
        return [*frames, self._events("subscriptions", events, time.time_ns())]

    def publish(self, market: Market, event: Event) -> list[Frame]:
        """Return the event on each of the product's channels."""
        frames, listing = [], market.listing
        product = listing.symbol
        if ("level2", product) in self._channels:
            updates = _updates(listing, event.bids, event.asks, event.ts)
            events = [{"type": "update", "product_id": product, "updates": updates}]
            frames.append(self._events("l2_data", events, event.ts, BOOK, product))
        if event.trade and ("market_trades", product) in self._channels:
            item = {
                "product_id": product,
                "trade_id": str(event.trade.trade_id),
                "price": listing.price_text(event.trade.price),
                "size": listing.size_text(event.trade.size),
                "time": iso(event.ts),
                "side": "BUY" if event.trade.buy else "SELL",
            }
            events = [{"type": "update", "trades": [item]}]
            frames.append(self._events("market_trades", events, event.ts, TRADE, product))
        if event.top_changed and ("ticker", product) in self._channels:
            events = [{"type": "update", "tickers": [_ticker(market)]}]
            frames.append(self._events("ticker", events, event.ts, TICKER, product))
        return frames

    def heartbeat(self) -> list[Frame]:
        """Send the heartbeat channel, when subscribed."""
        if not self._heartbeats:
            return []
        self._beats += 1
        now = time.time_ns()
        events = [{"current_time": iso(now), "heartbeat_counter": self._beats}]
        return [self._events("heartbeats", events, now)]

    def _first(self, channel: str, market: Market) -> list[Frame]:
        if channel != "level2":
            return []
        bids, asks = market.top()
        product = market.listing.symbol
        updates = _updates(market.listing, dict(bids), dict(asks), market.ts)
        events = [{"type": "snapshot", "product_id": product, "updates": updates}]
        return [self._events("l2_data", events, market.ts, BOOK, product)]

    def _events(
        self, channel: str, events: Any, ts: int, kind: str = OTHER, product: str = ""
    ) -> Frame:
        head = {"channel": channel, "client_id": "", "timestamp": iso(ts)}
        frame = self._frame(kind, product, head | {"sequence_num": self._sent, "events": events})
        self._sent += 1
        return frame

    @staticmethod
    def _frame(kind: str, product: str, document: Any) -> Frame:
        return Frame(dumps(document), kind, product)


def _updates(listing: Listing, bids: dict[int, int], asks: dict[int, int], ts: int) -> list[Any]:
    return [
        {
            "side": name,
            "event_time": iso(ts),
            "price_level": listing.price_text(price),
            "new_quantity": listing.size_text(size),
        }
        for name, side in (("bid", bids), ("offer", asks))
        for price, size in side.items()
    ]


def _ticker(market: Market) -> dict[str, str]:
    listing, (bid, bid_size, ask, ask_size) = market.listing, market.best()
    return {
        "type": "ticker",
        "product_id": listing.symbol,
        "price": listing.price_text(bid),
        "best_bid": listing.price_text(bid),
        "best_bid_quantity": listing.size_text(bid_size),
        "best_ask": listing.price_text(ask),
        "best_ask_quantity": listing.size_text(ask_size),
    }


def instruments(path: str, symbols: Sequence[str]) -> Any:
    """Answer the list of products."""
    if path != "/api/v3/brokerage/market/products":
        return None
    known = {listing.symbol: listing for listing in LISTINGS}
    products = []
    for symbol in symbols:
        base, _, quote = symbol.partition("-")
        price, size = (known[symbol][3], known[symbol][4]) if symbol in known else (2, 8)
        names = {"product_id": symbol, "base_currency_id": base, "quote_currency_id": quote}
        steps = {"quote_increment": increment(price), "base_increment": increment(size)}
        state = {"product_type": "SPOT", "status": "online", "trading_disabled": False, "alias": ""}
        products.append(names | steps | state)
    return {"products": products, "num_products": len(products)}


def refuse(text: str) -> list[Frame] | None:
    """Refuse a subscription; the exchange's errors are not counted."""
    if json.loads(text)["type"] != "subscribe":
        return None
    return [Frame(dumps({"type": "error", "message": "rate limit exceeded"}))]


LISTINGS = (
    Listing("BTC-USD", "BTC", "USD", 2, 8, 6_500_000),
    Listing("ETH-USD", "ETH", "USD", 2, 8, 191_000),
)

DIALECT = Dialect(
    exchange="coinbase",
    recording="coinbase/session-advanced-20260809.jsonl.gz",
    listings=LISTINGS,
    connect=CoinbaseFeed,
    instruments=instruments,
    refuse=refuse,
)
