"""The built binaries from an exchange that misbehaves to the files that a client downloads."""

import json
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from jetl2.devstack import exporting, kafka, pipeline, sources, stack, verify
from jetl2.devstack.errors import MissingToolError, StackError
from jetl2.devstack.faults import Faults
from jetl2.devstack.pipeline import Pipeline
from jetl2.devstack.process import Process, wait_until
from jetl2.devstack.simulator import Simulator
from jetl2.exchanges import adapters
from jetl2.schemas import avro, topics
from jetl2.schemas.records import BookDelta, BookTicker, DeadLetter, Gap, Trade

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]

# Running number of a book delta -> what happens to it
SCHEDULE = {
    60: "drop",
    130: "duplicate",
    200: "corrupt",
    270: "reorder",
    340: "tamper",
    410: "disconnect",
    560: "drop",
}
PROVEN_ONLY = ("drop", "reorder", "tamper")
EVENTS = 1000


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Pipeline]:
    try:
        for package in (*pipeline.SERVICES, *pipeline.JOBS):
            pipeline.built(package)
        with stack.up(tmp_path / "stack") as running:
            yield Pipeline(running, tmp_path / "logs")
    except MissingToolError as error:
        pytest.skip(str(error))


@pytest.fixture(autouse=True)
def _binaries_are_built() -> None:
    try:
        for package in (*pipeline.SERVICES, *pipeline.JOBS):
            pipeline.built(package)
    except StackError as error:
        pytest.skip(str(error))


def test_misbehaving_exchanges_leave_gaps_and_end_in_true_books(
    line: Pipeline, tmp_path: Path
) -> None:
    simulators = [
        Simulator(dialect, seed=5, events=EVENTS, misbehaviour=Faults(seed=5, schedule=SCHEDULE))
        for dialect in sources.families()
    ]
    exchanges = [simulator.exchange for simulator in simulators]
    with sources.simulated(simulators):
        _record(line, simulators)
    landed = line.land()
    again = line.land()
    instruments = [(s.exchange, symbol) for s in simulators for symbol in s.symbols]
    request = exporting.Request(instruments, ("trades", "incremental_book_L2"))
    with line.api() as address:
        files = exporting.export(address, request, tmp_path / "files", lambda *_: None)
        coverage = exporting.coverage(address, simulators)
    written = _records(line, [topics.market(exchange) for exchange in exchanges])
    dead = _records(line, [topics.dead_letter(exchange) for exchange in exchanges])
    gaps = [record for record in written if isinstance(record, Gap)]

    # Everything that was asked for happened, and was noticed by the exchange's own rule
    for simulator in simulators:
        exchange = adapters.get(simulator.exchange)
        asked = Counter(SCHEDULE.values())
        if exchange.rule.proof in ("none", "whole books") and exchange.checksum is None:
            # Nobody could notice these there
            asked -= Counter(kind for kind in asked.elements() if kind in PROVEN_ONLY)
        assert Counter(kind for _, _, kind in simulator.faults.done) == asked
        reasons = {gap.reason for gap in gaps if gap.exchange == simulator.exchange}
        assert "disconnected" in reasons
        # Of whole books the next one heals whatever came before
        noticed = reasons - {"disconnected"} or simulator.connections_made > 2
        assert noticed or exchange.rule.proof == "whole books"
        assert any(letter.exchange == simulator.exchange for letter in dead)
    assert all(isinstance(letter, DeadLetter) and letter.error for letter in dead)
    assert all(_unreadable(letter.payload) for letter in dead)
    _each_gap_is_followed_by_a_snapshot(written)
    _numbered_without_a_hole(written)

    # Each record landed once, and only once
    assert landed["rows"] > 0
    assert again["rows"] == 0
    assert coverage.gaps == len(gaps)
    assert coverage.records == len(written)
    assert coverage.checksums_passed == sum(
        isinstance(record, BookDelta) and record.verified == "passed" for record in written
    )

    # What the client has is the truth
    for simulator in simulators:
        for symbol, market in simulator.markets.items():
            paths = files.of(simulator.exchange, "incremental_book_L2", symbol)
            expected = verify.simulated(market.book(), market.samples.values(), simulator.depth)
            verdict = verify.check(f"{simulator.exchange} {symbol}", paths, expected)
            assert verdict.instants > verdict.missed
    trades = Counter((r.exchange, r.symbol) for r in written if isinstance(r, Trade))
    assert trades
    assert any(isinstance(record, BookTicker) for record in written)


def _record(line: Pipeline, wanted: Sequence[Simulator]) -> None:
    exchanges = [source.exchange for source in wanted]
    line.prepare(exchanges)
    with line.ingestor(wanted, ("book_delta", "trade", "book_ticker")) as ingestor:
        with line.merger(exchanges) as merger:
            processes = [ingestor, merger, *line.stack.processes]
            _wait(wanted, processes)
            _wait_for_books(line, exchanges)
            line.wait_merged(exchanges, processes, 120)
            assert merger.stop() == 0
        assert ingestor.stop() == 0


def _wait(wanted: Sequence[Simulator], processes: Sequence[Process]) -> None:
    deadline = time.monotonic() + 240
    while not all(source.finished() for source in wanted):
        for process in processes:
            process.check()
        assert time.monotonic() < deadline, [source.progress() for source in wanted]
        time.sleep(0.2)


def _records(line: Pipeline, names: Sequence[str]) -> list[Any]:
    found = kafka.read(line.bootstrap_servers, names)
    return [avro.decode(message.value() or b"") for message in found]


def _wait_for_books(line: Pipeline, exchanges: Sequence[str]) -> None:
    """Wait until every gap is over: after many bad connections the next comes with backoff."""
    names = [topics.market(exchange) for exchange in exchanges]
    wait_until(
        lambda: not _in_gap(_records(line, names)), "books are known", timeout_s=90, interval_s=1
    )


def _in_gap(written: Sequence[Any]) -> set[tuple[str, str]]:
    lost: set[tuple[str, str]] = set()
    for record in sorted(written, key=lambda r: (r.exchange, r.symbol, r.seq)):
        if isinstance(record, Gap):
            lost.add((record.exchange, record.symbol))
        elif isinstance(record, BookDelta):
            lost.discard((record.exchange, record.symbol))
    return lost


def _each_gap_is_followed_by_a_snapshot(written: Sequence[Any]) -> None:
    lost: dict[tuple[str, str], bool] = defaultdict(bool)
    for record in sorted(written, key=lambda r: (r.exchange, r.symbol, r.seq)):
        key = (record.exchange, record.symbol)
        if isinstance(record, Gap):
            lost[key] = True
        elif isinstance(record, BookDelta):
            assert record.is_snapshot or not lost[key], f"a delta of {key} inside a gap"
            lost[key] = False
    assert not any(lost.values())


def _numbered_without_a_hole(written: Sequence[Any]) -> None:
    seqs: dict[tuple[str, str], list[int]] = defaultdict(list)
    for record in written:
        seqs[record.exchange, record.symbol].append(record.seq)
    for key, numbers in seqs.items():
        assert sorted(numbers) == list(range(1, len(numbers) + 1)), key


def _unreadable(payload: bytes) -> bool:
    try:
        json.loads(payload)
    except json.JSONDecodeError:
        return True
    return False
