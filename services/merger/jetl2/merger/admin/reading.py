"""What the commands read of Kafka: whole partitions once, outside of every group."""

from collections.abc import Iterator
from typing import Any

from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)

from jetl2.merger.admin.errors import AdminError
from jetl2.merger.source import PASSING
from jetl2.runtime import kafka
from jetl2.schemas import topics

TIMEOUT_S = 15.0
# For the first answer: whoever gave a wrong address should not wait long
FIRST_S = 5.0
BATCH = 1000
GATHER_S = 0.05
# A client needs a group's name; it never joins this one and commits nothing
GROUP = "jetl2.admin"


class Cluster:
    """A Kafka cluster to look at."""

    def __init__(self, bootstrap_servers: str) -> None:
        """Ask for the topics.

        Raises:
            AdminError: No broker answers.
        """
        self.bootstrap_servers = bootstrap_servers
        self.client = kafka.admin(bootstrap_servers, client_id="jetl2-admin")
        try:
            found = self.client.list_topics(timeout=FIRST_S).topics
        except KafkaException as error:
            message = f"no broker answers at {bootstrap_servers}: {error.args[0].str()}"
            raise AdminError(message) from error
        self.partitions = {name: len(topic.partitions) for name, topic in found.items()}

    def of(self, topic: str) -> int:
        """Return how many partitions a topic has.

        Raises:
            AdminError: There is no such topic.
        """
        try:
            return self.partitions[topic]
        except KeyError:
            kind = topic.partition(".")[0]
            there = sorted(name for name in self.partitions if name.partition(".")[0] == kind)
            known = f"; there are {', '.join(there)}" if there else ""
            message = f"there is no topic {topic} at {self.bootstrap_servers}{known}"
            raise AdminError(message) from None

    def consumer(self, *, committed: bool = True) -> Consumer:
        """Return a consumer that joins no group."""
        return kafka.consumer(
            self.bootstrap_servers,
            client_id="jetl2-admin",
            group_id=GROUP,
            properties={
                "enable.partition.eof": True,
                "isolation.level": "read_committed" if committed else "read_uncommitted",
            },
        )

    def read(
        self, topic: str, number: int, start: int = OFFSET_BEGINNING, *, committed: bool = True
    ) -> Iterator[Message]:
        """Yield what a partition holds from an offset to its end as it is now.

        Raises:
            AdminError: Kafka did not answer.
        """
        consumer = self.consumer(committed=committed)
        try:
            consumer.assign([TopicPartition(topic, number, start)])
            while batch := consumer.consume(BATCH, GATHER_S) or consumer.consume(1, TIMEOUT_S):
                for message in batch:
                    error = message.error()
                    if error is None:
                        yield message
                    elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - public name
                        return
                    elif error.code() not in PASSING:
                        text = f"{topic}-{number}: {error.str()}"
                        raise AdminError(text)
            text = f"{topic}-{number}: nothing came for {TIMEOUT_S:.0f} s"
            raise AdminError(text)
        finally:
            consumer.close()

    def bounds(self, topic: str, number: int) -> tuple[int, int]:
        """Return the first offset that is there, and the one after the last."""
        consumer = self.consumer(committed=False)
        try:
            # None on a timeout, whatever its type says
            found: Any = consumer.get_watermark_offsets(
                TopicPartition(topic, number), timeout=TIMEOUT_S
            )
        except KafkaException as error:
            message = f"{topic}-{number}: {error.args[0].str()}"
            raise AdminError(message) from error
        finally:
            consumer.close()
        if found is None:
            message = f"{topic}-{number}: the broker did not say what it holds"
            raise AdminError(message)
        low, high = found
        return low, high

    def offset_at(self, topic: str, number: int, ts: int) -> int:
        """Return the first offset written at a time (ns) or later; OFFSET_END for none."""
        consumer = self.consumer()
        try:
            wanted = TopicPartition(topic, number, ts // 1_000_000)
            return consumer.offsets_for_times([wanted], timeout=TIMEOUT_S)[0].offset
        except KafkaException as error:
            message = f"{topic}-{number}: {error.args[0].str()}"
            raise AdminError(message) from error
        finally:
            consumer.close()


def raw_exchanges(cluster: Cluster) -> list[str]:
    """Return the exchanges that have a raw topic."""
    prefix = topics.raw("")
    return sorted(t.removeprefix(prefix) for t in cluster.partitions if t.startswith(prefix))
