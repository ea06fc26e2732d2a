"""Bitfinex v2: channels by number, one counter over their frames, sums between the deltas."""

import json
import time
import zlib
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import Any

from jetl2.devstack.dialect import BOOK, OTHER, TICKER, TRADE, Care, Dialect, Frame
from jetl2.devstack.market import Event, Listing, Market
from jetl2.devstack.wire import dumps, ms

FIRST_CHANNEL = 1001
SUMMED_LEVELS = 25
# A sum follows each so many events of a book; the exchange says it by time
SUM_EVERY = 4
TIMES, NUMBERS, SUMS = 32768, 65536, 131072


class BitfinexFeed:
    """Channels by number; a number for every frame of a channel that is made, sent or lost."""

    def __init__(self, _path: str, markets: Mapping[str, Market], _number: int) -> None:
        """Begin with nothing subscribed, no flag set."""
        self._markets = markets
        self._flags = 0
        self._channels: dict[tuple[str, str], int] = {}
        self._made = 0
        self._sent = 0

    def greet(self) -> list[Frame]:
        """Say the version."""
        return [_event("info", version=2, serverId="simulated", platform={"status": 1})]

    def receive(self, text: str) -> list[Frame]:
        """Set flags, acknowledge channels; after the acknowledgement comes what is known."""
        request = json.loads(text)
        match request["event"]:
            case "conf":
                self._flags = request["flags"]
                return [_event("conf", status="OK", flags=self._flags)]
            case "ping":
                return [_event("pong", ts=ms(time.time_ns()), cid=request.get("cid"))]
            case "unsubscribe":
                return [self._unsubscribe(request["chanId"])]
        symbol = request.get("symbol") or request["key"].partition(":")[2]
        if symbol not in self._markets and symbol != "global":
            return [_event("error", msg="symbol: invalid", code=10300, **request)]
        key = (request.get("key") or request["channel"], symbol)
        if key in self._channels:
            return [_event("error", msg="subscribe: dup", code=10301, **request)]
        number = self._channels[key] = FIRST_CHANNEL + self._made
        self._made += 1
        ack = {k: v for k, v in request.items() if k != "event"}
        return [_event("subscribed", chanId=number, **ack), *self._first(key)]

    def publish(self, market: Market, event: Event) -> list[Frame]:
        """Return each level, the trade twice and the best prices, on the symbol's channels."""
        symbol, listing, frames = market.listing.symbol, market.listing, []
        if number := self._channels.get(("book", symbol)):
            # what goes first, so that the book never is crossed between two frames
            for content in sorted(_changes(listing, event), key=lambda level: level[1] != "0"):
                text = f"[{','.join(content)}]"
                frames.append(self._frame(number, text, event.ts, BOOK, symbol))
            if market.events % SUM_EVERY == 0:
                frames += self._sum(number, market)
        if event.trade and (number := self._channels.get(("trades", symbol))):
            trade = event.trade
            size = _text(trade.size if trade.buy else -trade.size, listing.size_places)
            price = _text(trade.price, listing.price_places)
            item = f"[{trade.trade_id},{ms(event.ts)},{size},{price}]"
            for kind in ("te", "tu"):
                text = f'"{kind}",{item}'
                frames.append(self._frame(number, text, event.ts, TRADE, symbol))
        if event.top_changed and (number := self._channels.get(("ticker", symbol))):
            frames.append(self._frame(number, _ticker(market), event.ts, TICKER, symbol))
        return frames

    def heartbeat(self) -> list[Frame]:
        """Say that each channel lives, and the sum of each book."""
        now, frames = time.time_ns(), []
        for (channel, symbol), number in self._channels.items():
            frames.append(self._frame(number, '"hb"', now))
            if channel == "book":
                frames += self._sum(number, self._markets[symbol])
        return frames

    def _unsubscribe(self, number: int) -> Frame:
        self._channels = {k: n for k, n in self._channels.items() if n != number}
        return _event("unsubscribed", status="OK", chanId=number)

    def _first(self, key: tuple[str, str]) -> list[Frame]:
        channel, symbol = key
        if channel not in ("book", "trades", "ticker"):
            return []
        market, number = self._markets[symbol], self._channels[key]
        if channel == "book":
            bids, asks = market.top()
            levels = _levels(market.listing, bids, 1) + _levels(market.listing, asks, -1)
            rows = ",".join(f"[{','.join(level)}]" for level in levels)
            return [self._frame(number, f"[{rows}]", market.ts, BOOK, symbol)]
        text = "[]" if channel == "trades" else _ticker(market)
        return [self._frame(number, text, market.ts, OTHER, symbol)]

    def _sum(self, number: int, market: Market) -> list[Frame]:
        if not self._flags & SUMS:
            return []
        text = f'"cs",{_checksum(market)}'
        return [self._frame(number, text, market.ts, BOOK, market.listing.symbol)]

    def _frame(self, number: int, text: str, ts: int, kind: str = OTHER, symbol: str = "") -> Frame:
        self._sent += 1
        if self._flags & NUMBERS:
            text += f",{self._sent}"
        if self._flags & TIMES:
            text += f",{ms(ts)}"
        return Frame(f"[{number},{text}]", kind, symbol)


def _event(name: str, **fields: Any) -> Frame:
    return Frame(dumps({**fields, "event": name}))


def _changes(listing: Listing, event: Event) -> list[tuple[str, str, str]]:
    return _levels(listing, event.bids.items(), 1) + _levels(listing, event.asks.items(), -1)


def _levels(listing: Listing, levels: Any, sign: int) -> list[tuple[str, str, str]]:
    """Return price, number of orders and signed size of levels; a size of 0 is a count of 0."""
    return [
        (
            _text(price, listing.price_places),
            "1" if size else "0",
            _text(sign * size, listing.size_places) if size else str(sign),
        )
        for price, size in levels
    ]


def _text(number: int, places: int) -> str:
    """Return a number as JavaScript writes it: shortest, with an exponent when it is tiny."""
    digits = str(abs(number)).rstrip("0") or "0"
    tiny = number and len(str(abs(number))) - places < -5
    sign = "-" if number < 0 else ""
    if tiny:
        more = f".{digits[1:]}" if digits[1:] else ""
        return f"{sign}{digits[0]}{more}e{len(str(abs(number))) - places - 1}"
    whole, part = divmod(abs(number), 10**places)
    decimals = str(part).rjust(places, "0").rstrip("0") if part else ""
    return f"{sign}{whole}.{decimals}" if decimals else f"{sign}{whole}"


def _checksum(market: Market) -> int:
    listing = market.listing
    bids, asks = market.top(SUMMED_LEVELS)
    texts = [
        f"{price}:{size}"
        for pair in zip_longest(_levels(listing, bids, 1), _levels(listing, asks, -1))
        for price, _, size in filter(None, pair)
    ]
    unsigned = zlib.crc32(":".join(texts).encode())
    return unsigned - 2**32 if unsigned >= 2**31 else unsigned


def _ticker(market: Market) -> str:
    listing, (bid, bid_size, ask, ask_size) = market.listing, market.best()
    price, size = listing.price_places, listing.size_places
    best = (_text(bid, price), _text(bid_size, size), _text(ask, price), _text(ask_size, size))
    return f"[{','.join(best)},0,0,{best[0]},0,{best[2]},{best[0]},null]"


def instruments(path: str, symbols: Sequence[str]) -> Any:
    """Answer the lists of pairs: names alone, without the letter that subscriptions add."""
    kind = path.rpartition(":")[2]
    if not path.startswith("/v2/conf/pub:list:pair:") or kind not in ("exchange", "futures"):
        return None
    return [[s.removeprefix("t") for s in symbols if ("F0:" in s) == (kind == "futures")]]


def refuse(text: str) -> list[Frame] | None:
    """Refuse a subscription."""
    request = json.loads(text)
    if request["event"] != "subscribe":
        return None
    return [_event("error", msg="subscribe: limit", code=10305, **request)]


LISTINGS = (
    Listing("tBTCUSD", "BTC", "USD", 0, 8, 65_000),
    Listing("tABC:UST", "ABC", "USDT", 8, 8, 1_910),
    Listing("tETHF0:USTF0", "ETH", "USDT", 2, 4, 191_000),
)

DIALECT = Dialect(
    exchange="bitfinex",
    listings=LISTINGS,
    connect=BitfinexFeed,
    instruments=instruments,
    care=Care(is_ping=lambda text: json.loads(text)["event"] == "ping"),
    refuse=refuse,
)
