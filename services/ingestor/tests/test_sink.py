"""The sink against librdkafka's own mock of a cluster, and against no cluster at all."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, TopicPartition

from jetl2.ingestor.errors import BufferFullError
from jetl2.ingestor.settings import Settings
from jetl2.ingestor.sink import KafkaSink
from jetl2.runtime import kafka
from jetl2.schemas import avro, topics
from jetl2.schemas.records import DISCONNECTED, FRAME, LOST, RawEvent

# As many as the mock gives to a topic
PARTITIONS = 4


@pytest.fixture
def properties(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    given: dict[str, Any] = {}
    monkeypatch.setattr(kafka, "_properties", lambda: given)
    return given


def frame(symbol: str, payload: bytes = b"{}", ts: int = 7, kind: str = FRAME) -> RawEvent:
    return RawEvent(
        exchange="toy",
        symbol=symbol,
        local_ts=ts,
        connection_id="c",
        counter=3,
        payload=payload,
        kind=kind,
    )


class Report:
    """What librdkafka gives back of a record that it gave up."""

    def __init__(self, event: RawEvent) -> None:
        self._value = avro.encode(event)

    def value(self) -> bytes:
        return self._value


def fill(sink: KafkaSink) -> None:
    for _ in range(100):
        sink.put(frame("A", b"x" * 100_000))


@asynccontextmanager
async def opened(**given: Any) -> AsyncIterator[KafkaSink]:
    fields: dict[str, Any] = {"buffer_messages": 10_000, "buffer_mb": 64, **given}
    settings = Settings.model_construct(None, bootstrap_servers="127.0.0.1:1", **fields)
    sink = KafkaSink(settings, {"toy": PARTITIONS})
    try:
        yield sink
    finally:
        await sink.close(0)
        sink.failed.cancel()


def written(sink: KafkaSink, count: int) -> list[tuple[int, bytes, RawEvent]]:
    """Return partition, key and event of what the mock cluster holds."""
    (broker,) = sink._producer.list_topics(timeout=10).brokers.values()
    consumer = Consumer(
        {"bootstrap.servers": f"{broker.host}:{broker.port}", "group.id": "test", "log_level": 0}
    )
    consumer.assign(
        [TopicPartition(topics.raw("toy"), n, OFFSET_BEGINNING) for n in range(PARTITIONS)]
    )
    found: list[tuple[int, bytes, RawEvent]] = []
    for _ in range(100):
        found += [
            (m.partition() or 0, bytes(m.key() or b""), avro.decode(bytes(m.value() or b"")))
            for m in consumer.consume(count - len(found), 0.2)
        ]
        if len(found) == count:
            break
    consumer.close()
    return found


async def test_events_lie_on_the_partition_of_their_symbol(properties: dict[str, Any]) -> None:
    properties["test.mock.num.brokers"] = 1
    symbols = ["BTC/USD", "ETH/USD", "币安人生USDT", ""]
    async with opened() as sink:
        for symbol in symbols:
            sink.put(frame(symbol))
        assert await sink.close(20) == 0
        found = written(sink, len(symbols))

    assert {event.symbol for _, _, event in found} == set(symbols)
    for partition, key, event in found:
        assert key == event.symbol.encode()
        assert partition == topics.partition(event.symbol, PARTITIONS)


async def test_what_kafka_will_never_take_is_noted_as_lost(properties: dict[str, Any]) -> None:
    properties.update({"test.mock.num.brokers": 1, "message.max.bytes": 2000})
    async with opened() as sink:
        sink.put(frame("A", b"x" * 3000))
        sink.put(frame("A", b"small"))
        assert await sink.close(20) == 0
        found = [event for _, _, event in written(sink, 2)]

    # Before what comes after it
    assert [e.kind for e in found] == [LOST, FRAME]
    assert found[0].symbol == "A"
    content = json.loads(found[0].payload)
    assert (content["from_ts"], content["to_ts"], content["messages"]) == (7, 7, 1)
    assert "too large" in content["reason"]


@pytest.mark.parametrize("bound", [{"buffer_messages": 5}, {"buffer_mb": 1}])
async def test_a_full_buffer_is_said_and_notes_wait(
    properties: dict[str, Any], bound: dict[str, int]
) -> None:
    properties["log_level"] = 0
    async with opened(**bound) as sink:
        with pytest.raises(BufferFullError):
            fill(sink)
        sink.note(frame("A", b"x" * 1_000_000))
        before = len(sink._producer)
        left = await sink.close(0)

    assert left == before + 1


async def test_a_buffer_that_bytes_filled_has_room_when_half_of_them_are_gone(
    properties: dict[str, Any],
) -> None:
    properties["log_level"] = 0
    async with opened(buffer_mb=1) as sink:
        with pytest.raises(BufferFullError):
            fill(sink)
        # Far fewer records than may be, yet no room
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await sink.room()


async def test_nothing_overtakes_a_note_that_waits(properties: dict[str, Any]) -> None:
    properties["log_level"] = 0
    async with opened(buffer_mb=1) as sink:
        with pytest.raises(BufferFullError):
            fill(sink)
        sink.note(frame("A", b"x" * 1_000_000, kind=DISCONNECTED))
        with pytest.raises(BufferFullError):
            sink.put(frame("A", b"small"))


@pytest.mark.parametrize("name", ["message.timeout.ms", "delivery.timeout.ms"])
async def test_what_waits_for_kafka_is_not_given_up_by_time(
    properties: dict[str, Any], name: str
) -> None:
    properties.update({"log_level": 0, name: 100})
    async with opened() as sink:
        sink.put(frame("A"))
        # By then it would be: librdkafka looks each second
        await asyncio.sleep(2.5)
        waiting = [e.kind for e in sink._waiting]
        left = len(sink._producer)

    assert waiting == []
    # The record, and what the client has to say of a broker that is not there
    assert left >= 1


async def test_records_that_kafka_gives_up_are_told_in_one_note_a_symbol(
    properties: dict[str, Any],
) -> None:
    properties["test.mock.num.brokers"] = 1
    error = KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED)
    async with opened() as sink:
        for ts in range(10, 20):
            sink._undelivered(error, Report(frame("A", ts=ts)))  # type: ignore[arg-type]
        sink._undelivered(error, Report(frame("B", ts=30)))  # type: ignore[arg-type]
        assert await sink.close(20) == 0
        told = {e.symbol: json.loads(e.payload) for _, _, e in written(sink, 2) if e.kind == LOST}

    assert {s: (t["from_ts"], t["to_ts"], t["messages"]) for s, t in told.items()} == {
        "A": (10, 19, 10),
        "B": (30, 30, 1),
    }


async def test_a_note_of_a_loss_that_kafka_gives_up_is_written_again(
    properties: dict[str, Any],
) -> None:
    properties["test.mock.num.brokers"] = 1
    error = KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED)
    async with opened() as sink:
        sink._undelivered(error, Report(frame("A", b'{"messages":4}', kind=LOST)))  # type: ignore[arg-type]
        assert await sink.close(20) == 0
        ((_, _, event),) = written(sink, 1)

    assert (event.kind, event.payload) == (LOST, b'{"messages":4}')
