"""Changes by their time onto a REST snapshot."""

from typing import Any
from urllib.parse import urlsplit

from jetl2.testkit.reference.book import Book, Books


def apply(books: Books, entry: dict[str, Any], frame: Any) -> list[str]:
    """Take a received line; return the symbols whose book changed."""
    if entry["dir"] == "http":
        words = urlsplit(entry["url"]).path.strip("/").split("/")
        if words[-2] != "order_book":
            return []
        book = books.setdefault(words[-1], Book())
        book.clear()
        book.change_all(frame["bids"], frame["asks"])
        book.sequence = int(frame["microtimestamp"])
        for data in book.waiting:
            _update(book, data)
        return [words[-1]]
    channel = frame["channel"]
    if frame["event"] != "data" or not channel.startswith("diff_order_book_"):
        return []
    symbol = channel.removeprefix("diff_order_book_")
    book = books.setdefault(symbol, Book())
    if not book.ready:
        book.waiting.append(frame["data"])
        return []
    _update(book, frame["data"])
    return [symbol]


def _update(book: Book, data: dict[str, Any]) -> None:
    if int(data["microtimestamp"]) > book.sequence:
        book.change_all(data["bids"], data["asks"])
        book.sequence = int(data["microtimestamp"])
