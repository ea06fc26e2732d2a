"""Snapshot in the channel, the book is cut to its depth."""

from typing import Any

from jetl2.testkit.reference.book import Book, Books


def apply(books: Books, entry: dict[str, Any], frame: Any) -> list[str]:  # noqa: ARG001
    """Take a received line; return the symbols whose book changed."""
    if frame.get("channel") != "book":
        return []
    changed = []
    for item in frame["data"]:
        book = books.setdefault(item["symbol"], Book())
        if frame["type"] == "snapshot":
            book.clear()
            book.depth = max(len(item["bids"]), len(item["asks"]))
        for side in ("bid", "ask"):
            for level in item[side + "s"]:
                book.change(side, level["price"], level["qty"])
        book.cut()
        changed.append(item["symbol"])
    return changed
