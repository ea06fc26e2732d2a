"""A real Kafka broker: one KRaft node on loopback, its data in a folder of its own."""

import base64
import tempfile
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import NamedTuple

from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    ConsumerGroupTopicPartitions,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from tenacity import retry, stop_after_delay, wait_fixed

from jetl2.devstack import downloads
from jetl2.devstack.errors import ProcessError
from jetl2.devstack.process import Process, free_ports, running, wait_until
from jetl2.schemas import topics

_JVM = ["-Xms256m", "-Xmx512m", "-XX:+UseSerialGC", "-Xshare:auto"]
# Compiled once and simply: up in three seconds, and slow for as long as it runs
_QUICK = "-XX:TieredStopAtLevel=1"
SINGLE_NODE = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "4",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "group.initial.rebalance.delay.ms": "0",
    # A wrong topic name must be an error, not a topic with one partition
    "auto.create.topics.enable": "false",
    # A whole book in one frame: as much as our producers send
    "message.max.bytes": "67108864",
    "replica.fetch.max.bytes": "67108864",
    "log.cleaner.dedupe.buffer.size": "8388608",
    "log.cleaner.threads": "1",
    "num.io.threads": "2",
    "num.network.threads": "2",
    "background.threads": "2",
}
LOG4J = """<?xml version="1.0"?>
<Configuration status="warn"><Appenders><Console name="out" target="SYSTEM_OUT">
<PatternLayout pattern="%d %p %c: %m%n"/></Console></Appenders>
<Loggers><Root level="warn"><AppenderRef ref="out"/></Root></Loggers></Configuration>
"""


class Broker(NamedTuple):
    """A broker that answers."""

    bootstrap_servers: str
    process: Process


@contextmanager
def broker(folder: Path | None = None, *, port: int = 0, lasting: bool = False) -> Iterator[Broker]:
    """Run a broker for the length of the block.

    Args:
        folder: Data, configuration and log; a second run there finds the data of the first. None:
            a temporary folder, removed at the end.
        port: 0 takes a free one.
        lasting: It runs for long: made fast rather than quick to start, and what retention lets go
            is looked for often.

    Raises:
        ProcessError: It did not start; the message ends with its log.
    """
    if folder is None:
        with (
            tempfile.TemporaryDirectory(prefix="jetl2-kafka-") as name,
            broker(Path(name), port=port, lasting=lasting) as running_broker,
        ):
            yield running_broker
        return
    folder.mkdir(parents=True, exist_ok=True)
    client_port, controller_port = free_ports(2)
    client_port = port or client_port
    settings = folder / "server.properties"
    more = {"log.retention.check.interval.ms": "30000"} if lasting else {}
    settings.write_text(_properties(folder / "data", client_port, controller_port, more))
    (folder / "log4j2.xml").write_text(LOG4J)
    log = folder / "kafka.log"
    classpath = ":".join(str(jar) for jar in downloads.jars(downloads.KAFKA))
    logging = f"-Dlog4j2.configurationFile={folder / 'log4j2.xml'}"
    java = [downloads.java(), *_JVM, *([] if lasting else [_QUICK]), logging, "-cp", classpath]
    if not (folder / "data" / "meta.properties").exists():
        tool = [*java, "kafka.tools.StorageTool", "format", "-c", str(settings)]
        with running(
            "kafka format", [*tool, f"--cluster-id={cluster_id()}"], log=log
        ) as format_run:
            if format_run.wait(60):
                message = "Kafka's storage could not be formatted"
                raise ProcessError(message, log)
    with running("kafka", [*java, "kafka.Kafka", str(settings)], log=log) as process:
        servers = f"127.0.0.1:{client_port}"
        admin = _admin(servers)
        wait_until(lambda: _answers(admin), "kafka answers", timeout_s=90, processes=[process])
        yield Broker(servers, process)


def create_topics(
    bootstrap_servers: str,
    partitions: Mapping[str, int],
    config: Mapping[str, str] | None = None,
    *,
    replication: int = 1,
) -> None:
    """Create topics, name -> partitions; those that exist stay as they are.

    Args:
        config: Of all of them; None: what each has by its name.
        replication: Copies of each partition.
    """
    admin = _admin(bootstrap_servers)
    existing = admin.list_topics(timeout=10).topics
    new = [
        NewTopic(
            name,
            num_partitions=count,
            replication_factor=replication,
            config=topics.config(name) if config is None else dict(config),
        )
        for name, count in partitions.items()
        if name not in existing
    ]
    for created in admin.create_topics(new).values() if new else ():
        created.result()


def create_exchange_topics(
    bootstrap_servers: str, exchanges: Iterable[str], partitions: int
) -> None:
    """Create every topic that the services of these exchanges use."""
    names = [topics.CHANGELOG]
    for name in exchanges:
        names += [topics.raw(name), topics.market(name)]
        names += [topics.control(name), topics.dead_letter(name)]
    create_topics(bootstrap_servers, dict.fromkeys(names, partitions))


def ends(bootstrap_servers: str, names: Sequence[str]) -> dict[tuple[str, int], int]:
    """Return the end offset of each partition of these topics: what was ever written there."""
    consumer = Consumer({"bootstrap.servers": bootstrap_servers, "group.id": "devstack"})
    try:
        found = consumer.list_topics(timeout=10).topics
        partitions = [(name, p) for name in names if name in found for p in found[name].partitions]
        return {(name, p): _end(consumer, TopicPartition(name, p)) for name, p in partitions}
    finally:
        consumer.close()


def read(bootstrap_servers: str, names: Sequence[str]) -> list[Message]:
    """Return every committed message of these topics; order holds within a partition."""
    found: list[Message] = []
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap_servers,
            "group.id": f"devstack-{uuid.uuid4().hex}",
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
            "enable.auto.commit": False,
        }
    )
    try:
        known = consumer.list_topics(timeout=10).topics
        left = {(name, p) for name in names if name in known for p in known[name].partitions}
        consumer.assign([TopicPartition(name, p, OFFSET_BEGINNING) for name, p in left])
        while left:
            for message in consumer.consume(1000, 1):
                error = message.error()
                if error is None:
                    found.append(message)
                elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - its public name
                    left.discard((message.topic(), message.partition()))
                else:
                    raise KafkaException(error)
    finally:
        consumer.close()
    return found


@retry(stop=stop_after_delay(20), wait=wait_fixed(0.2), reraise=True)
def _end(consumer: Consumer, partition: TopicPartition) -> int:
    # A partition made just now has no leader yet
    return int(consumer.get_watermark_offsets(partition, timeout=10)[1])


@retry(stop=stop_after_delay(20), wait=wait_fixed(0.2), reraise=True)
def lag(bootstrap_servers: str, group: str, names: Sequence[str]) -> int:
    """Return how many messages of these topics a group has not committed yet."""
    written = ends(bootstrap_servers, names)
    asked = [TopicPartition(name, p) for name, p in written]
    admin = _admin(bootstrap_servers)
    request = ConsumerGroupTopicPartitions(group, asked)
    [answer] = admin.list_consumer_group_offsets([request]).values()
    committed = {(t.topic, t.partition): t.offset for t in answer.result(10).topic_partitions}
    return sum(end - max(committed.get(key, 0), 0) for key, end in written.items())


@cache
def _admin(bootstrap_servers: str) -> AdminClient:
    # Kept: one that is thrown away complains of what its threads still had to say
    return AdminClient({"bootstrap.servers": bootstrap_servers, "log_level": 0})


def _properties(data: Path, port: int, controller_port: int, more: Mapping[str, str]) -> str:
    settings = (
        SINGLE_NODE
        | dict(more)
        | {
            "log.dirs": str(data),
            "listeners": f"PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}",
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{port}",
            "controller.quorum.voters": f"1@127.0.0.1:{controller_port}",
        }
    )
    return "".join(f"{name}={value}\n" for name, value in settings.items())


def cluster_id() -> str:
    """Return a new name for a cluster, in the form that Kafka wants."""
    return base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")


def _answers(admin: AdminClient) -> bool:
    try:
        return bool(admin.list_topics(timeout=1).brokers)
    except KafkaException:
        return False
