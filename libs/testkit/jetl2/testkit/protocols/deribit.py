"""Snapshot in the channel, changes that name what they follow."""

from typing import Any

from jetl2.testkit.reference.book import Book, Books


def apply(books: Books, entry: dict[str, Any], frame: Any) -> list[str]:
    """Take a received line; return the symbols whose book changed."""
    data = frame.get("params", {}).get("data", {})
    if entry["dir"] == "http" or "change_id" not in data:
        return []
    book = books.setdefault(data["instrument_name"], Book())
    if data["type"] == "snapshot":
        book.clear()
    else:
        assert book.sequence == int(data["prev_change_id"]), "the recording has a hole"
    for side in ("bid", "ask"):
        for action, price, size in data[side + "s"]:
            book.change(side, price, "0" if action == "delete" else size)
    book.sequence = int(data["change_id"])
    return [data["instrument_name"]]
