"""When committed records become visible: recovery times and latencies, from outside."""

import bisect
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

from confluent_kafka import OFFSET_BEGINNING, Consumer, Message, TopicPartition

from jetl2.campaign import wire
from jetl2.campaign.truth import number_of

Place = tuple[str, int]  # topic, partition


class Tail:
    """Follows market topics under read_committed, and keeps when each record came."""

    def __init__(self) -> None:
        """Begin with nothing seen."""
        self.count = 0
        # Where something must come, whether it ever did or not
        self.places: set[Place] = set()
        # Per topic and partition: the numbers of the events, and when each became visible
        self._numbers: dict[Place, list[int]] = defaultdict(list)
        self._seen_at: dict[Place, list[float]] = defaultdict(list)

    def take(self, message: Message, now: float) -> None:
        """Note one message."""
        _, fields = wire.decode(message.value())
        place = (str(message.topic()), message.partition() or 0)
        self.count += 1
        self._numbers[place].append(number_of(fields["local_ts"]))
        self._seen_at[place].append(now)

    def visible_since(self, number: int) -> float | None:
        """Return when something newer than an event had come in every partition; None: not yet."""
        times = []
        for place in self.places | self._numbers.keys():
            numbers, seen_at = self._numbers[place], self._seen_at[place]
            at = bisect.bisect_right(numbers, number)
            if at >= len(seen_at):
                return None
            times.append(seen_at[at])
        return max(times, default=None)

    def latencies(self, sent_at: Sequence[float], since: int = 0) -> list[float]:
        """Return seconds from sending to visibility, of each record from an event on, sorted."""
        return sorted(
            seen - sent_at[number]
            for place, numbers in self._numbers.items()
            for number, seen in zip(numbers, self._seen_at[place], strict=False)
            if number >= since
        )


@contextmanager
def following(bootstrap_servers: str, topics: Iterable[str], partitions: int) -> Iterator[Tail]:
    """Follow topics from their beginning for the length of the block; they may come later."""
    tail = Tail()
    with listening(
        bootstrap_servers, topics, partitions, lambda message: tail.take(message, time.monotonic())
    ):
        yield tail


@contextmanager
def listening(
    bootstrap_servers: str,
    topics: Iterable[str],
    partitions: int,
    take: Callable[[Message], object],
) -> Iterator[None]:
    """Hand over each committed message of topics as soon as it is visible, from their beginning.

    Args:
        bootstrap_servers: Of the broker.
        topics: They may come later.
        partitions: Of each.
        take: Called from a thread of its own, for the length of the block.
    """
    stop = threading.Event()
    names = list(topics)

    def follow() -> None:
        consumer = Consumer(
            {
                "bootstrap.servers": bootstrap_servers,
                "group.id": "campaign-tail",
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
                "fetch.wait.max.ms": 10,
                "topic.metadata.refresh.interval.ms": 500,
                "allow.auto.create.topics": False,
                "reconnect.backoff.max.ms": 500,
                "log_level": 0,
            }
        )
        consumer.assign(
            [TopicPartition(n, p, OFFSET_BEGINNING) for n in names for p in range(partitions)]
        )
        while not stop.is_set():
            for message in consumer.consume(1000, 0.005):
                if message.error() is None:
                    take(message)
        consumer.close()

    thread = threading.Thread(target=follow, name="tail", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
