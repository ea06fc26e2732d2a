"""A session that reads ranges of Kafka by a plain consumer, in this process, as Spark would.

What landing forgets to ask for it does not get: Spark's own defaults hold, aborted records too.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

_Row = tuple[str, int, int, bytearray | None]
_TIMEOUT_S = 30.0


class DataFrame:
    """Rows of Kafka, one partition of it after the other."""

    def __init__(self) -> None:
        """Begin without options."""
        self._options: dict[str, str] = {}
        self._work: Callable[[Iterable[_Row]], Iterable[Any]] = iter

    @property
    def rdd(self) -> "DataFrame":
        """The same."""
        return self

    def format(self, name: str) -> "DataFrame":
        """Take the one format that there is."""
        if name != "kafka":
            raise NotImplementedError(name)
        return self

    def options(self, **options: str) -> "DataFrame":
        """Take options as Spark names them."""
        self._options |= options
        return self

    def load(self) -> "DataFrame":
        """Read nothing yet."""
        return self

    def select(self, *columns: str) -> "DataFrame":
        """Take the columns that there are."""
        if columns != ("topic", "partition", "offset", "value"):
            raise NotImplementedError(columns)
        return self

    def mapPartitions(  # noqa: N802 - Spark's name
        self, work: Callable[[Iterable[_Row]], Iterable[Any]]
    ) -> "DataFrame":
        """Take what is to be done with each partition's rows."""
        self._work = work
        return self

    def collect(self) -> list[Any]:
        """Do it."""
        assigned = json.loads(self._options["assign"])
        return [
            outcome
            for topic, partitions in assigned.items()
            for partition in partitions
            for outcome in self._work(self._rows(topic, partition))
        ]

    def _rows(self, topic: str, partition: int) -> Iterator[_Row]:
        start, end = (
            json.loads(self._options[f"{name}Offsets"])[topic][str(partition)]
            for name in ("starting", "ending")
        )
        consumer = Consumer(
            {
                "bootstrap.servers": self._options["kafka.bootstrap.servers"],
                # Spark's default is Java's
                "isolation.level": self._options.get("kafka.isolation.level", "read_uncommitted"),
                "group.id": "plainspark",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "auto.offset.reset": "error",
            }
        )
        try:
            consumer.assign([TopicPartition(topic, partition, start)])
            while message := consumer.poll(_TIMEOUT_S):
                error = message.error()
                offset = message.offset()
                if error is not None:
                    if error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - its public name
                        return
                    raise KafkaException(error)
                if offset is None or offset >= end:
                    return
                value = message.value()
                yield topic, partition, offset, None if value is None else bytearray(value)
            raise TimeoutError(topic)
        finally:
            consumer.close()


class SparkSession:
    """Also its own builder, context, and tracker."""

    builder: "SparkSession"

    @property
    def sparkContext(self) -> "SparkSession":  # noqa: N802 - Spark's name
        """The same."""
        return self

    @property
    def read(self) -> DataFrame:
        """A new frame."""
        return DataFrame()

    def appName(self, _: str) -> "SparkSession":  # noqa: N802 - Spark's name
        """Have no name."""
        return self

    def getOrCreate(self) -> "SparkSession":  # noqa: N802 - Spark's name
        """Be there."""
        return self

    def setLogLevel(self, _: str) -> None:  # noqa: N802 - Spark's name
        """Log nothing."""

    def statusTracker(self) -> "SparkSession":  # noqa: N802 - Spark's name
        """The same."""
        return self

    def getActiveStageIds(self) -> list[int]:  # noqa: N802 - Spark's name
        """Have no stages."""
        return []


SparkSession.builder = SparkSession()
