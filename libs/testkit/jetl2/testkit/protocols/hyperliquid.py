"""Each message is the whole book."""

from typing import Any

from jetl2.testkit.reference.book import Book, Books


def apply(books: Books, entry: dict[str, Any], frame: Any) -> list[str]:
    """Take a message; return whose book changed."""
    if entry["dir"] == "http" or frame.get("channel") != "l2Book" or "fast" in frame["data"]:
        return []
    symbol = frame["data"]["coin"]
    book = books.setdefault(symbol, Book())
    book.clear()
    for side, levels in zip(("bid", "ask"), frame["data"]["levels"], strict=True):
        for level in levels:
            book.change(side, level["px"], level["sz"])
    return [symbol]
