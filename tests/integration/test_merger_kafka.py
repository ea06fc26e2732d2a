"""The merger on a real broker: killed, frozen, delayed, lied to; each event exactly once."""

import json
import random
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from jetl2.devstack import kafka as devstack_kafka
from jetl2.devstack.kafka import Broker
from jetl2.devstack.process import free_ports, wait_until
from jetl2.merger import crash
from jetl2.schemas import avro, topics
from jetl2.schemas.records import Commit, DeadLetter, Gap, Resync
from jetl2.testkit.kafka_proxy import END_TXN, KafkaProxy
from jetl2.testkit.merging import (
    GROUP,
    PARTITIONS,
    SYMBOLS,
    Merger,
    Traffic,
    merger,
    read,
    recount,
    wait_merged,
)

pytestmark = pytest.mark.integration

KILLED = {-signal.SIGKILL, 128 + signal.SIGKILL}
# Crash points that are passed once in a life
PASSINGS = {"revoked": 1, "stopping": 1}
REFUSED = 4
IN_DOUBT = 3


@pytest.fixture
def servers(fresh_kafka: Broker) -> str:
    return fresh_kafka.bootstrap_servers


@pytest.fixture
def traffic(servers: str) -> Traffic:
    return Traffic(servers)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "merger.log"


@pytest.fixture
def proxy(servers: str) -> Iterator[KafkaProxy]:
    between = KafkaProxy(servers)
    yield between
    between.close()


def test_death_at_every_crash_point_loses_and_repeats_nothing(
    servers: str, traffic: Traffic, log: Path
) -> None:
    for point in crash.POINTS:
        traffic.send(120)
        # States soon after each other, so that they too are cut off
        settings = {"snapshot_interval_s": 0.3, "crash_at": f"{point}:{PASSINGS.get(point, 2)}"}
        with merger(servers, log.with_name(f"{point}.log"), **settings) as process:
            if point in PASSINGS:
                wait_merged(servers, traffic, processes=[process])
                process.signal(signal.SIGTERM)
            else:
                traffic.send(60)
            assert process.wait(60) in KILLED, point

    with merger(servers, log) as process:
        traffic.send(60)
        wait_merged(servers, traffic, processes=[process])
        assert process.terminate() == 0
    seqs = recount(servers, traffic)
    assert len(seqs) == 2 * len(SYMBOLS)


def test_random_deaths_under_traffic_lose_and_repeat_nothing(
    servers: str, traffic: Traffic, log: Path
) -> None:
    chance = random.Random(5)
    done = threading.Event()

    def flow() -> None:
        while not done.wait(0.02):
            traffic.send(30)

    feeder = threading.Thread(target=flow)
    feeder.start()
    try:
        for n in range(4):
            with merger(
                servers, log.with_name(f"life-{n}.log"), snapshot_interval_s=0.5
            ) as process:
                until(lambda: bool(process.events("assigned")), "tasks are assigned", process)
                done.wait(chance.uniform(0.05, 1.5))
                process.kill()
    finally:
        done.set()
        feeder.join()

    with merger(servers, log) as process:
        wait_merged(servers, traffic, processes=[process])
        assert process.terminate() == 0
    assert len(recount(servers, traffic)) == 2 * len(SYMBOLS)


def test_a_frozen_owner_that_wakes_is_fenced(servers: str, traffic: Traffic, log: Path) -> None:
    traffic.send(300)
    with merger(servers, log.with_name("frozen.log")) as frozen:
        wait_merged(servers, traffic, processes=[frozen])
        # Leave it in the middle of a transaction
        traffic.send(300)
        frozen.signal(signal.SIGSTOP)

        with merger(servers, log, group_instance_id="m2") as heir:
            traffic.send(300)
            wait_merged(servers, traffic, processes=[heir])
            frozen.signal(signal.SIGCONT)
            assert frozen.wait(60) == IN_DOUBT
            traffic.send(100)
            wait_merged(servers, traffic, processes=[heir])
    recount(servers, traffic)


def test_a_commit_that_was_slow_makes_a_new_producer(
    servers: str, traffic: Traffic, log: Path, proxy: KafkaProxy
) -> None:
    with merger(proxy.bootstrap_servers, log) as process:
        traffic.send(100)
        wait_merged(servers, traffic, processes=[process])
        before = len(process.events("producer_rotated"))

        proxy.hold(END_TXN, 0.2)
        traffic.send(100)
        wait_merged(servers, traffic, processes=[process])
        traffic.send(100)
        wait_merged(servers, traffic, processes=[process])

        assert proxy.held == 1
        rotated = process.events("producer_rotated")[before:]
        assert any(event["reason"].startswith("slow") for event in rotated)
        assert process.terminate() == 0
    recount(servers, traffic)


def test_a_lost_commit_reply_makes_a_new_producer(
    servers: str, traffic: Traffic, log: Path, proxy: KafkaProxy
) -> None:
    with merger(proxy.bootstrap_servers, log) as process:
        traffic.send(100)
        wait_merged(servers, traffic, processes=[process])
        before = len(process.events("producer_rotated"))

        proxy.lose_reply(END_TXN)
        traffic.send(100)
        wait_merged(servers, traffic, processes=[process])
        traffic.send(100)
        wait_merged(servers, traffic, processes=[process])

        assert proxy.lost == 1
        assert len(process.events("producer_rotated")) > before
        assert process.terminate() == 0
    recount(servers, traffic)


def test_a_commit_that_arrives_after_its_repetition_harms_no_later_transaction(
    servers: str, traffic: Traffic, log: Path, proxy: KafkaProxy
) -> None:
    with merger(proxy.bootstrap_servers, log) as process:
        traffic.send(100)
        wait_merged(servers, traffic, processes=[process])

        for _ in range(2):
            # The client gives up after 5 s and commits again; the first request comes later
            proxy.hold_past_repetition(END_TXN, 0.1)
            traffic.send(100)
            wait_merged(servers, traffic, processes=[process])
            for _ in range(10):
                traffic.send(20)
                wait_merged(servers, traffic, processes=[process])

        until(lambda: not proxy.pending, "the held ones have come", process)
        assert proxy.late[END_TXN] == 2
        assert process.events("producer_rotated")
        process.kill()
    with merger(servers, log.with_name("again.log")) as process:
        traffic.send(100)
        wait_merged(servers, traffic, processes=[process])
        assert process.terminate() == 0
    recount(servers, traffic)


def test_poison_goes_to_the_dead_letters_and_the_partition_goes_on(
    servers: str, traffic: Traffic, log: Path
) -> None:
    traffic.send(60)
    poisons = [b"", b"\x00", b"\xc3\x01unknown.", avro.encode(Resync(exchange="okex", symbol="x"))]
    for value in poisons:
        traffic.poison(SYMBOLS[0], value)
    traffic.snapshot(SYMBOLS[0])
    traffic.send(60)

    with merger(servers, log) as process:
        wait_merged(servers, traffic, processes=[process])
        assert process.terminate() == 0

    letters = [avro.decode(m.value() or b"") for m in read(servers, [topics.dead_letter("okex")])]
    assert [letter.payload for letter in letters] == poisons
    assert all(isinstance(letter, DeadLetter) and letter.error for letter in letters)
    lines = [line for line in log.read_text().splitlines() if '"frame_unread"' in line]
    assert [found["exchange"] for found in map(json.loads, lines)] == ["okex"] * len(lines)
    assert sum(json.loads(line)["in_all"] for line in lines) == len(poisons)
    # The first one breaks the book; the others find it broken already
    records = [avro.decode(m.value() or b"") for m in read(servers, [topics.market("okex")])]
    assert [r.reason for r in records if isinstance(r, Gap)] == ["lost"]
    asked = [avro.decode(m.value() or b"") for m in read(servers, [topics.control("okex")])]
    assert [(r.symbol, r.reason) for r in asked] == [(SYMBOLS[0], "lost")]
    recount(servers, traffic)


def test_offsets_that_a_stranger_moved_are_refused(
    servers: str, traffic: Traffic, log: Path
) -> None:
    traffic.send(100)
    with merger(servers, log) as process:
        wait_merged(servers, traffic, processes=[process])
        assert process.terminate() == 0

    raw, partition = topics.raw("okex"), topics.partition(SYMBOLS[0], PARTITIONS)
    move_offset(servers, raw, partition, 3)
    with merger(servers, log.with_name("again.log"), on_doubt="restart") as process:
        assert process.wait(60) == REFUSED
        (event,) = process.events("refused")
    assert f"task {partition}: {raw}: the changelog says offset" in event["problem"]
    assert "the group has committed 3" in event["problem"]


def test_a_changelog_that_the_replay_does_not_confirm_is_refused(
    servers: str, traffic: Traffic, log: Path
) -> None:
    traffic.send(100)
    with merger(servers, log, crash_at="committed:3") as process:
        while process.exit_code() is None:
            traffic.send(20)
    newest: dict[int, Commit] = {}
    for message in read(servers, [topics.CHANGELOG]):
        if message.key() == b"commit":
            newest[message.partition() or 0] = avro.decode(message.value() or b"")
    partition, commit = next((p, c) for p, c in newest.items() if c.chains)
    commit.chains[next(iter(commit.chains))] ^= 1
    forge(servers, partition, commit)

    with merger(servers, log.with_name("again.log")) as process:
        assert process.wait(60) == REFUSED
        (event,) = process.events("refused")
    assert "the replay came to seq, chain" in event["problem"]


def test_topics_with_different_partition_counts_are_refused(
    servers: str, traffic: Traffic, log: Path
) -> None:
    devstack_kafka.create_topics(servers, {topics.raw("kraken"): PARTITIONS + 1}, {})
    traffic.send(1)

    with merger(servers, log) as process:
        assert process.wait(60) == REFUSED
        (event,) = process.events("refused")
    assert "all topics need the same number of partitions" in event["problem"]
    assert "raw.kraken 3" in event["problem"]


def test_tasks_move_to_a_second_member_and_back(servers: str, traffic: Traffic, log: Path) -> None:
    traffic.send(200)
    with merger(servers, log.with_name("one.log")) as one:
        wait_merged(servers, traffic, processes=[one])
        with merger(servers, log.with_name("two.log"), group_instance_id="m2") as two:
            until(lambda: bool(two.events("assigned")), "the second has a task", one, two)
            traffic.send(200)
            wait_merged(servers, traffic, processes=[one, two])
            assert two.terminate() == 0
        traffic.send(200)
        wait_merged(servers, traffic, processes=[one])
        assert one.terminate() == 0
    recount(servers, traffic)


def test_a_broker_that_comes_back_is_gone_on_with(tmp_path: Path, log: Path) -> None:
    folder, (port,) = tmp_path / "kafka", free_ports(1)
    with devstack_kafka.broker(folder, port=port) as broker:
        traffic = Traffic(broker.bootstrap_servers)
        traffic.send(100)
        process = Merger(broker.bootstrap_servers, log, on_doubt="restart")
        wait_merged(broker.bootstrap_servers, traffic, processes=[process])
        traffic.send(100)
        broker.process.signal(signal.SIGKILL)
    try:
        until(lambda: bool(process.events("kafka_unreachable")), "it is noticed", process)
        with devstack_kafka.broker(folder, port=port) as broker:
            traffic.send(100)
            wait_merged(broker.bootstrap_servers, traffic, processes=[process])
            assert process.terminate() == 0
            recount(broker.bootstrap_servers, traffic)
    finally:
        process.stop()


def test_a_raw_topic_that_appears_later_is_merged(servers: str, log: Path) -> None:
    with merger(servers, log) as process:
        until(lambda: bool(process.events("waiting_for_topics")), "it waits", process)
        traffic = Traffic(servers)
        traffic.send(50)
        wait_merged(servers, traffic, processes=[process])

        devstack_kafka.create_topics(servers, {topics.raw("kraken"): PARTITIONS}, {})
        made = {"topic": topics.market("kraken")}
        until(lambda: any(made.items() <= e.items() for e in process.events("topic_made")), "seen")
        traffic.send(50)
        wait_merged(servers, traffic, processes=[process])
        assert process.terminate() == 0
    recount(servers, traffic)


def until(condition: Callable[[], bool], what: str, *processes: Merger) -> None:
    wait_until(condition, what, timeout_s=60, processes=processes)


def move_offset(servers: str, topic: str, partition: int, offset: int) -> None:
    """Do what no one but the merger may: commit for its group."""
    admin = AdminClient({"bootstrap.servers": servers})
    moved = TopicPartition(topic, partition, offset)
    # A static member that was stopped in order is still counted as one
    admin_request = ConsumerGroupTopicPartitions(GROUP, [moved])
    until(lambda: altered(admin, admin_request), "the group is empty")
    consumer = Consumer({"bootstrap.servers": servers, "group.id": GROUP})
    assert consumer.committed([TopicPartition(topic, partition)], timeout=10)[0].offset == offset
    consumer.close()


def altered(admin: AdminClient, request: ConsumerGroupTopicPartitions) -> bool:
    for future in admin.alter_consumer_group_offsets([request]).values():
        return future.exception() is None and all(
            p.error is None for p in future.result().topic_partitions
        )
    return False


def forge(servers: str, partition: int, commit: Commit) -> None:
    producer = Producer({"bootstrap.servers": servers})
    producer.produce(topics.CHANGELOG, avro.encode(commit), b"commit", partition)
    assert producer.flush(10) == 0
