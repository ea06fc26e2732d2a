"""What a merge session knows of one symbol, and that as bytes and back."""

from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from jetl2.orderbook.book import Book, columns
from jetl2.orderbook.rows import Row, Rows
from jetl2.orderbook.rows import Saved as RowColumns
from jetl2.orderbook.sequence import State
from jetl2.schemas import decimals
from jetl2.schemas.records import BookDelta

Status = Literal["empty", "buffering", "synced", "gap"]
EMPTY: Status = "empty"  # there was no book yet
BUFFERING: Status = "buffering"  # deltas are kept until their REST snapshot comes
SYNCED: Status = "synced"  # the book is known
GAP: Status = "gap"  # the book was lost, a snapshot must come

COUNTERS = (
    "messages",
    "unparsed",
    "gaps",
    "handovers",
    "resyncs",
    "checksums_passed",
    "checksums_failed",
    "crossed",
    "duplicates",
)

Columns = tuple[list[int], list[int], list[int], list[int]]


@dataclass(slots=True)
class Connection:
    """What one symbol has seen of one connection.

    Args:
        first_ts, last_ts: local_ts of its first and its latest event.
        offset: Exchange's connection-wide number minus our counter of frames; constant as long as
            nothing is lost.
        books: It carries books, not only trades and the like.
        over_fix: It is a FIX session, under that side's rule.
        asked_ts: local_ts of the latest request for a book on it; 0: none.
        deltas: It has brought deltas that the book could go on with.
        ahead: Its latest delta is past something that is missing.
    """

    first_ts: int
    last_ts: int
    offset: int | None = None
    books: bool = False
    over_fix: bool = False
    asked_ts: int = 0
    deltas: bool = False
    ahead: bool = False


@dataclass(slots=True)
class Held:
    """A book as one connection gives it (or, of numbers that all share, as all of them do).

    Args:
        applied_ts, exchange_ts: Of the last message in the book.
        rows: Where the exchange sends rows by id.
    """

    book: Book = field(default_factory=Book)
    numbering: State = field(default_factory=State)
    applied_ts: int = 0
    exchange_ts: int = 0
    rows: Rows | None = None


@dataclass(slots=True)
class Standby:
    """A second connection's book, in step too, to go on by when the first one ends.

    Args:
        began_ts: local_ts of its snapshot.
        exchange_ts: The same by the exchange's clock, or of the first delta that said it; 0: not said.
        behind: It was stamped before what the first connection had told already: late, or by a
            recorder whose clock is wrong.
        ahead_ts: local_ts of the first delta that came when the first connection had been silent
            for too long; 0: none.
        heard_ts: When the first connection was last heard before that.
        seamless: It began with the levels that the first connection had: nothing is missing
            between the two, even if that one was not heard any more.
    """

    held: Held
    began_ts: int
    exchange_ts: int = 0
    behind: bool = False
    ahead_ts: int = 0
    heard_ts: int = 0
    seamless: bool = False


@dataclass(slots=True)
class SymbolState:
    """All that the session keeps for one symbol; nothing of a session lives elsewhere.

    Args:
        live: The book that records are made of; without a level until it is known.
        standbys: By connection, where a book lives on one connection.
        seq: Number of the last record written, of whatever type.
        depth: Levels a side that the book is cut to; 0: not known or not cut.
        price_exponent, size_exponent: What the exchange said that its numbers are written at.
        parts: Rows of a snapshot that goes on in further messages, by connection; None: of one that
            lacks a part.
        bound: Connection whose deltas the book takes, where numbers belong to a connection.
        written_until_ts: Exchange's time of what was written before the book was handed over to a
            connection that is behind: nothing older is written again. 0: it is not.
        begun: A snapshot has been written once.
        buffer: Deltas waiting for a REST snapshot.
        ahead: Deltas of a known book, and snapshots, that came before something that another connection
            may still bring; the first one is a delta.
        ahead_ts: local_ts of the first of them since that other one last brought anything; 0: none.
        hour: UTC hour of the latest event.
        dropped: Messages dropped as known since the last book record.
        asked_ts, asked: When a resync was last asked for, how often in a row.
        refused: The last snapshot that came was too old.
        trade_ids: The latest ones, as keys in order.
        last_ts: local_ts of the last record written; later ones have none before it.
        told_by: Connection of the latest record without an id, as a best bid and ask is, by its
            type: each type may have one of its own.
        told_ts: local_ts of the first such record of another connection since; 0: none.
        derivative: Last known numbers of the derivative ticker.
    """

    live: Held = field(default_factory=Held)
    standbys: dict[str, Standby] = field(default_factory=dict)
    status: Status = EMPTY
    seq: int = 0
    last_ts: int = 0
    depth: int = 0
    price_exponent: int = 0
    size_exponent: int = 0
    parts: dict[str, list[Row] | None] = field(default_factory=dict)
    bound: str = ""
    written_until_ts: int = 0
    begun: bool = False
    connections: dict[str, Connection] = field(default_factory=dict)
    buffer: list[BookDelta] = field(default_factory=list)
    ahead: list[BookDelta] = field(default_factory=list)
    ahead_ts: int = 0
    hour: int = -1
    dropped: int = 0
    asked_ts: int = 0
    asked: int = 0
    refused: bool = False
    trade_ids: dict[str, None] = field(default_factory=dict)
    told_by: dict[str, str] = field(default_factory=dict)
    told_ts: dict[str, int] = field(default_factory=dict)
    derivative: dict[str, str] = field(default_factory=dict)
    counters: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COUNTERS, 0))


class _SavedBook(msgspec.Struct):
    price_exponent: int
    size_exponent: int
    bids: tuple[list[int | str], list[int | str]]
    asks: tuple[list[int | str], list[int | str]]
    numbering: State
    applied_ts: int
    exchange_ts: int
    rows: RowColumns | None


class _SavedStandby(msgspec.Struct):
    book: _SavedBook
    began_ts: int
    ahead_ts: int
    seamless: bool
    exchange_ts: int = 0
    behind: bool = False
    heard_ts: int = 0


class _Saved(msgspec.Struct):
    version: int
    live: _SavedBook
    standbys: dict[str, _SavedStandby]
    connections: dict[str, Connection]
    parts: dict[str, list[Row] | None]
    buffer: list[BookDelta]
    trade_ids: list[str]
    counters: dict[str, int]
    plain: dict[str, Any]
    ahead: list[BookDelta] = []
    ahead_ts: int = 0


_VERSION = 3
# The one before too, so that a merger takes over from its previous release
_READ = (2, _VERSION)
_PLAIN = (
    "status",
    "seq",
    "last_ts",
    "depth",
    "price_exponent",
    "size_exponent",
    "bound",
    "written_until_ts",
    "begun",
    "hour",
    "dropped",
    "asked_ts",
    "asked",
    "refused",
    "told_by",
    "told_ts",
    "derivative",
)
_decode = msgspec.json.Decoder(_Saved).decode


def dump(state: SymbolState) -> bytes:
    """Return everything of a state as JSON; `load` gives its equal."""
    return msgspec.json.encode(
        _Saved(
            version=_VERSION,
            live=_saved(state.live),
            standbys={
                connection: _SavedStandby(
                    book=_saved(s.held),
                    began_ts=s.began_ts,
                    ahead_ts=s.ahead_ts,
                    seamless=s.seamless,
                    exchange_ts=s.exchange_ts,
                    behind=s.behind,
                    heard_ts=s.heard_ts,
                )
                for connection, s in state.standbys.items()
            },
            connections=state.connections,
            parts=state.parts,
            buffer=state.buffer,
            ahead=state.ahead,
            ahead_ts=state.ahead_ts,
            trade_ids=list(state.trade_ids),
            counters=state.counters,
            plain={name: getattr(state, name) for name in _PLAIN},
        )
    )


def load(saved: bytes) -> SymbolState:
    """Return the state that `dump` wrote.

    Raises:
        ValueError: Not such bytes, or of a version that is newer, or older than the one before.
    """
    found = _decode(saved)
    if found.version not in _READ:
        message = f"expected a session state of version {_VERSION}, found {found.version}"
        raise ValueError(message)
    if found.version < _VERSION:
        # Meant the latest record of all until then, not the first of another connection
        found.plain["told_ts"] = dict.fromkeys(found.plain["told_by"], 0)
    return SymbolState(
        live=_held(found.live),
        standbys={
            connection: Standby(
                held=_held(s.book),
                began_ts=s.began_ts,
                exchange_ts=s.exchange_ts,
                behind=s.behind,
                ahead_ts=s.ahead_ts,
                heard_ts=s.heard_ts,
                seamless=s.seamless,
            )
            for connection, s in found.standbys.items()
        },
        connections=found.connections,
        parts=found.parts,
        buffer=found.buffer,
        ahead=found.ahead,
        ahead_ts=found.ahead_ts,
        trade_ids=dict.fromkeys(found.trade_ids),
        counters=found.counters,
        **found.plain,
    )


def _saved(held: Held) -> _SavedBook:
    book = held.book
    bids, asks = book.top(book.depth)
    return _SavedBook(
        price_exponent=book.price_exponent,
        size_exponent=book.size_exponent,
        bids=_columns(columns(bids)),
        asks=_columns(columns(asks)),
        numbering=held.numbering,
        applied_ts=held.applied_ts,
        exchange_ts=held.exchange_ts,
        rows=held.rows.save() if held.rows else None,
    )


def _held(found: _SavedBook) -> Held:
    book = Book()
    book.refine(found.price_exponent, found.size_exponent)
    (bid_prices, bid_sizes), (ask_prices, ask_sizes) = (
        ([int(n) for n in column] for column in side) for side in (found.bids, found.asks)
    )
    book.replace(
        BookDelta(
            symbol="",
            is_snapshot=True,
            price_exponent=found.price_exponent,
            size_exponent=found.size_exponent,
            bid_prices=bid_prices,
            bid_sizes=bid_sizes,
            ask_prices=ask_prices,
            ask_sizes=ask_sizes,
        )
    )
    rows = None if found.rows is None else Rows(found.rows)
    return Held(book, found.numbering, found.applied_ts, found.exchange_ts, rows)


def _columns(side: tuple[list[int], list[int]]) -> tuple[list[int | str], list[int | str]]:
    prices, sizes = side
    return _json_ints(prices), _json_ints(sizes)


def _json_ints(numbers: list[int]) -> list[int | str]:
    # what JSON cannot hold as an integer goes as text
    most = decimals.MAX_MANTISSA
    if max(numbers, default=0) <= most and min(numbers, default=0) >= -most:
        return list(numbers)
    return [str(n) for n in numbers]
