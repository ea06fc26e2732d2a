"""Snapshot in the channel, each update names the one before; two sets of field names."""

from typing import Any

from jetl2.testkit.reference.book import Book, Books


def apply(books: Books, entry: dict[str, Any], frame: Any) -> list[str]:
    """Take a message; return whose book changed."""
    if entry["dir"] == "http" or frame.get("channel") != "book_lv2" or "data" not in frame:
        return []
    changed = []
    for item in frame["data"]:
        symbol = item.get("symbol") or item["s"]
        book = books.setdefault(symbol, Book())
        if frame["action"] == "snapshot":
            book.clear()
        elif not book.ready:
            continue
        else:
            before = item.get("lastId") or item["lid"]
            assert int(before) == book.sequence, "the recording has a hole"
        book.change_all(item["bids"], item["asks"])
        book.sequence = int(item["id"])
        changed.append(symbol)
    return changed
