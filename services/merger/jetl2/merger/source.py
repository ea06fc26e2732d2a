"""What the merger reads of Kafka beside its stream: topics, offsets, the changelog, old input."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition

from jetl2.merger.errors import DoubtError, RefusedError
from jetl2.merger.topology import Message
from jetl2.runtime import kafka
from jetl2.schemas import topics

TIMEOUT_S = 30.0
BATCH = 1000
# A batch that is not full comes back after this long: what each restore waits at its end
GATHER_S = 0.02

RAW_PREFIX = topics.raw("")

# Nothing is wrong with the stream: the client reconnects by itself
PASSING = frozenset(
    {
        KafkaError._ALL_BROKERS_DOWN,  # noqa: SLF001 - these constants are the public names
        KafkaError._TRANSPORT,  # noqa: SLF001
        KafkaError._RESOLVE,  # noqa: SLF001
        KafkaError._TIMED_OUT,  # noqa: SLF001
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.REQUEST_TIMED_OUT,
    }
)


class Offsets(NamedTuple):
    """Of the raw topics of one task, by topic."""

    committed: dict[str, int | None]
    low: dict[str, int]
    high: dict[str, int]


def raw_topics(client: kafka.KnowsTopics) -> dict[str, int]:
    """Return exchange -> partitions of its raw topic, for every raw topic that there is."""
    found = client.list_topics(timeout=TIMEOUT_S).topics
    return {
        name.removeprefix(RAW_PREFIX): len(topic.partitions)
        for name, topic in found.items()
        if name.startswith(RAW_PREFIX) and topic.error is None and topic.partitions
    }


def prepare(bootstrap_servers: str, exchanges: Mapping[str, int], changelog: str) -> int:
    """Make the topics that are missing; return how many partitions every topic has.

    Args:
        bootstrap_servers: Of the cluster.
        exchanges: Exchange -> partitions of its raw topic.
        changelog: Topic.

    Raises:
        RefusedError: The counts differ, so that a symbol's input, state and output would not lie
            on the same partition number.
        TopicError: A topic could not be made.
    """
    partitions = min(exchanges.values())
    wanted = {changelog: partitions}
    for exchange in exchanges:
        for name in (topics.market, topics.control, topics.dead_letter):
            wanted[name(exchange)] = partitions
    found = kafka.ensure_topics(bootstrap_servers, wanted)
    found |= {topics.raw(exchange): count for exchange, count in exchanges.items()}
    if len(set(found.values())) > 1:
        listed = ", ".join(f"{topic} {count}" for topic, count in sorted(found.items()))
        message = f"all topics need the same number of partitions, found {listed}"
        raise RefusedError(message)
    return partitions


def offsets(make: Callable[[], Consumer], raw: Sequence[str], partition: int) -> Offsets:
    """Return what the group has committed, and what is there, of one partition of raw topics.

    Asked of a consumer of its own: the member itself answers no other thread while it is in the
    callback that assigns it partitions.

    Raises:
        DoubtError: Kafka did not answer.
    """
    wanted = [TopicPartition(topic, partition) for topic in raw]
    consumer = make()
    try:
        committed = consumer.committed(wanted, timeout=TIMEOUT_S)
        # None on a timeout, whatever its type says
        marks: dict[str, Any] = {
            str(t.topic): consumer.get_watermark_offsets(t, timeout=TIMEOUT_S) for t in wanted
        }
    except KafkaException as error:
        message = f"offsets of partition {partition}: {error.args[0].str()}"
        raise DoubtError(message) from error
    finally:
        consumer.close()
    by_topic: dict[str, int | None] = {}
    for found in committed:
        if found.error is not None:
            message = f"committed offset of {found.topic}-{partition}: {found.error.str()}"
            raise DoubtError(message)
        by_topic[found.topic] = found.offset if found.offset >= 0 else None
    if missing := [topic for topic, mark in marks.items() if mark is None]:
        message = f"{missing[0]}-{partition}: the broker did not say what it holds"
        raise DoubtError(message)
    low = {topic: mark[0] for topic, mark in marks.items()}
    high = {topic: mark[1] for topic, mark in marks.items()}
    return Offsets(by_topic, low, high)


def changelog(
    make: Callable[[], Consumer], topic: str, partition: int, beat: Callable[[], None]
) -> dict[bytes, bytes]:
    """Return the newest value of each key, read to the end of what is committed.

    The end is where the broker says so: transaction markers take offsets too, and compaction
    removes records, so that no offset can be computed that the last record must have.

    Raises:
        DoubtError: Kafka did not answer.
    """
    newest: dict[bytes, bytes] = {}
    for item in _read(make, [TopicPartition(topic, partition, OFFSET_BEGINNING)], beat):
        if isinstance(item, _End):
            break
        key, value = item.key or b"", item.value
        if value is None:
            newest.pop(key, None)
        else:
            newest[key] = value
    return newest


def messages(
    make: Callable[[], Consumer],
    wanted: Mapping[str, range],
    partition: int,
    beat: Callable[[], None],
) -> Iterator[Message]:
    """Yield the messages of offset ranges, by topic, each topic in its order.

    Raises:
        DoubtError: Kafka did not answer.
    """
    left = {topic: span for topic, span in wanted.items() if span}
    if not left:
        return
    starts = [TopicPartition(topic, partition, span.start) for topic, span in left.items()]
    for item in _read(make, starts, beat):
        if item.topic not in left:
            continue
        stop = left[item.topic].stop
        if isinstance(item, Message) and item.offset < stop:
            yield item
        position = item.offset + 1 if isinstance(item, Message) else item.offset
        if position >= stop:
            del left[item.topic]
        if not left:
            return


class _End(NamedTuple):
    """The end of a partition: nothing committed at this offset yet."""

    topic: str
    offset: int


def _read(
    make: Callable[[], Consumer], starts: list[TopicPartition], beat: Callable[[], None]
) -> Iterator[Message | _End]:
    consumer = make()
    try:
        consumer.assign(starts)
        deadline = time.monotonic() + TIMEOUT_S
        while True:
            batch = consumer.consume(BATCH, GATHER_S)
            beat()
            if batch:
                deadline = time.monotonic() + TIMEOUT_S
            elif time.monotonic() > deadline:
                names = ", ".join(sorted(start.topic for start in starts))
                message = f"nothing came of {names} for {TIMEOUT_S:.0f} s"
                raise DoubtError(message)
            yield from _items(batch)
    finally:
        consumer.close()


def _items(batch: Iterable[Any]) -> Iterator[Message | _End]:
    for got in batch:
        error = got.error()
        if error is None:
            yield message(got)
        elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001
            yield _End(got.topic(), got.offset())
        elif error.code() not in PASSING:
            problem = f"restore: {error.str()}"
            raise DoubtError(problem)


def message(got: Any) -> Message:
    """Return a consumed message as the topology takes it."""
    return Message(got.topic(), got.offset(), got.key(), got.value(), got.timestamp()[1])
