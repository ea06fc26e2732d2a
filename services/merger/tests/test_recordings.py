"""Real traffic: a task that dies again and again writes what one that never died does."""

import itertools
import os
from pathlib import Path
from typing import Any

import pytest

from jetl2.exchanges import recording
from jetl2.exchanges.errors import UnsupportedRecording
from jetl2.exchanges.session import Session
from jetl2.merger import restore
from jetl2.merger.state import Feed, Store
from jetl2.merger.topology import Message, apply
from jetl2.schemas import avro

# Of a long session: its beginning, where snapshots, joins and gaps are
EVENTS = 1500
STATE_EVERY = 7
DEATH_EVERY = 11


def folder() -> Path | None:
    given = os.environ.get("JETL2_RECORDINGS")
    place = Path(given) if given else Path(__file__).parents[4] / "shared" / "recordings"
    return place if place.is_dir() else None


def sessions() -> list[Any]:
    place = folder()
    if place is None:
        reason = "no recordings here: set JETL2_RECORDINGS to their folder"
        return [pytest.param(None, marks=pytest.mark.skip(reason=reason))]
    found = []
    for path in sorted(place.glob("*/session-*")):
        try:
            parts = recording.recognise(path)
        except UnsupportedRecording:
            continue
        found += [
            pytest.param(part, id=f"{part.exchange.name}-{path.parent.name}-{path.name}")
            for part in parts
        ]
    return found


def fresh(found: recording.Recording) -> Store:
    feed = Feed(found.exchange.name, Session(found.exchange))
    return Store(0, 1, [feed], snapshot_interval_s=10**9)


def revive(found: recording.Recording, changelog: dict[bytes, bytes], log: list[Message]) -> Store:
    store = fresh(found)
    (topic,) = store.feeds
    last = restore.load(store, changelog)
    assert last is not None
    ends = {topic: len(log)}
    restore.start_offsets(store, last, dict(last.offsets), {topic: 0}, ends)
    for span in restore.ranges(store, last, {topic: 0}).values():
        restore.replay(store, log[span.start : span.stop])
    restore.verify(store, last, 0, 10**9)
    return store


@pytest.mark.parametrize("found", sessions())
def test_death_changes_nothing_in_real_books(found: recording.Recording) -> None:
    log = [
        Message(f"raw.{found.exchange.name}", n, raw.symbol.encode(), avro.encode(raw), 0)
        for n, raw in enumerate(itertools.islice(recording.raw_events(found), EVENTS))
    ]
    undying = fresh(found)
    expected = [output for message in log for output in apply(undying, message, 0)]

    mortal, outputs, changelog = fresh(found), [], dict[bytes, bytes]()
    for n, message in enumerate(log):
        outputs += apply(mortal, message, 0)
        # One symbol's state at a time, so that all are of different ages
        for entry in itertools.islice(mortal.dirty.values(), n // STATE_EVERY % 5, None):
            entry.due = 0 if n % STATE_EVERY == 0 or not entry.source_offset else 1
        changelog |= dict(mortal.states(0))
        changelog |= dict([mortal.commit()])
        if n % DEATH_EVERY == DEATH_EVERY - 1:
            mortal = revive(found, changelog, log)

    assert outputs == expected
    assert {e.name: e.chain for f in mortal.feeds.values() for e in f.entries.values()} == {
        e.name: e.chain for f in undying.feeds.values() for e in f.entries.values()
    }
