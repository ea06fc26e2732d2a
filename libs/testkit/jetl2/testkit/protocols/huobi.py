"""Changes that name what they follow, onto a book that was asked for; or whole books."""

import gzip
import json
from decimal import Decimal
from typing import Any

from jetl2.testkit.reference.book import Book, Books


def decode(raw: bytes) -> Any:
    """Return a frame, every number a text."""
    plain = gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw
    return json.loads(plain, parse_float=str, parse_int=str)


def apply(books: Books, entry: dict[str, Any], frame: Any) -> list[str]:
    """Apply a line; see the package."""
    topic = frame.get("ch") or frame.get("rep") or frame.get("subbed") or ""
    if entry["dir"] == "http" or not topic:
        return []
    _, symbol, channel = topic.split(".", 2)
    book = books.setdefault(symbol, Book())
    if channel == "depth.step0" and "ch" in frame:
        book.clear()
        _change(book, frame["tick"])
        return [symbol]
    if not channel.startswith("mbp."):
        return []
    if "subbed" in frame:
        book.depth = int(channel.removeprefix("mbp."))
    elif "rep" in frame:
        return _join(book, symbol, frame["data"])
    elif not book.ready:
        book.waiting.append(frame["tick"])
    else:
        _follow(book, frame["tick"])
        return [symbol]
    return []


def _join(book: Book, symbol: str, data: dict[str, Any] | None) -> list[str]:
    if data is None or book.ready:
        return []
    newer = [tick for tick in book.waiting if int(tick["seqNum"]) > int(data["seqNum"])]
    if newer and newer[0]["prevSeqNum"] != data["seqNum"]:
        return []  # too old: another one was asked for
    book.clear()
    _change(book, data)
    book.sequence = int(data["seqNum"])
    for tick in newer:
        _follow(book, tick)
    return [symbol]


def _follow(book: Book, tick: dict[str, Any]) -> None:
    assert int(tick["prevSeqNum"]) == book.sequence, "the recording has a hole"
    _change(book, tick)
    book.cut()
    book.sequence = int(tick["seqNum"])


def _change(book: Book, tick: dict[str, Any]) -> None:
    for side in ("bid", "ask"):
        for price, size in tick.get(side + "s", ()):
            # beyond is a binary float's noise
            book.change(side, price, str(round(Decimal(size), 8)))
