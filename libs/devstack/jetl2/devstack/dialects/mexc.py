"""MEXC spot: market data as protobuf, deltas with ranges of versions, the snapshot by REST."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from jetl2.devstack.dialect import BOOK, TICKER, TRADE, Care, Dialect, Frame
from jetl2.devstack.market import Event, Listing, Market
from jetl2.devstack.wire import dumps, levels, ms

# A connection carries no more
_MOST = 30
_DEPTH, _DEALS, _TICKER = "aggre.depth", "aggre.deals", "aggre.bookTicker"


class MexcFeed:
    """Streams by name, `spot@public.aggre.depth.v3.api.pb@100ms@BTCUSDT`."""

    def __init__(self, _path: str, markets: Mapping[str, Market], _number: int) -> None:
        """Begin with nothing subscribed."""
        self._markets = markets
        self._streams: dict[str, None] = {}

    def greet(self) -> list[Frame]:
        """Say nothing."""
        return []

    def receive(self, text: str) -> list[Frame]:
        """Answer a request with all streams that it names, or with why they were not subscribed."""
        request = json.loads(text)
        if request["method"] == "PING":
            return [_answer("PONG")]
        streams = request["params"]
        if request["method"] == "UNSUBSCRIPTION":
            for stream in streams:
                self._streams.pop(stream, None)
            return [_answer(",".join(streams))]
        unknown = [s for s in streams if s.rpartition("@")[2] not in self._markets]
        if unknown or len({*self._streams, *streams}) > _MOST:
            return [_refusal(unknown or streams)]
        self._streams |= dict.fromkeys(streams)
        return [_answer(",".join(streams))]

    def publish(self, market: Market, event: Event) -> list[Frame]:
        """Return the event on each of the symbol's streams."""
        frames = []
        for stream in self._streams:
            if stream.rpartition("@")[2] != market.listing.symbol:
                continue
            channel = stream.removeprefix("spot@public.").partition(".v3.")[0]
            kind, body = _body(channel, market, event)
            if body:
                symbol = market.listing.symbol
                head = _text(1, stream) + _text(3, symbol) + _number(6, ms(event.ts))
                frames.append(Frame(head + body, kind, symbol))
        return frames

    def heartbeat(self) -> list[Frame]:
        """Say nothing: the client pings."""
        return []


def _answer(message: str, code: int = 0) -> Frame:
    return Frame(dumps({"id": 0, "code": code, "msg": message}))


def _refusal(streams: Sequence[str]) -> Frame:
    return _answer(f"Not Subscribed successfully! [{','.join(streams)}]. Reason: Blocked! ")


def _body(channel: str, market: Market, event: Event) -> tuple[str, bytes]:
    """Return the event's part of a push; none where the channel has nothing to say of it."""
    if channel == _DEPTH and event.last_id > event.prev_id:
        return BOOK, _message(313, _depth(market, event))
    if channel == _DEALS and event.trade:
        return TRADE, _message(314, _deals(market, event))
    if channel == _TICKER and event.top_changed:
        return TICKER, _message(315, _best(market, event))
    return BOOK, b""


def _depth(market: Market, event: Event) -> bytes:
    sides = b""
    for number, side in ((1, event.asks), (2, event.bids)):
        for price, size in levels(market.listing, side):
            sides += _message(number, _text(1, price) + _text(2, size))
    return sides + _text(4, str(event.first_id)) + _text(5, str(event.last_id))


def _deals(market: Market, event: Event) -> bytes:
    trade, listing = event.trade, market.listing
    if trade is None:
        return b""
    amount = _text(1, listing.price_text(trade.price)) + _text(2, listing.size_text(trade.size))
    tail = _number(3, 1 if trade.buy else 2) + _number(4, ms(event.ts))
    return _message(1, amount + tail + _text(5, f"{trade.trade_id}X0_{trade.trade_id}X1"))


def _best(market: Market, event: Event) -> bytes:
    listing, (bid, bid_size, ask, ask_size) = market.listing, market.best()
    texts = (
        listing.price_text(bid),
        listing.size_text(bid_size),
        listing.price_text(ask),
        listing.size_text(ask_size),
        str(event.last_id),
    )
    return b"".join(_text(number, text) for number, text in enumerate(texts, start=1))


def _text(field: int, text: str) -> bytes:
    return _message(field, text.encode())


def _message(field: int, inner: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(inner)) + inner


def _number(field: int, number: int) -> bytes:
    return _varint(field << 3) + _varint(number)


def _varint(number: int) -> bytes:
    """Return a number by seven bits a byte, the lowest first; all but the last have the top bit."""
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    found.append(number)
    return bytes(found)


def rest(path: str, query: Mapping[str, str], markets: Mapping[str, Market]) -> Any:
    """Answer the depth endpoint."""
    market = markets.get(query.get("symbol", ""))
    if path != "/api/v3/depth" or market is None:
        return None
    bids, asks = (levels(market.listing, s) for s in market.top(int(query.get("limit", 100))))
    head = {"lastUpdateId": market.update_id, "bids": bids, "asks": asks}
    return head | {"timestamp": ms(market.ts)}


def instruments(path: str, symbols: Sequence[str]) -> Any:
    """Answer the list of symbols; "1" is one that trades."""
    if path != "/api/v3/exchangeInfo":
        return None
    known = {listing.symbol: listing for listing in LISTINGS}
    found = []
    for symbol in symbols:
        _, base, quote, price, size, _ = known.get(symbol) or _unlisted(symbol)
        names = {"symbol": symbol, "status": "1", "baseAsset": base, "quoteAsset": quote}
        places = {"quotePrecision": price, "baseAssetPrecision": size}
        found.append(names | places | {"isSpotTradingAllowed": True, "permissions": ["SPOT"]})
    return {"timezone": "CST", "symbols": found}


def _unlisted(symbol: str) -> Listing:
    return Listing(symbol, symbol.removesuffix("USDT"), "USDT", 8, 8, 0)


def refuse(text: str) -> list[Frame] | None:
    """Refuse a subscription."""
    request = json.loads(text)
    return [_refusal(request["params"])] if request["method"] == "SUBSCRIPTION" else None


LISTINGS = (
    Listing("BTCUSDT", "BTC", "USDT", 2, 8, 6_500_000),
    Listing("ETHUSDT", "ETH", "USDT", 2, 5, 191_000),
)

DIALECT = Dialect(
    exchange="mexc",
    listings=LISTINGS,
    connect=MexcFeed,
    rest=rest,
    instruments=instruments,
    care=Care(is_ping=lambda text: '"PING"' in text, ping_within_s=60, lifetime_s=24 * 60 * 60),
    refuse=refuse,
)
