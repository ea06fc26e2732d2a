"""A slow, obvious rebuild of books straight from recorded frames, to check the real one against.

It shares no code with the packages it judges: plain dicts of Decimal, sorted when asked, one
function for each protocol, no checks beyond what joining a snapshot needs. Only sessions without a
loss make sense here.
"""

import base64
import gzip
import json
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

Levels = list[tuple[Decimal, Decimal]]


@dataclass
class Book:
    """One symbol's levels; `ready` once a snapshot has come."""

    bids: dict[Decimal, Decimal] = field(default_factory=dict)
    asks: dict[Decimal, Decimal] = field(default_factory=dict)
    ready: bool = False
    depth: int = 0
    sequence: int = 0
    waiting: list[dict[str, Any]] = field(default_factory=list)

    def top(self, depth: int) -> tuple[Levels, Levels]:
        """Return the best levels of each side, best first."""
        bids = sorted(self.bids.items(), reverse=True)
        asks = sorted(self.asks.items())
        return bids[:depth], asks[:depth]

    def everything(self) -> tuple[Levels, Levels]:
        """Return all levels of each side, best first."""
        return self.top(len(self.bids) + len(self.asks))

    def change(self, side: str, price: str, size: str) -> None:
        """Set one level; size zero removes it."""
        levels = self.bids if side == "bid" else self.asks
        if Decimal(size) == 0:
            levels.pop(Decimal(price), None)
        else:
            levels[Decimal(price)] = Decimal(size)

    def cut(self) -> None:
        """Forget what lies beyond the depth."""
        bids, asks = self.top(self.depth)
        self.bids, self.asks = dict(bids), dict(asks)


class Instant(NamedTuple):
    """The book of a symbol right after a message changed it.

    Args:
        message: Running number of the received message, from 0, by websocket or REST.
        local_ts: Receive time in ns; None where the recording has none.
        book: The same object goes on to change.
    """

    message: int
    local_ts: int | None
    symbol: str
    book: Book


Books = dict[str, Book]


def instants(path: Path) -> Iterator[Instant]:
    """Yield each change of each book of a recorded session, in order."""
    for message, local_ts, changed, books in messages(path):
        for symbol in changed:
            yield Instant(message, local_ts, symbol, books[symbol])


def messages(path: Path) -> Iterator[tuple[int, int | None, list[str], Books]]:
    """Yield each received message: its number, its time, the symbols changed, all books after it."""
    opener = gzip.open if path.suffix == ".gz" else open
    books: Books = {}
    message = -1
    with opener(path, "rt", encoding="utf-8") as lines:
        protocol = PROTOCOLS[json.loads(next(lines))["exchange"]]
        for line in lines:
            entry = json.loads(line)
            if entry["dir"] not in ("recv", "http"):
                continue
            message += 1
            raw = entry["raw"]
            if entry.get("encoding") == "base64":
                raw = base64.b64decode(raw).decode()
            local_ts = None if entry["ts"] is None else int(Decimal(entry["ts"]) * 10**9)
            # every number as the text that was sent; "pong" and the like are no JSON
            frame = json.loads(raw, parse_float=str, parse_int=str) if raw[:1] in "{[" else {}
            yield message, local_ts, protocol(books, entry, frame), books


def final_books(path: Path) -> Books:
    """Return the books at the end of a session, by symbol."""
    found: Books = {}
    for _, _, _, books in messages(path):
        found = books
    return found


def _binance(books: Books, entry: dict[str, Any], frame: Any) -> list[str]:
    if entry["dir"] == "http":
        if "lastUpdateId" not in frame:
            return []
        symbol = parse_qs(urlsplit(entry["url"]).query).get("symbol", list(books))[0]
        book = books.setdefault(symbol, Book())
        book.bids, book.asks, book.ready = {}, {}, True
        _change_all(book, frame["bids"], frame["asks"])
        book.sequence = int(frame["lastUpdateId"])
        for data in book.waiting:
            _binance_update(book, data)
        return [symbol]
    data = frame.get("data", frame)
    if not isinstance(data, dict) or data.get("e") != "depthUpdate":
        return []
    book = books.setdefault(data["s"], Book())
    if not book.ready:
        book.waiting.append(data)
        return []
    _binance_update(book, data)
    return [data["s"]]


def _binance_update(book: Book, data: dict[str, Any]) -> None:
    if int(data["u"]) > book.sequence:
        assert int(data["U"]) <= book.sequence + 1, "the recording has a hole"
        _change_all(book, data["b"], data["a"])
        book.sequence = int(data["u"])


def _kraken(books: Books, entry: dict[str, Any], frame: Any) -> list[str]:  # noqa: ARG001
    if frame.get("channel") != "book":
        return []
    changed = []
    for item in frame["data"]:
        book = books.setdefault(item["symbol"], Book())
        if frame["type"] == "snapshot":
            book.bids, book.asks, book.ready = {}, {}, True
            book.depth = max(len(item["bids"]), len(item["asks"]))
        for side in ("bid", "ask"):
            for level in item[side + "s"]:
                book.change(side, level["price"], level["qty"])
        book.cut()
        changed.append(item["symbol"])
    return changed


def _okx(books: Books, entry: dict[str, Any], frame: Any) -> list[str]:
    channel = frame.get("arg", {}).get("channel", "")
    if entry["dir"] == "http" or "action" not in frame or not channel.startswith("books"):
        return []
    symbol = frame["arg"]["instId"]
    book = books.setdefault(symbol, Book())
    for item in frame["data"]:
        if frame["action"] == "snapshot":
            book.bids, book.asks, book.ready = {}, {}, True
        _change_all(book, item["bids"], item["asks"])
        book.sequence = int(item.get("seqId", 0))
    return [symbol]


def _coinbase(books: Books, entry: dict[str, Any], frame: Any) -> list[str]:
    if entry["dir"] == "http" or frame.get("channel") != "l2_data":
        return []
    changed = []
    for event in frame["events"]:
        book = books.setdefault(event["product_id"], Book())
        if event["type"] == "snapshot":
            book.bids, book.asks, book.ready = {}, {}, True
        for level in event["updates"]:
            side = "bid" if level["side"] == "bid" else "ask"
            book.change(side, level["price_level"], level["new_quantity"])
        book.sequence = int(frame["sequence_num"])
        changed.append(event["product_id"])
    return changed


def _change_all(book: Book, bids: list[list[str]], asks: list[list[str]]) -> None:
    for side, levels in (("bid", bids), ("ask", asks)):
        for price, size, *_ in levels:
            book.change(side, price, size)


# By the name in the header of a session
PROTOCOLS: dict[str, Callable[[Books, dict[str, Any], Any], list[str]]] = {
    "binance": _binance,
    "kraken": _kraken,
    "okx": _okx,
    "coinbase": _coinbase,
}


def kraken_checksum(bids: Levels, asks: Levels, price_places: int, size_places: int) -> int:
    """Return the sum over ten levels a side, from numbers formatted at the pair's precision."""
    text = ""
    for price, size in [*asks[:10], *bids[:10]]:
        text += f"{price:.{price_places}f}".replace(".", "").lstrip("0")
        text += f"{size:.{size_places}f}".replace(".", "").lstrip("0")
    return zlib.crc32(text.encode())


def okx_checksum(bids: list[tuple[str, str]], asks: list[tuple[str, str]]) -> int:
    """Return the signed sum over 25 levels a side by turns, from the texts as sent."""
    parts = []
    for i in range(25):
        parts += [":".join(side[i]) for side in (bids, asks) if i < len(side)]
    unsigned = zlib.crc32(":".join(parts).encode())
    return unsigned if unsigned < 2**31 else unsigned - 2**32
