"""`admin transactions`: partitions whose readers wait behind a transaction that nobody ends.

librdkafka offers neither ListTransactions nor DescribeProducers, so they are seen by their effect:
the last stable offset stays behind the end, and at that offset lies the transaction's first record.
"""

import time
from collections.abc import Iterable, Sequence
from typing import Any

from confluent_kafka import IsolationLevel, KafkaException, TopicPartition
from confluent_kafka.admin import OffsetSpec  # type: ignore[attr-defined] # there

from jetl2.merger.admin.errors import AdminError
from jetl2.merger.admin.reading import TIMEOUT_S, Cluster
from jetl2.schemas import topics

# The broker ends a transaction after its timeout (10 s for a merger's), and looks every 10 s
HANGING_S = 30.0


def find(
    cluster: Cluster, wanted: Iterable[str], group: str, hanging_s: float
) -> list[dict[str, Any]]:
    """Return the partitions with an open transaction, the oldest first.

    Args:
        wanted: Topics.
        group: Of the mergers, whose transactional ids begin with it.
        hanging_s: An older one counts as hanging.

    Raises:
        AdminError: Kafka did not answer.
    """
    parts = [
        TopicPartition(topic, number)
        for topic in sorted(wanted)
        for number in range(cluster.of(topic))
    ]
    stable = _ends(cluster, parts, IsolationLevel.READ_COMMITTED)
    ends = _ends(cluster, parts, IsolationLevel.READ_UNCOMMITTED)
    behind = [p for p in parts if stable[_key(p)] < ends[_key(p)]]
    # Asked again: a transaction that ended between the two answers was never in the way
    still = _ends(cluster, behind, IsolationLevel.READ_COMMITTED)
    found = []
    for part in behind:
        offset = stable[_key(part)]
        if still[_key(part)] != offset:
            continue
        age_s = _age_s(cluster, part, offset)
        if age_s is None:
            continue
        found.append(
            {
                "topic": part.topic,
                "partition": part.partition,
                "first_offset": offset,
                "held_back": ends[_key(part)] - offset,
                "age_s": age_s,
                "hanging": age_s > hanging_s,
                "owner": _owner(part, group),
            }
        )
    return sorted(found, key=lambda row: -row["age_s"])


def advice(cluster: Cluster, row: dict[str, Any]) -> list[str]:
    """Return the commands of Kafka's own tool that name the producer, and end the transaction."""
    tool = f"kafka-transactions.sh --bootstrap-server {cluster.bootstrap_servers}"
    where = f"--topic {row['topic']} --partition {row['partition']}"
    return [
        f"{tool} describe-producers {where}",
        f"{tool} abort {where} --start-offset {row['first_offset']}",
    ]


def _owner(part: TopicPartition, group: str) -> str:
    """Return the transactional id that writes there by our own rules, "" for others' topics."""
    prefixes = (topics.market(""), topics.control(""), topics.dead_letter(""))
    ours = part.topic.startswith(prefixes) or part.topic.endswith(topics.CHANGELOG_SUFFIX)
    return f"{group}.task-{part.partition}" if ours else ""


def _age_s(cluster: Cluster, part: TopicPartition, offset: int) -> float | None:
    for message in cluster.read(part.topic, part.partition, offset, committed=False):
        return round(max(time.time() - message.timestamp()[1] / 1000, 0), 1)
    return None


def _ends(
    cluster: Cluster, parts: Sequence[TopicPartition], isolation: IsolationLevel
) -> dict[tuple[str, int], int]:
    if not parts:
        return {}
    latest = OffsetSpec.latest()  # type: ignore[no-untyped-call] # no types are published
    answers = cluster.client.list_offsets(
        dict.fromkeys(parts, latest), isolation_level=isolation, request_timeout=TIMEOUT_S
    )
    try:
        return {_key(part): answer.result().offset for part, answer in answers.items()}
    except KafkaException as error:
        message = f"the brokers did not say where topics end: {error.args[0].str()}"
        raise AdminError(message) from error


def _key(part: TopicPartition) -> tuple[str, int]:
    return part.topic, part.partition
