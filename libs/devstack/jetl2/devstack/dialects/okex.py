"""OKX v5 as it is since June 2026: prevSeqId and seqId, checksum always 0, bare ping and pong."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from jetl2.devstack.dialect import BOOK, TICKER, TRADE, Care, Dialect, Frame
from jetl2.devstack.market import Event, Listing, Market
from jetl2.devstack.wire import dumps, increment, levels, ms

_BOOKS = ("books", "books-l2-tbt")


class OkexFeed:
    """Channels by (channel, instId)."""

    def __init__(self, _path: str, markets: Mapping[str, Market], number: int) -> None:
        """Begin with nothing subscribed."""
        self._markets = markets
        self._number = number
        self._channels: dict[tuple[str, str], None] = {}

    def greet(self) -> list[Frame]:
        """Say nothing."""
        return []

    def receive(self, text: str) -> list[Frame]:
        """Acknowledge each argument; after a book's acknowledgement comes its snapshot."""
        if text == "ping":
            return [Frame("pong")]
        request = json.loads(text)
        frames = []
        for arg in request["args"]:
            key = (arg["channel"], arg["instId"])
            if key[1] not in self._markets:
                message = f"Wrong URL or channel:{key[0]},instId:{key[1]} doesn't exist."
                frames.append(Frame(dumps({"event": "error", "code": "60018", "msg": message})))
                continue
            ack = {"event": request["op"], "arg": arg, "connId": f"{self._number:08x}"}
            frames.append(Frame(dumps(ack), symbol=key[1]))
            self._channels.pop(key, None)
            if request["op"] == "subscribe":
                self._channels[key] = None
                frames += self._first(*key)
        return frames

    def publish(self, market: Market, event: Event) -> list[Frame]:
        """Return the event on each of the symbol's channels."""
        frames, symbol = [], market.listing.symbol
        for channel, instrument in self._channels:
            if instrument != symbol:
                continue
            if channel in _BOOKS:
                sides = event.bids, event.asks
                ids = {"prevSeqId": event.prev_id, "seqId": event.last_id}
                text = _book(channel, market, "update", sides, ids)
                frames.append(Frame(text, BOOK, symbol))
            elif channel == "trades" and event.trade:
                frames.append(Frame(_trade(market, event), TRADE, symbol))
            elif channel in ("bbo-tbt", "tickers") and event.top_changed:
                frames.append(Frame(_ticker(channel, market), TICKER, symbol))
        return frames

    def heartbeat(self) -> list[Frame]:
        """Say nothing: the client pings."""
        return []

    def _first(self, channel: str, symbol: str) -> list[Frame]:
        if channel not in _BOOKS:
            return []
        market = self._markets[symbol]
        bids, asks = market.top()
        ids = {"prevSeqId": -1, "seqId": market.update_id}
        text = _book(channel, market, "snapshot", (dict(bids), dict(asks)), ids)
        return [Frame(text, BOOK, symbol)]


def _book(
    channel: str,
    market: Market,
    action: str,
    sides: tuple[dict[int, int], dict[int, int]],
    ids: dict[str, int],
) -> str:
    listing = market.listing
    bids, asks = ([[*level, "0", "1"] for level in levels(listing, side)] for side in sides)
    data = {"asks": asks, "bids": bids, "ts": str(ms(market.ts)), "checksum": 0} | ids
    return dumps({"arg": _arg(channel, listing), "action": action, "data": [data]})


def _trade(market: Market, event: Event) -> str:
    trade, listing = event.trade, market.listing
    if trade is None:
        return ""
    data = {
        "instId": listing.symbol,
        "tradeId": str(trade.trade_id),
        "px": listing.price_text(trade.price),
        "sz": listing.size_text(trade.size),
        "side": "buy" if trade.buy else "sell",
        "ts": str(ms(event.ts)),
        "count": "1",
        "source": "0",
        "seqId": event.last_id,
    }
    return dumps({"arg": _arg("trades", listing), "data": [data]})


def _ticker(channel: str, market: Market) -> str:
    listing, (bid, bid_size, ask, ask_size) = market.listing, market.best()
    bids, asks = levels(listing, {bid: bid_size}), levels(listing, {ask: ask_size})
    data: dict[str, Any] = {"ts": str(ms(market.ts))}
    if channel == "bbo-tbt":
        data |= {"asks": [[*asks[0], "0", "1"]], "bids": [[*bids[0], "0", "1"]]}
        data |= {"seqId": market.update_id}
    else:
        data |= {"instType": "SPOT", "instId": listing.symbol, "last": bids[0][0], "lastSz": "0"}
        data |= {"askPx": asks[0][0], "askSz": asks[0][1], "bidPx": bids[0][0], "bidSz": bids[0][1]}
    return dumps({"arg": _arg(channel, listing), "data": [data]})


def _arg(channel: str, listing: Listing) -> dict[str, str]:
    return {"channel": channel, "instId": listing.symbol}


def instruments(path: str, symbols: Sequence[str]) -> Any:
    """Answer the list of instruments, all as spot."""
    if path != "/api/v5/public/instruments":
        return None
    known = {listing.symbol: listing for listing in LISTINGS}
    data = []
    for symbol in symbols:
        base, _, quote = symbol.partition("-")
        price, size = (known[symbol][3], known[symbol][4]) if symbol in known else (8, 8)
        names = {"instId": symbol, "instType": "SPOT", "baseCcy": base, "quoteCcy": quote}
        data.append(names | {"tickSz": increment(price), "lotSz": increment(size), "state": "live"})
    return {"code": "0", "msg": "", "data": data}


def refuse(text: str) -> list[Frame] | None:
    """Refuse a subscription as the exchange does when its service is busy."""
    if text == "ping":
        return None
    answer = {"event": "error", "code": "63999", "msg": "Internal system error"}
    return [Frame(dumps(answer))]


LISTINGS = (
    Listing("BTC-USDT", "BTC", "USDT", 1, 8, 650_000),
    Listing("ETH-USDT", "ETH", "USDT", 2, 6, 191_000),
)

DIALECT = Dialect(
    exchange="okex",
    recording="okx/session-v5-okex-20210722.jsonl.gz",
    listings=LISTINGS,
    connect=OkexFeed,
    instruments=instruments,
    care=Care(is_ping=lambda text: text == "ping", ping_within_s=30),
    refuse=refuse,
)
