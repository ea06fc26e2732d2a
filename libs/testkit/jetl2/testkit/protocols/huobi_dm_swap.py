"""A snapshot in the channel, then changes numbered by one; or whole books."""

import gzip
import json
from typing import Any

from jetl2.testkit.reference.book import Book, Books


def decode(raw: bytes) -> Any:
    """Return a frame, every number a text."""
    plain = gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw
    return json.loads(plain, parse_float=str, parse_int=str)


def apply(books: Books, entry: dict[str, Any], frame: Any) -> list[str]:
    """Apply a line; see the package."""
    topic = frame.get("ch") or frame.get("subbed") or ""
    if entry["dir"] == "http" or ".depth." not in topic:
        return []
    _, symbol, _, channel, *_ = topic.split(".")
    book = books.setdefault(symbol, Book())
    if "subbed" in frame:
        if channel.startswith("size_"):
            book.depth = int(channel[len("size_") :])
        return []
    tick = frame["tick"]
    if channel == "step0":
        book.clear()
        book.change_all(tick.get("bids", []), tick.get("asks", []))
        return [symbol]
    if not channel.startswith("size_"):
        return []
    number = int(tick["version"])
    if tick["event"] == "snapshot":
        book.clear()
    else:
        assert number == book.sequence + 1, "the recording has a hole"
    book.change_all(tick.get("bids", []), tick.get("asks", []))
    if book.depth:
        book.cut()
    book.sequence = number
    return [symbol]
