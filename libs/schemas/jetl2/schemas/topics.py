"""Kafka topics: names, and the one function that puts a symbol on a partition."""

import zlib

MARKET_RETENTION_MS = 3 * 24 * 3600 * 1000
RAW_RETENTION_MS = 7 * 24 * 3600 * 1000

CHANGELOG = "merger.changelog"
CHANGELOG_SUFFIX = ".changelog"

# One book can be one record: snapshots of 5 MB were seen; a broker counts the compressed batch
MESSAGE_BYTES = 32 * 1024 * 1024


def raw(exchange: str) -> str:
    """Return the topic of raw events as the ingestor writes them, key = symbol."""
    return f"raw.{exchange}"


def market(exchange: str) -> str:
    """Return the topic of merged records, key = symbol, same partition as the raw event's."""
    return f"market.{exchange}"


def control(exchange: str) -> str:
    """Return the topic of requests from the merger to the ingestors of an exchange."""
    return f"control.{exchange}"


def dead_letter(exchange: str) -> str:
    """Return the topic of raw events that could not be read."""
    return f"dead.{exchange}"


def partition(symbol: str, partitions: int) -> int:
    """Return the partition of a symbol: CRC-32 of its UTF-8 bytes, modulo.

    Every producer names the partition with this; librdkafka's and Java's default partitioners
    differ from each other, which would split a symbol.
    """
    return zlib.crc32(symbol.encode()) % partitions


def config(topic: str) -> dict[str, str]:
    """Return the topic-level settings of a topic by its name."""
    # What is made of a raw event, a dead letter with its reason, may be larger than that
    limit = MESSAGE_BYTES if topic.startswith("raw.") else 2 * MESSAGE_BYTES
    common = {"max.message.bytes": str(limit)}
    if topic.endswith(CHANGELOG_SUFFIX):
        # The newest value of each key is the whole truth, and a restore reads all that is left:
        # small segments, compacted early, bound it
        return common | {
            "cleanup.policy": "compact",
            "min.compaction.lag.ms": "60000",
            "min.cleanable.dirty.ratio": "0.1",
            "segment.bytes": str(2 * MESSAGE_BYTES),
            "segment.ms": "600000",
        }
    retention_ms = MARKET_RETENTION_MS if topic.startswith("market.") else RAW_RETENTION_MS
    return common | {"retention.ms": str(retention_ms)}
