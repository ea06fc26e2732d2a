"""A task's transactional producer, thrown away and made anew whenever the guard has a doubt."""

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from confluent_kafka import KafkaException, Producer, TopicPartition

from jetl2.merger import metrics
from jetl2.merger.errors import DoubtError
from jetl2.merger.guard import Guard
from jetl2.runtime import log

# (properties, log hook) -> a producer with the task's transactional id, not yet initialised
MakeProducer = Callable[[Mapping[str, Any], Callable[[str, str], None]], Producer]

# A transaction that takes longer is aborted by the broker anyway, by its default timeout
CALL_TIMEOUT_S = 10.0
# The last owner's transaction may have to time out first
INIT_TIMEOUT_S = 30.0

_log = log.get()


class TransactionalProducer:
    """The Kafka side of a task's transactions; every failure is a doubt."""

    def __init__(
        self, partition: int, group: Callable[[], Any], make: MakeProducer, *, guard_ms: float
    ) -> None:
        """Fence every earlier owner of the task, and wait until its last transaction is settled.

        Args:
            partition: The task's, for all that is produced.
            group: Returns the consumer's group metadata, whose generation fences the offsets.
            make: Makes a producer.
            guard_ms: See Guard.
        """
        self._partition = partition
        self._group = group
        self._make = make
        self._guard = Guard(guard_ms / 1000)
        self._producer = self._renewed()

    @property
    def doubt(self) -> str:
        """Return why the next transaction will begin with a new producer; "" for no reason."""
        return self._guard.reason

    def renew_on_doubt(self) -> None:
        """Make a new producer if the last transaction left a doubt; between transactions only."""
        # Log lines and statistics of the last transaction are delivered by poll
        self._producer.poll(0)
        if self._guard.reason:
            kind = self._guard.reason.partition(":")[0]
            _log.warning("producer_rotated", task=self._partition, reason=self._guard.reason)
            metrics.ROTATIONS.labels(kind).inc()
            self._producer = self._renewed()

    def begin(self) -> None:
        """Begin a transaction, with a new producer if anything up to now leaves a doubt."""
        self.renew_on_doubt()
        self._call("begin_transaction", self._producer.begin_transaction)

    def produce(self, topic: str, key: bytes, value: bytes) -> None:
        """Queue a record; waits while the queue is full."""
        deadline = 0.0
        while True:
            try:
                self._producer.produce(topic, value, key, self._partition)
            except BufferError as error:
                deadline = deadline or time.monotonic() + CALL_TIMEOUT_S
                if time.monotonic() > deadline:
                    message = f"the producer's queue stayed full for {CALL_TIMEOUT_S:.0f} s"
                    raise DoubtError(message) from error
                self._producer.poll(0.05)
            except KafkaException as error:
                raise _doubt(f"produce to {topic}", error) from error
            else:
                return

    def flush(self) -> None:
        """Return when the broker has every record.

        Its time is not the guard's: a record that is sent twice has its own sequence number.
        """
        with metrics.PHASE_SECONDS.labels("flush").time():
            left = self._producer.flush(CALL_TIMEOUT_S)
        if left:
            message = f"{left} records were not taken within {CALL_TIMEOUT_S:.0f} s"
            raise DoubtError(message)

    def send_offsets(self, offsets: Mapping[str, int]) -> None:
        """Add offsets and the group's generation to the transaction."""
        partitions = [TopicPartition(t, self._partition, o) for t, o in offsets.items()]
        with metrics.PHASE_SECONDS.labels("offsets").time():
            self._call(
                "send_offsets_to_transaction",
                self._producer.send_offsets_to_transaction,
                partitions,
                self._group(),
                CALL_TIMEOUT_S,
            )

    def commit(self) -> None:
        """Commit, and take in at once what librdkafka has to say of it."""
        with metrics.PHASE_SECONDS.labels("commit").time():
            self._call("commit_transaction", self._producer.commit_transaction, CALL_TIMEOUT_S)
        self._producer.poll(0)

    def _renewed(self) -> Producer:
        properties = {"statistics.interval.ms": 1000, "stats_cb": self._guard.on_stats}
        start = time.monotonic()
        producer = self._make(properties, self._guard.on_log)
        _bounded("init_transactions", lambda: producer.init_transactions(INIT_TIMEOUT_S))
        producer.poll(0)
        self._guard.clear()
        metrics.INIT_SECONDS.observe(time.monotonic() - start)
        return producer

    def _call(self, name: str, call: Callable[..., Any], *args: object) -> None:
        try:
            with self._guard.timed(name):
                call(*args)
        except KafkaException as error:
            raise _doubt(name, error) from error


def _bounded(name: str, call: Callable[[], object]) -> None:
    """Make a call that may hang longer than its own timeout; what hangs is left behind."""
    failed: list[KafkaException] = []

    def run() -> None:
        try:
            call()
        except KafkaException as error:
            failed.append(error)

    thread = threading.Thread(target=run, name=name, daemon=True)
    thread.start()
    thread.join(INIT_TIMEOUT_S + CALL_TIMEOUT_S)
    if thread.is_alive():
        message = f"{name} did not come back"
        raise DoubtError(message)
    if failed:
        raise _doubt(name, failed[0]) from failed[0]


def _doubt(call: str, error: KafkaException) -> DoubtError:
    found = error.args[0]
    return DoubtError(f"{call}: {found.name()}: {found.str()}")
