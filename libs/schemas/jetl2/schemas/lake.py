"""Where things lie in the lake: folders and object names, as pure functions.

`data_type=…/exchange=…/date=YYYY-MM-DD/symbol=…/<topic>-<partition>-<start>-<end>.parquet`, Hive
partitions that DuckDB, Polars, pandas and Spark read unchanged.

The objects of a closed day are put together into `<topic>-<partition>-compact-<start>-<end>.parquet`,
which stands for every object of its folder, topic and partition whose offsets lie within its own: until
those are taken away, `current` says what is to be read.
"""

import re
from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import NamedTuple
from urllib.parse import quote, unquote

# Hive's name for "no value": an empty folder value makes Spark refuse the whole lake
_NO_SYMBOL = "__HIVE_DEFAULT_PARTITION__"

RAW = "raw"
COVERAGE = "coverage"
DATA_TYPES = (
    "book_delta",
    "trade",
    "book_ticker",
    "derivative_ticker",
    "liquidation",
    "gap",
)

# Key of a compacted object's Parquet footer: what it was made of, as JSON
COMPACTED_FROM = "jetl2.compacted_from"

_OBJECT = re.compile(
    r"(?P<topic>.+)-(?P<partition>\d{4})-(?P<compacted>compact-)?(?P<start>\d{12})-(?P<end>\d{12})\.parquet"
)


class Part(NamedTuple):
    """What an object's name says: offsets [start, end) of a Kafka partition."""

    topic: str
    partition: int
    start: int
    end: int
    compacted: bool

    def covers(self, other: "Part") -> bool:
        """Whether another's offsets of the same partition lie within this one's."""
        return (
            (self.topic, self.partition) == (other.topic, other.partition)
            and self.start <= other.start
            and other.end <= self.end
        )


def date(local_ts: int) -> str:
    """Return the UTC day of a receive time in ns, YYYY-MM-DD: what the lake is cut by."""
    return datetime.fromtimestamp(local_ts // 1_000_000_000, UTC).strftime("%Y-%m-%d")


def folder(data_type: str, exchange: str, day: str, symbol: str) -> str:
    """Return the folder of a symbol's day, ending in "/"; the symbol is percent-encoded.

    Args:
        symbol: "" for raw events that belong to no symbol; readers get null for it.
    """
    name = quote(symbol, safe="") or _NO_SYMBOL
    return f"data_type={data_type}/exchange={exchange}/date={day}/symbol={name}/"


def object_name(topic: str, partition: int, start: int, end: int) -> str:
    """Return the object of one offset range [start, end): the same range has the same name."""
    return f"{topic}-{partition:04d}-{start:012d}-{end:012d}.parquet"


def compacted_name(topic: str, partition: int, start: int, end: int) -> str:
    """Return the object that stands for all of its folder within [start, end).

    It sorts behind those that it stands for: S3 lists in order of the keys, so that a listing which
    begins before it is there, and comes by while they are being taken away, still ends with it.
    """
    return f"{topic}-{partition:04d}-compact-{start:012d}-{end:012d}.parquet"


def parse_object(key: str) -> Part | None:
    """Return what the name of an object says; None when it is no name of ours."""
    found = _OBJECT.fullmatch(key.rpartition("/")[2])
    if found is None:
        return None
    return Part(
        topic=found["topic"],
        partition=int(found["partition"]),
        start=int(found["start"]),
        end=int(found["end"]),
        compacted=found["compacted"] is not None,
    )


def current(keys: Iterable[str]) -> list[str]:
    """Return the objects to read, in the order given: without those that a compacted one stands for.

    Args:
        keys: All keys of whole folders.
    """
    listed = [(key, key.rpartition("/")[0], parse_object(key)) for key in keys]
    compacted: dict[str, list[tuple[str, Part]]] = defaultdict(list)
    for key, folder_of, part in listed:
        if part and part.compacted:
            compacted[folder_of].append((key, part))
    return [
        key
        for key, folder_of, part in listed
        if part is None
        or not any(by.covers(part) for other, by in compacted[folder_of] if other != key)
    ]


def parse_folder(key: str) -> dict[str, str]:
    """Return data_type, exchange, date and symbol of an object's key."""
    parts = (part.partition("=") for part in key.split("/") if "=" in part)
    return {name: "" if value == _NO_SYMBOL else unquote(value) for name, _, value in parts}
