"""A thread that asks the broker what the poll loop must not wait for: open transactions, topics."""

import threading
import time
from collections.abc import Sequence

from confluent_kafka import IsolationLevel, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined] # there

from jetl2.merger import metrics, source
from jetl2.runtime import kafka
from jetl2.schemas import topics

INTERVAL_S = 2.0
TIMEOUT_S = 5.0


class Observer:
    """Publishes how much of the output hides behind open transactions, until closed."""

    def __init__(self, bootstrap_servers: str, exchanges: Sequence[str], partitions: int) -> None:
        """Start the thread."""
        self._admin = kafka.admin(bootstrap_servers, client_id="merger-observer")
        self._wanted = {
            TopicPartition(topics.market(exchange), number): exchange
            for exchange in exchanges
            for number in range(partitions)
        }
        self._stable: dict[tuple[str, int], tuple[int, float]] = {}
        self._exchanges: set[str] = set(exchanges)
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="observer", daemon=True)
        self._thread.start()

    def exchanges(self) -> set[str]:
        """Return the exchanges that have a raw topic, as of the last look."""
        return self._exchanges

    def close(self) -> None:
        """End the thread; it may still wait for an answer, and holds up nobody."""
        self._closed.set()

    def _run(self) -> None:
        while not self._closed.wait(INTERVAL_S):
            try:
                self._look()
                self._exchanges = set(source.raw_topics(self._admin))
            except KafkaException:
                # The poll loop tells of a broker that is away; here the figures just stay
                continue

    def _look(self) -> None:
        stable = _ends(self._admin, list(self._wanted), IsolationLevel.READ_COMMITTED)
        ends = _ends(self._admin, list(self._wanted), IsolationLevel.READ_UNCOMMITTED)
        now = time.monotonic()
        for wanted, exchange in self._wanted.items():
            key = (wanted.topic, wanted.partition)
            offset = stable[key]
            before, since = self._stable.get(key, (offset, now))
            if offset != before or offset == ends[key]:
                since = now
            self._stable[key] = (offset, since)
            labels = (exchange, str(wanted.partition))
            metrics.OPEN_RECORDS.labels(*labels).set(max(ends[key] - offset, 0))
            metrics.OPEN_SECONDS.labels(*labels).set(now - since)


def _ends(
    admin: AdminClient, wanted: list[TopicPartition], isolation: IsolationLevel
) -> dict[tuple[str, int], int]:
    latest = OffsetSpec.latest()  # type: ignore[no-untyped-call] # no types are published
    answers = admin.list_offsets(
        dict.fromkeys(wanted, latest),
        isolation_level=isolation,
        request_timeout=TIMEOUT_S,
    )
    return {(p.topic, p.partition): answer.result().offset for p, answer in answers.items()}
