"""Snapshots and deltas in the channel, a window of `depth` levels, scaled integers or texts."""

from decimal import Decimal
from typing import Any

from jetl2.testkit.reference.book import Book, Books


def apply(books: Books, entry: dict[str, Any], frame: Any) -> list[str]:
    """Apply a frame."""
    sides = frame.get("book") or frame.get("orderbook_p")
    if entry["dir"] == "http" or not sides:
        return []
    symbol = frame["symbol"]
    price_scale = size_scale = 0
    if "book" in frame:
        price_scale, size_scale = (8, 8) if symbol[0] == "s" else (4, 0)
    book = books.setdefault(symbol, Book())
    if frame["type"] == "snapshot":
        book.clear()
        book.depth = int(frame["depth"])
    elif not book.ready:
        return []
    for side in ("bid", "ask"):
        for price, size in sides[f"{side}s"]:
            whole = Decimal(price).scaleb(-price_scale), Decimal(size).scaleb(-size_scale)
            book.change(side, *map(str, whole))
    if book.depth:
        book.cut()
    book.sequence = int(frame["sequence"])
    return [symbol]
