"""Ranges of numbers onto a REST snapshot."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

from jetl2.testkit.reference.book import Book, Books


def apply(books: Books, entry: dict[str, Any], frame: Any) -> list[str]:
    """Take a received line; return the symbols whose book changed."""
    if entry["dir"] == "http":
        if "lastUpdateId" not in frame:
            return []
        symbol = parse_qs(urlsplit(entry["url"]).query).get("symbol", list(books))[0]
        book = books.setdefault(symbol, Book())
        book.clear()
        book.change_all(frame["bids"], frame["asks"])
        book.sequence = int(frame["lastUpdateId"])
        for data in book.waiting:
            _update(book, data)
        return [symbol]
    data = frame.get("data", frame)
    if not isinstance(data, dict) or data.get("e") != "depthUpdate":
        return []
    book = books.setdefault(data["s"], Book())
    if not book.ready:
        book.waiting.append(data)
        return []
    _update(book, data)
    return [data["s"]]


def _update(book: Book, data: dict[str, Any]) -> None:
    if int(data["u"]) > book.sequence:
        assert int(data["U"]) <= book.sequence + 1, "the recording has a hole"
        book.change_all(data["b"], data["a"])
        book.sequence = int(data["u"])
