"""Topics named `orderbook.200.BTCUSDT`, as the simulated sites of one house speak them; numbers +1."""

import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from jetl2.devstack.dialect import BOOK, OTHER, TICKER, TRADE, Care, Dialect, Frame
from jetl2.devstack.market import Event, Listing, Market
from jetl2.devstack.wire import dumps, increment, levels, ms

# Number of a book that nothing happened to yet; 1 would mean that the service was started anew
FIRST = 1000
# Of so many trades one is a liquidation
FORCED = 20
FUNDING_NS = 8 * 3600 * 10**9


class TopicFeed:
    """Topics, `orderbook.200.BTCUSDT`, of what is traded at this path."""

    def __init__(self, path: str, markets: Mapping[str, Market], number: int) -> None:
        """Begin with nothing subscribed."""
        kind = urlsplit(path).path.rpartition("/")[2]
        wrong = {"linear": "USD", "inverse": "USDT"}.get(kind)
        self._markets = {s: m for s, m in markets.items() if m.listing.quote != wrong}
        self._connection = f"{number:08x}"
        self._topics: dict[str, None] = {}

    def greet(self) -> list[Frame]:
        """Say nothing."""
        return []

    def receive(self, text: str) -> list[Frame]:
        """Acknowledge a request once for all its topics; the first message of each follows."""
        request = json.loads(text)
        if request["op"] == "ping":
            return [self._answer("ping", "pong")]
        unknown = [t for t in request["args"] if t.rpartition(".")[2] not in self._markets]
        if unknown:
            return [self._answer(request["op"], f"error:handler not found,topic:{unknown[0]}")]
        frames = [self._answer(request["op"], "")]
        for topic in request["args"]:
            self._topics.pop(topic, None)
            if request["op"] == "subscribe":
                self._topics[topic] = None
                frames += _first(topic, self._markets[topic.rpartition(".")[2]])
        return frames

    def publish(self, market: Market, event: Event) -> list[Frame]:
        """Return the event on each of the symbol's topics."""
        symbol = market.listing.symbol
        return [
            frame
            for topic in self._topics
            if topic.rpartition(".")[2] == symbol
            for frame in _messages(topic, market, event)
        ]

    def heartbeat(self) -> list[Frame]:
        """Return what changed in the tickers."""
        return [
            Frame(dumps(_ticker(topic, "delta", market)), OTHER, symbol)
            for symbol, market in self._markets.items()
            for topic in self._topics
            if topic == f"tickers.{symbol}"
        ]

    def _answer(self, op: str, message: str) -> Frame:
        head = {"success": not message.startswith("error"), "ret_msg": message}
        return Frame(dumps(head | {"conn_id": self._connection, "req_id": "", "op": op}))


def _first(topic: str, market: Market) -> list[Frame]:
    symbol = market.listing.symbol
    if topic.startswith("tickers"):
        return [Frame(dumps(_ticker(topic, "snapshot", market)), OTHER, symbol)]
    if topic.startswith("orderbook.1."):
        return [Frame(dumps(_best(topic, market)), TICKER, symbol)]
    if topic.startswith("orderbook"):
        bids, asks = (dict(side) for side in market.top(int(topic.split(".")[1])))
        return [Frame(dumps(_book(topic, "snapshot", market, (bids, asks))), BOOK, symbol)]
    return []


def _messages(topic: str, market: Market, event: Event) -> list[Frame]:
    symbol, trade = market.listing.symbol, event.trade
    if topic.startswith("orderbook.1."):
        return [Frame(dumps(_best(topic, market)), TICKER, symbol)] if event.top_changed else []
    if topic.startswith("orderbook"):
        sides = event.bids, event.asks
        return [Frame(dumps(_book(topic, "delta", market, sides)), BOOK, symbol)]
    if trade is None:
        return []
    item = {"T": ms(event.ts), "s": symbol, "S": "Buy" if trade.buy else "Sell"}
    item["v"] = market.listing.size_text(trade.size)
    item["p"] = market.listing.price_text(trade.price)
    if topic.startswith("publicTrade"):
        item |= {"L": "ZeroPlusTick", "i": f"{trade.trade_id:08x}-0000-5000-8000-000000000000"}
        item |= {"BT": False, "RPI": False, "seq": event.last_id}
        return [Frame(dumps(_message(topic, "snapshot", event.ts, [item])), TRADE, symbol)]
    if topic.startswith("allLiquidation") and trade.trade_id % FORCED == 0:
        # the position's side: who was long is sold out
        item["S"] = "Sell" if trade.buy else "Buy"
        return [Frame(dumps(_message(topic, "snapshot", event.ts, [item])), OTHER, symbol)]
    return []


def _message(topic: str, kind: str, ts: int, data: Any) -> dict[str, Any]:
    return {"topic": topic, "type": kind, "ts": ms(ts), "data": data}


def _book(
    topic: str, kind: str, market: Market, sides: tuple[dict[int, int], dict[int, int]]
) -> dict[str, Any]:
    listing = market.listing
    bids, asks = (levels(listing, side) for side in sides)
    data: dict[str, Any] = {"s": listing.symbol, "b": bids, "a": asks}
    data |= {"u": FIRST + market.events, "seq": market.update_id}
    return _message(topic, kind, market.ts, data) | {"cts": ms(market.ts)}


def _best(topic: str, market: Market) -> dict[str, Any]:
    bid, bid_size, ask, ask_size = market.best()
    return _book(topic, "snapshot", market, ({bid: bid_size}, {ask: ask_size}))


def _ticker(topic: str, kind: str, market: Market) -> dict[str, Any]:
    listing, (bid, bid_size, ask, ask_size) = market.listing, market.best()
    price, funding_ts = listing.price_text(bid), (market.ts // FUNDING_NS + 1) * FUNDING_NS
    data = {"symbol": listing.symbol, "markPrice": price, "indexPrice": price}
    data |= {"bid1Price": price, "bid1Size": listing.size_text(bid_size)}
    data |= {"ask1Price": listing.price_text(ask), "ask1Size": listing.size_text(ask_size)}
    if kind == "snapshot":
        data |= {"lastPrice": price, "openInterest": f"{market.update_id}"}
        data |= {"fundingRate": "0.0001", "nextFundingTime": f"{ms(funding_ts)}"}
    return _message(topic, kind, market.ts, data) | {"cs": market.update_id}


def dialect(listings: Sequence[Listing], *, contracts: bool, **fields: Any) -> Dialect:
    """Return the dialect of a site.

    Args:
        contracts: Whether these are traded, linear and inverse at a path each, or spot.
        fields: The rest of it.
    """
    known = {listing.symbol: listing for listing in listings}

    def instruments(path: str, symbols: Sequence[str]) -> Any:
        # all as perpetual, whichever kind is asked for
        if path != "/v5/market/instruments-info":
            return None
        found = [_instrument(symbol, known.get(symbol), contracts) for symbol in symbols]
        result = {"category": "linear" if contracts else "spot", "list": found}
        return {"retCode": 0, "retMsg": "OK", "result": result}

    return Dialect(
        listings=listings,
        connect=TopicFeed,
        instruments=instruments,
        care=Care(is_ping=lambda text: '"ping"' in text, ping_within_s=600),
        refuse=refuse,
        **fields,
    )


def _instrument(symbol: str, listing: Listing | None, contracts: bool) -> dict[str, Any]:  # noqa: FBT001 - of two forms
    quote = "USDT" if symbol.endswith("USDT") else "USD"
    price, size = (listing.price_places, listing.size_places) if listing else (2, 3)
    kind = "LinearPerpetual" if quote == "USDT" else "InversePerpetual"
    return {
        "symbol": symbol,
        **({"contractType": kind} if contracts else {}),
        "status": "Trading",
        "baseCoin": symbol.removesuffix(quote),
        "quoteCoin": quote,
        "priceFilter": {"tickSize": increment(price)},
        "lotSizeFilter": {"qtyStep" if contracts else "basePrecision": increment(size)},
    }


def refuse(text: str) -> list[Frame] | None:
    """Refuse a subscription."""
    request = json.loads(text)
    if request["op"] != "subscribe":
        return None
    answer = {"success": False, "ret_msg": "error:too many requests", "op": "subscribe"}
    return [Frame(dumps(answer))]
