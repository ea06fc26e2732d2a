"""Market data over FIX: fields from left to right, one entry after the other."""

from dataclasses import dataclass, field
from decimal import Decimal

from jetl2.testkit.reference.book import Book, Books

SIDES = {"0": "bid", "1": "ask"}


@dataclass
class Orders(Book):
    """A book of single orders: id -> side, price, size."""

    orders: dict[str, tuple[str, Decimal, Decimal]] = field(default_factory=dict)

    def sum_up(self) -> None:
        """Make the levels from all orders."""
        self.bids, self.asks = {}, {}
        for side, price, size in self.orders.values():
            levels = self.bids if side == "bid" else self.asks
            levels[price] = levels.get(price, Decimal(0)) + size


def apply(books: Books, text: str) -> list[str]:
    """Change the books by one message; return the symbols whose book it changed."""
    head: dict[str, str] = {}
    entries: list[dict[str, str]] = []
    for pair in text.split("\x01")[:-1]:
        tag, value = pair.split("=", 1)
        begins = {"W": "269", "X": "279"}.get(head.get("35", ""))
        if tag == begins:
            entries.append({})
        (entries[-1] if entries else head)[tag] = value
    kind = head["35"]
    if kind == "W":
        return _whole(books, head, entries)
    if kind == "f":
        book = books.get(head["55"])
        if isinstance(book, Orders):
            book.sequence = int(head["83"])
            return [head["55"]]
    if kind == "X":
        return _changes(books, head, entries)
    return []


def _whole(books: Books, head: dict[str, str], entries: list[dict[str, str]]) -> list[str]:
    symbol = head["55"]
    if "83" in head:
        book = books.get(symbol)
        if not isinstance(book, Orders) or book.ready:
            book = books[symbol] = Orders()
        for entry in entries:
            _order(book, entry)
        book.sequence = int(head["83"])
        book.ready = head.get("893") != "N"
        book.sum_up()
        return [symbol] if book.ready else []
    plain = books[symbol] = Book()
    plain.clear()
    plain.sequence = int(head.get("25044", 0))
    for entry in entries:
        plain.change(SIDES[entry["269"]], entry["270"], entry["271"])
    return [symbol]


def _changes(books: Books, head: dict[str, str], entries: list[dict[str, str]]) -> list[str]:
    changed = []
    symbol = head.get("55", "")
    for entry in entries:
        symbol = entry.get("55", symbol)
        book = books.get(symbol)
        if book is None or not book.ready:
            continue
        if isinstance(book, Orders):
            book.sequence = int(entry["83"])
            if entry["269"] in SIDES and "278" in entry:
                _order(book, entry)
                book.sum_up()
        elif entry["269"] in SIDES:
            size = "0" if entry["279"] == "2" else entry["271"]
            book.change(SIDES[entry["269"]], entry["270"], size)
            book.sequence = int(entry.get("25044", book.sequence))
        changed.append(symbol)
    return list(dict.fromkeys(changed))


def _order(book: Orders, entry: dict[str, str]) -> None:
    if entry.get("279") == "2":
        book.orders.pop(entry["278"], None)
    elif entry.get("279") != "1" or entry["278"] in book.orders:
        numbers = Decimal(entry["270"]), Decimal(entry["271"])
        book.orders[entry["278"]] = (SIDES[entry["269"]], *numbers)
