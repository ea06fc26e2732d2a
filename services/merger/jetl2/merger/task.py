"""One task: partition k of every raw topic, its store, and the producer that alone may write it."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import Consumer, Producer

from jetl2.exchanges.exchange import Exchange
from jetl2.exchanges.session import Session
from jetl2.merger import crash, metrics, restore, source
from jetl2.merger.checkpoint import Checkpoint
from jetl2.merger.producer import TransactionalProducer
from jetl2.merger.settings import Settings
from jetl2.merger.state import Feed, Store
from jetl2.runtime import kafka, log

_log = log.get()


@dataclass(slots=True)
class Task:
    """A restored task at work.

    Args:
        opened: Monotonic time when its transaction began.
        messages: Applied in it.
        jumped: Topics whose offsets have jumped, which is told once.
    """

    store: Store
    checkpoint: Checkpoint
    opened: float = 0
    messages: int = 0
    jumped: set[str] = field(default_factory=set)


def start(
    partition: int,
    partitions: int,
    exchanges: Mapping[str, Exchange],
    group: Callable[[], Any],
    settings: Settings,
    beat: Callable[[], None],
) -> Task:
    """Take over a task: fence its last owner, then restore what that one really committed.

    Args:
        partition: Its number.
        partitions: Of every topic.
        exchanges: All that are merged.
        group: Returns the consumer's group metadata.
        settings: Of the process.
        beat: Called again and again while it takes long.

    Raises:
        DoubtError: Kafka did not answer.
        RefusedError: Changelog, offsets and input contradict each other.
    """
    began = time.monotonic()

    def make_producer(
        properties: Mapping[str, Any], on_log: Callable[[str, str], None]
    ) -> Producer:
        return kafka.transactional_producer(
            settings.bootstrap_servers,
            client_id=f"merger-{partition}",
            # No version in it: two releases must fence each other
            transactional_id=f"{settings.group_id}.task-{partition}",
            properties={
                "transaction.timeout.ms": settings.transaction_timeout_ms,
                "linger.ms": 2,
                "reconnect.backoff.max.ms": 1000,
                **properties,
            },
            on_log=on_log,
        )

    def make_reader() -> Consumer:
        # It assigns itself and never joins the group
        return kafka.consumer(
            settings.bootstrap_servers,
            client_id=f"merger-restore-{partition}",
            group_id=settings.group_id,
            properties={"enable.partition.eof": True},
        )

    # Before anything is read: only then is nothing of the last owner still to come
    producer = TransactionalProducer(partition, group, make_producer, guard_ms=settings.guard_ms)
    crash.point("fenced")
    store = Store(
        partition,
        partitions,
        [Feed(exchange.name, Session(exchange)) for exchange in exchanges.values()],
        snapshot_interval_s=settings.snapshot_interval_s,
    )
    last = restore.load(store, source.changelog(make_reader, settings.changelog, partition, beat))
    found = source.offsets(make_reader, list(store.feeds), partition)
    restore.start_offsets(
        store,
        last,
        found.committed,
        found.low,
        found.high,
        begin_after_loss=settings.begin_after_loss,
    )
    spans = restore.ranges(store, last, found.low)
    replayed = restore.replay(store, source.messages(make_reader, spans, partition, beat))
    restore.verify(store, last, time.monotonic(), settings.snapshot_interval_s)
    took_s = time.monotonic() - began
    metrics.RESTORE_SECONDS.observe(took_s)
    metrics.REPLAYED.inc(replayed)
    _log.info(
        "task_restored",
        task=partition,
        symbols=sum(len(feed.entries) for feed in store.feeds.values()),
        replayed=replayed,
        offsets=store.offsets,
        took_ms=round(took_s * 1000),
    )
    crash.point("restored")
    return Task(store, Checkpoint(store, producer, settings.changelog))
