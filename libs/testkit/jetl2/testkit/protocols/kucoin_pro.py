"""Snapshot in the channel, then ranges of numbers; cut to 500 levels."""

from typing import Any

from jetl2.testkit.reference.book import Book, Books


def apply(books: Books, entry: dict[str, Any], frame: Any) -> list[str]:
    """Apply one push; return the symbols changed."""
    if entry["dir"] == "http" or frame.get("T") != "obu.SPOT" or "increment" not in frame["dp"]:
        return []
    data = frame["d"]
    book = books.setdefault(data["s"], Book(depth=500))
    if frame["t"] == "snapshot":
        book.clear()
    elif int(data["C"]) <= book.sequence:
        return []
    else:
        assert int(data["O"]) <= book.sequence + 1, "the recording has a hole"
    book.change_all(data["b"] or [], data["a"] or [])
    book.cut()
    book.sequence = int(data["C"])
    return [data["s"]]
