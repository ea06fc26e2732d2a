"""The guard is needed, and what it stands on is there: the day it is not, one of these fails."""

import json
import random
import socket
import struct
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import confluent_kafka
import pytest
from confluent_kafka import Consumer, Producer

from jetl2.campaign import oracle
from jetl2.campaign.merging import MARKET
from jetl2.campaign.truth import EXCHANGES, PAIRS, Feed
from jetl2.devstack import kafka as devstack_kafka
from jetl2.devstack.errors import ProcessError
from jetl2.devstack.kafka import Broker
from jetl2.devstack.process import wait_until
from jetl2.merger.producer import TransactionalProducer
from jetl2.runtime import kafka as runtime_kafka
from jetl2.testkit.kafka_proxy import (
    ADD_OFFSETS_TO_TXN,
    ADD_PARTITIONS_TO_TXN,
    API_VERSIONS,
    END_TXN,
    PRODUCE,
    TXN_OFFSET_COMMIT,
    KafkaProxy,
)
from jetl2.testkit.merging import GROUP, merger

pytestmark = pytest.mark.integration

# Imported by every Python that has its folder on the path
DISARM = "from jetl2.merger.guard import Guard\nGuard._doubt = lambda *_: None\n"
DELAYS = 3
# From this version of EndTxn on a commit names its own transaction (KIP-890)
SAFE_END_TXN = 5


@pytest.fixture
def proxy(kafka: Broker) -> Iterator[KafkaProxy]:
    with closing(KafkaProxy(kafka.bootstrap_servers)) as between:
        yield between


@pytest.fixture
def disarmed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the guard of processes that are started never doubt; the product has no such switch."""
    folder = tmp_path / "disarmed"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(DISARM)
    monkeypatch.syspath_prepend(folder)


def test_late_commits_do_no_damage(
    fresh_kafka: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, log = merged_with_late_commits(fresh_kafka, tmp_path, monkeypatch)

    assert found.good, found.examples
    assert "producer_rotated" in log


@pytest.mark.usefixtures("disarmed")
def test_without_the_guard_the_same_late_commits_do_damage(
    fresh_kafka: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, log = merged_with_late_commits(fresh_kafka, tmp_path, monkeypatch)

    assert "producer_rotated" not in log
    assert found.duplicated or '"refused"' in log, found


def test_the_client_still_speaks_the_protocol_that_needs_the_guard(
    kafka: Broker, proxy: KafkaProxy, topic: str
) -> None:
    # Else no client could speak the newer one here, and this test would tell nothing
    assert transaction_version(kafka.bootstrap_servers) >= 2
    transaction(proxied(proxy, topic), topic)

    version = confluent_kafka.libversion()[0]
    assert proxy.versions[END_TXN] < SAFE_END_TXN, (
        f"librdkafka {version} sends EndTxn of version {proxy.versions[END_TXN]}: a late commit "
        "cannot hit a later transaction any more. Judge the guard again (docs/decisions/0006)."
    )


@pytest.mark.parametrize(
    "properties",
    [
        {},
        {"log_level": 0},
        {"log.connection.close": False},
        {"retry.backoff.ms": 1, "reconnect.backoff.ms": 1},
    ],
    ids=str,
)
def test_the_log_betrays_a_repeated_commit_whatever_the_environment_says(
    properties: Mapping[str, object],
    proxy: KafkaProxy,
    topic: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("JETL2_KAFKA_PROPERTIES", json.dumps(properties))
    runtime_kafka._properties.cache_clear()
    producer = proxied(proxy, topic)
    runtime_kafka._properties.cache_clear()
    transaction(producer, topic)
    assert producer.doubt == ""

    proxy.lose_reply(END_TXN)
    transaction(producer, topic)

    assert producer.doubt.startswith("log: FAIL")


@pytest.mark.parametrize(
    "kind", [PRODUCE, ADD_PARTITIONS_TO_TXN, ADD_OFFSETS_TO_TXN, TXN_OFFSET_COMMIT]
)
def test_the_log_betrays_every_repeated_part_of_a_producers_first_transaction(
    kind: int, proxy: KafkaProxy, topic: str
) -> None:
    producer = proxied(proxy, topic)

    proxy.lose_reply(kind)
    transaction(producer, topic)

    assert proxy.lost == 1
    assert producer.doubt.startswith("log: FAIL")


def merged_with_late_commits(
    broker: Broker, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[oracle.Verdict, str]:
    """Return what the oracle says, and the merger's log, after commits that came late.

    Each is delivered when its repetition was answered and a later transaction, which is long, has
    written something.
    """
    servers, log = broker.bootstrap_servers, folder / "merger.log"
    # It gives up sooner; all else is as shipped
    monkeypatch.setenv("JETL2_KAFKA_PROPERTIES", json.dumps({"socket.timeout.ms": 1000}))
    feed = Feed(servers, random.Random(7), rate=500, partitions=1, pairs=PAIRS[:3])
    settings = {"commit_interval_ms": 1500, "on_doubt": "restart"}
    with (
        closing(KafkaProxy(servers)) as proxy,
        merger(proxy.bootstrap_servers, log, **settings) as process,
    ):
        with feed.flowing():
            for _ in range(DELAYS):
                proxy.hold_past_repetition(END_TXN, 0.7)
                wait_until(
                    lambda: not proxy.pending or process.exit_code() is not None, "it came late"
                )
        # Without the guard it may come to refuse a state that contradicts itself
        with suppress(ProcessError):
            wait_until(lambda: idle(servers), "all is merged", processes=[process])
    found = oracle.judge(devstack_kafka.read(servers, MARKET), feed.expected, feed.books())
    assert proxy.late[END_TXN]
    return found, log.read_text()


def idle(servers: str) -> bool:
    return not devstack_kafka.lag(servers, GROUP, [f"raw.{name}" for name in EXCHANGES])


def proxied(proxy: KafkaProxy, name: str) -> TransactionalProducer:
    """Return a producer with a guard that has no other sign than the log."""

    def make(properties: Mapping[str, Any], on_log: runtime_kafka.LogHook) -> Producer:
        return runtime_kafka.transactional_producer(
            proxy.bootstrap_servers,
            client_id="test",
            transactional_id=name,
            properties={**properties, "statistics.interval.ms": 0},
            on_log=on_log,
        )

    group = Consumer({"bootstrap.servers": proxy.bootstrap_servers, "group.id": name})
    return TransactionalProducer(0, group.consumer_group_metadata, make, guard_ms=10**9)


def transaction(producer: TransactionalProducer, topic: str) -> None:
    producer.begin()
    producer.produce(topic, b"key", b"value")
    producer.flush()
    producer.send_offsets({topic: 1})
    producer.commit()


def transaction_version(servers: str) -> int:
    """Return the feature level of transactions that a cluster has agreed on; 2 is KIP-890."""
    host, _, port = servers.partition(":")
    # Header of version 2 with a client id of no letters, then name and version of the client
    request = struct.pack(">hhih", API_VERSIONS, 3, 1, 0) + b"\0" + b"\5test" + b"\0021" + b"\0"
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(struct.pack(">i", len(request)) + request)
        with connection.makefile("rb") as file:
            answer = file.read(struct.unpack(">i", file.read(4))[0])
    feature = b"transaction.version"
    # Named twice: what is supported, then what is agreed on, most and least
    at = answer.rindex(feature) + len(feature)
    return int(struct.unpack(">h", answer[at : at + 2])[0])
