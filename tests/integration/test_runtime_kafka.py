"""Our Kafka clients on a real broker."""

import pytest
from confluent_kafka import OFFSET_BEGINNING, TopicPartition

from jetl2.devstack.kafka import Broker
from jetl2.runtime.kafka import (
    TopicError,
    admin,
    consumer,
    ensure_topics,
    partition_count,
    transactional_producer,
    wait,
)

pytestmark = pytest.mark.integration


def test_topics_are_made_once_and_keep_their_partitions(kafka: Broker, unique: str) -> None:
    servers = kafka.bootstrap_servers
    names = [f"raw.{unique}", f"market.{unique}"]

    first = ensure_topics(servers, {names[0]: 3})
    again = ensure_topics(servers, {names[0]: 5, names[1]: 5})

    assert first == {names[0]: 3}
    assert again == {names[0]: 3, names[1]: 5}


def test_a_topic_that_is_not_there_is_an_error_and_is_not_made(kafka: Broker, unique: str) -> None:
    client = admin(kafka.bootstrap_servers)

    with pytest.raises(TopicError, match=unique):
        partition_count(client, unique, timeout_s=0.5)
    assert unique not in client.list_topics(timeout=10).topics


def test_waiting_ends_at_once_where_a_broker_answers(kafka: Broker) -> None:
    wait(kafka.bootstrap_servers)


def test_what_a_transaction_did_not_commit_is_not_read(kafka: Broker, unique: str) -> None:
    servers = kafka.bootstrap_servers
    ensure_topics(servers, {unique: 1})
    seen: list[str] = []
    writer = transactional_producer(
        servers,
        client_id=unique,
        transactional_id=unique,
        on_log=lambda facility, _: seen.append(facility),
    )
    writer.init_transactions(20)
    for value, commit in ((b"kept", True), (b"dropped", False), (b"too", True)):
        writer.begin_transaction()
        writer.produce(unique, value, partition=0)
        writer.flush(10)
        (writer.commit_transaction if commit else writer.abort_transaction)(20)
    reader = consumer(servers, client_id=unique, group_id=unique)
    reader.assign([TopicPartition(unique, 0, OFFSET_BEGINNING)])

    found: list[bytes] = []
    for _ in range(100):
        found += [bytes(m.value() or b"") for m in reader.consume(10, 0.2) if m.error() is None]
        if len(found) >= 2:
            break
    reader.close()

    assert found == [b"kept", b"too"]


def test_a_consumer_without_a_valid_offset_stops_instead_of_jumping(
    kafka: Broker, unique: str
) -> None:
    ensure_topics(kafka.bootstrap_servers, {unique: 1})
    reader = consumer(kafka.bootstrap_servers, client_id=unique, group_id=unique)
    reader.assign([TopicPartition(unique, 0, 1000)])

    message = None
    for _ in range(50):
        message = reader.poll(0.2)
        if message is not None:
            break
    reader.close()

    assert message is not None
    assert message.error() is not None
