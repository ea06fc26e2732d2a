"""BitMEX realtime: tables, books by rows with ids, a partial first; nothing is numbered."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from jetl2.devstack.dialect import BOOK, OTHER, TICKER, TRADE, Care, Dialect, Frame
from jetl2.devstack.market import Event, Listing, Market
from jetl2.devstack.wire import dumps, increment, iso

# An id is this less the price: unlike between symbols, falling as prices rise
TOP_ID = 8_800_000_000
# Of so many trades one is forced
FORCED = 20
SIDES = ("Buy", "Sell")
_Rows = tuple[dict[int, int], dict[int, int]]


class BitmexFeed:
    """Topics by name, "orderBookL2:XBTUSDT", and the rows that this client knows."""

    def __init__(self, _path: str, markets: Mapping[str, Market], _number: int) -> None:
        """Begin with nothing subscribed."""
        self._markets = markets
        self._topics: dict[str, None] = {}
        self._rows: dict[str, _Rows] = {}

    def greet(self) -> list[Frame]:
        """Say welcome."""
        welcome = {"info": "Welcome to the BitMEX Realtime API.", "version": "2.0.0", "limit": {}}
        return [Frame(dumps({**welcome, "heartbeatEnabled": False}))]

    def receive(self, text: str) -> list[Frame]:
        """Acknowledge each topic; after a subscription's acknowledgement comes its partial."""
        if text == "ping":
            return [Frame("pong")]
        request = json.loads(text)
        frames = []
        for topic in request["args"]:
            frames.append(Frame(dumps({"success": True, request["op"]: topic, "request": request})))
            self._topics.pop(topic, None)
            table, _, symbol = topic.partition(":")
            if request["op"] == "subscribe" and symbol in self._markets:
                self._topics[topic] = None
                frames.append(self._partial(table, self._markets[symbol]))
        return frames

    def publish(self, market: Market, event: Event) -> list[Frame]:
        """Return the event in each of the symbol's tables; no loss can be noticed for sure."""
        symbol, frames = market.listing.symbol, []
        if f"orderBookL2:{symbol}" in self._topics:
            frames += self._changes(market, event)
        if event.trade and f"trade:{symbol}" in self._topics:
            row = _trade(market, event)
            frames.append(_push("trade", "insert", [row], TRADE, symbol))
            if event.trade.trade_id % FORCED == 0 and f"liquidation:{symbol}" in self._topics:
                forced = {"orderID": row["trdMatchID"], "leavesQty": row["size"]}
                forced |= {name: row[name] for name in ("symbol", "side", "price")}
                frames.append(_push("liquidation", "insert", [forced], OTHER, symbol))
        if event.top_changed and f"quote:{symbol}" in self._topics:
            frames.append(_push("quote", "insert", [_quote(market)], TICKER, symbol))
        return frames

    def heartbeat(self) -> list[Frame]:
        """Return what changed of each instrument."""
        topics = (topic.partition(":") for topic in self._topics)
        found = [self._markets[symbol] for table, _, symbol in topics if table == "instrument"]
        return [
            _push("instrument", "update", [_state(market)], OTHER, market.listing.symbol)
            for market in found
        ]

    def _partial(self, table: str, market: Market) -> Frame:
        symbol, rows, kind = market.listing.symbol, [], OTHER
        if table == "orderBookL2":
            bids, asks = market.top()
            self._rows[symbol] = (dict(bids), dict(asks))
            known, kind = self._rows[symbol], BOOK
            rows = [
                _row(market, n, price, size) for n in (1, 0) for price, size in known[n].items()
            ]
        elif table == "quote":
            rows, kind = [_quote(market)], TICKER
        elif table == "instrument":
            rows = [_state(market) | {"fundingRate": 0.0001, "indicativeFundingRate": -0.00005}]
        return _push(table, "partial", rows, kind, symbol, {"filter": {"symbol": symbol}})

    def _changes(self, market: Market, event: Event) -> list[Frame]:
        """Return the deletions first, so that no book in between is crossed."""
        symbol = market.listing.symbol
        rows: dict[str, list[dict[str, Any]]] = {"delete": [], "update": [], "insert": []}
        for n, changed in enumerate((event.bids, event.asks)):
            known = self._rows[symbol][n]
            for price, size in changed.items():
                if size:
                    action = "update" if price in known else "insert"
                    known[price] = size
                elif known.pop(price, None):
                    action = "delete"
                else:
                    continue  # came and went
                rows[action].append(_row(market, n, price, size))
        return [
            _push("orderBookL2", action, found, BOOK, symbol, matters=False)
            for action, found in rows.items()
            if found
        ]


def _push(
    table: str,
    action: str,
    rows: list[dict[str, Any]],
    kind: str,
    symbol: str,
    more: Mapping[str, Any] | None = None,
    *,
    matters: bool = True,
) -> Frame:
    frame = {"table": table, "action": action, **(more or {}), "data": rows}
    return Frame(dumps(frame), kind, symbol, matters)


def _row(market: Market, side: int, price: int, size: int) -> dict[str, Any]:
    listing = market.listing
    row = {"symbol": listing.symbol, "id": TOP_ID - price, "side": SIDES[side]}
    amount = {"size": float(listing.size_text(size))} if size else {}
    return row | amount | {"price": float(listing.price_text(price)), "timestamp": _ms(market.ts)}


def _trade(market: Market, event: Event) -> dict[str, Any]:
    trade, listing = event.trade, market.listing
    if trade is None:
        return {}
    return {
        "timestamp": _ms(event.ts),
        "symbol": listing.symbol,
        "side": "Buy" if trade.buy else "Sell",
        "size": float(listing.size_text(trade.size)),
        "price": float(listing.price_text(trade.price)),
        "tickDirection": "ZeroPlusTick",
        "trdMatchID": f"00000000-0000-0000-0000-{trade.trade_id:012}",
        "trdType": "Regular",
    }


def _quote(market: Market) -> dict[str, Any]:
    listing, (bid, bid_size, ask, ask_size) = market.listing, market.best()
    return {
        "timestamp": _ms(market.ts),
        "symbol": listing.symbol,
        "bidSize": float(listing.size_text(bid_size)),
        "bidPrice": float(listing.price_text(bid)),
        "askPrice": float(listing.price_text(ask)),
        "askSize": float(listing.size_text(ask_size)),
    }


def _state(market: Market) -> dict[str, Any]:
    price = float(market.listing.price_text(market.best()[0]))
    prices = {"lastPrice": price, "markPrice": price, "indicativeSettlePrice": price}
    row = {"symbol": market.listing.symbol, "openInterest": 1000, "timestamp": _ms(market.ts)}
    return row | prices


def _ms(ts: int) -> str:
    """Return a time with three decimals."""
    return f"{iso(ts)[:-4]}Z"


def instruments(path: str, symbols: Sequence[str]) -> Any:
    """Answer the list of what trades, with the volumes of a day."""
    if path != "/api/v1/instrument/active":
        return None
    known = {listing.symbol: listing for listing in LISTINGS}
    return [_instrument(symbol, known.get(symbol)) for symbol in symbols]


def _instrument(symbol: str, listing: Listing | None) -> dict[str, Any]:
    quote = "USDT" if symbol.endswith("USDT") else "USD"
    price, size = (listing.price_places, listing.size_places) if listing else (4, 0)
    return {
        "symbol": symbol,
        "typ": "FFWCSX",
        "state": "Open",
        "underlying": symbol.removesuffix(quote),
        "quoteCurrency": quote,
        "tickSize": float(increment(price)),
        "lotSize": float(increment(size)),
        "isInverse": quote == "USD",
        "underlyingToPositionMultiplier": None if quote == "USD" else 1_000_000,
        "foreignNotional24h": 1000,
    }


def refuse(text: str) -> list[Frame] | None:
    """Refuse a subscription."""
    if text == "ping":
        return None
    request = json.loads(text)
    if request["op"] != "subscribe":
        return None
    error = "Rate limit exceeded, retry in 1 seconds."
    return [Frame(dumps({"status": 429, "error": error, "meta": {}, "request": request}))]


# The exchange's sizes are whole; the market's would then all be one
LISTINGS = (
    Listing("XBTUSDT", "XBT", "USDT", 1, 2, 650_000),
    Listing("ETHUSDT", "ETH", "USDT", 2, 3, 191_000),
)

DIALECT = Dialect(
    exchange="bitmex",
    listings=LISTINGS,
    connect=BitmexFeed,
    instruments=instruments,
    care=Care(is_ping=lambda text: text == "ping"),
    refuse=refuse,
)
