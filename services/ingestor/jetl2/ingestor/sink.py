"""Raw events to Kafka: encoded, put on the partition of their symbol, bounded, never dropped unsaid."""

import asyncio
import json
import time
from collections import deque
from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

from confluent_kafka import KafkaError, KafkaException, Message

from jetl2.ingestor import metrics
from jetl2.ingestor.errors import BufferFullError, ProducerError
from jetl2.ingestor.settings import Settings
from jetl2.runtime import kafka, log
from jetl2.schemas import avro, topics
from jetl2.schemas.records import LOST, RawEvent

POLL_S = 0.02
STATISTICS_MS = 5_000
SAY_EACH_S = 1.0

_log = log.get()


class Sink(Protocol):
    """Where raw events go."""

    def put(self, event: RawEvent) -> None:
        """Take a frame or a snapshot.

        Raises:
            BufferFullError: It was not taken.
        """

    def note(self, event: RawEvent) -> None:
        """Take a small event that must not be lost; it waits for room if there is none."""

    async def room(self) -> None:
        """Return when there is room again, and all that waited has been taken."""


def lost(event: RawEvent, *, to_ts: int, messages: int, reason: str) -> RawEvent:
    """Return the note that so many events, from this one until `to_ts`, were not kept."""
    content = {"from_ts": event.local_ts, "to_ts": to_ts, "messages": messages, "reason": reason}
    return RawEvent(
        exchange=event.exchange,
        symbol=event.symbol,
        channel=event.channel,
        local_ts=to_ts,
        connection_id=event.connection_id,
        counter=event.counter,
        kind=LOST,
        payload=json.dumps(content).encode(),
    )


class _GivenUp(NamedTuple):
    """Events of one connection and symbol that Kafka refused, from the first to the last."""

    first: RawEvent
    last_ts: int
    messages: int
    reason: str


class KafkaSink:
    """The sink of production; to be used from one event loop only."""

    def __init__(self, settings: Settings, partitions: Mapping[str, int]) -> None:
        """Open a producer.

        Args:
            partitions: Exchange -> partitions of its raw topic.
        """
        self._partitions = partitions
        self._where: dict[tuple[str, str], tuple[str, int, bytes]] = {}
        self._waiting: deque[RawEvent] = deque()
        self._given_up: dict[tuple[str, str, str, str], _GivenUp] = {}
        # Half of what filled the buffer, by whichever of its bounds
        self._low = settings.buffer_messages // 2
        self._closed = False
        self._said_s = -SAY_EACH_S
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._producer = kafka.producer(
            settings.bootstrap_servers,
            client_id="jetl2-ingestor",
            properties={
                "queue.buffering.max.messages": settings.buffer_messages,
                "queue.buffering.max.kbytes": settings.buffer_mb * 1024,
                # Success needs no call of ours a record
                "delivery.report.only.error": True,
                "on_delivery": self._undelivered,
                "error_cb": self._error,
                "statistics.interval.ms": STATISTICS_MS,
                "stats_cb": _measure,
            },
        )
        self._poller = asyncio.create_task(self._poll(), name="producer")

    def put(self, event: RawEvent) -> None:
        """Take a frame or a snapshot; see Sink."""
        if self._waiting:
            # Nothing overtakes a note: of a loss, of a connection's end
            self._take_waiting()
            if self._waiting:
                raise BufferFullError
        self._produce(event)

    def _produce(self, event: RawEvent) -> None:
        try:
            topic, partition, key = self._where[event.exchange, event.symbol]
        except KeyError:
            topic, partition, key = self._place(event)
        try:
            self._producer.produce(topic, avro.encode(event), key, partition)
        except BufferError:
            self._low = len(self._producer) // 2
            raise BufferFullError from None
        except KafkaException as error:
            if error.args[0].code() != KafkaError.MSG_SIZE_TOO_LARGE:
                raise
            self._refused(event, error.args[0].str())
            self._note_given_up()

    def note(self, event: RawEvent) -> None:
        """Take a small event, now or when there is room; see Sink."""
        self._waiting.append(event)
        self._take_waiting()

    async def room(self) -> None:
        """Return when half of what filled the buffer has left it; see Sink."""
        while self._waiting or len(self._producer) > self._low:  # noqa: ASYNC110 - no event tells
            await asyncio.sleep(POLL_S)

    async def close(self, timeout_s: float) -> int:
        """Send what is left, and return how many records Kafka did not take in that time."""
        self._closed = True
        await self._poller
        loop = asyncio.get_running_loop()
        end = loop.time() + timeout_s
        left = self._left()
        while left and loop.time() < end and not self.failed.done():
            # Off the loop, so that a second signal is heard
            await asyncio.to_thread(self._producer.flush, 0.2)
            self._take_waiting()
            left = self._left()
        return left

    def _left(self) -> int:
        return len(self._producer) + len(self._waiting)

    async def _poll(self) -> None:
        while not self._closed:
            self._producer.poll(0)
            self._take_waiting()
            metrics.buffer_messages.set(self._left())
            await asyncio.sleep(POLL_S)

    def _take_waiting(self) -> None:
        self._note_given_up()
        while self._waiting:
            note = self._waiting.popleft()
            try:
                self._produce(note)
            except BufferFullError:
                self._waiting.appendleft(note)
                return

    def _note_given_up(self) -> None:
        for first, last_ts, messages, reason in self._given_up.values():
            self._waiting.append(lost(first, to_ts=last_ts, messages=messages, reason=reason))
        self._given_up.clear()

    def _place(self, event: RawEvent) -> tuple[str, int, bytes]:
        number = topics.partition(event.symbol, self._partitions[event.exchange])
        place = (topics.raw(event.exchange), number, event.symbol.encode())
        self._where[event.exchange, event.symbol] = place
        return place

    def _undelivered(self, error: KafkaError | None, message: Message) -> None:
        if error is None:
            return
        event: RawEvent = avro.decode(bytes(message.value() or b""))
        self._refused(event, error.str())
        if event.kind == LOST:
            # What is lost must be known: once more, and nothing is taken before
            self._waiting.append(event)

    def _refused(self, event: RawEvent, reason: str) -> None:
        metrics.undelivered.labels(event.exchange).inc()
        now_s = time.monotonic()
        if now_s - self._said_s >= SAY_EACH_S:
            # The metric counts each; a log of thousands a second would say no more
            self._said_s = now_s
            _log.error(
                "record_refused",
                exchange=event.exchange,
                symbol=event.symbol,
                kind=event.kind,
                size_bytes=len(event.payload),
                error=reason,
            )
        if event.kind == LOST:
            return
        # One note for all that was given up at once. It stands later than it should, but before
        # all that is taken from now on
        key = (event.exchange, event.symbol, event.channel, event.connection_id)
        known = self._given_up.get(key)
        if known is None:
            self._given_up[key] = _GivenUp(event, event.local_ts, 1, reason)
        else:
            self._given_up[key] = known._replace(
                last_ts=event.local_ts, messages=known.messages + 1
            )

    def _error(self, error: KafkaError) -> None:
        if error.fatal() and not self.failed.done():
            self.failed.set_exception(ProducerError(error.str()))
        _log.warning("kafka_error", error=error.str(), fatal=error.fatal())


def _measure(statistics: str) -> None:
    found: dict[str, Any] = json.loads(statistics)
    brokers = [b for b in found["brokers"].values() if b["nodeid"] >= 0]
    metrics.buffer_bytes.set(found["msg_size"])
    metrics.produce_latency.set(max((b["rtt"]["p99"] for b in brokers), default=0) / 1e6)
    metrics.buffer_latency.set(max((b["int_latency"]["p99"] for b in brokers), default=0) / 1e6)
