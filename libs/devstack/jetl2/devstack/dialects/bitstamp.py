"""Bitstamp v2: changes dated to the microsecond onto a REST snapshot, and no proof of anything."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from jetl2.devstack.dialect import BOOK, TRADE, Care, Dialect, Frame
from jetl2.devstack.market import Event, Listing, Market
from jetl2.devstack.wire import dumps, levels

API = "/api/v2/"


class BitstampFeed:
    """Channels by name, "diff_order_book_btcusd"."""

    def __init__(self, _path: str, markets: Mapping[str, Market], _number: int) -> None:
        """Begin with nothing subscribed."""
        self._markets = markets
        self._channels: dict[str, None] = {}

    def greet(self) -> list[Frame]:
        """Say nothing."""
        return []

    def receive(self, text: str) -> list[Frame]:
        """Acknowledge a channel, echo a heartbeat."""
        request = json.loads(text)
        event, channel = request["event"], request.get("data", {}).get("channel", "")
        if event == "bts:heartbeat":
            return [Frame(dumps({"event": event, "channel": "", "data": {"status": "success"}}))]
        self._channels.pop(channel, None)
        if event == "bts:subscribe":
            self._channels[channel] = None
        answer = {"bts:subscribe": "bts:subscription_succeeded"}.get(
            event, "bts:unsubscription_succeeded"
        )
        return [Frame(dumps({"event": answer, "channel": channel, "data": {}}))]

    def publish(self, market: Market, event: Event) -> list[Frame]:
        """Return the event on the symbol's channels; no loss can be noticed."""
        symbol, frames = market.listing.symbol, []
        if (channel := f"diff_order_book_{symbol}") in self._channels:
            data = _dated(event.ts, _sides(market.listing, event.bids, event.asks))
            text = dumps({"data": data, "channel": channel, "event": "data"})
            frames.append(Frame(text, BOOK, symbol, matters=False))
        if event.trade and (channel := f"live_trades_{symbol}") in self._channels:
            data = _dated(event.ts, _trade(market.listing, event))
            text = dumps({"data": data, "channel": channel, "event": "trade"})
            frames.append(Frame(text, TRADE, symbol))
        return frames

    def heartbeat(self) -> list[Frame]:
        """Say nothing: the client asks."""
        return []


def _dated(ts: int, data: dict[str, Any]) -> dict[str, Any]:
    return {"timestamp": str(ts // 10**9), "microtimestamp": str(ts // 1000), **data}


def _sides(listing: Listing, bids: Any, asks: Any) -> dict[str, Any]:
    return {"bids": levels(listing, bids), "asks": levels(listing, asks)}


def _trade(listing: Listing, event: Event) -> dict[str, Any]:
    trade = event.trade
    if trade is None:
        return {}
    price, amount = listing.price_text(trade.price), listing.size_text(trade.size)
    numbers = {"price": float(price), "amount": float(amount)}
    texts = {"price_str": price, "amount_str": amount}
    return {"id": trade.trade_id, "type": 0 if trade.buy else 1, **numbers, **texts}


def rest(path: str, _query: Mapping[str, str], markets: Mapping[str, Market]) -> Any:
    """Answer books, and the volumes of a day."""
    words = path.removeprefix(API).strip("/").split("/")
    if words == ["ticker"]:
        return [
            {"pair": f"{m.listing.base}/{m.listing.quote}", "volume": str(m.trade_id), "vwap": "1"}
            for m in markets.values()
        ]
    market = markets.get(words[-1])
    if words[0] != "order_book" or market is None:
        return None
    return _dated(market.ts, _sides(market.listing, *market.top()))


def instruments(path: str, symbols: Sequence[str]) -> Any:
    """Answer the list of markets."""
    if path != f"{API}markets/":
        return None
    known = {listing.symbol: listing for listing in LISTINGS}
    return [_instrument(symbol, known.get(symbol)) for symbol in symbols]


def _instrument(symbol: str, listing: Listing | None) -> dict[str, Any]:
    base, quote = symbol[:-3].upper(), symbol[-3:].upper()
    price, size = (listing.price_places, listing.size_places) if listing else (5, 8)
    return {
        "name": f"{base}/{quote}",
        "market_symbol": symbol,
        "base_currency": base,
        "counter_currency": quote,
        "base_decimals": size,
        "counter_decimals": price,
        "trading": "Enabled",
        "market_type": "SPOT",
    }


def refuse(text: str) -> list[Frame] | None:
    """Refuse a subscription."""
    request = json.loads(text)
    if request["event"] != "bts:subscribe":
        return None
    data = {"code": 4009, "message": "Too many subscriptions."}
    return [Frame(dumps({"event": "bts:error", "channel": "", "data": data}))]


LISTINGS = (
    Listing("btcusd", "BTC", "USD", 0, 8, 65_000),
    Listing("ethusd", "ETH", "USD", 1, 8, 19_100),
)

DIALECT = Dialect(
    exchange="bitstamp",
    listings=LISTINGS,
    connect=BitstampFeed,
    rest=rest,
    instruments=instruments,
    care=Care(is_ping=lambda text: "bts:heartbeat" in text, lifetime_s=90 * 24 * 60 * 60),
    refuse=refuse,
)
