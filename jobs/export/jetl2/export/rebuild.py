"""Rows of the lake back to records, batch by batch: no more than a batch and a message in memory."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from jetl2.export.errors import WrongRows
from jetl2.schemas import decimals
from jetl2.schemas.records import (
    BookDelta,
    BookTicker,
    DerivativeTicker,
    Gap,
    Liquidation,
    MarketRecord,
    Trade,
)

Array = Any  # pyarrow's arrays, whose types say nothing of their values here

UNIT, KIND = "unit", "kind"

# What each kind of record is made from, beside UNIT and KIND: names and Spark types in the lake
_COMMON = {
    "seq": "bigint",
    "exchange_ts": "bigint",
    "local_ts": "bigint",
    "source_partition": "int",
    "source_offset": "bigint",
    "source_index": "int",
}
_DECIMAL = "decimal(38,18)"
_DERIVATIVE = (
    "funding_rate",
    "predicted_funding_rate",
    "open_interest",
    "last_price",
    "index_price",
    "mark_price",
)
columns_by_kind: dict[str, dict[str, str]] = {
    "book_delta": {
        **_COMMON,
        "is_snapshot": "boolean",
        "reason": "string",
        "side": "string",
        "price": _DECIMAL,
        "size": _DECIMAL,
        "level": "int",
    },
    "trade": {
        **_COMMON,
        "trade_id": "string",
        "aggressor": "string",
        "price": _DECIMAL,
        "size": _DECIMAL,
    },
    "book_ticker": {
        **_COMMON,
        "bid_price": _DECIMAL,
        "bid_size": _DECIMAL,
        "ask_price": _DECIMAL,
        "ask_size": _DECIMAL,
    },
    "derivative_ticker": {
        **_COMMON,
        "funding_ts": "bigint",
        **dict.fromkeys(_DERIVATIVE, _DECIMAL),
    },
    "liquidation": {
        **_COMMON,
        "trade_id": "string",
        "aggressor": "string",
        "price": _DECIMAL,
        "size": _DECIMAL,
    },
    "gap": {
        **_COMMON,
        "first_seq": "bigint",
        "last_seq": "bigint",
        "reason": "string",
        "detail": "string",
        "from_ts": "bigint",
    },
}

# Rows come in this order: bids before asks in a message, each in the order of the exchange
ORDER = (UNIT, "seq", "side desc", "level")

# Most prices and sizes have few decimals; small integers make books quick
_SCALES = (8, 12, -decimals.MIN_EXPONENT)


def by_unit(batches: Iterable[pa.RecordBatch]) -> Iterator[tuple[int, Iterator[pa.RecordBatch]]]:
    """Yield (unit, its batches) of rows in `ORDER`; what is left of a unit is passed over."""
    pieces = (piece for batch in batches for piece in _pieces(batch))
    for unit, group in groupby(pieces, key=itemgetter(0)):
        yield unit, (piece for _, piece in group)


def records(
    batches: Iterable[pa.RecordBatch], exchange: str, symbol: str
) -> Iterator[MarketRecord]:
    """Yield the records of one unit's rows, in order of seq.

    Args:
        batches: Columns KIND and those of `columns_by_kind`, missing ones null.

    Raises:
        WrongRows: Two records have one seq.
    """
    pending: BookDelta | None = None
    for batch in batches:
        rows = _Rows(batch)
        for start, end in _runs(batch, ("seq", KIND)):
            common = {name: rows.column(name)[start] for name in _COMMON}
            make = _makers[rows.column(KIND)[start]]
            record = make(rows, start, end, common | {"exchange": exchange, "symbol": symbol})
            if pending and isinstance(record, BookDelta) and record.seq == pending.seq:
                _extend(pending, record)
                continue
            if pending:
                yield pending
                pending = None
            if isinstance(record, BookDelta):
                # Its message may go on in the next batch
                pending = record
            else:
                yield record
    if pending:
        yield pending


def _pieces(batch: pa.RecordBatch) -> Iterator[tuple[int, pa.RecordBatch]]:
    for start, end in _runs(batch, (UNIT,)):
        yield batch.column(UNIT)[start].as_py(), batch.slice(start, end - start)


def _runs(batch: pa.RecordBatch, names: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Yield (start, end) of the rows that agree in all of these columns."""
    count = batch.num_rows
    if not count:
        return
    changed: Array = None
    for name in names:
        column = batch.column(name)
        other = pc.not_equal(column.slice(1), column.slice(0, count - 1))
        changed = other if changed is None else pc.or_(changed, other)
    places: Array = pc.indices_nonzero(changed)
    ends = [place + 1 for place in places.to_pylist()]
    yield from zip([0, *ends], [*ends, count], strict=True)


class _Rows:
    """One batch's columns as Python lists, each made when it is asked for."""

    def __init__(self, batch: pa.RecordBatch) -> None:
        self._batch = batch
        self._columns: dict[str, list[Any]] = {}
        self._decimals: dict[str, tuple[list[Any], int]] = {}

    def column(self, name: str) -> list[Any]:
        if name not in self._columns:
            self._columns[name] = self._batch.column(name).to_pylist()
        return self._columns[name]

    def decimal(self, name: str) -> tuple[list[Any], int]:
        """Return mantissas and their exponent."""
        if name not in self._decimals:
            self._decimals[name] = mantissas(self._batch.column(name))
        return self._decimals[name]


def mantissas(column: Array) -> tuple[list[int | None], int]:
    """Return the exact values of a decimal column as mantissas at one exponent; null is None."""
    for scale in _SCALES:
        if scale >= column.type.scale:
            scaled = column
            break
        try:
            scaled = column.cast(pa.decimal128(38, scale))
            break
        except pa.ArrowInvalid:
            continue
    else:
        scaled = column
    start, count = scaled.offset, len(scaled)
    if scaled.null_count == count:
        return [None] * count, -int(scaled.type.scale)
    words = memoryview(scaled.buffers()[1])[start * 16 : (start + count) * 16]
    low, high = words.cast("Q").tolist()[::2], words.cast("q").tolist()[1::2]
    values: list[int | None] = [(h << 64) + n if h else n for n, h in zip(low, high, strict=True)]
    if scaled.null_count:
        valid = scaled.is_valid().to_pylist()
        values = [v if ok else None for v, ok in zip(values, valid, strict=True)]
    return values, -int(scaled.type.scale)


def _book_delta(rows: _Rows, start: int, end: int, common: dict[str, Any]) -> BookDelta:
    prices, price_exponent = rows.decimal("price")
    sizes, size_exponent = rows.decimal("size")
    sides = rows.column("side")[start:end]
    bids_end = start + sides.count("bid")
    asks_end = bids_end + sides.count("ask")
    return BookDelta(
        **common,
        is_snapshot=rows.column("is_snapshot")[start],
        reason=rows.column("reason")[start],
        price_exponent=price_exponent,
        size_exponent=size_exponent,
        bid_prices=prices[start:bids_end],
        bid_sizes=sizes[start:bids_end],
        ask_prices=prices[bids_end:asks_end],
        ask_sizes=sizes[bids_end:asks_end],
    )


def _extend(record: BookDelta, more: BookDelta) -> None:
    """Add the levels of a message's further rows."""
    price = min(record.price_exponent, more.price_exponent)
    size = min(record.size_exponent, more.size_exponent)
    for name, exponent, to in (
        ("bid_prices", "price_exponent", price),
        ("bid_sizes", "size_exponent", size),
        ("ask_prices", "price_exponent", price),
        ("ask_sizes", "size_exponent", size),
    ):
        levels = decimals.rescale(getattr(record, name), getattr(record, exponent), to)
        levels += decimals.rescale(getattr(more, name), getattr(more, exponent), to)
        setattr(record, name, levels)
    record.price_exponent, record.size_exponent = price, size


def _trade(rows: _Rows, start: int, end: int, common: dict[str, Any]) -> Trade:
    return Trade(**_traded(rows, start, end, common))


def _liquidation(rows: _Rows, start: int, end: int, common: dict[str, Any]) -> Liquidation:
    return Liquidation(**_traded(rows, start, end, common))


def _traded(rows: _Rows, start: int, end: int, common: dict[str, Any]) -> dict[str, Any]:
    _one(start, end, common)
    prices, price_exponent = rows.decimal("price")
    sizes, size_exponent = rows.decimal("size")
    return common | {
        "trade_id": rows.column("trade_id")[start],
        "aggressor": rows.column("aggressor")[start],
        "price": prices[start],
        "price_exponent": price_exponent,
        "size": sizes[start],
        "size_exponent": size_exponent,
    }


def _derivative_ticker(
    rows: _Rows, start: int, end: int, common: dict[str, Any]
) -> DerivativeTicker:
    _one(start, end, common)
    numbers: dict[str, Any] = {}
    for name in _DERIVATIVE:
        values, exponent = rows.decimal(name)
        value = values[start]
        numbers[name] = "" if value is None else decimals.render(value, exponent)
    return DerivativeTicker(**common, funding_ts=rows.column("funding_ts")[start], **numbers)


def _book_ticker(rows: _Rows, start: int, end: int, common: dict[str, Any]) -> BookTicker:
    _one(start, end, common)
    columns = [rows.decimal(name) for name in ("bid_price", "ask_price", "bid_size", "ask_size")]
    price = min(exponent for _, exponent in columns[:2])
    size = min(exponent for _, exponent in columns[2:])
    bid_price, ask_price, bid_size, ask_size = (
        None if values[start] is None else values[start] * 10 ** (exponent - to)
        for (values, exponent), to in zip(columns, (price, price, size, size), strict=True)
    )
    return BookTicker(
        **common,
        price_exponent=price,
        size_exponent=size,
        bid_price=bid_price,
        bid_size=bid_size,
        ask_price=ask_price,
        ask_size=ask_size,
    )


def _gap(rows: _Rows, start: int, end: int, common: dict[str, Any]) -> Gap:
    _one(start, end, common)
    names = ("first_seq", "last_seq", "reason", "detail", "from_ts")
    return Gap(**common, **{name: rows.column(name)[start] for name in names})


def _one(start: int, end: int, common: dict[str, Any]) -> None:
    if end - start != 1:
        message = "{exchange} {symbol}: expected one row with seq {seq}, found {found}"
        raise WrongRows(message.format(**common, found=end - start))


_makers: dict[str, Callable[[_Rows, int, int, dict[str, Any]], MarketRecord]] = {
    "book_delta": _book_delta,
    "trade": _trade,
    "book_ticker": _book_ticker,
    "derivative_ticker": _derivative_ticker,
    "liquidation": _liquidation,
    "gap": _gap,
}
