"""Snapshot in the channel, linked deltas (v3 with short names), or unnumbered ones."""

from typing import Any

from jetl2.testkit.reference.book import Book, Books


def apply(books: Books, entry: dict[str, Any], frame: Any) -> list[str]:
    """Apply a frame."""
    arg = frame.get("arg", {})
    if entry["dir"] == "http" or "action" not in frame:
        return []
    if arg.get("topic", arg.get("channel")) != "books":
        return []
    symbol = arg.get("symbol") or arg["instId"]
    if arg["instType"] not in ("spot", "SPOT", "sp"):
        symbol += ":" + arg["instType"].lower()
    book = books.setdefault(symbol, Book())
    for item in frame["data"]:
        number = int(item.get("seq", 0)) if "pseq" in item else 0
        if frame["action"] == "snapshot":
            book.clear()
        elif not book.ready or (number and number <= book.sequence):
            continue
        book.change_all(item.get("b", item.get("bids")), item.get("a", item.get("asks")))
        book.sequence = number
    return [symbol]
