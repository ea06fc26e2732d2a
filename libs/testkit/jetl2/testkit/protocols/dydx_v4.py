"""Snapshot when subscribed, updates alone or several in a list."""

from typing import Any

from jetl2.testkit.reference.book import Book, Books


def apply(books: Books, entry: dict[str, Any], frame: Any) -> list[str]:
    """Take a message; return whose book changed."""
    if entry["dir"] == "http" or frame.get("channel") != "v4_orderbook":
        return []
    contents = frame.get("contents")
    if contents is None:
        return []
    book = books.setdefault(frame["id"], Book())
    if frame["type"] == "subscribed":
        book.clear()
        for side in ("bid", "ask"):
            for level in contents[side + "s"]:
                book.change(side, level["price"], level["size"])
    for part in contents if isinstance(contents, list) else [contents]:
        if frame["type"] != "subscribed":
            book.change_all(part.get("bids", []), part.get("asks", []))
    book.sequence = int(frame["message_id"])
    return [frame["id"]]
