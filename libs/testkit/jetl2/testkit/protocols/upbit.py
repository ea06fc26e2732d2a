"""Each message is the whole book, under long or short names."""

from decimal import Decimal
from typing import Any

from jetl2.testkit.reference.book import Book, Books


def apply(books: Books, entry: dict[str, Any], frame: Any) -> list[str]:
    """Take a message; return whose book changed."""
    if entry["dir"] == "http" or "orderbook" not in (frame.get("type"), frame.get("ty")):
        return []
    symbol = frame.get("code") or frame["cd"]
    book = books.setdefault(symbol, Book())
    book.clear()
    for unit in frame.get("orderbook_units") or frame["obu"]:
        bid_price, bid_size, ask_price, ask_size = (
            unit.get(long) or unit[short]
            for long, short in (
                ("bid_price", "bp"),
                ("bid_size", "bs"),
                ("ask_price", "ap"),
                ("ask_size", "as"),
            )
        )
        if Decimal(bid_price) != 0:
            book.change("bid", bid_price, bid_size)
        if Decimal(ask_price) != 0:
            book.change("ask", ask_price, ask_size)
    return [symbol]
