"""A merger under test on a real broker: traffic with known results, processes, and the recount.

The recount uses nothing of the merger: it knows what was sent, and reads what came out.
"""

import json
import os
import signal
import sys
import time
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicPartition,
)

from jetl2.devstack import kafka as devstack_kafka
from jetl2.devstack.process import Process, wait_until
from jetl2.schemas import avro, topics
from jetl2.schemas.records import CONNECTED, FRAME, BookState, Commit, MarketRecord, RawEvent

GROUP = "jetl2.merger"
PARTITIONS = 2
SYMBOLS = ("BTC-USDT", "ETH-USDT", "SOL-USDT", "XRP-USDT", "ADA-USDT", "DOGE-USDT")
# Within one hour from here no periodic snapshot is due, so that each event yields what is said
START_TS = 1_795_003_200_000_000_000
STEP_NS = 1_000_000

Lineage = tuple[str, int, int]  # topic, partition, offset


class Traffic:
    """Raw events of two exchanges, and how many records each must yield."""

    def __init__(self, bootstrap_servers: str, partitions: int = PARTITIONS) -> None:
        """Make the raw topics."""
        self.partitions = partitions
        self.expected: dict[Lineage, int] = {}
        self._sent = 0
        self._count = 0
        self._link: dict[str, int] = {}
        self._producer = Producer(
            {
                "bootstrap.servers": bootstrap_servers,
                "enable.idempotence": True,
                "linger.ms": 1,
                "log_level": 0,
            }
        )
        wanted = {topics.raw(name): partitions for name in ("okex", "binance")}
        devstack_kafka.create_topics(bootstrap_servers, wanted, {})

    def send(self, count: int) -> None:
        """Send that many events: deltas of linked books and trades, some of them twice."""
        for _ in range(count):
            n = self._sent
            symbol = SYMBOLS[n % len(SYMBOLS)]
            if symbol not in self._link:
                self._event("okex", symbol, b"wss://example", 0, CONNECTED)
                self._link[symbol] = 100
                self._event("okex", symbol, _okex_book(symbol, n, -1, 100), 1)
            elif n % 5 == 4:
                name = symbol.replace("-", "")
                self._event("binance", name, _binance_trade(name, n), 1)
            else:
                last = self._link[symbol]
                self._link[symbol] = last + 1 + n % 3
                self._event("okex", symbol, _okex_book(symbol, n, last, self._link[symbol]), 1)
            self._sent += 1
        self._producer.flush(30)

    def poison(self, symbol: str, value: bytes) -> None:
        """Send bytes that are no raw event under the key of a symbol."""
        self._produce("okex", symbol, value, None)
        self._producer.flush(30)

    def snapshot(self, symbol: str) -> None:
        """Send a whole book."""
        self._link[symbol] += 10
        frame = _okex_book(symbol, self._count, -1, self._link[symbol])
        self._event("okex", symbol, frame, 1)
        self._producer.flush(30)

    def _event(
        self, exchange: str, symbol: str, payload: bytes, records: int, kind: str = FRAME
    ) -> None:
        self._count += 1
        raw = RawEvent(
            exchange=exchange,
            symbol=symbol,
            local_ts=START_TS + self._count * STEP_NS,
            connection_id="c1",
            counter=self._count,
            kind=kind,
            payload=payload,
        )
        self._produce(exchange, symbol, avro.encode(raw), records)

    def _produce(self, exchange: str, symbol: str, value: bytes, records: int | None) -> None:
        def written(error: KafkaError | None, message: Message) -> None:
            assert error is None, error
            if records is not None:
                place = (str(message.topic()), message.partition() or 0, message.offset() or 0)
                self.expected[place] = records

        partition = topics.partition(symbol, self.partitions)
        key = symbol.encode()
        self._producer.produce(topics.raw(exchange), value, key, partition, on_delivery=written)
        self._producer.poll(0)


class Merger(Process):
    """A merger process; its log is read as JSON lines."""

    def __init__(
        self, bootstrap_servers: str, log: Path, python_path: str = "", /, **settings: object
    ) -> None:
        """Start it.

        Args:
            bootstrap_servers: Of the broker, or of a proxy before it.
            log: Appended to.
            python_path: Where its sources are, if they are not ours.
            settings: By the names of `Settings`; the defaults here are quick to notice death.
        """
        given = {
            "bootstrap_servers": bootstrap_servers,
            "group_instance_id": "m1",
            "session_timeout_ms": 6000,
            "discover_interval_s": 1,
            "log_format": "json",
            "on_doubt": "exit",
        } | settings
        env = {f"JETL2_MERGER_{name}".upper(): str(value) for name, value in given.items()}
        path = python_path or os.pathsep.join(p for p in sys.path if p)
        super().__init__(
            "merger",
            [sys.executable, "-m", "jetl2.merger"],
            log=log,
            env={**os.environ, "PYTHONPATH": path, **env},
        )

    def events(self, name: str) -> list[dict[str, Any]]:
        """Return the events of a name in the log so far."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        found = [json.loads(line) for line in lines if line.startswith("{")]
        return [event for event in found if event.get("event") == name]

    def kill(self) -> None:
        """Kill it at once, and wait until it is gone."""
        self.signal(signal.SIGKILL)
        self.wait(20)

    def terminate(self) -> int:
        """Ask it to stop; return its exit code."""
        self.signal(signal.SIGTERM)
        return self.wait(40)


@contextmanager
def merger(
    bootstrap_servers: str, log: Path, python_path: str = "", /, **settings: object
) -> Iterator[Merger]:
    """Run a merger for the length of the block; arguments as `Merger`."""
    process = Merger(bootstrap_servers, log, python_path, **settings)
    try:
        yield process
    finally:
        process.signal(signal.SIGCONT)
        process.stop()


def read(bootstrap_servers: str, names: Iterable[str]) -> Iterator[Message]:
    """Yield every committed record that topics hold now."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap_servers,
            "group.id": "recount",
            "log_level": 0,
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
            "enable.auto.commit": False,
        }
    )
    there = consumer.list_topics(timeout=10).topics
    parts = [
        TopicPartition(name, number, OFFSET_BEGINNING)
        for name in names
        for number in (there[name].partitions if name in there else ())
    ]
    consumer.assign(parts)
    left = len(parts)
    deadline = time.monotonic() + 60
    while left:
        assert time.monotonic() < deadline, f"the end of {names} did not come"
        for message in consumer.consume(1000, 0.1):
            error = message.error()
            if error is None:
                yield message
            elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - the public name
                left -= 1
    consumer.close()


def wait_merged(
    bootstrap_servers: str,
    traffic: Traffic,
    *,
    timeout_s: float = 60,
    processes: Sequence[Process] = (),
) -> None:
    """Wait until the group has committed every raw event."""
    consumer = Consumer({"bootstrap.servers": bootstrap_servers, "group.id": GROUP, "log_level": 0})
    ends: dict[tuple[str, int], int] = {}
    for topic, partition, offset in traffic.expected:
        ends[topic, partition] = max(ends.get((topic, partition), 0), offset + 1)

    def merged() -> bool:
        wanted = [TopicPartition(topic, partition) for topic, partition in ends]
        try:
            found = consumer.committed(wanted, timeout=15)
        except KafkaException:  # an open transaction holds the answer up
            return False
        return all(p.offset >= ends[p.topic, p.partition] for p in found)

    wait_until(merged, "everything is merged", timeout_s=timeout_s, processes=processes)
    consumer.close()


def recount(bootstrap_servers: str, traffic: Traffic) -> dict[tuple[str, str], int]:
    """Check that the output holds each event once, in order, and that the chain is theirs.

    Returns:
        (exchange, symbol) -> number of its records.
    """
    found: Counter[Lineage] = Counter()
    indexed: Counter[tuple[object, ...]] = Counter()
    seqs: dict[tuple[str, str], int] = {}
    chains: dict[str, int] = {}
    for message in read(bootstrap_servers, [topics.market("okex"), topics.market("binance")]):
        record: MarketRecord = avro.decode(message.value() or b"")
        place = (record.source_topic, record.source_partition, record.source_offset)
        found[place] += 1
        indexed[*place, record.source_index] += 1
        name = (record.exchange, record.symbol)
        assert record.seq == seqs.get(name, 0) + 1, f"{name}: {record.seq} after {seqs.get(name)}"
        assert message.partition() == record.source_partition
        assert record.merge_ts > 0
        seqs[name] = record.seq
        record.merge_ts = 0
        key = "|".join(name)
        chains[key] = zlib.crc32(avro.encode(record)[:-1], chains.get(key, 0))
    expected = {place: count for place, count in traffic.expected.items() if count}
    missing = [place for place, count in expected.items() if found[place] < count]
    assert not missing, f"{len(missing)} events are missing, such as {missing[:3]}"
    twice = [place for place, count in indexed.items() if count > 1]
    assert not twice, f"{len(twice)} records came twice, such as {twice[:3]}"
    _compare_chains(bootstrap_servers, chains)
    return seqs


def _compare_chains(bootstrap_servers: str, chains: Mapping[str, int]) -> None:
    newest: dict[tuple[int, bytes], Any] = {}
    for message in read(bootstrap_servers, [topics.CHANGELOG]):
        place = (message.partition() or 0, message.key() or b"")
        newest[place] = avro.decode(message.value() or b"")
    known: dict[str, int] = {}
    for record in newest.values():
        if isinstance(record, BookState):
            known.setdefault(f"{record.exchange}|{record.symbol}", record.chain)
    for record in newest.values():
        if isinstance(record, Commit):
            known |= record.chains
    assert {name: chain for name, chain in known.items() if chain} == dict(chains)


def _okex_book(symbol: str, n: int, previous: int, number: int) -> bytes:
    levels = 50 if previous < 0 else 2
    bids = [[str(900 - (n + i) % 90), str(i + 1), "0", "1"] for i in range(levels)]
    asks = [[str(1001 + (n + i) % 90), str(i + 1), "0", "1"] for i in range(levels)]
    book = {"asks": asks, "bids": bids, "ts": str(START_TS // 1_000_000), "checksum": 0}
    frame = {
        "arg": {"channel": "books", "instId": symbol},
        "action": "snapshot" if previous < 0 else "update",
        "data": [book | {"prevSeqId": previous, "seqId": number}],
    }
    return json.dumps(frame).encode()


def _binance_trade(symbol: str, n: int) -> bytes:
    trade = {"e": "trade", "E": START_TS // 1_000_000, "s": symbol, "t": n, "p": "1.5", "q": "2"}
    data = trade | {"T": START_TS // 1_000_000, "m": bool(n % 2), "M": True}
    return json.dumps({"stream": f"{symbol.lower()}@trade", "data": data}).encode()
