"""Bytes of a Kafka record to a record of ours; whatever cannot be read stops the run by name."""

from typing import Any

from jetl2.landing.errors import RecordError
from jetl2.landing.settings import Dataset
from jetl2.schemas import avro, records, topics

_base: dict[Dataset, type[Any]] = {"market": records.MarketRecord, "raw": records.RawEvent}


def topic_of(dataset: Dataset, exchange: str) -> str:
    """Return the topic of a dataset that an exchange's records are in."""
    return topics.market(exchange) if dataset == "market" else topics.raw(exchange)


def dataset_of(topic: str) -> Dataset | None:
    """Return the dataset that a topic belongs to; None when it is none of ours."""
    found: dict[str, Dataset] = {topic_of("market", ""): "market", topic_of("raw", ""): "raw"}
    return found.get(topic[: topic.find(".") + 1])


def exchange_of(topic: str) -> str:
    """Return the exchange of a market or raw topic."""
    return topic.partition(".")[2]


def decode(value: bytes | None, topic: str, partition: int, offset: int) -> Any:
    """Return the record: a market record or a raw event, as its topic has.

    Raises:
        RecordError: Unknown schema, broken bytes, or a record that does not belong here.
    """
    where = f"{topic}-{partition} offset {offset}"
    dataset = dataset_of(topic)
    try:
        record = avro.decode(value or b"")
    # fastavro raises whatever the broken bytes lead it to
    except Exception as error:
        message = f"{where} cannot be decoded: {error!r}"
        raise RecordError(message) from error
    if dataset is None or not isinstance(record, _base[dataset]):
        message = f"{where} holds a {type(record).__name__}, which does not belong there"
        raise RecordError(message)
    if topic_of(dataset, record.exchange) != topic:
        message = f"{where} holds a record of {record.exchange!r}"
        raise RecordError(message)
    return record
