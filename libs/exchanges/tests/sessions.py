"""Where the tests' sessions come from, and how they are run through the engine."""

import base64
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

import pytest

from jetl2.exchanges import adapters, recording
from jetl2.exchanges.errors import UNREADABLE, UnsupportedRecording
from jetl2.exchanges.exchange import Classify, Exchange, Parsed, read
from jetl2.exchanges.life import Output
from jetl2.exchanges.recording import Entry, Recording
from jetl2.exchanges.session import Session
from jetl2.schemas.records import DeadLetter, Gap, RawEvent, Resync

HERE = Path(__file__).parent
FRAMES = sorted((HERE / "frames").glob("*.jsonl"))

# What a line of a session is that counts as a message
RECEIVED = ("recv", "http")

ABSENT = (
    "no recorded sessions: they are no part of the project; set JETL2_RECORDINGS to their folder, "
    "or put them into ../shared/recordings beside the repository"
)


def recordings_folder() -> Path | None:
    """Return the folder of recorded sessions, if there is one."""
    given = os.environ.get("JETL2_RECORDINGS")
    folder = Path(given) if given else HERE.parents[2].parent / "shared" / "recordings"
    return folder if folder.is_dir() else None


def files() -> list[Path]:
    """Return every recorded session of whatever exchange."""
    folder = recordings_folder()
    return sorted(folder.glob("*/session-*.jsonl*")) if folder else []


@cache
def own() -> list[Recording]:
    """Return the sessions made by hand."""
    return [found for path in FRAMES for found in recording.recognise(path)]


@cache
def recorded() -> list[Recording]:
    """Return the recorded sessions in a protocol that an exchange here speaks."""
    found = []
    for path in files():
        try:
            found += recording.recognise(path)
        except UnsupportedRecording:
            continue
    return found


def parameters(*, frames: bool = True) -> list[object]:
    """Return pytest parameters: our own frames and the recordings, or a skip that says why."""
    mine = [pytest.param(f, id=f"frames/{f.path.stem}") for f in own()] if frames else []
    theirs = recorded()
    if not theirs:
        return [*mine, pytest.param(None, id="recordings", marks=pytest.mark.skip(reason=ABSENT))]
    return [
        *mine,
        *(
            pytest.param(f, id=f"{f.exchange.name}:{f.path.parent.name}/{f.path.name}")
            for f in theirs
        ),
    ]


def payload(entry: Entry) -> bytes:
    """Return what came over the wire."""
    raw = entry["raw"]
    return base64.b64decode(raw) if entry.get("encoding") == "base64" else raw.encode()


def with_payload(entry: Entry, changed: bytes) -> Entry:
    """Return the line as if other bytes had come."""
    return {**entry, "raw": base64.b64encode(changed).decode(), "encoding": "base64"}


def parsed(exchange: Exchange, session: Iterable[Entry]) -> Iterator[list[Parsed]]:
    """Yield what each line gives, nothing for lines that are no frames or cannot be read."""
    classifiers: dict[str, Classify] = {}
    for entry in session:
        found: list[Parsed] = []
        if entry["dir"] == "recv":
            connection = recording.connection_of(entry)
            if connection not in classifiers:
                classifiers[connection] = exchange.new_classifier()
            with suppress(*UNREADABLE):
                raw = payload(entry)
                for address in dict.fromkeys(classifiers[connection](raw)):
                    records = read(exchange, raw, address)[1]
                    found += [r for r in records if r.symbol == address.symbol]
        yield found


def has_books(found: Recording) -> bool:
    """Whether a session holds books at all, as its header counts messages."""
    counts = found.header.get("counts")
    return counts is None or any(kind.startswith("l2_") for kind in counts)


@dataclass
class Run:
    """What came out of a session."""

    session: Session
    outputs: list[Output]

    @property
    def noticed(self) -> bool:
        """Whether anything was found to be wrong."""
        return any(isinstance(o, Gap | DeadLetter | Resync) for o in self.outputs)


def lines(found: Recording) -> list[Entry]:
    """Return a session's lines, the header left out; not to be changed."""
    return _lines(found.path, found.connections)


@lru_cache(maxsize=2)
def _lines(path: Path, connections: frozenset[str] | None) -> list[Entry]:
    session = list(recording.entries(path))[1:]
    if connections is None:
        return session
    return [entry for entry in session if recording.connection_of(entry) in connections]


def run(exchange: Exchange, session: Iterable[Entry]) -> Run:
    """Feed lines to a new session of the engine."""
    return feed(exchange, recording.events(exchange, session))


def feed(exchange: Exchange, raw_events: Iterable[RawEvent]) -> Run:
    """Feed raw events to a new session of the engine."""
    session = Session(exchange)
    return Run(session, [output for raw in raw_events for output in session.feed(raw)])


def books(session: Session, depth: int = 10**9) -> dict[str, tuple[object, ...]]:
    """Return every symbol's levels as they are comparable between runs."""
    found: dict[str, tuple[object, ...]] = {}
    for symbol in sorted(session.symbols()):
        book = session.book(symbol)
        price, size = book.price_exponent, book.size_exponent
        found[symbol] = (price, size, *book.top(depth))
    return found


def exchanges() -> list[object]:
    """Return every exchange as a pytest parameter."""
    return [pytest.param(exchange, id=name) for name, exchange in adapters.load().items()]
