"""KuCoin spot, classic: a token before the websocket, deltas with id ranges, the snapshot by REST."""

import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qs, urlsplit

from jetl2.devstack.dialect import BOOK, TICKER, TRADE, Care, Dialect, Frame
from jetl2.devstack.market import Event, Listing, Market
from jetl2.devstack.wire import dumps, increment, levels, ms

TOKEN = "made-by-the-simulator"  # noqa: S105 - opens nothing else
PING_S = 18
PING_TIMEOUT_S = 10


class KucoinFeed:
    """Topics of symbols; nothing without the token."""

    def __init__(self, path: str, _markets: Mapping[str, Market], number: int) -> None:
        """Begin with nothing subscribed."""
        self._welcome = parse_qs(urlsplit(path).query).get("token") == [TOKEN]
        self._number = number
        self._topics: dict[tuple[str, str], None] = {}

    def greet(self) -> list[Frame]:
        """Say welcome, or that the token is none."""
        if self._welcome:
            return [Frame(dumps({"id": f"c{self._number}", "type": "welcome"}))]
        return [_error(401, "token is invalid")]

    def receive(self, text: str) -> list[Frame]:
        """Acknowledge subscriptions, answer pings."""
        request = json.loads(text)
        if not self._welcome:
            return [_error(401, "token is invalid")]
        answer = "pong"
        if request["type"] != "ping":
            answer = "ack"
            topic, _, symbols = request["topic"].partition(":")
            for symbol in symbols.split(","):
                self._topics.pop((topic, symbol), None)
                if request["type"] == "subscribe":
                    self._topics[topic, symbol] = None
        return [Frame(dumps({"id": request["id"], "type": answer}))]

    def publish(self, market: Market, event: Event) -> list[Frame]:
        """Return the event on each of the symbol's topics."""
        symbol, frames = market.listing.symbol, []
        if ("/market/level2", symbol) in self._topics:
            data = _changes(market.listing, event)
            frames.append(_push("/market/level2", symbol, "trade.l2update", data, BOOK))
        if event.trade and ("/market/match", symbol) in self._topics:
            data = _match(market.listing, event)
            frames.append(_push("/market/match", symbol, "trade.l3match", data, TRADE))
        if event.top_changed and ("/market/ticker", symbol) in self._topics:
            data = _ticker(market, event)
            frames.append(_push("/market/ticker", symbol, "trade.ticker", data, TICKER))
        return frames

    def heartbeat(self) -> list[Frame]:
        """Say nothing: only pings are answered."""
        return []


def _push(topic: str, symbol: str, subject: str, data: Any, kind: str) -> Frame:
    frame = {"type": "message", "topic": f"{topic}:{symbol}", "subject": subject, "data": data}
    return Frame(dumps(frame), kind, symbol)


def _error(code: int, text: str) -> Frame:
    return Frame(dumps({"id": "", "type": "error", "code": code, "data": text}))


def _changes(listing: Listing, event: Event) -> dict[str, Any]:
    number = event.first_id
    changes: dict[str, list[list[str]]] = {}
    for name, side in (("bids", event.bids), ("asks", event.asks)):
        changes[name] = []
        for level in levels(listing, side):
            changes[name].append([*level, str(number)])
            number += 1
    ids = {"sequenceStart": event.first_id, "sequenceEnd": event.last_id}
    return {"changes": changes, **ids, "symbol": listing.symbol, "time": ms(event.ts)}


def _match(listing: Listing, event: Event) -> dict[str, Any]:
    trade = event.trade
    assert trade is not None
    orders = {"makerOrderId": f"m{trade.trade_id}", "takerOrderId": f"t{trade.trade_id}"}
    amount = {"price": listing.price_text(trade.price), "size": listing.size_text(trade.size)}
    head = {"symbol": listing.symbol, "type": "match", "side": "buy" if trade.buy else "sell"}
    number = {"tradeId": str(trade.trade_id), "sequence": str(event.last_id)}
    return {**head, **amount, **orders, **number, "time": str(event.ts)}


def _ticker(market: Market, event: Event) -> dict[str, Any]:
    listing, (bid, bid_size, ask, ask_size) = market.listing, market.best()
    return {
        "bestBid": listing.price_text(bid),
        "bestBidSize": listing.size_text(bid_size),
        "bestAsk": listing.price_text(ask),
        "bestAskSize": listing.size_text(ask_size),
        "price": listing.price_text(bid),
        "size": listing.size_text(bid_size),
        "sequence": str(event.last_id),
        "time": ms(event.ts),
    }


def token(path: str, address: str) -> Any:
    """Answer the call before each connection."""
    if path != "/api/v1/bullet-public":
        return None
    times = {"pingInterval": PING_S * 1000, "pingTimeout": PING_TIMEOUT_S * 1000}
    server = {"endpoint": f"{address}/", "encrypt": False, "protocol": "websocket", **times}
    return {"code": "200000", "data": {"token": TOKEN, "instanceServers": [server]}}


def rest(path: str, query: Mapping[str, str], markets: Mapping[str, Market]) -> Any:
    """Answer the order book of 100 levels."""
    market = markets.get(query.get("symbol", ""))
    if path != "/api/v1/market/orderbook/level2_100" or market is None:
        return None
    bids, asks = market.top(100)
    listing = market.listing
    sides = {"bids": levels(listing, bids), "asks": levels(listing, asks)}
    data = {"time": ms(market.ts), "sequence": str(market.update_id), **sides}
    return {"code": "200000", "data": data}


def instruments(path: str, symbols: Sequence[str]) -> Any:
    """Answer the list of symbols."""
    if path != "/api/v2/symbols":
        return None
    known = {listing.symbol: listing for listing in LISTINGS}
    return {"code": "200000", "data": [_instrument(s, known.get(s)) for s in symbols]}


def _instrument(symbol: str, listing: Listing | None) -> dict[str, Any]:
    base, _, quote = symbol.partition("-")
    price, size = (listing.price_places, listing.size_places) if listing else (8, 8)
    names = {"symbol": symbol, "baseCurrency": base, "quoteCurrency": quote}
    steps = {"priceIncrement": increment(price), "baseIncrement": increment(size)}
    return {**names, **steps, "enableTrading": True}


def refuse(text: str) -> list[Frame] | None:
    """Refuse a subscription."""
    if json.loads(text)["type"] != "subscribe":
        return None
    return [_error(509, "exceed max subscription count per session")]


LISTINGS = (
    Listing("BTC-USDT", "BTC", "USDT", 1, 8, 650_000),
    Listing("ETH-USDT", "ETH", "USDT", 2, 7, 191_000),
)

DIALECT = Dialect(
    exchange="kucoin",
    recording="kucoin/session-spot-20210425.jsonl.gz",
    listings=LISTINGS,
    connect=KucoinFeed,
    rest=rest,
    instruments=instruments,
    token=token,
    care=Care(
        is_ping=lambda text: json.loads(text)["type"] == "ping",
        ping_within_s=PING_S + PING_TIMEOUT_S,
    ),
    refuse=refuse,
)
