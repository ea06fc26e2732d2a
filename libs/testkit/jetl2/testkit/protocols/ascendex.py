"""Changes numbered by one, onto a book that was asked for."""

from typing import Any

from jetl2.testkit.reference.book import Book, Books


def apply(books: Books, entry: dict[str, Any], frame: Any) -> list[str]:
    """Apply a line; see the package."""
    if entry["dir"] == "http" or frame["m"] not in ("depth", "depth-snapshot"):
        return []
    symbol, data = frame["symbol"], frame["data"]
    book = books.setdefault(symbol, Book())
    if frame["m"] == "depth":
        if not book.ready:
            book.waiting.append(data)
            return []
        return [symbol] if _follow(book, data) else []
    if book.ready:
        return []
    book.clear()
    book.change_all(data["bids"], data["asks"])
    book.sequence = int(data["seqnum"])
    for waiting in book.waiting:
        _follow(book, waiting)
    return [symbol]


def _follow(book: Book, data: dict[str, Any]) -> bool:
    number = int(data["seqnum"])
    if number <= book.sequence:
        return False
    assert number == book.sequence + 1, "the recording has a hole"
    book.change_all(data["bids"], data["asks"])
    book.sequence = number
    return True
