"""Snapshot in the channel, numbered deltas."""

from typing import Any

from jetl2.testkit.reference.book import Book, Books


def apply(books: Books, entry: dict[str, Any], frame: Any) -> list[str]:
    """Take a received line; return the symbols whose book changed."""
    channel = frame.get("arg", {}).get("channel", "")
    if entry["dir"] == "http" or "action" not in frame or not channel.startswith("books"):
        return []
    symbol = frame["arg"]["instId"]
    book = books.setdefault(symbol, Book())
    for item in frame["data"]:
        if frame["action"] == "snapshot":
            book.clear()
        book.change_all(item["bids"], item["asks"])
        book.sequence = int(item.get("seqId", 0))
    return [symbol]
