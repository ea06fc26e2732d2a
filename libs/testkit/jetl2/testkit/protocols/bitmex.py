"""Rows by id and side; a level is what rests at its price."""

from decimal import Decimal
from typing import Any

from jetl2.testkit.reference.book import Book, Books


class _Rows(Book):
    """A book that remembers its rows: (id, side) to price and size."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: dict[tuple[str, str], tuple[Decimal, Decimal]] = {}


def apply(books: Books, entry: dict[str, Any], frame: Any) -> list[str]:
    """Apply a line; see the package."""
    if entry["dir"] == "http" or not frame.get("table", "").startswith("orderBookL2"):
        return []
    symbols = {row["symbol"] for row in frame["data"]}
    if frame["action"] == "partial":
        symbols |= {frame["filter"]["symbol"]}
        for symbol in symbols:
            books[symbol] = _Rows()
    for row in frame["data"]:
        book = books[row["symbol"]]
        assert isinstance(book, _Rows)
        key = (row["id"], row["side"])
        if frame["action"] == "delete":
            del book.rows[key]
        elif frame["action"] == "update":
            book.rows[key] = (book.rows[key][0], Decimal(row["size"]))
        else:
            book.rows[key] = (Decimal(row["price"]), Decimal(row["size"]))
    for symbol in symbols:
        book = books[symbol]
        assert isinstance(book, _Rows)
        book.clear()
        for (_, side), (price, size) in book.rows.items():
            levels = book.bids if side == "Buy" else book.asks
            levels[price] = levels.get(price, Decimal(0)) + size
    return sorted(symbols)
