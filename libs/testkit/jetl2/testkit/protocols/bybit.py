"""Snapshot in the channel, numbered deltas; number 1 is a snapshot too."""

from typing import Any

from jetl2.testkit.reference.book import Book, Books


def apply(books: Books, entry: dict[str, Any], frame: Any) -> list[str]:
    """Apply a frame."""
    topic = frame.get("topic", "").split(".")
    if entry["dir"] == "http" or topic[0] != "orderbook" or topic[1] in ("1", "rpi", "full"):
        return []
    data = frame["data"]
    book = books.setdefault(data["s"], Book())
    if frame["type"] == "snapshot" or data["u"] == "1":
        book.clear()
    else:
        assert int(data["u"]) == book.sequence + 1, "the recording has a hole"
    book.change_all(data["b"], data["a"])
    book.sequence = int(data["u"])
    return [data["s"]]
