"""Where things lie in the lake: folders and object names, as pure functions.

`data_type=…/exchange=…/date=YYYY-MM-DD/symbol=…/<topic>-<partition>-<start>-<end>.parquet`, Hive
partitions that DuckDB, Polars, pandas and Spark read unchanged.
"""

from datetime import UTC, datetime
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


def parse_folder(key: str) -> dict[str, str]:
    """Return data_type, exchange, date and symbol of an object's key."""
    parts = (part.partition("=") for part in key.split("/") if "=" in part)
    return {name: "" if value == _NO_SYMBOL else unquote(value) for name, _, value in parts}
