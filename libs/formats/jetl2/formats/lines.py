"""Lines of a file: the columns that all types share, the times of each message, the counts."""

from collections.abc import Sequence

from jetl2.formats import cells
from jetl2.schemas.records import BookDelta, MarketRecord

NS_PER_US = 1_000


class Lines:
    """Takes cells, stamps them with the times of the current message, and counts.

    All lines of one message share a local_timestamp, and no two messages do: where they collide, or
    time falls between two connections, the later message gets 1 us more than the one before.

    Attributes:
        rows: Number written, without the header.
        first_ts, last_ts: local_timestamp of the first and the last, in ns; 0 when there is none.
    """

    __slots__ = (
        "_buffer",
        "_local_timestamp",
        "_message",
        "_prefix",
        "_stamp",
        "_timestamp",
        "first_ts",
        "last_ts",
        "rows",
    )

    def __init__(self) -> None:
        self.rows = self.first_ts = self.last_ts = 0
        self._buffer: list[str] = []
        self._prefix = ""
        self._stamp = ""
        self._timestamp = self._local_timestamp = 0
        self._message: tuple[object, ...] | None = None

    def name(self, record: MarketRecord) -> None:
        """Take exchange and symbol of the file from its first record."""
        if not self._prefix:
            self._prefix = f"{cells.text(record.exchange)},{cells.text(record.symbol)},"

    def continues(self, record: MarketRecord) -> bool:
        """Whether the record comes from the same message as the one before."""
        return _message(record) == self._message

    def begin(self, record: MarketRecord) -> None:
        """Begin a message: its lines carry the times of this, its first record."""
        self._message = _message(record)
        self.begin_at(record.local_ts, record.exchange_ts)

    def begin_at(self, local_ts: int, exchange_ts: int) -> None:
        """Begin a message of our own."""
        self._local_timestamp = max(local_ts // NS_PER_US, self._local_timestamp + 1)
        self.retime(exchange_ts)

    def begin_next(self) -> None:
        """Begin a message of our own, 1 us after the current one and with its `timestamp`."""
        self._local_timestamp += 1
        self._restamp()

    def retime(self, exchange_ts: int) -> None:
        """Change `timestamp` within a message; without an exchange_ts it is local_timestamp."""
        self._timestamp = exchange_ts // NS_PER_US or self._local_timestamp
        self._restamp()

    def write(self, rows: Sequence[str]) -> None:
        """Write a line for each row of cells."""
        stamp = self._stamp
        self._buffer += [stamp + row for row in rows]
        self.rows += len(rows)
        if rows:
            self.last_ts = self._local_timestamp * NS_PER_US
            self.first_ts = self.first_ts or self.last_ts

    def drain(self) -> str:
        """Return the lines written since the last call, each with its newline."""
        if not self._buffer:
            return ""
        self._buffer.append("")
        drained = "\n".join(self._buffer)
        self._buffer.clear()
        return drained

    def _restamp(self) -> None:
        self._stamp = f"{self._prefix}{self._timestamp},{self._local_timestamp},"


def _message(record: MarketRecord) -> tuple[object, ...]:
    """Return what only the records of one message have in common.

    A snapshot is a message of its own: a periodic one is written before the message that caused it.
    """
    return (
        record.source_topic,
        record.source_partition,
        record.source_offset,
        record.local_ts,
        record.seq - record.source_index,
        isinstance(record, BookDelta) and record.is_snapshot,
    )
