"""A slow, obvious rebuild of books straight from recorded frames, to check the real one against.

It shares no code with the packages it judges: plain dicts of Decimal, sorted when asked, no checks
beyond what joining a snapshot needs. Only sessions without a loss make sense here. Each protocol is
a module of `protocols`, named as its exchange; FIX is alike for all.
"""

import base64
import gzip
import importlib
import json
from collections.abc import Collection, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

from jetl2.testkit import protocols
from jetl2.testkit.reference import over_fix
from jetl2.testkit.reference.book import Book, Books, Levels
from jetl2.testkit.reference.sums import kraken_checksum, okx_checksum

__all__ = [
    "Book",
    "Books",
    "Instant",
    "Levels",
    "instants",
    "kraken_checksum",
    "messages",
    "okx_checksum",
]


class Instant(NamedTuple):
    """The book of a symbol right after a message changed it.

    Args:
        message: Running number of the received message, from 0, by websocket or REST.
        local_ts: Receive time in ns; None where the recording has none.
        book: The same object goes on to change.
    """

    message: int
    local_ts: int | None
    symbol: str
    book: Book


def instants(path: Path, exchange: str) -> Iterator[Instant]:
    """Yield each change of each book of a recorded session, in order."""
    for message, local_ts, changed, books in messages(path, exchange):
        for symbol in changed:
            yield Instant(message, local_ts, symbol, books[symbol])


def messages(
    path: Path, exchange: str, connections: Collection[str] | None = None
) -> Iterator[tuple[int, int | None, list[str], Books]]:
    """Yield each received message: its number, its time, the symbols changed, all books after it.

    Args:
        exchange: Its name; the protocol is the module of that name.
        connections: Only what came over these; None: all.
    """
    opener = gzip.open if path.suffix == ".gz" else open
    protocol = importlib.import_module(f"{protocols.__name__}.{exchange.replace('-', '_')}")
    decode = getattr(protocol, "decode", _json)
    books: Books = {}
    message = -1
    with opener(path, "rt", encoding="utf-8") as lines:
        next(lines)
        for line in lines:
            entry = json.loads(line)
            if entry["dir"] not in ("recv", "http"):
                continue
            if connections is not None and entry.get("conn") not in connections:
                continue
            message += 1
            raw = entry["raw"]
            binary = base64.b64decode(raw) if entry.get("encoding") == "base64" else raw.encode()
            local_ts = None if entry["ts"] is None else int(Decimal(entry["ts"]) * 10**9)
            if binary.startswith(b"8=FIX"):
                yield message, local_ts, over_fix.apply(books, binary.decode()), books
                continue
            frame = _json(binary) if entry["dir"] == "http" else decode(binary)
            yield message, local_ts, protocol.apply(books, entry, frame), books


def _json(raw: bytes) -> Any:
    # every number as the text that was sent; "pong" and the like are no JSON
    return json.loads(raw, parse_float=str, parse_int=str) if raw[:1] in (b"{", b"[") else {}
