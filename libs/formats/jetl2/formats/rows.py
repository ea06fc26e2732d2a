"""Which rows the records of one symbol and day make, for each kind of file.

The four methods of `Rows` are called in order of seq by `table`; what they write goes to `Lines`.
"""

from collections.abc import Callable
from typing import Any, Protocol

from jetl2.formats import cells, tardis
from jetl2.formats.lines import Lines
from jetl2.orderbook.book import Book
from jetl2.schemas.records import (
    PERIODIC,
    UPDATE,
    BookDelta,
    BookTicker,
    DerivativeTicker,
    Liquidation,
    MarketRecord,
    Trade,
)


class Rows(Protocol):
    """What makes the rows of a file.

    Attributes:
        record_type: The class of record that the file is made from.
        known: False while the book is not known; True where no book is needed.
    """

    record_type: type[MarketRecord]
    known: bool

    def pass_over(self, record: Any) -> None:
        """Take in a record from before the clip, and write nothing."""

    def enter(self, start_ts: int) -> None:
        """Begin the clip: write what a reader needs to know of the time before."""

    def take(self, record: Any) -> None:
        """Write what a record says."""

    def lose(self) -> None:
        """Forget the book: it is unknown until the next snapshot."""

    def finish(self) -> None:
        """Write what was waiting for more records."""


class Each:
    """One row for each record: trades, book_ticker, derivative_ticker, liquidations.

    Trades of one message may have happened at different times, so each keeps its `timestamp`.
    """

    def __init__(
        self, lines: Lines, record_type: type[MarketRecord], row: Callable[[Any], str]
    ) -> None:
        self.record_type = record_type
        self.known = True
        self._lines = lines
        self._row = row

    def pass_over(self, record: MarketRecord) -> None:
        """Nothing of the time before matters."""

    def enter(self, start_ts: int) -> None:
        """Nothing of the time before matters."""

    def take(self, record: MarketRecord) -> None:
        """Write the record's row."""
        if self._lines.continues(record):
            self._lines.retime(record.exchange_ts)
        else:
            self._lines.begin(record)
        self._lines.write([self._row(record)])

    def lose(self) -> None:
        """Say nothing: a gap of the book is none of trades and tickers."""

    def finish(self) -> None:
        """Nothing waits."""


class _BookRows:
    """What the book types share: the book as a reader of the file holds it."""

    def __init__(self, lines: Lines) -> None:
        self.record_type: type[MarketRecord] = BookDelta
        self.known = False
        self._lines = lines
        self._book = Book()
        self._exchange_ts = 0  # of the last record in the book

    def pass_over(self, record: BookDelta) -> None:
        """Keep the book."""
        if self._matters(record):
            self._keep(record)

    def _matters(self, record: BookDelta) -> bool:
        """Whether the record changes the book or makes it known.

        A periodic snapshot repeats a known book, and a delta to an unknown one means nothing.
        """
        if record.is_snapshot:
            return not (self.known and record.reason == PERIODIC)
        return self.known

    def _keep(self, record: BookDelta) -> None:
        if record.is_snapshot:
            self._book.replace(record)
            self.known = True
        else:
            self._book.apply(record)
        self._exchange_ts = record.exchange_ts


class Levels(_BookRows):
    """Each changed level: incremental_book_L2.

    A snapshot block is whole and followed by a row that is no snapshot. Where the records have none
    (another snapshot follows, or nothing), one level of the block is repeated as such a row, 1 us
    later: hftbacktest drops a block at the end of a file, and every reader takes two adjacent
    blocks for one.

    Where an exchange sends whole books only, a block begins; then rows say what changed.
    """

    def __init__(self, lines: Lines) -> None:
        super().__init__(lines)
        self._told = False  # the file has a block, so that deltas mean something to a reader
        self._block: list[str] = []  # the block that no other row has followed yet

    def enter(self, start_ts: int) -> None:
        """Write the book as it stands as a block."""
        if self.known:
            self._lines.begin_at(start_ts, self._exchange_ts)
            self._write_block()

    def take(self, record: BookDelta) -> None:
        """Write the record's levels; a snapshot as a block of the whole book."""
        if not self._matters(record):
            return
        update = self._told and self.known and record.reason == UPDATE
        if record.is_snapshot and not update:
            self._follow_block()
        if not self._lines.continues(record):
            self._lines.begin(record)
        before = self._book
        if record.is_snapshot:
            self._book = Book()
        self._keep(record)
        if update:
            self._write_changes(cells.changes(before, self._book))
        elif not self._told or (record.is_snapshot and self._book.levels):
            self._write_block()
        elif record.is_snapshot:
            # An empty book has no block; only removals can say it
            self._lines.write(cells.removals(before))
        else:
            self._write_changes(cells.levels(record))

    def lose(self) -> None:
        """Write nothing more until the next snapshot."""
        self.known = False

    def finish(self) -> None:
        """Let a row follow the last block."""
        self._follow_block()

    def _write_changes(self, rows: list[str]) -> None:
        self._lines.write(rows)
        self._block = self._block if not rows else []

    def _write_block(self) -> None:
        self._block = cells.snapshot(self._book)
        self._lines.write(self._block)
        self._told = self._told or bool(self._block)

    def _follow_block(self) -> None:
        if self._block:
            self._lines.begin_next()
            self._lines.write(["false" + self._block[0].removeprefix("true")])
            self._block = []


class Tops(_BookRows):
    """The best levels whenever they changed: book_snapshot_5, book_snapshot_25, quotes.

    A row shows the book after the last record of a message, so it is written when the next begins.
    """

    def __init__(self, lines: Lines, depth: int, row: cells.TopRow) -> None:
        super().__init__(lines)
        self._depth = depth
        self._row = row
        self._entered = False
        self._seen: object = None
        self._written = ""

    def enter(self, start_ts: int) -> None:
        """Show the book as it stands."""
        self._entered = True
        if self.known:
            self._lines.begin_at(start_ts, self._exchange_ts)

    def take(self, record: BookDelta) -> None:
        """Show the book before this message, unless the record belongs to the same."""
        if not self._matters(record):
            return
        if not self._lines.continues(record):
            self._show()
            self._lines.begin(record)
        self._keep(record)

    def lose(self) -> None:
        """Show what is known for the last time."""
        self._show()
        self.known = False

    def finish(self) -> None:
        """Show the last message."""
        self._show()

    def _show(self) -> None:
        if not (self.known and self._entered):
            return
        book = self._book
        bids, asks = book.top(self._depth)
        seen = (book.price_exponent, book.size_exponent, bids, asks)
        if seen == self._seen:
            return
        self._seen = seen
        row = self._row(book, bids, asks)
        # The book's precision may have grown while its values are the same
        if row != self._written:
            self._written = row
            self._lines.write([row])


def make(data_type: str, lines: Lines) -> Rows:
    """Return what makes the rows of files of a type.

    Raises:
        UnknownDataType: Lists the known ones.
    """
    tardis.lake_type(data_type)
    if data_type == tardis.TRADES:
        return Each(lines, Trade, cells.trade)
    if data_type == tardis.BOOK_TICKER:
        return Each(lines, BookTicker, cells.ticker)
    if data_type == tardis.DERIVATIVE_TICKER:
        return Each(lines, DerivativeTicker, cells.derivative)
    if data_type == tardis.LIQUIDATIONS:
        return Each(lines, Liquidation, cells.trade)
    if data_type == tardis.INCREMENTAL_BOOK:
        return Levels(lines)
    if data_type == tardis.QUOTES:
        return Tops(lines, 1, cells.quote)
    depth = tardis.depth_by_data_type[data_type]
    return Tops(lines, depth, cells.top_row(depth))
