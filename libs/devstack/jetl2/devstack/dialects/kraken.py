"""Kraken v2: snapshot in the stream, no numbers, CRC-32 of the top ten, a window of `depth` levels."""

import json
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

from jetl2.devstack.dialect import BOOK, TICKER, TRADE, Care, Dialect, Frame
from jetl2.devstack.market import Event, Listing, Market
from jetl2.devstack.wire import dumps, increment, iso

_CHECKED_LEVELS = 10
_View = tuple[dict[int, int], dict[int, int]]


class KrakenFeed:
    """Books by symbol with the window that this client sees; trades and tickers by symbol."""

    def __init__(self, _path: str, markets: Mapping[str, Market], number: int) -> None:
        """Begin with nothing subscribed."""
        self._markets = markets
        self._number = number
        self._depths: dict[str, int] = {}
        self._views: dict[str, _View] = {}
        self._others: set[tuple[str, str]] = set()

    def greet(self) -> list[Frame]:
        """Say the status, as the exchange does."""
        status = {"version": "2.0.0", "system": "online", "api_version": "v2"}
        data = [status | {"connection_id": self._number}]
        return [Frame(dumps({"channel": "status", "type": "update", "data": data}))]

    def receive(self, text: str) -> list[Frame]:
        """Acknowledge each symbol; after a book's acknowledgement comes its snapshot."""
        request = json.loads(text)
        method, params = request["method"], request.get("params", {})
        if method == "ping":
            return [Frame(dumps({"method": "pong", "req_id": request.get("req_id")}))]
        frames = []
        for symbol in params.get("symbol", ()):
            result = {k: v for k, v in params.items() if k != "symbol"} | {"symbol": symbol}
            answer = {"method": method, "success": True, "result": result}
            if symbol not in self._markets:
                error = f"Currency pair not supported {symbol}"
                answer = {"method": method, "success": False, "error": error, "symbol": symbol}
            elif params["channel"] == "book":
                result.setdefault("depth", 10)
            frames.append(Frame(dumps(answer), symbol=symbol))
            if answer["success"]:
                frames += self._switch(method, params["channel"], symbol, result.get("depth", 10))
        return frames

    def publish(self, market: Market, event: Event) -> list[Frame]:
        """Return what of the event lies in the window, and the symbol's trade and ticker."""
        symbol, frames = market.listing.symbol, []
        if event.trade and ("trade", symbol) in self._others:
            frames.append(Frame(_trade(market, event), TRADE, symbol))
        if event.top_changed and ("ticker", symbol) in self._others:
            frames.append(Frame(_ticker(market, event.ts), TICKER, symbol))
        if symbol in self._depths:
            frames += self._update(market)
        return frames

    def heartbeat(self) -> list[Frame]:
        """Say that the connection is alive."""
        return [Frame(dumps({"channel": "heartbeat"}))]

    def _switch(self, method: str, channel: str, symbol: str, depth: int) -> list[Frame]:
        if channel != "book":
            change = self._others.add if method == "subscribe" else self._others.discard
            change((channel, symbol))
            return []
        self._depths.pop(symbol, None)
        if method != "subscribe":
            return []
        market = self._markets[symbol]
        self._depths[symbol] = depth
        self._views[symbol] = view = _window(market, depth)
        text = _book("snapshot", market, view, market.ts)
        return [Frame(text, BOOK, symbol)]

    def _update(self, market: Market) -> list[Frame]:
        symbol = market.listing.symbol
        old, new = self._views[symbol], _window(market, self._depths[symbol])
        changes = tuple(
            _changes(old[n], new[n], truth) for n, truth in enumerate((market.bids, market.asks))
        )
        self._views[symbol] = new
        if not changes[0] and not changes[1]:
            return []
        # Only the top ten are summed: what changes deeper could be lost unnoticed
        matters = _window(market, _CHECKED_LEVELS) != tuple(
            dict(list(side.items())[:_CHECKED_LEVELS]) for side in old
        )
        text = _book("update", market, (changes[0], changes[1]), market.ts)
        return [Frame(text, BOOK, symbol, matters)]


def _window(market: Market, depth: int) -> _View:
    bids, asks = market.top(depth)
    return dict(bids), dict(asks)


def _changes(old: dict[int, int], new: dict[int, int], truth: dict[int, int]) -> dict[int, int]:
    """Return the levels to send; one that only left the window is not announced."""
    gone = {price: 0 for price in old if price not in truth}
    return gone | {price: size for price, size in new.items() if old.get(price) != size}


def _checksum(market: Market) -> int:
    bids, asks = market.top(_CHECKED_LEVELS)
    # Decimals without point and leading zeros are just our integers
    return zlib.crc32("".join(f"{price}{size}" for price, size in (*asks, *bids)).encode())


def _book(kind: str, market: Market, sides: _View, ts: int) -> str:
    bids, asks = (_levels(market.listing, side) for side in sides)
    return (
        f'{{"channel":"book","type":"{kind}","data":[{{"symbol":"{market.listing.symbol}",'
        f'"bids":{bids},"asks":{asks},"checksum":{_checksum(market)},"timestamp":"{iso(ts)}"}}]}}'
    )


def _levels(listing: Listing, side: Mapping[int, int]) -> str:
    # JSON numbers with all their decimals, which the checksum needs: json.dumps would drop them
    one = '{{"price":{},"qty":{}}}'
    texts = (one.format(listing.price_text(p), listing.size_text(s)) for p, s in side.items())
    return f"[{','.join(texts)}]"


def _trade(market: Market, event: Event) -> str:
    trade, listing = event.trade, market.listing
    if trade is None:
        return ""
    side = "buy" if trade.buy else "sell"
    price, size = listing.price_text(trade.price), listing.size_text(trade.size)
    return (
        f'{{"channel":"trade","type":"update","data":[{{"symbol":"{listing.symbol}","side":"{side}",'
        f'"price":{price},"qty":{size},"ord_type":"market","trade_id":{trade.trade_id},'
        f'"timestamp":"{iso(event.ts)}"}}]}}'
    )


def _ticker(market: Market, ts: int) -> str:
    listing, (bid, bid_size, ask, ask_size) = market.listing, market.best()
    price, size = listing.price_text, listing.size_text
    best = f'"bid":{price(bid)},"bid_qty":{size(bid_size)},"ask":{price(ask)},"ask_qty":{size(ask_size)}'
    return (
        f'{{"channel":"ticker","type":"update","data":[{{"symbol":"{listing.symbol}",{best},'
        f'"last":{price(bid)},"volume":0.0,"vwap":0.0,"low":{price(bid)},"high":{price(ask)},'
        f'"change":0.0,"change_pct":0.0,"timestamp":"{iso(ts)}"}}]}}'
    )


def instruments(path: str, symbols: Sequence[str]) -> Any:
    """Answer the list of pairs, with REST's older names of assets."""
    if path != "/0/public/AssetPairs":
        return None
    known = {listing.symbol: listing for listing in LISTINGS}
    result = {}
    for symbol in symbols:
        base, _, quote = symbol.partition("/")
        base = {"BTC": "XBT", "DOGE": "XDG"}.get(base, base)
        price, size = (known[symbol][3], known[symbol][4]) if symbol in known else (1, 8)
        names = {"altname": base + quote, "wsname": f"{base}/{quote}", "base": base, "quote": quote}
        places = {"pair_decimals": price, "lot_decimals": size, "tick_size": increment(price)}
        result[base + quote] = names | places | {"status": "online"}
    return {"error": [], "result": result}


def refuse(text: str) -> list[Frame] | None:
    """Refuse the subscription of each symbol."""
    request = json.loads(text)
    if request["method"] != "subscribe":
        return None
    answer = {"method": "subscribe", "success": False, "error": "Exceeded msg rate"}
    return [Frame(dumps(answer | {"symbol": s})) for s in request["params"].get("symbol", ())]


LISTINGS = (
    Listing("BTC/USD", "BTC", "USD", 1, 8, 650_000),
    Listing("ETH/USD", "ETH", "USD", 2, 8, 191_000),
)

DIALECT = Dialect(
    exchange="kraken",
    recording="kraken/session-v2-btcusd-20230730.jsonl",
    listings=LISTINGS,
    connect=KrakenFeed,
    instruments=instruments,
    care=Care(is_ping=lambda text: json.loads(text)["method"] == "ping"),
    refuse=refuse,
)
