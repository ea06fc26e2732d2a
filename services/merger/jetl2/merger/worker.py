"""The poll loop: assigned, revoked and lost partitions, messages to tasks, commits in time."""

import math
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait

from confluent_kafka import Consumer, KafkaError, TopicPartition
from confluent_kafka import Message as KafkaMessage

from jetl2.exchanges.exchange import Exchange
from jetl2.merger import crash, metrics, source
from jetl2.merger.errors import DoubtError, RefusedError
from jetl2.merger.settings import Settings
from jetl2.merger.task import Task, start
from jetl2.merger.topology import apply
from jetl2.runtime import kafka, log
from jetl2.runtime.health import Health
from jetl2.schemas import avro, topics
from jetl2.schemas.records import DeadLetter

# How long the client may gather a batch: what a lonely message waits at most
GATHER_S = 0.02
LOOK_S = 1.0
REJOIN_S = 0.5
# librdkafka's own timeouts do not always end a call: after a broker's restart one was seen to hang
COMMIT_LIMIT_S = 20.0
COMPLAINT_S = 1.0
# Of a frame that could not be read, in the log; the whole is in the dead-letter topic
SHOWN_BYTES = 200

_log = log.get()


class Worker:
    """One member of the group, with the tasks that it was assigned."""

    def __init__(
        self,
        settings: Settings,
        exchanges: Mapping[str, Exchange],
        partitions: int,
        health: Health,
    ) -> None:
        """Join nothing yet.

        Args:
            settings: Of the process.
            exchanges: To merge, by name; their topics are there.
            partitions: Of every topic.
            health: Told of each turn of the loop, and when tasks are owned.
        """
        self._settings = settings
        self._exchanges = dict(exchanges)
        self._topics = {topics.raw(name) for name in exchanges}
        self._partitions = partitions
        self._health = health
        self._tasks: dict[int, Task] = {}
        self._consumer = _consumer(settings)
        self._pool = ThreadPoolExecutor(8, "commit")
        self._counts: Counter[tuple[str, str]] = Counter()
        self._newest_ms: dict[str, int] = {}
        # The newest dead letter of each raw topic since the last look
        self._unread: dict[str, bytes] = {}
        self._group: object = None
        self._looked = 0.0
        self._incomplete_since = 0.0

    def run(self, ended: Callable[[], bool]) -> None:
        """Merge until `ended`, asked each turn, says so; then commit and leave.

        Raises:
            DoubtError: Everything in memory must be thrown away.
            RefusedError: A person must look.
        """
        self._health.not_ready("tasks", "no partition assigned yet")
        self._subscribe()
        while not ended():
            self._turn()
        crash.point("stopping")
        self._commit(list(self._tasks.values()), every=True)
        self._look()
        self._tasks.clear()
        self._consumer.close()
        self._pool.shutdown()

    def _subscribe(self) -> None:
        self._incomplete_since = 0.0
        self._consumer.subscribe(
            sorted(self._topics),
            on_assign=self._assigned,
            on_revoke=self._revoked,
            on_lost=self._lost,
        )
        _log.info("subscribed", exchanges=sorted(self._exchanges), partitions=self._partitions)

    def _turn(self) -> None:
        self._health.beat()
        for message in self._consumer.consume(self._settings.batch, self._gather_s()):
            error = message.error()
            if error is None:
                self._apply(message)
            else:
                _judge(error, f"{message.topic() or 'group'} {message.partition()}")
        now = time.monotonic()
        self._commit([task for task in self._tasks.values() if self._is_due(task, now)])
        if self._incomplete_since and now - self._incomplete_since >= REJOIN_S:
            self._subscribe()
        if now - self._looked >= LOOK_S:
            self._looked = now
            self._look()

    def _gather_s(self) -> float:
        """Return how long to wait for messages: not beyond the time of the next commit."""
        opened = [task.opened for task in self._tasks.values() if task.checkpoint.is_open]
        if not opened:
            return GATHER_S
        left_s = min(opened) + self._settings.commit_interval_ms / 1000 - time.monotonic()
        return min(max(left_s, 0.0), GATHER_S)

    def _apply(self, message: KafkaMessage) -> None:
        taken = source.message(message)
        task = self._tasks.get(message.partition() or 0)
        expected = task.store.offsets[taken.topic] if task else 0
        # Fetched before a rebalance and no longer ours, or to be fetched again
        if task is None or taken.offset < expected:
            return
        if taken.offset > expected and taken.topic not in task.jumped:
            task.jumped.add(taken.topic)
            name = f"{taken.topic}-{task.store.partition}"
            _log.warning("offsets_skipped", source=name, expected=expected, found=taken.offset)
        if not task.checkpoint.is_open:
            task.opened, task.messages = time.monotonic(), 0
        task.messages += 1
        outputs = apply(task.store, taken, time.time_ns())
        task.checkpoint.write(outputs)
        self._counts[taken.topic, ""] += 1
        self._newest_ms[taken.topic] = taken.timestamp_ms
        for output in outputs:
            self._counts[taken.topic, output.kind] += 1
            if output.kind == metrics.DEAD_LETTER:
                self._unread[taken.topic] = output.value

    def _is_due(self, task: Task, now: float) -> bool:
        if not task.checkpoint.is_open:
            return task.store.due(now)
        age_s = now - task.opened
        limit = self._settings.commit_messages
        return age_s * 1000 >= self._settings.commit_interval_ms or task.messages >= limit

    def _commit(self, tasks: Sequence[Task], *, every: bool = False) -> None:
        """Commit tasks side by side: most of a commit is waiting for the broker."""
        if not tasks:
            return
        # Asked here: within a rebalance the consumer answers no other thread
        self._group = self._consumer.consumer_group_metadata()
        commits = [self._pool.submit(_commit, task, every=every) for task in tasks]
        _, hung = wait(commits, COMMIT_LIMIT_S)
        if hung:
            message = f"{len(hung)} commits did not come back within {COMMIT_LIMIT_S:.0f} s"
            raise DoubtError(message)
        for commit in commits:
            commit.result()

    def _assigned(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        found = defaultdict(set)
        for p in partitions:
            found[p.partition].add(p.topic)
        for number in [n for n, assigned in found.items() if assigned != self._topics]:
            # Divided when other topics were known: a static member that comes back gets its old
            # partitions, until a member that is already in joins again
            self._incomplete_since = time.monotonic()
            missing = sorted(self._topics - found.pop(number))
            _log.warning("task_incomplete", task=number, missing=missing)
        # Side by side: most of a restore is waiting for the broker
        starting = [self._pool.submit(self._start, number) for number in sorted(found)]
        self._tasks = {task.store.partition: task for task in (s.result() for s in starting)}
        starts = [
            TopicPartition(topic, number, task.store.offsets[topic])
            for number, task in self._tasks.items()
            for topic in sorted(self._topics)
        ]
        self._consumer.assign(starts)
        metrics.TASKS.set(len(self._tasks))
        self._health.ready("tasks")
        _log.info("assigned", tasks=sorted(self._tasks))

    def _start(self, number: int) -> Task:
        return start(
            number,
            self._partitions,
            self._exchanges,
            lambda: self._group,
            self._settings,
            self._health.beat,
        )

    def _revoked(self, _: Consumer, __: list[TopicPartition]) -> None:
        self._commit(list(self._tasks.values()), every=True)
        crash.point("revoked")
        _log.info("revoked", tasks=sorted(self._tasks))
        self._tasks.clear()
        metrics.TASKS.set(0)
        self._health.not_ready("tasks", "waiting for the group to divide the partitions")

    def _lost(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        # Others own them by now: what is open here must not be committed
        self._tasks.clear()
        message = f"the group has given away {len(partitions)} partitions"
        raise DoubtError(message)

    def _look(self) -> None:
        """Publish what was counted, and how far behind we are."""
        metrics.count(self._counts)
        for topic, value in self._unread.items():
            _tell_unread(value, self._counts[topic, metrics.DEAD_LETTER])
        self._unread.clear()
        self._counts.clear()
        for topic, newest_ms in self._newest_ms.items():
            exchange = topic.removeprefix(source.RAW_PREFIX)
            metrics.LAG_SECONDS.labels(exchange).set(max(time.time() - newest_ms / 1000, 0))
        for number, task in self._tasks.items():
            for topic, feed in task.store.feeds.items():
                _, high = self._consumer.get_watermark_offsets(
                    TopicPartition(topic, number), cached=True
                )
                behind = max(high - task.store.offsets[topic], 0)
                metrics.LAG_MESSAGES.labels(feed.exchange, str(number)).set(behind)


def _tell_unread(value: bytes, count: int) -> None:
    """Log one dead letter for all of the last second: a protocol that changed gives very many."""
    letter = avro.decode(value)
    assert isinstance(letter, DeadLetter)
    _log.error(
        "frame_unread",
        exchange=letter.exchange,
        symbol=letter.symbol,
        channel=letter.channel,
        error=letter.error,
        payload=letter.payload[:SHOWN_BYTES].decode(errors="replace"),
        in_all=count,
    )


def _commit(task: Task, *, every: bool) -> None:
    began = time.monotonic()
    if task.checkpoint.commit(began, every=every):
        metrics.COMMITS.inc()
        metrics.COMMIT_SECONDS.observe(time.monotonic() - began)
        if not every:
            # Here, side by side with other tasks: in the poll loop all of them would wait for it
            task.checkpoint.settle()


def _consumer(settings: Settings) -> Consumer:
    properties: dict[str, object] = {
        "session.timeout.ms": settings.session_timeout_ms,
        "heartbeat.interval.ms": settings.session_timeout_ms // 4,
        "max.poll.interval.ms": settings.max_poll_interval_ms,
        # At thousands of messages a second an answer for each few of them costs brokers and us more
        # than the messages do
        "fetch.wait.max.ms": 20,
        "fetch.min.bytes": 65_536,
        "reconnect.backoff.max.ms": 1000,
        "error_cb": _complain,
    }
    if settings.group_instance_id:
        properties["group.instance.id"] = settings.group_instance_id
    return kafka.consumer(
        settings.bootstrap_servers,
        client_id="merger",
        group_id=settings.group_id,
        properties=properties,
    )


class _Complaints:
    """Tells of errors that pass by themselves; a broker that is away makes hundreds in a second."""

    def __init__(self) -> None:
        self._told = -math.inf
        self._untold = 0

    def __call__(self, error: KafkaError) -> None:
        now = time.monotonic()
        if now - self._told < COMPLAINT_S:
            self._untold += 1
            return
        _log.warning("kafka_unreachable", error=error.str(), code=error.name(), untold=self._untold)
        self._told, self._untold = now, 0


_complain = _Complaints()


def _judge(error: KafkaError, where: str) -> None:
    """Go on, or not, after an error that came instead of a message."""
    if error.code() == KafkaError._AUTO_OFFSET_RESET:  # noqa: SLF001 - the constant's public name
        message = f"{where}: the next offset to merge is not there: {error.str()}"
        raise RefusedError(message)
    if error.fatal() or error.code() not in source.PASSING:
        message = f"{where}: {error.name()}: {error.str()}"
        raise DoubtError(message)
    _complain(error)
