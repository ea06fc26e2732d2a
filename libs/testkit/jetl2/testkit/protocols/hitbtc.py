"""Snapshot in the channel, books keyed by symbol, numbered by one."""

from typing import Any

from jetl2.testkit.reference.book import Book, Books


def apply(books: Books, entry: dict[str, Any], frame: Any) -> list[str]:
    """Take a message; return whose book changed."""
    if entry["dir"] == "http" or frame.get("ch") != "orderbook/full":
        return []
    changed = []
    for kind in ("snapshot", "update"):
        for symbol, item in frame.get(kind, {}).items():
            book = books.setdefault(symbol, Book())
            number = int(item["s"])
            if kind == "snapshot":
                book.clear()
            else:
                assert number == book.sequence + 1, "the recording has a hole"
            book.change_all(item["b"], item["a"])
            book.sequence = number
            changed.append(symbol)
    return changed
