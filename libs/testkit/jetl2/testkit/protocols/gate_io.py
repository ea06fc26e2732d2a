"""Ranges of numbers onto a whole book: in the channel (obu) or by REST (order_book_update)."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

from jetl2.testkit.reference.book import Book, Books


def apply(books: Books, entry: dict[str, Any], frame: Any) -> list[str]:
    """Apply a REST snapshot or a push; return the symbols changed."""
    if entry["dir"] == "http":
        query = parse_qs(urlsplit(entry["url"]).query)
        symbol = query.get("currency_pair", query.get("contract", [""]))[0]
        book = books.setdefault(symbol, Book())
        _replace(book, frame["bids"], frame["asks"], frame["id"])
        return [symbol]
    channel = frame.get("channel", "").split(".")[-1]
    if channel not in ("obu", "order_book_update") or frame.get("event", "update") != "update":
        return []
    data = frame["result"]
    symbol = data["s"].split(".")[1] if channel == "obu" else data["s"]
    book = books.setdefault(symbol, Book())
    if data.get("full"):
        _replace(book, data.get("b", []), data.get("a", []), data["u"])
    elif not book.ready:
        book.waiting.append(data)
        return []
    else:
        _update(book, data)
    return [symbol]


def _replace(book: Book, bids: list[Any], asks: list[Any], number: str) -> None:
    book.clear()
    book.change_all(_plain(bids), _plain(asks))
    book.sequence = int(number)
    for data in book.waiting:
        _update(book, data)
    book.waiting = []


def _update(book: Book, data: dict[str, Any]) -> None:
    if int(data["u"]) > book.sequence:
        assert int(data["U"]) <= book.sequence + 1, "the recording has a hole"
        book.change_all(_plain(data.get("b", [])), _plain(data.get("a", [])))
        book.sequence = int(data["u"])


def _plain(levels: list[Any]) -> list[list[str]]:
    return [[v["p"], v["s"]] if isinstance(v, dict) else v for v in levels]
