"""Snapshot in the channel, linked deltas, a window of so many levels as each message says."""

from typing import Any

from jetl2.testkit.reference.book import Book, Books


def apply(books: Books, entry: dict[str, Any], frame: Any) -> list[str]:
    """Apply a frame."""
    result = frame.get("result", {})
    if entry["dir"] == "http" or not result.get("channel", "").startswith("book"):
        return []
    symbol = result["instrument_name"]
    book = books.setdefault(symbol, Book())
    for item in result["data"]:
        levels = item
        if result["channel"] == "book":
            book.clear()
        elif not book.ready or item["pu"] != str(book.sequence):
            continue
        else:
            levels = item["update"]
        book.depth = int(result["depth"])
        book.change_all(levels["bids"], levels["asks"])
        book.cut()
        book.sequence = int(item["u"])
    return [symbol]
