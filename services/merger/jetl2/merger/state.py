"""The store of one task: the state of each symbol, the input offsets, and their changelog records.

The changelog has two kinds of keys. `<exchange>|<symbol>` holds a BookState: the symbol's whole
state after the input before its `source_offset`. `commit` holds a Commit: the input offsets of
the newest transaction, seq and chain of each symbol that its BookState does not cover, and the sum
of all BookStates. So the newest value of each key is the whole truth, whatever compaction has removed.
"""

import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from jetl2.schemas import avro, topics
from jetl2.schemas.records import BookState, Commit, DeadLetter, MarketRecord, RawEvent, Resync

COMMIT_KEY = b"commit"
SEPARATOR = "|"
# Among the seqs of a Commit, where no symbol can be: the sum of the CRC-32 of every BookState record.
# A release that does not know it takes it for a symbol of an exchange that it does not merge
STATES_KEY = ""


class Session(Protocol):
    """One exchange's merge engine: `jetl2.exchanges.session.Session`."""

    def feed(self, raw: RawEvent) -> list[MarketRecord | Resync | DeadLetter]:
        """Return what follows from one raw event, in output order; never raises for bad input."""

    def dump(self, symbol: str) -> bytes:
        """Return the whole state of a symbol."""

    def load(self, symbol: str, state: bytes) -> None:
        """Set the state of a symbol to what `dump` gave."""


class Change(NamedTuple):
    """One changelog record to write."""

    key: bytes
    value: bytes


@dataclass(slots=True)
class Entry:
    """What the task knows of one symbol beside its session.

    Args:
        chain: CRC-32 over all records so far.
        source_offset: Next raw event after the newest BookState.
        dirty: Changed since that BookState.
        due: When its next BookState is to be written, on the caller's clock; 0 is at once.
        state_crc: CRC-32 of the newest BookState record; 0 before the first.
    """

    exchange: str
    symbol: str
    seq: int = 0
    chain: int = 0
    source_offset: int = 0
    dirty: bool = False
    due: float = 0
    state_crc: int = 0

    @property
    def name(self) -> str:
        """Return its key in the changelog as text."""
        return f"{self.exchange}{SEPARATOR}{self.symbol}"


@dataclass(slots=True)
class Feed:
    """One exchange in a task: its raw topic's partition, its session, its symbols."""

    exchange: str
    session: Session
    entries: dict[str, Entry] = field(default_factory=dict)
    raw_topic: str = ""
    market_topic: str = ""
    control_topic: str = ""
    dead_topic: str = ""

    def __post_init__(self) -> None:
        """Name the topics once; they are needed for every message."""
        self.raw_topic = topics.raw(self.exchange)
        self.market_topic = topics.market(self.exchange)
        self.control_topic = topics.control(self.exchange)
        self.dead_topic = topics.dead_letter(self.exchange)


class Store:
    """Everything that a task must not lose: a pure function of its input up to `offsets`."""

    def __init__(
        self,
        partition: int,
        partitions: int,
        feeds: Iterable[Feed],
        *,
        snapshot_interval_s: float = 10,
    ) -> None:
        """Begin empty.

        Args:
            partition: Of the task, k.
            partitions: How many every raw topic has.
            snapshot_interval_s: Between two BookStates of a symbol that changes.
        """
        self.partition = partition
        self.partitions = partitions
        self.feeds = {feed.raw_topic: feed for feed in feeds}
        # Next offset to read, by raw topic; topics no longer merged keep theirs
        self.offsets: dict[str, int] = {}
        self.dirty: dict[str, Entry] = {}
        # Of the BookStates in the changelog, those of topics no longer merged too
        self.states_sum = 0
        self._interval_s = snapshot_interval_s

    def entry(self, exchange: str, symbol: str) -> Entry | None:
        """Return what is known of a symbol, None before its first event."""
        feed = self.feeds.get(topics.raw(exchange))
        return feed.entries.get(symbol) if feed else None

    def touch(self, entry: Entry) -> None:
        """Note that a symbol's state has changed."""
        if not entry.dirty:
            entry.dirty = True
            self.dirty[entry.name] = entry

    def due(self, now: float) -> bool:
        """Return whether a symbol waits for its BookState."""
        return any(entry.due <= now for entry in self.dirty.values())

    def states(self, now: float, *, every: bool = False) -> Iterator[Change]:
        """Yield the BookState of each symbol that is due, or of every changed one.

        They hold what was applied up to `offsets`, and count as written: a store whose transaction
        then fails is thrown away.
        """
        for entry in [e for e in self.dirty.values() if every or e.due <= now]:
            feed = self.feeds[topics.raw(entry.exchange)]
            entry.source_offset = self.offsets[feed.raw_topic]
            state = BookState(
                exchange=entry.exchange,
                symbol=entry.symbol,
                seq=entry.seq,
                chain=entry.chain,
                source_topic=feed.raw_topic,
                source_partition=self.partition,
                source_offset=entry.source_offset,
                session=feed.session.dump(entry.symbol),
            )
            # The first interval is shortened by name, so that books come at different times
            first = self._interval_s * (0.5 + stagger(entry.name) / 2)
            entry.due = now + (first if entry.due == 0 else self._interval_s)
            entry.dirty = False
            del self.dirty[entry.name]
            value = avro.encode(state)
            crc = zlib.crc32(value)
            self.states_sum += crc - entry.state_crc
            entry.state_crc = crc
            yield Change(entry.name.encode(), value)

    def commit(self) -> Change:
        """Return the Commit record of all that has been applied; after `states`."""
        record = Commit(
            offsets=dict(self.offsets),
            seqs={name: entry.seq for name, entry in self.dirty.items()}
            | {STATES_KEY: self.states_sum},
            chains={name: entry.chain for name, entry in self.dirty.items()},
        )
        return Change(COMMIT_KEY, avro.encode(record))


def stagger(name: str) -> float:
    """Return a fixed number in [0, 1) for a name."""
    return zlib.crc32(name.encode()) / 2**32
