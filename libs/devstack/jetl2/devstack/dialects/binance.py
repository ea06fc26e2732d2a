"""Binance spot: combined or raw streams, deltas with id ranges, the snapshot by REST."""

import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from jetl2.devstack.dialect import BOOK, TICKER, TRADE, Care, Dialect, Frame
from jetl2.devstack.market import Event, Listing, Market
from jetl2.devstack.wire import dumps, increment, levels, ms

LIST = "LIST_SUBSCRIPTIONS"


class BinanceFeed:
    """Streams by name, `btcusdt@depth@100ms`; the stream's name wraps each event on /stream."""

    def __init__(self, path: str, _markets: Mapping[str, Market], _number: int) -> None:
        """Begin with the streams that the URL names, if any."""
        parts = urlsplit(path)
        self._combined = parts.path.startswith("/stream")
        named = dict(parse_qsl(parts.query)).get("streams", "") or parts.path[len("/ws/") :]
        self._streams = dict.fromkeys(filter(None, named.split("/")) if "@" in named else ())

    def greet(self) -> list[Frame]:
        """Say nothing."""
        return []

    def receive(self, text: str) -> list[Frame]:
        """Acknowledge SUBSCRIBE and UNSUBSCRIBE, and list what is subscribed."""
        request = json.loads(text)
        listed = list(self._streams) if request["method"] == LIST else None
        for stream in request.get("params", ()):
            if request["method"] == "SUBSCRIBE":
                self._streams[stream] = None
            else:
                self._streams.pop(stream, None)
        return [Frame(dumps({"result": listed, "id": request.get("id")}))]

    def publish(self, market: Market, event: Event) -> list[Frame]:
        """Return the event on each of the symbol's streams."""
        frames = []
        for stream in self._streams:
            name, _, channel = stream.partition("@")
            if name != market.listing.symbol.lower():
                continue
            kind, data = _data(channel, market, event)
            if data:
                whole = {"stream": stream, "data": data} if self._combined else data
                frames.append(Frame(dumps(whole), kind, market.listing.symbol))
        return frames

    def heartbeat(self) -> list[Frame]:
        """Say nothing: heartbeats are protocol pings."""
        return []


def _data(channel: str, market: Market, event: Event) -> tuple[str, dict[str, Any] | None]:
    listing, trade = market.listing, event.trade
    head = {"E": ms(event.ts), "s": listing.symbol}
    if channel.startswith("depth"):
        bids, asks = levels(listing, event.bids), levels(listing, event.asks)
        ids = {"U": event.first_id, "u": event.last_id}
        return BOOK, {"e": "depthUpdate", **head, **ids, "b": bids, "a": asks}
    if channel in ("trade", "aggTrade"):
        if trade is None:
            return TRADE, None
        number = {"t": trade.trade_id}
        if channel == "aggTrade":
            number = {"a": trade.trade_id, "f": trade.trade_id, "l": trade.trade_id}
        amount = {"p": listing.price_text(trade.price), "q": listing.size_text(trade.size)}
        tail = {"T": ms(event.ts), "m": not trade.buy, "M": True}
        return TRADE, {"e": channel, **head, **number, **amount, **tail}
    if channel == "bookTicker" and event.top_changed:
        bid, bid_size, ask, ask_size = market.best()
        best = {"b": listing.price_text(bid), "B": listing.size_text(bid_size)}
        best |= {"a": listing.price_text(ask), "A": listing.size_text(ask_size)}
        return TICKER, {"u": event.last_id, "s": listing.symbol, **best}
    return TICKER, None


def rest(path: str, query: Mapping[str, str], markets: Mapping[str, Market]) -> Any:
    """Answer the depth endpoint."""
    market = markets.get(query.get("symbol", ""))
    if path != "/api/v3/depth" or market is None:
        return None
    bids, asks = market.top(int(query.get("limit", 100)))
    listing = market.listing
    sides = {"bids": levels(listing, bids), "asks": levels(listing, asks)}
    return {"lastUpdateId": market.update_id, **sides}


def instruments(path: str, symbols: Sequence[str]) -> Any:
    """Answer the list of instruments; base and quote by the listing, else by the usual quotes."""
    if path != "/api/v3/exchangeInfo":
        return None
    known = {listing.symbol: listing for listing in LISTINGS}
    return {"symbols": [_instrument(symbol, known.get(symbol)) for symbol in symbols]}


def _instrument(symbol: str, listing: Listing | None) -> dict[str, Any]:
    quote = next((q for q in ("USDT", "USDC", "BTC", "ETH") if symbol.endswith(q)), symbol[-3:])
    price, size = (listing.price_places, listing.size_places) if listing else (8, 8)
    return {
        "symbol": symbol,
        "status": "TRADING",
        "baseAsset": symbol.removesuffix(quote),
        "quoteAsset": quote,
        "filters": [
            {"filterType": "PRICE_FILTER", "tickSize": increment(price)},
            {"filterType": "LOT_SIZE", "stepSize": increment(size)},
        ],
    }


def refuse(text: str) -> list[Frame] | None:
    """Refuse a subscription."""
    request = json.loads(text)
    if request["method"] != "SUBSCRIBE":
        return None
    error = {"code": 3, "msg": "Too many requests"}
    return [Frame(dumps({"error": error, "id": request.get("id")}))]


LISTINGS = (
    Listing("BTCUSDT", "BTC", "USDT", 2, 5, 6_500_000),
    Listing("ETHUSDT", "ETH", "USDT", 2, 4, 191_000),
)

DIALECT = Dialect(
    exchange="binance",
    recording="binance/session-spot-btcusdt-20240808.jsonl.gz",
    listings=LISTINGS,
    connect=BinanceFeed,
    rest=rest,
    instruments=instruments,
    # nothing is demanded of the client; this is how ours asks for a sign of life
    care=Care(is_ping=lambda text: LIST in text, lifetime_s=24 * 60 * 60),
    refuse=refuse,
)
