"""`admin rebuild`: a symbol's records once more, from the raw topic, as CSV files to compare.

The same engine, the same order; nothing is written to Kafka. Where the topic no longer holds the
symbol's beginning the book is unknown until its next snapshot, which the summary tells.
"""

import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, OFFSET_END

from jetl2.exchanges.exchange import Exchange
from jetl2.exchanges.session import Session
from jetl2.formats.errors import FormatError
from jetl2.formats.files import write_files
from jetl2.merger import source
from jetl2.merger.admin import show
from jetl2.merger.admin.errors import AdminError
from jetl2.merger.admin.reading import Cluster
from jetl2.merger.state import Feed, Store
from jetl2.merger.topology import apply
from jetl2.schemas import avro, topics
from jetl2.schemas.decimals import render
from jetl2.schemas.records import BookDelta, DeadLetter, MarketRecord


@dataclass(slots=True)
class Rebuilt:
    """One symbol's rebuild; complete when its records were read to their end."""

    exchange: Exchange
    symbol: str
    session: Session = field(init=False)
    events: int = 0
    first_ts: int = 0
    last_ts: int = 0
    first_book_ts: int = 0
    unread: int = 0
    resyncs: int = 0
    counts: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        """Begin without a book."""
        self.session = Session(self.exchange)

    def records(self, cluster: Cluster, from_ts: int, to_ts: int) -> Iterator[MarketRecord]:
        """Yield what the symbol's raw events of a time give, in output order."""
        topic = topics.raw(self.exchange.name)
        partitions = cluster.of(topic)
        number = topics.partition(self.symbol, partitions)
        start = cluster.offset_at(topic, number, from_ts) if from_ts else OFFSET_BEGINNING
        if start == OFFSET_END:
            return
        # A task of one symbol: what a merger does with bytes that are no raw event, it does too
        store = Store(number, partitions, [Feed(self.exchange.name, self.session)])
        key = self.symbol.encode()
        for message in cluster.read(topic, number, start):
            # By the time in Kafka, as the beginning is
            if message.key() != key or (to_ts and message.timestamp()[1] * 1_000_000 >= to_ts):
                continue
            self.events += 1
            self.last_ts = message.timestamp()[1] * 1_000_000
            self.first_ts = self.first_ts or self.last_ts
            for output in apply(store, source.message(message), 0):
                record = avro.decode(output.value)
                if isinstance(record, MarketRecord):
                    yield self._counted(record)
                elif isinstance(record, DeadLetter):
                    self.unread += 1
                else:
                    self.resyncs += 1

    def _counted(self, record: MarketRecord) -> MarketRecord:
        if isinstance(record, BookDelta) and not self.first_book_ts:
            self.first_book_ts = record.local_ts
        self.counts[type(record).__name__] += 1
        return record

    def summary(self) -> dict[str, Any]:
        """Return what was read and made, and the top of the book at the end."""
        known = self.symbol in self.session.symbols()
        bid: list[str] | None = None
        ask: list[str] | None = None
        if known:
            book = self.session.book(self.symbol)
            tops = (
                [[render(p, book.price_exponent), render(s, book.size_exponent)] for p, s in side]
                for side in book.top(1)
            )
            bid, ask = (side[0] if side else None for side in tops)
        return {
            "exchange": self.exchange.name,
            "symbol": self.symbol,
            "events": self.events,
            "from": show.when(self.first_ts),
            "to": show.when(self.last_ts),
            "first_book": show.when(self.first_book_ts),
            "records": dict(sorted(self.counts.items())),
            "gaps": self.counts["Gap"],
            "unread": self.unread,
            "resyncs": self.resyncs,
            "status": self.session.state(self.symbol),
            "bid": bid,
            "ask": ask,
        }


def rebuild(
    cluster: Cluster,
    exchange: Exchange,
    symbol: str,
    out: Path,
    *,
    from_ts: int = 0,
    to_ts: int = 0,
) -> dict[str, Any]:
    """Write the CSV files of a symbol; return what they were made of.

    Raises:
        AdminError: No such symbol in the topic, or a file could not be written.
    """
    made = Rebuilt(exchange, symbol)
    scratch = out / ".rebuild.part"
    try:
        files = write_files(made.records(cluster, from_ts, to_ts), scratch)
        names = []
        for info in files:
            info.path.replace(out / info.path.name)
            names.append(info.path.name)
    except (FormatError, OSError) as error:
        raise AdminError(str(error)) from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    if not made.events:
        message = f"{topics.raw(exchange.name)} holds nothing of {symbol!r} in that time"
        raise AdminError(message)
    return made.summary() | {"out": str(out), "files": names}
