"""What the merger asks for: the resync requests on the control topics, from now on."""

import asyncio
import os
import socket
from collections.abc import Callable, Mapping

from confluent_kafka import OFFSET_END, KafkaException, TopicPartition

from jetl2.runtime import kafka, log
from jetl2.schemas import avro, topics
from jetl2.schemas.records import Resync

POLL_S = 0.05
AT_ONCE = 500

_log = log.get()


async def follow(
    bootstrap_servers: str, partitions: Mapping[str, int], handle: Callable[[Resync], None]
) -> None:
    """Hand every new request to `handle`, until cancelled.

    Requests from before the start are out of date: every book begins anew with its connection.

    Args:
        partitions: Exchange -> partitions of its control topic.
    """
    # The group is never committed to: each ingestor reads all, and serves its own connections
    consumer = kafka.consumer(
        bootstrap_servers,
        client_id="jetl2-ingestor",
        group_id=f"jetl2-ingestor-{socket.gethostname()}-{os.getpid()}",
        properties={"auto.offset.reset": "latest"},
    )
    consumer.assign(
        [
            TopicPartition(topics.control(exchange), number, OFFSET_END)
            for exchange, count in partitions.items()
            for number in range(count)
        ]
    )
    try:
        while True:
            for message in consumer.consume(AT_ONCE, 0):
                if (failed := message.error()) is not None:
                    _log.warning("control_read_failed", error=failed.str())
                    continue
                try:
                    request = avro.decode(bytes(message.value() or b""))
                except Exception as error:  # noqa: BLE001 - whatever the bytes are, others wait
                    _log.error("control_unreadable", topic=message.topic(), error=repr(error))
                    continue
                if isinstance(request, Resync):
                    handle(request)
            await asyncio.sleep(POLL_S)
    except KafkaException as error:
        _log.error("control_failed", error=error.args[0].str())
        raise
    finally:
        consumer.close()
