"""Binance USD-M futures: a path for each kind of stream, deltas that name the one before, REST."""

import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from jetl2.devstack.dialect import BOOK, OTHER, TICKER, TRADE, Care, Dialect, Frame
from jetl2.devstack.market import Event, Listing, Market
from jetl2.devstack.wire import dumps, increment, levels, ms

# Where each stream is; elsewhere it is acknowledged and never sent
PATHS = {
    "depth@100ms": "/public/stream",
    "bookTicker": "/public/stream",
    "aggTrade": "/market/stream",
    "markPrice@1s": "/market/stream",
    "forceOrder": "/market/stream",
}
LIST = "LIST_SUBSCRIPTIONS"
# Ids are counted over all symbols, so that one symbol's leave holes
STRIDE = 7
# Of so many trades one is forced
FORCED = 20
FUNDING_NS = 8 * 3600 * 10**9


class BinanceFuturesFeed:
    """Combined streams by name, `btcusdt@depth@100ms`, as far as they are of this path."""

    def __init__(self, path: str, markets: Mapping[str, Market], _number: int) -> None:
        """Begin with no stream."""
        self._path = urlsplit(path).path
        self._markets = {symbol.lower(): market for symbol, market in markets.items()}
        self._streams: dict[str, None] = {}

    def greet(self) -> list[Frame]:
        """Say nothing."""
        return []

    def receive(self, text: str) -> list[Frame]:
        """Acknowledge SUBSCRIBE and UNSUBSCRIBE of whatever stream, and list them."""
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
        for stream, channel in self._of(market):
            kind, data = _data(channel, market, event)
            if data:
                text = dumps({"stream": stream, "data": data})
                frames.append(Frame(text, kind, market.listing.symbol))
        return frames

    def heartbeat(self) -> list[Frame]:
        """Return the mark price of each symbol, once it trades."""
        return [
            Frame(dumps({"stream": stream, "data": _mark_price(market)}), OTHER, symbol.upper())
            for symbol, market in self._markets.items()
            for stream, channel in self._of(market)
            if channel == "markPrice@1s" and market.ts
        ]

    def _of(self, market: Market) -> list[tuple[str, str]]:
        """Return a symbol's streams that are of this path, each with its channel."""
        parts = ((stream, *stream.partition("@")[::2]) for stream in self._streams)
        symbol = market.listing.symbol.lower()
        return [(s, c) for s, name, c in parts if name == symbol and PATHS.get(c) == self._path]


def _data(channel: str, market: Market, event: Event) -> tuple[str, dict[str, Any] | None]:
    listing, trade = market.listing, event.trade
    head = {"E": ms(event.ts), "T": ms(event.ts), "s": listing.symbol}
    if channel == "depth@100ms":
        bids, asks = levels(listing, event.bids), levels(listing, event.asks)
        ids = {name: number * STRIDE for name, number in _ids(event)}
        return BOOK, {"e": "depthUpdate", **head, "st": 1, **ids, "b": bids, "a": asks}
    if channel == "bookTicker" and event.top_changed:
        bid, bid_size, ask, ask_size = market.best()
        best = {"b": listing.price_text(bid), "B": listing.size_text(bid_size)}
        best |= {"a": listing.price_text(ask), "A": listing.size_text(ask_size)}
        return TICKER, {"e": "bookTicker", "u": event.last_id * STRIDE, **head, **best}
    if trade is None:
        return TRADE, None
    amount = {"p": listing.price_text(trade.price), "q": listing.size_text(trade.size)}
    if channel == "aggTrade":
        ids = {"a": trade.trade_id, "f": trade.trade_id, "l": trade.trade_id}
        return TRADE, {"e": channel, **head, **ids, **amount, "m": not trade.buy}
    if channel == "forceOrder" and trade.trade_id % FORCED == 0:
        order = {"s": listing.symbol, "S": "BUY" if trade.buy else "SELL", "o": "LIMIT", "f": "IOC"}
        done = {"ap": amount["p"], "X": "FILLED", "l": amount["q"], "z": amount["q"]}
        whole = order | amount | done | {"T": ms(event.ts)}
        return OTHER, {"e": channel, "E": ms(event.ts), "o": whole}
    return TRADE, None


def _ids(event: Event) -> tuple[tuple[str, int], ...]:
    return ("U", event.first_id), ("u", event.last_id), ("pu", event.prev_id)


def _mark_price(market: Market) -> dict[str, Any]:
    bid, _, ask, _ = market.best()
    price = f"{market.listing.price_text((bid + ask) // 2)}000000"
    funding = {"r": "0.00010000", "T": ms((market.ts // FUNDING_NS + 1) * FUNDING_NS)}
    head = {"e": "markPriceUpdate", "E": ms(market.ts), "s": market.listing.symbol}
    return head | {"p": price, "P": price, "i": price} | funding


def rest(path: str, query: Mapping[str, str], markets: Mapping[str, Market]) -> Any:
    """Answer the depth endpoint."""
    market = markets.get(query.get("symbol", ""))
    if path != "/fapi/v1/depth" or market is None:
        return None
    bids, asks = market.top(int(query.get("limit", 500)))
    listing = market.listing
    head = {"lastUpdateId": market.update_id * STRIDE, "E": ms(market.ts), "T": ms(market.ts)}
    return head | {"bids": levels(listing, bids), "asks": levels(listing, asks)}


def instruments(path: str, symbols: Sequence[str]) -> Any:
    """Answer the list of instruments, all as perpetual."""
    if path != "/fapi/v1/exchangeInfo":
        return None
    known = {listing.symbol: listing for listing in LISTINGS}
    return {"symbols": [_instrument(symbol, known.get(symbol)) for symbol in symbols]}


def _instrument(symbol: str, listing: Listing | None) -> dict[str, Any]:
    price, size = (listing.price_places, listing.size_places) if listing else (8, 3)
    return {
        "symbol": symbol,
        "contractType": "PERPETUAL",
        "status": "TRADING",
        "baseAsset": symbol.removesuffix("USDT"),
        "quoteAsset": "USDT",
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
    Listing("BTCUSDT", "BTC", "USDT", 2, 3, 6_500_000),
    Listing("ETHUSDT", "ETH", "USDT", 2, 3, 191_000),
)

DIALECT = Dialect(
    exchange="binance-futures",
    listings=LISTINGS,
    connect=BinanceFuturesFeed,
    rest=rest,
    instruments=instruments,
    # nothing is demanded of the client; this is how ours asks for a sign of life
    care=Care(is_ping=lambda text: LIST in text, lifetime_s=24 * 60 * 60),
    refuse=refuse,
)
