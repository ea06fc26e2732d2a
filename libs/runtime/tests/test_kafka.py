"""Kafka clients without a broker: properties, refusal, waiting; the rest is an integration test."""

import contextlib
import socket
from collections.abc import Iterator

import pytest
from confluent_kafka import KafkaException

from jetl2.runtime import kafka


@pytest.fixture
def closed_port() -> Iterator[int]:
    # Bound but not listening: nobody else gets it, and connecting is refused
    with contextlib.closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


@pytest.fixture(autouse=True)
def _fresh_properties() -> Iterator[None]:
    kafka._properties.cache_clear()
    yield
    kafka._properties.cache_clear()


def test_waiting_ends_when_told_to(closed_port: int) -> None:
    asked = iter([False, False, True])

    with pytest.raises(kafka.Unavailable, match=str(closed_port)):
        kafka.wait(f"127.0.0.1:{closed_port}", stopped=lambda: next(asked), timeout_s=0.1)


def test_the_log_hook_sees_a_refused_connection(closed_port: int) -> None:
    seen: list[str] = []
    producer = kafka.transactional_producer(
        f"127.0.0.1:{closed_port}",
        client_id="test",
        transactional_id="test",
        on_log=lambda facility, _: seen.append(facility),
    )

    for _ in range(200):
        producer.poll(0.05)
        if "FAIL" in seen:
            break

    assert "FAIL" in seen


def test_properties_of_the_environment_reach_every_client(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JETL2_KAFKA_PROPERTIES", '{"no.such.property": "x"}')

    with pytest.raises(KafkaException, match=r"no\.such\.property"):
        kafka.producer("127.0.0.1:1", client_id="test")


def test_the_environment_cannot_silence_the_transaction_guard(
    monkeypatch: pytest.MonkeyPatch, closed_port: int
) -> None:
    monkeypatch.setenv(
        "JETL2_KAFKA_PROPERTIES", '{"log_level": 0, "acks": "0", "enable.idempotence": false}'
    )
    seen: list[str] = []
    producer = kafka.transactional_producer(
        f"127.0.0.1:{closed_port}",
        client_id="test",
        transactional_id="test",
        on_log=lambda facility, _: seen.append(facility),
    )

    for _ in range(200):
        producer.poll(0.05)
        if "FAIL" in seen:
            break

    assert "FAIL" in seen


def test_a_property_that_is_none_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("JETL2_KAFKA_PROPERTIES", '{"no.such.property": "x"}')

    with pytest.raises(SystemExit) as stopped:
        kafka.check()

    assert stopped.value.code == 2
    assert "no.such.property" in capsys.readouterr().err


def test_wrong_properties_are_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("JETL2_KAFKA_PROPERTIES", "sasl")

    with pytest.raises(SystemExit) as stopped:
        kafka.producer("127.0.0.1:1", client_id="test")

    assert stopped.value.code == 2
    assert capsys.readouterr().err.startswith("JETL2_KAFKA_PROPERTIES='sasl': not valid JSON")
