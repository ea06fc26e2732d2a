"""Records to Parquet: columns, order, bytes; pure, the same input gives the same bytes."""

import io
from collections.abc import Callable, Iterable, Sequence
from itertools import repeat
from operator import attrgetter, itemgetter
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from jetl2.landing.columns import decimal_column
from jetl2.schemas import decimals, lake, records

ROW_GROUP_ROWS = 1_000_000

# (local_ts, number that breaks ties, record): what objects are sorted by, and what they hold
Entry = tuple[int, int, Any]
Columns = dict[str, Any]

_type_by_class: dict[type, str] = {
    records.BookDelta: "book_delta",
    records.Trade: "trade",
    records.BookTicker: "book_ticker",
    records.DerivativeTicker: "derivative_ticker",
    records.Liquidation: "liquidation",
    records.Gap: "gap",
    records.RawEvent: lake.RAW,
}


def data_type(record: object) -> str:
    """Return the folder that a record belongs into."""
    return _type_by_class[type(record)]


def rows(record: Any) -> int:
    """Return how many rows a record becomes: one, or one for each level of a book delta."""
    if type(record) is records.BookDelta:
        # A snapshot of an empty book must be seen: it says that nothing before it holds
        return len(record.bid_prices) + len(record.ask_prices) or 1
    return 1


def table(of: str, entries: Iterable[Entry], partition: int) -> pa.Table:
    """Return the rows of one object, sorted by local_ts, then by number.

    Args:
        of: Data type, one for all entries.
        entries: The number is `seq` of market records, the offset of raw events.
        partition: Kafka partition of raw events; market records carry their own lineage.
    """
    ordered = sorted(entries, key=itemgetter(0, 1))
    if of == lake.RAW:
        return pa.table(_raw(ordered, partition))
    return pa.table(_columns[of]([record for _, _, record in ordered]))


def parquet(rows: pa.Table) -> bytes:
    """Return the Parquet bytes of a table, without anything that differs from run to run."""
    buffer = io.BytesIO()
    with writer(buffer, rows.schema) as to:
        to.write_table(rows, row_group_size=ROW_GROUP_ROWS)
    return buffer.getvalue()


def writer(to: Any, schema: pa.Schema) -> pq.ParquetWriter:
    """Return what encodes rows as the lake has them.

    Args:
        to: Path or binary file.
    """
    plain = [f.name for f in schema if pa.types.is_integer(f.type)]
    dictionaries = [f.name for f in schema if f.name not in (*plain, "payload")]
    return pq.ParquetWriter(
        to,
        schema,
        compression="zstd",
        compression_level=3,
        # Times and numbers of neighbouring rows differ by little
        column_encoding=dict.fromkeys(plain, "DELTA_BINARY_PACKED"),
        use_dictionary=dictionaries,  # type: ignore[arg-type]  # stubs lack the list
        write_page_index=True,
        store_schema=False,
    )


def _common(of: Sequence[Any]) -> Columns:
    int64 = ("seq", "exchange_ts", "local_ts", "merge_ts", "first_seq", "last_seq", "prev_seq")
    return {
        **_each(of, pa.int64(), int64),
        **_each(of, pa.int32(), ["source_partition"]),
        **_each(of, pa.int64(), ["source_offset"]),
        **_each(of, pa.int32(), ["source_index"]),
    }


def _each(of: Sequence[Any], kind: pa.DataType, names: Iterable[str]) -> Columns:
    return {name: pa.array(list(map(attrgetter(name), of)), kind) for name in names}


def _book_delta(of: Sequence[records.BookDelta]) -> Columns:
    message: list[int] = []
    level: list[int] = []
    sides: list[str | None] = []
    prices: list[int | None] = []
    sizes: list[int | None] = []
    for number, record in enumerate(of):
        count = rows(record)
        message.extend(repeat(number, count))
        level.extend(range(count))
        bids, asks = len(record.bid_prices), len(record.ask_prices)
        if bids or asks:
            sides.extend(repeat("bid", bids))
            sides.extend(repeat("ask", asks))
            prices.extend(record.bid_prices)
            prices.extend(record.ask_prices)
            sizes.extend(record.bid_sizes)
            sizes.extend(record.ask_sizes)
        else:
            sides.append(None)
            prices.append(None)
            sizes.append(None)
    once = pa.table(
        {
            **_common(of),
            **_each(of, pa.bool_(), ["is_snapshot"]),
            **_each(of, pa.string(), ["reason", "verified"]),
            **_each(of, pa.bool_(), ["crossed"]),
        }
    )
    repeated = once.take(pa.array(message, pa.int64()))
    columns = {name: repeated[name] for name in repeated.column_names}
    verified, crossed = columns.pop("verified"), columns.pop("crossed")
    return {
        **columns,
        "side": pa.array(sides, pa.string()),
        "price": decimal_column(prices, [(r.price_exponent, rows(r)) for r in of]),
        "size": decimal_column(sizes, [(r.size_exponent, rows(r)) for r in of]),
        "verified": verified,
        "crossed": crossed,
        "level": pa.array(level, pa.int32()),
    }


def _trade(of: Sequence[Any]) -> Columns:
    return {
        **_common(of),
        **_each(of, pa.string(), ["trade_id", "aggressor"]),
        **_decimals(of, ["price"], "price_exponent"),
        **_decimals(of, ["size"], "size_exponent"),
    }


def _book_ticker(of: Sequence[Any]) -> Columns:
    prices = _decimals(of, ["bid_price", "ask_price"], "price_exponent")
    sizes = _decimals(of, ["bid_size", "ask_size"], "size_exponent")
    both = {**prices, **sizes}
    return {
        **_common(of),
        **{name: both[name] for name in ("bid_price", "bid_size", "ask_price", "ask_size")},
    }


def _decimals(of: Sequence[Any], names: Iterable[str], exponent: str) -> Columns:
    exponents = [(e, 1) for e in map(attrgetter(exponent), of)]
    return {name: decimal_column(list(map(attrgetter(name), of)), exponents) for name in names}


def _derivative_ticker(of: Sequence[Any]) -> Columns:
    rates = ["funding_rate", "predicted_funding_rate"]
    texts = [*rates, "open_interest", "last_price", "index_price", "mark_price"]
    return {
        **_common(of),
        **_each(of, pa.int64(), ["funding_ts"]),
        **{name: _parsed(map(attrgetter(name), of)) for name in texts},
    }


def _parsed(texts: Iterable[str]) -> Any:
    parsed = [decimals.parse(text) if text else (None, 0) for text in texts]
    return decimal_column([m for m, _ in parsed], [(e, 1) for _, e in parsed])


def _gap(of: Sequence[records.Gap]) -> Columns:
    return {
        **_common(of),
        **_each(of, pa.string(), ["reason", "detail"]),
        **_each(of, pa.int64(), ["from_ts"]),
    }


def _raw(entries: Sequence[Entry], partition: int) -> Columns:
    of = [record for _, _, record in entries]
    return {
        **_each(of, pa.int64(), ["local_ts"]),
        **_each(of, pa.string(), ["connection_id"]),
        **_each(of, pa.int64(), ["counter"]),
        **_each(of, pa.string(), ["kind", "channel"]),
        **_each(of, pa.binary(), ["payload"]),
        "source_partition": pa.array([partition] * len(of), pa.int32()),
        "source_offset": pa.array([offset for _, offset, _ in entries], pa.int64()),
    }


_columns: dict[str, Callable[[Sequence[Any]], Columns]] = {
    "book_delta": _book_delta,
    "trade": _trade,
    "book_ticker": _book_ticker,
    "derivative_ticker": _derivative_ticker,
    "liquidation": _trade,
    "gap": _gap,
}
