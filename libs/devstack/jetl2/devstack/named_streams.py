"""Streams named `btcusdt@depth@100ms`, as the simulated sites of one house speak them: spot and contracts.

Requests are acknowledged whatever they name. Books are deltas with a range of numbers onto a REST
snapshot; those of contracts name the number before too.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from jetl2.devstack.dialect import BOOK, OTHER, TICKER, TRADE, Care, Dialect, Frame
from jetl2.devstack.market import Event, Listing, Market
from jetl2.devstack.wire import dumps, increment, levels, ms

LIST = "LIST_SUBSCRIPTIONS"
MARK_PRICE = "markPrice@1s"
# Nothing is demanded of the client; this is how ours asks for a sign of life
CARE = Care(is_ping=lambda text: LIST in text, lifetime_s=24 * 60 * 60)
# Ids of contracts are counted over all symbols, so that one symbol's leave holes
STRIDE = 7
# Of so many trades one is forced
FORCED = 20
FUNDING_NS = 8 * 3600 * 10**9

Data = dict[str, Any]
# (channel, market, event) -> kind of the frame, and what is said; None: nothing
Say = Callable[[str, Market, Event], tuple[str, Data | None]]


class StreamFeed:
    """Streams by name; the stream's name wraps each event on a combined connection."""

    def __init__(self, say: Say, path: str, here: Mapping[str, str] | None) -> None:
        """Begin with the streams that the URL names, if any.

        Args:
            here: Channel -> path of the only websocket that sends it; None: any does.
        """
        parts = urlsplit(path)
        self._say = say
        self._path = parts.path
        self._here = here
        self._combined = parts.path.endswith("/stream")
        named = dict(parse_qsl(parts.query)).get("streams", "") or parts.path[len("/ws/") :]
        # In the order of the requests, by the symbol in small letters
        self._streams: dict[str, dict[str, str]] = {}
        for stream in filter(None, named.split("/")) if "@" in named else ():
            self._add(stream)

    def greet(self) -> list[Frame]:
        """Say nothing."""
        return []

    def receive(self, text: str) -> list[Frame]:
        """Acknowledge SUBSCRIBE and UNSUBSCRIBE of whatever stream, and list what is subscribed."""
        request = json.loads(text)
        listed = None
        if request["method"] == LIST:
            listed = [stream for streams in self._streams.values() for stream in streams]
        for stream in request.get("params", ()):
            if request["method"] == "SUBSCRIBE":
                self._add(stream)
            else:
                self._streams.get(stream.partition("@")[0], {}).pop(stream, None)
        return [Frame(dumps({"result": listed, "id": request.get("id")}))]

    def publish(self, market: Market, event: Event) -> list[Frame]:
        """Return the event on each of the symbol's streams."""
        frames = []
        for stream, channel in self._of(market):
            kind, data = self._say(channel, market, event)
            if data:
                frames.append(self._frame(stream, data, kind, market))
        return frames

    def heartbeat(self) -> list[Frame]:
        """Say nothing: heartbeats are protocol pings."""
        return []

    def _add(self, stream: str) -> None:
        name, _, channel = stream.partition("@")
        self._streams.setdefault(name, {})[stream] = channel

    def _of(self, market: Market) -> list[tuple[str, str]]:
        """Return a symbol's streams that are sent here, each with its channel."""
        found = self._streams.get(market.listing.symbol.lower(), {}).items()
        if self._here is None:
            return list(found)
        return [(s, c) for s, c in found if self._here.get(c) == self._path]

    def _frame(self, stream: str, data: Data, kind: str, market: Market) -> Frame:
        whole = {"stream": stream, "data": data} if self._combined else data
        return Frame(dumps(whole), kind, market.listing.symbol)


class ContractFeed(StreamFeed):
    """Streams of contracts, with the mark price each second."""

    def __init__(
        self, markets: Mapping[str, Market], path: str, here: Mapping[str, str] | None
    ) -> None:
        """Begin with no stream."""
        super().__init__(of_contract, path, here)
        self._markets = markets

    def heartbeat(self) -> list[Frame]:
        """Return the mark price of each symbol, once it trades."""
        return [
            self._frame(stream, _mark_price(market), OTHER, market)
            for market in self._markets.values()
            for stream, channel in self._of(market)
            if channel == MARK_PRICE and market.ts
        ]


def of_spot(channel: str, market: Market, event: Event) -> tuple[str, Data | None]:
    """Return what a stream of spot says of an event."""
    listing, trade = market.listing, event.trade
    head = {"E": ms(event.ts), "s": listing.symbol}
    if channel.startswith("depth"):
        bids, asks = levels(listing, event.bids), levels(listing, event.asks)
        ids = {"U": event.first_id, "u": event.last_id}
        return BOOK, {"e": "depthUpdate", **head, **ids, "b": bids, "a": asks}
    if channel in ("trade", "aggTrade"):
        if trade is None:
            return TRADE, None
        number = _numbers(trade.trade_id) if channel == "aggTrade" else {"t": trade.trade_id}
        tail = {"T": ms(event.ts), "m": not trade.buy, "M": True}
        return TRADE, {"e": channel, **head, **number, **_amount(listing, event), **tail}
    if channel == "bookTicker" and event.top_changed:
        return TICKER, {"u": event.last_id, "s": listing.symbol, **_best(market)}
    return TICKER, None


def of_contract(channel: str, market: Market, event: Event) -> tuple[str, Data | None]:
    """Return what a stream of contracts says of an event."""
    listing, trade = market.listing, event.trade
    head = {"E": ms(event.ts), "T": ms(event.ts), "s": listing.symbol}
    if channel == "depth@100ms":
        bids, asks = levels(listing, event.bids), levels(listing, event.asks)
        ids = {"U": event.first_id, "u": event.last_id, "pu": event.prev_id}
        strides = {name: number * STRIDE for name, number in ids.items()}
        return BOOK, {"e": "depthUpdate", **head, "st": 1, **strides, "b": bids, "a": asks}
    if channel == "bookTicker" and event.top_changed:
        return TICKER, {"e": channel, "u": event.last_id * STRIDE, **head, **_best(market)}
    if trade is None:
        return TRADE, None
    amount = _amount(listing, event)
    if channel == "aggTrade":
        fields = {**head, **_numbers(trade.trade_id), **amount, "m": not trade.buy}
        return TRADE, {"e": channel, **fields}
    if channel == "forceOrder" and trade.trade_id % FORCED == 0:
        order = {"s": listing.symbol, "S": "BUY" if trade.buy else "SELL", "o": "LIMIT", "f": "IOC"}
        done = {"ap": amount["p"], "X": "FILLED", "l": amount["q"], "z": amount["q"]}
        whole = order | amount | done | {"T": ms(event.ts)}
        return OTHER, {"e": channel, "E": ms(event.ts), "o": whole}
    return TRADE, None


def _numbers(trade_id: int) -> Data:
    return {"a": trade_id, "f": trade_id, "l": trade_id}


def _amount(listing: Listing, event: Event) -> dict[str, str]:
    assert event.trade is not None
    return {"p": listing.price_text(event.trade.price), "q": listing.size_text(event.trade.size)}


def _best(market: Market) -> dict[str, str]:
    listing, (bid, bid_size, ask, ask_size) = market.listing, market.best()
    best = {"b": listing.price_text(bid), "B": listing.size_text(bid_size)}
    return best | {"a": listing.price_text(ask), "A": listing.size_text(ask_size)}


def _mark_price(market: Market) -> Data:
    bid, _, ask, _ = market.best()
    price = f"{market.listing.price_text((bid + ask) // 2)}000000"
    funding = {"r": "0.00010000", "T": ms((market.ts // FUNDING_NS + 1) * FUNDING_NS)}
    head = {"e": "markPriceUpdate", "E": ms(market.ts), "s": market.listing.symbol}
    return head | {"p": price, "P": price, "i": price} | funding


def dialect(
    folder: str,
    listings: Sequence[Listing],
    *,
    contracts: bool,
    here: Mapping[str, str] | None = None,
    **fields: Any,
) -> Dialect:
    """Return the dialect of a site.

    Args:
        folder: By which its REST paths begin.
        contracts: Whether these are traded, or spot.
        here: See StreamFeed.
        fields: The rest of it.
    """
    known = {listing.symbol: listing for listing in listings}

    def connect(path: str, markets: Mapping[str, Market], _number: int) -> StreamFeed:
        if contracts:
            return ContractFeed(markets, path, here)
        return StreamFeed(of_spot, path, here)

    def rest(path: str, query: Mapping[str, str], markets: Mapping[str, Market]) -> Any:
        market = markets.get(query.get("symbol", ""))
        if path != f"{folder}/depth" or market is None:
            return None
        bids, asks = (levels(market.listing, side) for side in market.top(int(query["limit"])))
        times = {"E": ms(market.ts), "T": ms(market.ts)} if contracts else {}
        number = market.update_id * (STRIDE if contracts else 1)
        return {"lastUpdateId": number, **times, "bids": bids, "asks": asks}

    def instruments(path: str, symbols: Sequence[str]) -> Any:
        if path != f"{folder}/exchangeInfo":
            return None
        more = {"contractType": "PERPETUAL"} if contracts else {}
        return {"symbols": [_instrument(s, known.get(s)) | more for s in symbols]}

    return Dialect(
        listings=listings,
        connect=connect,
        rest=rest,
        instruments=instruments,
        care=CARE,
        refuse=refuse,
        **fields,
    )


def _instrument(symbol: str, listing: Listing | None) -> Data:
    """Describe a symbol by its listing, else by the usual quotes."""
    pair = symbol.partition("_")[0]
    quote = next((q for q in ("USDT", "USDC", "USD", "BTC", "ETH") if pair.endswith(q)), pair[-3:])
    price, size = (listing.price_places, listing.size_places) if listing else (8, 8)
    return {
        "symbol": symbol,
        "status": "TRADING",
        "baseAsset": pair.removesuffix(quote),
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
