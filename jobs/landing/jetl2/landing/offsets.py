"""The group's offsets in Kafka: read, and moved only in transactions that fence older runs."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from confluent_kafka import KafkaError, KafkaException, Producer, TopicPartition
from tenacity import retry, retry_if_exception, stop_after_delay, wait_random_exponential

from jetl2.landing import crash
from jetl2.landing.errors import FencedError, UnavailableError
from jetl2.landing.plan import Commits, Position, Positions
from jetl2.runtime import kafka

# A transaction of a killed run blocks reading the offsets until it is aborted or times out
_TIMEOUT_S = 30.0

_FENCED = {
    KafkaError._FENCED,  # noqa: SLF001 - confluent-kafka gives no other name
    KafkaError.PRODUCER_FENCED,
    KafkaError.INVALID_PRODUCER_EPOCH,
}
# A group's coordinator moves when a broker goes or comes; a new broker has none at first
_PASSING = {
    KafkaError.NOT_COORDINATOR,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
}


def _passes(error: BaseException) -> bool:
    return isinstance(error, KafkaException) and error.args[0].code() in _PASSING


class Offsets:
    """One dataset's offsets, seen by the one run that may move them."""

    def __init__(self, bootstrap_servers: str, group: str) -> None:
        """Connect; nothing is fenced yet.

        Args:
            group: Consumer group, and transactional id: a newer run with the same one fences us.

        Raises:
            UnavailableError: No broker answers.
        """
        deadline = time.monotonic() + _TIMEOUT_S
        try:
            kafka.wait(bootstrap_servers, stopped=lambda: time.monotonic() > deadline)
        except kafka.Unavailable:
            message = f"no Kafka broker answers at {bootstrap_servers}"
            raise UnavailableError(message) from None
        self._group = group
        self._consumer = kafka.consumer(
            bootstrap_servers, client_id=group, group_id=group, properties={"log_level": 4}
        )
        self._bootstrap_servers = bootstrap_servers
        self._producer: Producer | None = None

    def fence(self) -> None:
        """Make every older run of the group fail at its next commit, and abort what it left open.

        Raises:
            UnavailableError: Kafka does not answer.
        """
        with _errors("fence older runs"):
            self._producer = kafka.transactional_producer(
                self._bootstrap_servers, client_id=self._group, transactional_id=self._group
            )
            self._producer.init_transactions(_TIMEOUT_S)

    def topics(self, belongs: Callable[[str], bool]) -> dict[str, int]:
        """Return the partition count of each topic that `belongs`."""
        with _errors("list topics"):
            found = self._consumer.list_topics(timeout=_TIMEOUT_S).topics
        return {name: len(t.partitions) for name, t in sorted(found.items()) if belongs(name)}

    def read(self, topics: Mapping[str, int]) -> Positions:
        """Return where the group and each partition stand.

        Raises:
            UnavailableError: Kafka does not answer, or a partition has no leader.
        """
        wanted = [TopicPartition(t, p) for t, count in topics.items() for p in range(count)]
        with _errors("read offsets"):
            return {(tp.topic, tp.partition): self._position(tp) for tp in self._committed(wanted)}

    def commit(self, commits: Commits) -> None:
        """Set offsets and metadata of many partitions, all or none.

        Raises:
            FencedError: A newer run has taken over; nothing was committed.
            UnavailableError: It is not known whether it was committed.
        """
        if self._producer is None:
            message = "commit before fence"
            raise RuntimeError(message)
        wanted = [TopicPartition(t, p, o, metadata=m) for (t, p), (o, m) in commits.items()]
        with _errors("commit offsets"):
            self._producer.begin_transaction()
            # Works though the consumer never joined: plain commits would not be fenced
            self._producer.send_offsets_to_transaction(
                wanted, self._consumer.consumer_group_metadata(), _TIMEOUT_S
            )
            crash.point("offsets-sent")
            self._producer.commit_transaction(_TIMEOUT_S)

    def verify(self, commits: Commits) -> None:
        """Read back what was committed.

        Raises:
            FencedError: Something else stands there: another run, or a late abort of this one.
        """
        wanted = [TopicPartition(t, p) for t, p in commits]
        with _errors("read offsets back"):
            found = {
                (tp.topic, tp.partition): (tp.offset, tp.metadata or "")
                for tp in self._committed(wanted)
            }
        for key, expected in commits.items():
            if found[key] != expected:
                message = f"{key[0]}-{key[1]}: committed {expected}, found {found[key]}"
                raise FencedError(message)

    def close(self) -> None:
        """Leave; what was committed stays."""
        self._consumer.close()

    @retry(
        retry=retry_if_exception(_passes),
        wait=wait_random_exponential(multiplier=0.1, max=2),
        stop=stop_after_delay(_TIMEOUT_S),
        reraise=True,
    )
    def _committed(self, wanted: Sequence[TopicPartition]) -> list[TopicPartition]:
        found: list[TopicPartition] = self._consumer.committed(list(wanted), _TIMEOUT_S)
        for tp in found:
            if tp.error is not None:
                raise KafkaException(tp.error)
        return found

    def _position(self, tp: TopicPartition) -> Position:
        # Under read_committed the upper watermark is the last stable offset
        low, stable = self._consumer.get_watermark_offsets(
            TopicPartition(tp.topic, tp.partition), _TIMEOUT_S
        )
        return Position(
            committed=tp.offset if tp.offset >= 0 else None,
            metadata=tp.metadata or "",
            low=low,
            stable=stable,
        )


@contextmanager
def _errors(what: str) -> Iterator[None]:
    try:
        yield
    except KafkaException as error:
        cause = error.args[0]
        if cause.code() in _FENCED:
            message = f"could not {what}: a newer run of this dataset has taken over"
            raise FencedError(message) from None
        message = f"could not {what}: {cause.str()} ({cause.name()})"
        raise UnavailableError(message) from None
