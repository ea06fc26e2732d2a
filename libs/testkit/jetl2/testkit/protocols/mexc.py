"""Ranges of versions onto a REST snapshot; market data as protobuf, read byte by byte."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

from jetl2.testkit.reference.book import Book, Books


def decode(raw: bytes) -> dict[int, list[Any]]:
    """Return the fields of a message by their numbers; those of a JSON answer are left out."""
    fields: dict[int, list[Any]] = {}
    at = 0
    while at < len(raw) and raw[:1] != b"{":
        key, at = _number(raw, at)
        size, at = _number(raw, at)
        value: Any = size
        if key % 8 == 2:
            value, at = raw[at : at + size], at + size
        fields.setdefault(key // 8, []).append(value)
    return fields


def _number(raw: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        number |= (raw[at] & 127) << shift
        shift, at = shift + 7, at + 1
        if raw[at - 1] < 128:
            return number, at


def apply(books: Books, entry: dict[str, Any], frame: Any) -> list[str]:
    """Apply a frame."""
    if entry["dir"] == "http":
        symbol = parse_qs(urlsplit(entry["url"]).query)["symbol"][0]
        book = books.setdefault(symbol, Book())
        book.clear()
        book.change_all(frame["bids"], frame["asks"])
        book.sequence = int(frame["lastUpdateId"])
        for data in book.waiting:
            _update(book, data)
        return [symbol]
    if 313 not in frame:
        return []
    symbol = frame[3][0].decode()
    book = books.setdefault(symbol, Book())
    depth = decode(frame[313][0])
    data = {
        "a": [_level(raw) for raw in depth.get(1, [])],
        "b": [_level(raw) for raw in depth.get(2, [])],
        "first": int(depth[4][0]),
        "last": int(depth[5][0]),
    }
    if not book.ready:
        book.waiting.append(data)
        return []
    _update(book, data)
    return [symbol]


def _level(raw: bytes) -> tuple[str, str]:
    fields = decode(raw)
    return fields[1][0].decode(), fields[2][0].decode()


def _update(book: Book, data: dict[str, Any]) -> None:
    if data["last"] > book.sequence:
        assert data["first"] <= book.sequence + 1, "the recording has a hole"
        book.change_all(data["b"], data["a"])
        book.sequence = data["last"]
