"""Events with snapshots and updates."""

from typing import Any

from jetl2.testkit.reference.book import Book, Books


def apply(books: Books, entry: dict[str, Any], frame: Any) -> list[str]:
    """Take a received line; return the symbols whose book changed."""
    if entry["dir"] == "http" or frame.get("channel") != "l2_data":
        return []
    changed = []
    for event in frame["events"]:
        book = books.setdefault(event["product_id"], Book())
        if event["type"] == "snapshot":
            book.clear()
        for level in event["updates"]:
            side = "bid" if level["side"] == "bid" else "ask"
            book.change(side, level["price_level"], level["new_quantity"])
        book.sequence = int(frame["sequence_num"])
        changed.append(event["product_id"])
    return changed
