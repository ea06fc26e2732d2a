"""Kafka is away for a minute: what was received is all there, or its loss is written with its bounds.

The judge is the simulated exchange's own journal of what it sent, frame by frame and with the time;
nothing of the product is asked what it received. Killed, frozen and half open, each with two
recorders: one with a buffer for the minute, one with a buffer for some seconds.
"""

import json
import os
import signal
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import KafkaException

from jetl2.devstack import dialects
from jetl2.devstack import kafka as devstack_kafka
from jetl2.devstack.dialect import Frame
from jetl2.devstack.kafka import Broker
from jetl2.devstack.loop import background
from jetl2.devstack.process import Process, free_ports, running, wait_until
from jetl2.devstack.simulator import Connection, Simulator, simulating
from jetl2.schemas import avro, topics
from jetl2.schemas.records import CONNECTED, DISCONNECTED, FRAME, LOST, BookDelta, Gap, RawEvent
from jetl2.testkit.kafka_proxy import PRODUCE, KafkaProxy
from jetl2.testkit.merging import GROUP, Merger

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

KILLED, FROZEN, HALF_OPEN = "killed", "frozen", "half open"
KINDS = (KILLED, FROZEN, HALF_OPEN)
# Beyond every time after which librdkafka gives a request up
AWAY_S = 66.0
PARTITIONS = 3
RATE = 400
# Of one exchange the buffer holds all that comes meanwhile, of the other that of some seconds
ROOMY, TIGHT = "okex", "binance"
TIGHT_MESSAGES = 3000
ENOUGH = 400


class Journaled(Simulator):
    """Keeps, for each connection in order, what was said on it and when (ns)."""

    def __init__(self, name: str) -> None:
        super().__init__(
            dialects.load()[name], events=10**9, events_per_second=RATE, misbehaviour=None
        )
        self.said: dict[Connection, list[tuple[int, str]]] = {}

    def _put(self, connection: Connection, text: str | bytes, kind: str) -> None:
        assert isinstance(text, str)
        self.said.setdefault(connection, []).append((time.time_ns(), text))
        super()._put(connection, text, kind)

    def _send(self, connection: Connection, frame: Frame) -> None:
        self.said.setdefault(connection, [])
        super()._send(connection, frame)


@dataclass
class Recorded:
    """What became of one exchange's traffic."""

    said: list[list[tuple[int, str]]]
    raw: list[RawEvent]
    market: list[Any]
    said_when_back: int
    log: list[dict[str, Any]] = field(default_factory=list)

    @cached_property
    def connections(self) -> list[list[RawEvent]]:
        """Events of each connection, in the order in which they were opened."""
        found: dict[str, list[RawEvent]] = defaultdict(list)
        for event in self.raw:
            found[event.connection_id].append(event)
        return sorted(found.values(), key=lambda events: min(e.local_ts for e in events))

    def kept(self, number: int) -> list[str]:
        """Return the frames of a connection that are in Kafka, in order of their numbers."""
        frames = {e.counter: e.payload for e in self.connections[number] if e.kind == FRAME}
        assert sorted(frames) == list(range(len(frames)))
        return [frames[n].decode() for n in range(len(frames))]


def document(text: str) -> dict[str, Any]:
    """Return a frame of either exchange; the answer to a ping is none."""
    found: dict[str, Any] = {} if text == "pong" else json.loads(text)
    return found


def frame_symbol(text: str) -> str:
    """Return what a frame of either exchange is about; "" is the connection."""
    frame = document(text)
    found = frame.get("data") or {}
    return str(found.get("s", "") if isinstance(found, dict) else frame["arg"]["instId"])


def trade_ids(texts: list[str]) -> Counter[tuple[str, str]]:
    """Return the trades that frames tell, by symbol and id."""
    found: Counter[tuple[str, str]] = Counter()
    for text in texts:
        frame = document(text)
        data = frame.get("data")
        if isinstance(data, dict) and data.get("e") == "trade":
            found[data["s"], str(data["t"])] += 1
        elif isinstance(data, list) and frame["arg"]["channel"].startswith("trades"):
            found.update((d["instId"], d["tradeId"]) for d in data)
    return found


@contextmanager
def recorders(
    servers: str, simulators: Mapping[str, Journaled], folder: Path
) -> Iterator[dict[str, Process]]:
    """Run an ingestor for each exchange."""
    with ExitStack() as stack:
        found = {}
        for name, simulator in simulators.items():
            given = {
                "bootstrap_servers": servers,
                "subscriptions": json.dumps({name: {"symbols": simulator.symbols}}),
                "endpoints": json.dumps({name: simulator.endpoints}),
                "partitions": PARTITIONS,
                "log_format": "json",
                "backoff_s": 0.1,
                "backoff_most_s": 1,
                "drain_s": 60,
                **({"buffer_messages": TIGHT_MESSAGES} if name == TIGHT else {}),
            }
            env = os.environ | {f"JETL2_INGESTOR_{k.upper()}": str(v) for k, v in given.items()}
            command = [sys.executable, "-m", "jetl2.ingestor"]
            log = folder / f"{name}.log"
            process = running(name, command, log=log, env=env, grace_s=90)
            found[name] = stack.enter_context(process)
        yield found


def written(servers: str, name: str) -> int:
    """Return how many raw events of an exchange there are, 0 as long as Kafka does not say."""
    try:
        return sum(devstack_kafka.ends(servers, [topics.raw(name)]).values())
    except KafkaException:
        return 0


@contextmanager
def away(kind: str, folder: Path, broker: Broker, port: int, proxy: KafkaProxy) -> Iterator[None]:
    """Take Kafka away for a while; in the block it is back, be it another process."""
    if kind == KILLED:
        broker.process.signal(signal.SIGKILL)
        time.sleep(AWAY_S)
        with devstack_kafka.broker(folder, port=port):
            yield
        return
    if kind == FROZEN:
        broker.process.signal(signal.SIGSTOP)
        time.sleep(AWAY_S)
        broker.process.signal(signal.SIGCONT)
    else:
        # And what was on its way when it began comes after it was sent a second time
        proxy.hold_past_repetition(PRODUCE, 1.0, 1.0)
        proxy.stall(AWAY_S)
        time.sleep(AWAY_S)
    yield


def outage(kind: str, folder: Path) -> dict[str, Recorded]:
    """Take Kafka away from two recorders, and return what came of it."""
    (port,) = free_ports(1)
    simulators = {name: Journaled(name) for name in (ROOMY, TIGHT)}
    with background() as loop, ExitStack() as stack:
        for simulator in simulators.values():
            served = simulating(simulator)
            loop.call(served.__aenter__())
            stack.callback(lambda s: loop.call(s.__aexit__(None, None, None)), served)
        broker = stack.enter_context(devstack_kafka.broker(folder / "kafka", port=port))
        servers = broker.bootstrap_servers
        proxy = KafkaProxy(servers)
        stack.callback(proxy.close)
        through = proxy.bootstrap_servers if kind == HALF_OPEN else servers
        processes = stack.enter_context(recorders(through, simulators, folder))

        alive = list(processes.values())
        wait_until(
            lambda: all(written(servers, name) > ENOUGH for name in simulators),
            "frames in Kafka",
            timeout_s=120,
            processes=alive,
        )
        with away(kind, folder / "kafka", broker, port, proxy):
            said = {n: sum(map(len, s.said.values())) for n, s in simulators.items()}

            def recovered() -> bool:
                again = list(simulators[TIGHT].said.values())[1:]
                anew = any(len(frames) > ENOUGH for frames in again)
                return anew and written(servers, ROOMY) > said[ROOMY] + ENOUGH

            wait_until(recovered, "frames after it", timeout_s=180, interval_s=1, processes=alive)
            for process in alive:
                process.signal(signal.SIGTERM)
            assert [process.wait(120) for process in alive] == [0, 0]
            market = merged(servers, folder)
            return {
                n: Recorded(
                    list(simulators[n].said.values()),
                    raw(servers, n),
                    market[n],
                    said[n],
                    logged(folder / f"{n}.log"),
                )
                for n in simulators
            }


def raw(servers: str, name: str) -> list[RawEvent]:
    """Return the raw events of an exchange, in the order of each symbol."""
    return [avro.decode(m.value() or b"") for m in devstack_kafka.read(servers, [topics.raw(name)])]


def merged(servers: str, folder: Path) -> dict[str, list[Any]]:
    """Return what a merger makes of all of it."""
    names = [topics.raw(ROOMY), topics.raw(TIGHT)]
    process = Merger(servers, folder / "merger.log")
    try:
        wait_until(
            lambda: devstack_kafka.lag(servers, GROUP, names) == 0,
            "all of it merged",
            timeout_s=180,
            interval_s=0.5,
            processes=[process],
        )
        assert process.terminate() == 0
    finally:
        process.stop()
    return {
        name: [
            avro.decode(m.value() or b"")
            for m in devstack_kafka.read(servers, [topics.market(name)])
        ]
        for name in (ROOMY, TIGHT)
    }


def logged(log: Path) -> list[dict[str, Any]]:
    lines = log.read_text().splitlines()
    return [json.loads(line) for line in lines if line.startswith("{")]


@pytest.fixture(scope="module")
def outages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Recorded]]:
    """Return what came of each kind of outage; all at once, for most of it is waiting."""
    with ThreadPoolExecutor(len(KINDS)) as pool:
        folder = tmp_path_factory.mktemp("outages")
        runs = {kind: pool.submit(outage, kind, folder / kind) for kind in KINDS}
        return {kind: run.result() for kind, run in runs.items()}


@pytest.mark.parametrize("name", [ROOMY, TIGHT])
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_in_kafka_is_what_was_sent_in_order_and_once(
    outages: dict[str, dict[str, Recorded]], kind: str, name: str
) -> None:
    recorded = outages[kind][name]

    last: dict[tuple[str, str], int] = {}
    for event in recorded.raw:
        if event.kind == FRAME:
            place = (event.connection_id, event.symbol)
            assert event.counter > last.get(place, -1)
            last[place] = event.counter
    assert len(recorded.connections) == len(recorded.said)
    for number, said in enumerate(recorded.said):
        kept = recorded.kept(number)
        assert kept == [text for _, text in said[: len(kept)]]


@pytest.mark.parametrize("kind", KINDS)
def test_as_long_as_the_buffer_lasts_nothing_is_lost(
    outages: dict[str, dict[str, Recorded]], kind: str
) -> None:
    recorded = outages[kind][ROOMY]

    (events,) = recorded.connections
    assert not [e for e in events if e.kind == LOST]
    assert {e.payload for e in events if e.kind == DISCONNECTED} == {b"stopped"}
    assert recorded.said_when_back > AWAY_S * RATE
    kept = recorded.kept(0)
    assert len(kept) > recorded.said_when_back
    gaps = [r.reason for r in recorded.market if isinstance(r, Gap)]
    assert set(gaps) == {"disconnected"}  # we left
    assert len(gaps) == len({e.symbol for e in events if e.kind == CONNECTED})


@pytest.mark.parametrize("kind", KINDS)
def test_beyond_the_buffer_each_lost_frame_is_counted_between_its_bounds(
    outages: dict[str, dict[str, Recorded]], kind: str
) -> None:
    recorded = outages[kind][TIGHT]

    assert len(recorded.connections) >= 2
    events, said, kept = recorded.connections[0], recorded.said[0], recorded.kept(0)
    notes = {e.symbol: json.loads(e.payload) for e in events if e.kind == LOST}
    assert notes
    count = sum(note["messages"] for note in notes.values())
    lost = said[len(kept) : len(kept) + count]
    assert Counter(frame_symbol(text) for _, text in lost) == {
        symbol: note["messages"] for symbol, note in notes.items()
    }
    ends = {e.symbol: e for e in events if e.kind == DISCONNECTED}
    newest = max(e.local_ts for e in events if e.kind == FRAME)
    begun = min(e.local_ts for e in recorded.connections[1])
    for symbol, note in notes.items():
        of_it = [sent for sent, text in lost if frame_symbol(text) == symbol]
        assert newest <= note["from_ts"] <= note["to_ts"] <= ends[symbol].local_ts < begun
        assert of_it[-1] <= note["to_ts"]
    for symbol, end in ends.items():
        kinds = [e.kind for e in events if e.symbol == symbol]
        assert kinds[-2:] == ([LOST, DISCONNECTED] if symbol in notes else [FRAME, DISCONNECTED])
        assert end.payload == b"buffer full"


@pytest.mark.parametrize("kind", KINDS)
def test_the_loss_is_a_gap_in_the_market_data_and_then_the_book_is_whole(
    outages: dict[str, dict[str, Recorded]], kind: str
) -> None:
    recorded = outages[kind][TIGHT]

    first = recorded.connections[0]
    lost = {e.symbol for e in first if e.kind == LOST if e.symbol}
    for symbol in lost:
        records = [r for r in recorded.market if r.symbol == symbol]
        books = [r for r in records if isinstance(r, BookDelta | Gap)]
        at = next(n for n, r in enumerate(books) if isinstance(r, Gap))
        gap, before, after = books[at], books[at - 1], books[at + 1]
        assert isinstance(gap, Gap)
        assert gap.reason == "lost"
        assert gap.from_ts == before.local_ts
        assert isinstance(after, BookDelta)
        assert after.is_snapshot
        assert after.local_ts > gap.local_ts >= gap.from_ts


@pytest.mark.parametrize("name", [ROOMY, TIGHT])
@pytest.mark.parametrize("kind", KINDS)
def test_each_trade_that_was_received_is_merged_once(
    outages: dict[str, dict[str, Recorded]], kind: str, name: str
) -> None:
    recorded = outages[kind][name]

    told: Counter[tuple[str, str]] = Counter()
    for number in range(len(recorded.said)):
        told += trade_ids(recorded.kept(number))
    merged_ids = Counter(
        (r.symbol, r.trade_id) for r in recorded.market if type(r).__name__ == "Trade"
    )
    assert told
    assert merged_ids == told
    for symbol in {r.symbol for r in recorded.market}:
        numbers = [r.seq for r in recorded.market if r.symbol == symbol]
        assert numbers == list(range(1, len(numbers) + 1))
