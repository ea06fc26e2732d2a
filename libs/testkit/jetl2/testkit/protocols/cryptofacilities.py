"""Snapshot in the channel, then one level a message."""

from typing import Any

from jetl2.testkit.reference.book import Book, Books


def apply(books: Books, entry: dict[str, Any], frame: Any) -> list[str]:
    """Take a received line; return the symbols whose book changed."""
    if entry["dir"] == "http" or "event" in frame:
        return []
    if frame.get("feed") not in ("book", "book_snapshot"):
        return []
    symbol = frame["product_id"]
    book = books.setdefault(symbol, Book())
    if frame["feed"] == "book_snapshot":
        book.clear()
        for side in ("bid", "ask"):
            for level in frame[side + "s"]:
                book.change(side, level["price"], level["qty"])
    elif book.ready and int(frame["seq"]) > book.sequence:
        book.change("bid" if frame["side"] == "buy" else "ask", frame["price"], frame["qty"])
    else:
        return []
    book.sequence = int(frame["seq"])
    return [symbol]
