"""A recorded session through the merge engine, without Kafka: its records and a summary."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jetl2.exchanges import recording
from jetl2.exchanges.recording import Recording, recognise
from jetl2.exchanges.session import Session
from jetl2.schemas.decimals import render
from jetl2.schemas.records import (
    BookDelta,
    BookTicker,
    DeadLetter,
    DerivativeTicker,
    Gap,
    Liquidation,
    MarketRecord,
    Resync,
    Trade,
)

TOP = 10

DATA_TYPES: dict[type, str] = {
    BookDelta: "book_delta",
    Trade: "trade",
    BookTicker: "book_ticker",
    DerivativeTicker: "derivative_ticker",
    Liquidation: "liquidation",
    Gap: "gap",
}


@dataclass
class Replay:
    """One session's replay; the summary is complete when the records were read to their end."""

    recording: Recording

    def __post_init__(self) -> None:
        self.session = Session(self.recording.exchange)
        self.dead: list[DeadLetter] = []
        self._counts: Counter[str] = Counter()
        self._resyncs = 0

    def records(self) -> Iterator[MarketRecord]:
        """Yield every market record in output order; to be called once."""
        for raw in recording.raw_events(self.recording):
            for output in self.session.feed(raw):
                if isinstance(output, DeadLetter):
                    self.dead.append(output)
                elif isinstance(output, Resync):
                    self._resyncs += 1
                else:
                    self._counts[DATA_TYPES[type(output)]] += 1
                    yield output

    def summary(self) -> dict[str, Any]:
        """Return what the session held and gave, and the top of every book at its end.

        `unparsed` counts messages that could not be read, each once; sizes and prices are the
        shortest plain decimals; `levels` counts both sides.
        """
        session = self.session
        total: Counter[str] = Counter()
        for symbol in ("", *session.symbols()):
            total.update(session.counters(symbol))
        return {
            "session": self.recording.name,
            "exchange": self.recording.exchange.name,
            "messages": recording.messages(self.recording),
            "records": dict(sorted(self._counts.items())),
            "unparsed": len({(d.connection_id, d.kind, d.counter, d.payload) for d in self.dead}),
            "gaps": self._counts["gap"],
            "resyncs": self._resyncs,
            "checksums": {
                "passed": total["checksums_passed"],
                "failed": total["checksums_failed"],
            },
            "crossed": total["crossed"],
            "books": {s: self._book(s) for s in sorted(session.symbols()) if self._known(s)},
        }

    def _known(self, symbol: str) -> bool:
        return bool(self.session.book(symbol).levels) or self.session.state(symbol) != "empty"

    def _book(self, symbol: str) -> dict[str, Any]:
        book = self.session.book(symbol)
        sides = (
            [[render(p, book.price_exponent), render(s, book.size_exponent)] for p, s in side]
            for side in book.top(TOP)
        )
        return {
            **dict(zip(("bids", "asks"), sides, strict=True)),
            "levels": book.levels,
            "sequence": self.session.sequence(symbol),
        }


def replay(path: Path) -> list[Replay]:
    """Return the replay of a session's file, for each exchange that speaks in it.

    Raises:
        UnsupportedRecording: No session, or in a protocol that no module here speaks.
    """
    return [Replay(recording) for recording in recognise(path)]
