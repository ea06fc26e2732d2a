"""Ranges of numbers onto a REST snapshot; a price of 0 changes nothing."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

from jetl2.testkit.reference.book import Book, Books


def apply(books: Books, entry: dict[str, Any], frame: Any) -> list[str]:
    """Apply a REST snapshot or a push; return the symbols changed."""
    if entry["dir"] == "http":
        if "/orderbook/level2" not in entry.get("url", ""):
            return []
        symbol = parse_qs(urlsplit(entry["url"]).query)["symbol"][0]
        book = books.setdefault(symbol, Book())
        book.clear()
        book.change_all(frame["data"]["bids"] or [], frame["data"]["asks"] or [])
        book.sequence = int(frame["data"]["sequence"])
        for data in book.waiting:
            _update(book, data)
        return [symbol]
    if frame.get("subject") != "trade.l2update":
        return []
    symbol = frame["data"]["symbol"]
    book = books.setdefault(symbol, Book())
    if not book.ready:
        book.waiting.append(frame["data"])
        return []
    _update(book, frame["data"])
    return [symbol]


def _update(book: Book, data: dict[str, Any]) -> None:
    if int(data["sequenceEnd"]) > book.sequence:
        assert int(data["sequenceStart"]) <= book.sequence + 1, "the recording has a hole"
        for side in ("bid", "ask"):
            for price, size, _ in data["changes"][side + "s"]:
                if price != "0":
                    book.change(side, price, size)
        book.sequence = int(data["sequenceEnd"])
