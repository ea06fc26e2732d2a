"""Linked ranges of numbers onto a REST snapshot."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

from jetl2.testkit.reference.book import Book, Books


def apply(books: Books, entry: dict[str, Any], frame: Any) -> list[str]:
    """Apply a frame."""
    if entry["dir"] == "http":
        if "lastUpdateId" not in frame:
            return []
        symbol = parse_qs(urlsplit(entry["url"]).query).get("symbol", list(books))[0]
        book = books.setdefault(symbol, Book())
        book.clear()
        book.change_all(frame["bids"], frame["asks"])
        book.sequence = int(frame["lastUpdateId"])
        for data in book.waiting:
            _update(book, data, first=not book.depth)
        return [symbol]
    stream, data = frame.get("stream", "@depth"), frame.get("data", frame)
    whole = stream.split("@")[1] == "depth"
    if not whole or not isinstance(data, dict) or data.get("e") != "depthUpdate":
        return []
    book = books.setdefault(data["s"], Book())
    if not book.ready:
        book.waiting.append(data)
        return []
    _update(book, data, first=not book.depth)
    return [data["s"]]


def _update(book: Book, data: dict[str, Any], *, first: bool) -> None:
    number = book.sequence
    if int(data["u"]) < number:
        return
    spans = first and int(data["U"]) <= number <= int(data["u"])
    assert spans or int(data["pu"]) == number, "the recording has a hole"
    book.change_all(data["b"], data["a"])
    book.sequence = int(data["u"])
    # from the first one on each names the number before
    book.depth = 1
