"""Levels by the numbers of channels that acknowledgements explain; count 0 removes."""

from typing import Any

from jetl2.testkit.reference.book import Book, Books

# A book that never is ready remembers the acknowledgements
_CHANNELS = ""


def apply(books: Books, entry: dict[str, Any], frame: Any) -> list[str]:
    """Apply one frame of a connection; return the symbols changed."""
    if entry["dir"] == "http":
        return []
    known = books.setdefault(_CHANNELS, Book()).waiting
    if isinstance(frame, dict):
        if frame.get("channel") == "book" and frame["event"] == "subscribed":
            known.append({"conn": entry.get("conn"), **frame})
        return []
    symbols = [
        ack["symbol"]
        for ack in known
        if ack["chanId"] == frame[0] and ack["conn"] == entry.get("conn") and ack["prec"] == "P0"
    ]
    if not symbols or frame[1] == "hb":
        return []
    symbol, content = symbols[-1], frame[1]
    book = books.setdefault(symbol, Book())
    book.sequence = max(
        (int(n) for n in frame[3 if content == "cs" else 2 :] if int(n) < 10**12), default=0
    )
    if content == "cs":
        return []
    if content == [] or isinstance(content[0], list):
        book.clear()
    else:
        content = [content]
    for price, count, amount in content:
        side = "ask" if amount.startswith("-") else "bid"
        book.change(side, price, "0" if count == "0" else amount.lstrip("-"))
    return [symbol]
