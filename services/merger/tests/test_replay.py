"""A task killed at any step of any commit gives the same output as one that never was."""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jetl2.merger import restore
from jetl2.merger.checkpoint import Checkpoint
from jetl2.merger.state import STATES_KEY, Feed, Store
from jetl2.merger.topology import Message, apply
from jetl2.schemas import avro, topics
from jetl2.schemas.records import DeadLetter, Gap, MarketRecord, RawEvent, Resync, Trade

PARTITIONS = 3
SYMBOLS = [s for s in (f"S{n}" for n in range(40)) if topics.partition(s, PARTITIONS) == 1][:3]
CHANGELOG = "merger.changelog"


class KilledError(Exception):
    pass


class Summing:
    """A session whose every record depends on all events of the symbol before it."""

    def __init__(self) -> None:
        self.totals: dict[str, int] = {}

    def feed(self, raw: RawEvent) -> list[MarketRecord | Resync | DeadLetter]:
        total = self.totals[raw.symbol] = zlib.crc32(raw.payload, self.totals.get(raw.symbol, 0))
        common: dict[str, Any] = {
            "exchange": raw.exchange,
            "symbol": raw.symbol,
            "local_ts": raw.local_ts,
        }
        if raw.kind != "frame":
            return [Gap(**common, reason=raw.kind), Resync(exchange="x", symbol=raw.symbol)]
        if raw.payload == b"boom":
            raise ZeroDivisionError
        trades = [
            Trade(**common, price=total, price_exponent=0, size=n, size_exponent=0, source_index=n)
            for n in range(len(raw.payload) % 3)
        ]
        return list(trades)

    def dump(self, symbol: str) -> bytes:
        return str(self.totals[symbol]).encode()

    def load(self, symbol: str, state: bytes) -> None:
        self.totals[symbol] = int(state)


@dataclass
class Kafka:
    """What survives: committed records of every topic, and the group's offsets."""

    raw: dict[str, list[Message]]
    records: dict[str, list[tuple[bytes, bytes]]] = field(default_factory=dict)
    offsets: dict[str, int] = field(default_factory=dict)

    def compacted(self) -> dict[bytes, bytes]:
        return dict(self.records.get(CHANGELOG, []))


class Transaction:
    """The task's producer; dies before its nth call, counted over its life."""

    def __init__(self, kafka: Kafka, dies_at: int) -> None:
        self._kafka, self._left = kafka, dies_at
        self._pending: list[tuple[str, bytes, bytes]] = []
        self._offsets: dict[str, int] = {}

    def renew_on_doubt(self) -> None:
        self._step()

    def begin(self) -> None:
        self._step()
        self._pending, self._offsets = [], {}

    def produce(self, topic: str, key: bytes, value: bytes) -> None:
        self._step()
        self._pending.append((topic, key, value))

    def flush(self) -> None:
        self._step()

    def send_offsets(self, offsets: Mapping[str, int]) -> None:
        self._step()
        self._offsets = dict(offsets)

    def commit(self) -> None:
        self._step()
        for topic, key, value in self._pending:
            self._kafka.records.setdefault(topic, []).append((key, value))
        self._kafka.offsets |= self._offsets
        # The answer may be lost after the broker has committed
        self._step()

    def _step(self) -> None:
        self._left -= 1
        if self._left == 0:
            raise KilledError


def revive(kafka: Kafka) -> Store:
    feeds = [Feed(topic.removeprefix("raw."), Summing()) for topic in kafka.raw]
    store = Store(1, PARTITIONS, feeds, snapshot_interval_s=3)
    last = restore.load(store, kafka.compacted())
    low = dict.fromkeys(kafka.raw, 0)
    high = {topic: messages[-1].offset + 1 for topic, messages in kafka.raw.items()}
    committed = {topic: kafka.offsets.get(topic) for topic in kafka.raw}
    restore.start_offsets(store, last, committed, low, high)
    for topic, span in restore.ranges(store, last, low).items():
        restore.replay(store, [m for m in kafka.raw[topic] if m.offset in span])
    restore.verify(store, last, 0, 3)
    return store


def live(kafka: Kafka, order: Sequence[str], batch: int, dies_at: int = 0) -> None:
    """Merge all that is left, topics in a given order, committing every few messages."""
    store = revive(kafka)
    checkpoint = Checkpoint(store, Transaction(kafka, dies_at), CHANGELOG)
    now = 0.0
    left = {t: [m for m in kafka.raw[t] if m.offset >= store.offsets[t]] for t in kafka.raw}
    for n, turn in enumerate([*order, *(t for t in left for _ in left[t])]):
        if left[turn]:
            checkpoint.write(apply(store, left[turn].pop(0), 0))
        if n % batch == batch - 1:
            now += 1
            checkpoint.commit(now)
            checkpoint.settle()
    checkpoint.commit(now, every=True)


def traffic() -> dict[str, list[Message]]:
    payloads = [b"one", b"four", b"fives", b"boom", b"seven77", b"nine99999"]
    raw: dict[str, list[Message]] = {}
    for exchange in ("a", "b"):
        messages = []
        for n in range(24):
            symbol = SYMBOLS[(n * n + n // 5) % 3]
            event = RawEvent(
                exchange=exchange,
                symbol=symbol,
                local_ts=n,
                connection_id="c",
                kind="connected" if n == 7 else "frame",
                payload=payloads[n % len(payloads)] + (b"" if n % 6 == 3 else str(n).encode()),
            )
            value = b"poison" if n in (3, 15) else avro.encode(event)
            # Markers of other people's transactions take offsets too
            messages.append(Message(f"raw.{exchange}", n * 2, symbol.encode(), value, 1000 + n))
        raw[f"raw.{exchange}"] = messages
    return raw


ORDER = ["raw.a", "raw.b", "raw.b", "raw.a", "raw.a", "raw.b"] * 8


def by_symbol(kafka: Kafka) -> dict[tuple[str, bytes], list[bytes]]:
    """Order between symbols is nobody's promise; within one it is."""
    found: dict[tuple[str, bytes], list[bytes]] = {}
    for topic, records in kafka.records.items():
        if topic != CHANGELOG:
            for key, value in records:
                found.setdefault((topic, key), []).append(value)
    return found


def undisturbed(batch: int = 4) -> Kafka:
    kafka = Kafka(traffic())
    live(kafka, ORDER, batch)
    return kafka


def test_every_event_is_merged_once_in_the_order_of_its_symbol() -> None:
    kafka = undisturbed()

    seqs: dict[tuple[str, str], int] = {}
    lineage = set()
    for (topic, _), values in by_symbol(kafka).items():
        for value in values if topic.startswith("market.") else []:
            record = avro.decode(value)
            name = (record.exchange, record.symbol)
            assert record.seq == seqs.get(name, 0) + 1
            seqs[name] = record.seq
            lineage.add((record.source_topic, record.source_offset, record.source_index))
    assert len(lineage) == sum(seqs.values())
    assert kafka.offsets == {"raw.a": 47, "raw.b": 47}


@pytest.mark.parametrize("batch", [1, 4, 50])
def test_death_at_any_step_of_any_commit_changes_nothing(batch: int) -> None:
    expected = undisturbed(batch)

    step = 0
    while True:
        step += 1
        kafka = Kafka(traffic())
        try:
            live(kafka, ORDER, batch, dies_at=step)
        except KilledError:
            live(kafka, ORDER[::-1], 3)
        else:
            break
        assert by_symbol(kafka) == by_symbol(expected), f"killed at step {step}"
        assert kafka.offsets == expected.offsets
    assert step > 100 // batch


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    deaths=st.lists(st.integers(1, 60), max_size=12),
    orders=st.lists(st.permutations(ORDER), min_size=1, max_size=3),
    batch=st.integers(1, 20),
)
def test_many_deaths_and_any_order_of_topics_change_nothing(
    deaths: list[int], orders: list[list[str]], batch: int
) -> None:
    kafka = Kafka(traffic())

    for n, death in enumerate([*deaths, 0]):
        try:
            live(kafka, orders[n % len(orders)], batch, dies_at=death)
        except KilledError:
            continue

    assert by_symbol(kafka) == by_symbol(undisturbed())


def test_a_clean_stop_leaves_nothing_to_replay() -> None:
    kafka = undisturbed()
    store = Store(1, PARTITIONS, [Feed("a", Summing()), Feed("b", Summing())])

    last = restore.load(store, kafka.compacted())
    restore.start_offsets(
        store, last, dict(kafka.offsets), dict.fromkeys(kafka.raw, 0), dict.fromkeys(kafka.raw, 99)
    )

    assert restore.ranges(store, last, dict.fromkeys(kafka.raw, 0)) == {}
    assert last is not None
    assert last.seqs.keys() == {STATES_KEY}
