"""The ingestor as a process, between simulated exchanges and a real broker."""

import json
import os
import signal
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from confluent_kafka import Producer

from jetl2.devstack import dialects, sources
from jetl2.devstack import kafka as devstack_kafka
from jetl2.devstack.kafka import Broker
from jetl2.devstack.loop import background
from jetl2.devstack.process import Process, free_ports, running, wait_until
from jetl2.devstack.simulator import Simulator, simulating
from jetl2.exchanges import adapters
from jetl2.exchanges.session import Session
from jetl2.schemas import avro, topics
from jetl2.schemas.records import (
    CONNECTED,
    DISCONNECTED,
    FRAME,
    LOST,
    SNAPSHOT,
    SUBSCRIBED,
    RawEvent,
    Resync,
)

pytestmark = pytest.mark.integration

PARTITIONS = 3


@contextmanager
def exchanges(names: Sequence[str], **options: Any) -> Iterator[dict[str, Simulator]]:
    """Run simulated exchanges in the background."""
    found = {name: Simulator(dialects.load()[name], **options) for name in names}
    with background() as loop, ExitStack() as stack:
        for simulator in found.values():
            served = simulating(simulator)
            loop.call(served.__aenter__())
            stack.callback(lambda s: loop.call(s.__aexit__(None, None, None)), served)
        yield found


@contextmanager
def ingestor(
    servers: str, simulators: Mapping[str, Simulator], log: Path, **more: object
) -> Iterator[Process]:
    """Run the ingestor on all symbols of the simulated exchanges."""
    given = {
        "bootstrap_servers": servers,
        "subscriptions": json.dumps({n: {"symbols": s.symbols} for n, s in simulators.items()}),
        "endpoints": json.dumps({name: s.endpoints for name, s in simulators.items()}),
        "partitions": PARTITIONS,
        "log_format": "json",
        "backoff_s": 0.1,
        **more,
    }
    env = os.environ | {f"JETL2_INGESTOR_{k.upper()}": str(v) for k, v in given.items()}
    command = [sys.executable, "-m", "jetl2.ingestor"]
    with running("ingestor", command, log=log, env=env, grace_s=30) as process:
        yield process


def logged(log: Path, event: str) -> list[dict[str, Any]]:
    """Return what was logged under that name."""
    lines = [line for line in log.read_text().splitlines() if line.startswith("{")]
    return [found for found in map(json.loads, lines) if found.get("event") == event]


def written(servers: str, exchange: str) -> int:
    """Return how many raw events of an exchange there are."""
    return sum(devstack_kafka.ends(servers, [topics.raw(exchange)]).values())


def read(servers: str, exchange: str) -> list[RawEvent]:
    """Return the raw events of an exchange, each checked to lie where its symbol belongs."""
    events: list[RawEvent] = []
    for message in devstack_kafka.read(servers, [topics.raw(exchange)]):
        event = avro.decode(bytes(message.value() or b""))
        assert message.key() == event.symbol.encode()
        assert message.partition() == topics.partition(event.symbol, PARTITIONS)
        events.append(event)
    return events


def unbroken(events: Sequence[RawEvent]) -> bool:
    """Whether every frame of every connection is there, by the counter."""
    counters: dict[str, set[int]] = defaultdict(set)
    for event in events:
        if event.kind == FRAME:
            counters[event.connection_id].add(event.counter)
    return all(found == set(range(len(found))) for found in counters.values())


def rebuilt(exchange: str, events: Sequence[RawEvent], symbol: str) -> list[dict[Decimal, Decimal]]:
    """Return bids and asks as our merge engine makes them of these events."""
    session = Session(adapters.get(exchange))
    for event in events:
        session.feed(event)
    book = session.book(symbol)
    price, size = Decimal(10) ** book.price_exponent, Decimal(10) ** book.size_exponent
    return [{p * price: s * size for p, s in side} for side in book.top(book.depth)]


def same(servers: str, simulator: Simulator) -> bool:
    """Whether what was written gives the books that the exchange really has."""
    events = read(servers, simulator.exchange)
    for symbol in simulator.symbols:
        depth = simulator.depth
        sides = simulator.book(symbol)
        truth = [{Decimal(p): Decimal(s) for p, s in side[:depth]} for side in sides]
        if rebuilt(simulator.exchange, events, symbol) != truth:
            return False
    return True


def test_every_frame_of_every_exchange_arrives_and_gives_the_true_books(
    fresh_kafka: Broker, tmp_path: Path
) -> None:
    servers, log = fresh_kafka.bootstrap_servers, tmp_path / "ingestor.log"
    names = [dialect.exchange for dialect in sources.families()]
    with exchanges(names, events=300, events_per_second=100) as simulators:
        with ingestor(servers, simulators, log) as process:
            wait_until(lambda: log.exists() and bool(logged(log, "http_listening")), "its port")
            port = logged(log, "http_listening")[0]["port"]
            simulators[names[0]].faults.ask("disconnect")
            wait_until(
                lambda: all(s.finished() for s in simulators.values()),
                "the exchanges to end",
                processes=[process],
            )
            wait_until(
                lambda: all(same(servers, simulator) for simulator in simulators.values()),
                "the true books",
                processes=[process],
            )
            with httpx.Client(trust_env=False, base_url=f"http://127.0.0.1:{port}") as client:
                assert client.get("/readyz").status_code == 200
                metrics = client.get("/metrics").text
            process.signal(signal.SIGTERM)
            assert process.wait(40) == 0

        for name, simulator in simulators.items():
            events = read(servers, name)
            assert unbroken(events), name
            kinds = Counter(e.kind for e in events if e.symbol == simulator.symbols[0])
            assert kinds[CONNECTED] == kinds[DISCONNECTED] >= 1
            assert [e for e in events if e.kind == SUBSCRIBED]
            assert bool(kinds[SNAPSHOT]) == (adapters.get(name).rule.snapshot == "rest")
            assert not kinds[LOST]
    assert 'jetl2_ingestor_frames_total{exchange="kraken"}' in metrics
    assert logged(log, "drained")


def test_a_request_of_the_merger_brings_the_book_anew(fresh_kafka: Broker, tmp_path: Path) -> None:
    servers, log = fresh_kafka.bootstrap_servers, tmp_path / "ingestor.log"
    with (
        # Few events: a topic that grows all the time has no end to read to
        exchanges(["binance", "kraken"], events=40, events_per_second=40) as simulators,
        ingestor(servers, simulators, log, resync_s=0) as process,
    ):
        symbols = {name: simulator.symbols[0] for name, simulator in simulators.items()}
        wait_until(lambda: all(s.finished() for s in simulators.values()), "the market to stand")

        def connection(name: str) -> str:
            started = [e for e in read(servers, name) if e.symbol == symbols[name]]
            books = [e for e in started if e.kind == (SNAPSHOT if name == "binance" else FRAME)]
            return books[0].connection_id if books else ""

        def connected() -> bool:
            return bool(logged(log, "connected")) and all(connection(n) for n in symbols)

        wait_until(connected, "both books", processes=[process])
        producer = Producer({"bootstrap.servers": servers})
        for name, symbol in symbols.items():
            request = Resync(
                exchange=name, symbol=symbol, connection_id=connection(name), reason="sequence"
            )
            place = topics.partition(symbol, PARTITIONS)
            producer.produce(topics.control(name), avro.encode(request), partition=place)
        assert producer.flush(10) == 0
        wait_until(
            lambda: (
                len([e for e in read(servers, "binance") if e.kind == SNAPSHOT])
                > len(simulators["binance"].symbols)
                and any(b"unsubscribe" in e.payload for e in read(servers, "kraken"))
            ),
            "a second snapshot of each",
            processes=[process],
        )
    assert [e["how"] for e in logged(log, "resync_asked")].count("resubscribe") == 1


def test_while_kafka_is_away_the_buffer_is_bounded_and_the_loss_is_written(tmp_path: Path) -> None:
    log = tmp_path / "ingestor.log"
    (port,) = free_ports(1)
    with (
        exchanges(["okex"], events=10**6, events_per_second=100) as simulators,
        devstack_kafka.broker(tmp_path / "kafka", port=port) as broker,
    ):
        servers = broker.bootstrap_servers
        with ingestor(servers, simulators, log, buffer_messages=300) as process:
            wait_until(
                lambda: bool(logged(log, "connected")) and written(servers, "okex") > 50,
                "frames in Kafka",
                processes=[process],
            )
            broker.process.stop()
            wait_until(lambda: bool(logged(log, "buffer_full")), "a full buffer")
            wait_until(lambda: bool(logged(log, "disconnected")), "the connection to close")
            assert len(logged(log, "connected")) == 1
            with devstack_kafka.broker(tmp_path / "kafka", port=port):
                wait_until(
                    lambda: len(logged(log, "connected")) == 2,
                    "a new connection",
                    processes=[process],
                )
                before = written(servers, "okex")
                wait_until(
                    lambda: written(servers, "okex") > before + 50,
                    "frames of the new connection",
                    processes=[process],
                )
                process.signal(signal.SIGTERM)
                assert process.wait(40) == 0
                events = read(servers, "okex")
    assert unbroken(events)
    assert len({e.connection_id for e in events}) == 2
    first = min(events, key=lambda e: e.local_ts).connection_id
    lost = 0
    for symbol in simulators["okex"].symbols:
        *_, before_end, end = [e for e in events if e.symbol == symbol and e.connection_id == first]
        assert end.kind == DISCONNECTED
        # A symbol of which nothing came after the buffer was full has lost nothing
        if before_end.kind == LOST:
            lost += json.loads(before_end.payload)["messages"]
    assert lost >= 1


def test_topics_with_another_number_of_partitions_are_refused_in_one_line(
    fresh_kafka: Broker, tmp_path: Path
) -> None:
    servers, log = fresh_kafka.bootstrap_servers, tmp_path / "ingestor.log"
    devstack_kafka.create_topics(servers, {topics.raw("okex"): PARTITIONS + 1})
    with (
        exchanges(["okex"]) as simulators,
        ingestor(servers, simulators, log) as process,
    ):
        assert process.wait(40) == 2

    lines = [line for line in log.read_text().splitlines() if not line.startswith("{")]
    assert lines == [
        "JETL2_INGESTOR_PARTITIONS='3': topic raw.okex has 4 partitions (example: 4)",
    ]


def test_symbols_that_are_not_listed_are_named_with_what_may_be_meant(
    fresh_kafka: Broker, tmp_path: Path
) -> None:
    servers, log = fresh_kafka.bootstrap_servers, tmp_path / "ingestor.log"
    with exchanges(["kraken"]) as simulators:
        good = simulators["kraken"].symbols[0]
        wrong = good.replace("/", "")
        wanted = json.dumps({"kraken": {"symbols": [wrong, good]}})
        with ingestor(servers, simulators, log, subscriptions=wanted) as process:
            wait_until(
                lambda: log.exists() and bool(logged(log, "connected")),
                "a connection",
                processes=[process],
            )
            process.signal(signal.SIGTERM)
            assert process.wait(40) == 0
        (refused,) = logged(log, "symbol_not_listed")
        assert refused["symbol"] == wrong
        assert good in refused["close_matches"]
        assert {e.symbol for e in read(servers, "kraken")} <= {good, ""}


def test_the_symbols_of_a_file_are_divided_over_replicas(
    fresh_kafka: Broker, tmp_path: Path
) -> None:
    servers, name = fresh_kafka.bootstrap_servers, "kraken"
    feeds = tmp_path / "feeds.toml"
    feeds.write_text(f'[{name}]\nsymbols = ["*"]\ndata_types = ["book_delta"]\n')
    logs = [tmp_path / "0.log", tmp_path / "1.log"]
    with exchanges([name]) as simulators, ExitStack() as stack:
        symbols = simulators[name].symbols
        processes = [
            stack.enter_context(
                ingestor(
                    *(servers, simulators, log),
                    feeds=feeds,
                    subscriptions="{}",
                    shards=2,
                    # as a StatefulSet names its pods
                    shard=f"ingestor-{log.stem}",
                )
            )
            for log in logs
        ]
        wait_until(
            lambda: {e.symbol for e in read(servers, name) if e.kind == FRAME} >= set(symbols),
            "a frame of each symbol",
            processes=processes,
        )
        for process in processes:
            process.signal(signal.SIGTERM)
            assert process.wait(40) == 0
        events = read(servers, name)

    chosen = [found["new"] for log in logs for found in logged(log, "symbols_chosen")]
    assert sum(chosen) == len(symbols)
    recorders = {(e.symbol, e.connection_id) for e in events if e.symbol}
    assert len(recorders) == len(symbols)


def test_a_stop_while_no_broker_answers_is_clean(tmp_path: Path) -> None:
    log = tmp_path / "ingestor.log"
    (port,) = free_ports(1)
    with (
        exchanges(["okex"]) as simulators,
        ingestor(f"127.0.0.1:{port}", simulators, log) as process,
    ):
        wait_until(
            lambda: log.exists() and bool(logged(log, "kafka_unreachable")),
            "a first attempt",
            processes=[process],
        )
        process.signal(signal.SIGTERM)
        assert process.wait(40) == 0
