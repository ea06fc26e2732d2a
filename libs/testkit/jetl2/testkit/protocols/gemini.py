"""Two feeds: first message of a symbol the book, numbers that reach back; and one without numbers."""

from typing import Any

from jetl2.testkit.reference.book import Book, Books


def apply(books: Books, entry: dict[str, Any], frame: Any) -> list[str]:
    """Take a message; return whose book changed."""
    if entry["dir"] == "http" or not isinstance(frame, dict):
        return []
    if frame.get("type") == "l2_updates":
        symbol = frame["symbol"]
        book = books.setdefault(symbol, Book())
        if "trades" in frame or "auction_events" in frame:
            book.clear()
        for side, price, size in frame["changes"]:
            book.change("bid" if side == "buy" else "ask", price, size)
        return [symbol]
    if frame.get("e") != "depthUpdate":
        return []
    symbol = frame["s"]
    book = books.setdefault(symbol, Book())
    if frame["U"] == frame["u"]:
        book.clear()
    else:
        assert int(frame["U"]) <= book.sequence < int(frame["u"]), "the recording has a hole"
    book.change_all(frame["b"], frame["a"])
    book.sequence = int(frame["u"])
    return [symbol]
