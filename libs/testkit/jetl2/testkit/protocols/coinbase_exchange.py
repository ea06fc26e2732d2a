"""Snapshot in the channel, then changes by side."""

from typing import Any

from jetl2.testkit.reference.book import Book, Books


def apply(books: Books, entry: dict[str, Any], frame: Any) -> list[str]:
    """Apply one message; return the symbols changed."""
    if entry["dir"] == "http" or frame.get("type") not in ("snapshot", "l2update"):
        return []
    book = books.setdefault(frame["product_id"], Book())
    if frame["type"] == "snapshot":
        book.clear()
        book.change_all(frame["bids"], frame["asks"])
    else:
        for side, price, size in frame["changes"]:
            book.change("bid" if side == "buy" else "ask", price, size)
    return [frame["product_id"]]
