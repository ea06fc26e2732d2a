"""Rows in batches of any size give back the records that they were made from."""

import dataclasses
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jetl2.export import rebuild
from jetl2.export.errors import WrongRows
from jetl2.schemas.decimals import render
from jetl2.schemas.records import BookDelta, DerivativeTicker, MarketRecord
from jetl2.testkit.making import (
    EXCHANGE,
    SYMBOL,
    book,
    derivative,
    gap,
    liquidation,
    numbered,
    ticker,
    trade,
)

_ARROW: dict[str, Any] = {
    "bigint": pa.int64(),
    "int": pa.int32(),
    "boolean": pa.bool_(),
    "string": pa.string(),
    "decimal(38,18)": pa.decimal128(38, 18),
}


def _value(mantissa: int | None, exponent: int) -> Decimal | None:
    return None if mantissa is None else Decimal(render(mantissa, exponent))


def _row(record: MarketRecord, kind: str) -> dict[str, Any]:
    row = {"unit": 0, "kind": kind}
    for name in rebuild.columns_by_kind[kind]:
        value = getattr(record, name, None)
        if name.endswith("price") and kind != "derivative_ticker":
            value = _value(value, record.price_exponent)  # type: ignore[attr-defined]
        elif name.endswith("size"):
            value = _value(value, record.size_exponent)  # type: ignore[attr-defined]
        if kind == "derivative_ticker" and isinstance(value, str):
            value = Decimal(value) if value else None
        row[name] = value
    return row


def _rows(records: Sequence[MarketRecord]) -> Iterator[dict[str, Any]]:
    """Return the rows that the lake holds of records."""
    kinds = {
        "Trade": "trade",
        "BookTicker": "book_ticker",
        "DerivativeTicker": "derivative_ticker",
        "Liquidation": "liquidation",
        "Gap": "gap",
    }
    for record in records:
        if not isinstance(record, BookDelta):
            yield _row(record, kinds[type(record).__name__])
            continue
        common = {n: getattr(record, n, None) for n in rebuild.columns_by_kind["book_delta"]}
        bids = [("bid", *level) for level in zip(record.bid_prices, record.bid_sizes, strict=True)]
        asks = [("ask", *level) for level in zip(record.ask_prices, record.ask_sizes, strict=True)]
        levels: list[tuple[str | None, int | None, int | None]] = [*bids, *asks]
        for level, (side, price, size) in enumerate(levels or [(None, None, None)]):
            yield common | {
                "unit": 0,
                "kind": "book_delta",
                "side": side,
                "price": _value(price, record.price_exponent),
                "size": _value(size, record.size_exponent),
                "level": level,
            }


def _batches(rows: Sequence[dict[str, Any]], size: int) -> list[pa.RecordBatch]:
    types = {"unit": "int", "kind": "string"}
    for columns in rebuild.columns_by_kind.values():
        types |= columns
    schema = pa.schema([pa.field(name, _ARROW[type_]) for name, type_ in types.items()])
    table = pa.Table.from_pylist(list(rows), schema)
    return table.to_batches(max_chunksize=size)


def _plain(record: MarketRecord) -> dict[str, Any]:
    """Return a record's fields with prices and sizes as text, whatever their exponents."""
    fields = dataclasses.asdict(record)
    if isinstance(record, DerivativeTicker):
        return fields
    for kind in ("price", "size"):
        exponent = fields.pop(f"{kind}_exponent", 0)
        for name in fields:
            if name.endswith((kind, f"{kind}s")) and fields[name] is not None:
                value = fields[name]
                fields[name] = (
                    [render(v, exponent) for v in value]
                    if isinstance(value, list)
                    else render(value, exponent)
                )
    return fields


_sizes = st.integers(0, 10**18)
_levels = st.lists(st.tuples(st.integers(1, 10**15), _sizes), max_size=5)
_books = st.builds(book, st.integers(1, 1000), _levels, _levels, st.sampled_from(["", "resync"]))


@st.composite
def _fine_books(draw: st.DrawFn) -> BookDelta:
    record = draw(_books)
    record.price_exponent = draw(st.sampled_from([-1, -8, -9, -13, -18]))
    record.size_exponent = draw(st.sampled_from([0, -2, -12, -18]))
    return record


_others = st.sampled_from(
    [
        trade(3, "a"),
        ticker(4),
        ticker(5, asks=False),
        gap(6),
        derivative(7, funding_rate="-0.000012", mark_price="8640"),
        liquidation(8, "b"),
    ]
)


@settings(deadline=None)
@given(st.lists(_fine_books() | _others, max_size=8), st.integers(1, 9))
def test_rows_become_the_records_again(records: list[MarketRecord], size: int) -> None:
    records = list(numbered([dataclasses.replace(record) for record in records]))
    # An empty delta is never written; an empty snapshot is
    records = [r for r in records if _written(r)]

    rebuilt = list(rebuild.records(_batches(list(_rows(records)), size), EXCHANGE, SYMBOL))

    assert [_plain(r) for r in rebuilt] == [_plain(r) for r in records]


def _written(record: MarketRecord) -> bool:
    return not isinstance(record, BookDelta) or bool(
        record.is_snapshot or record.bid_prices or record.ask_prices
    )


def test_common_decimals_make_small_numbers() -> None:
    column = pa.array([Decimal("61837.63"), None, Decimal("0.00000001")], pa.decimal128(38, 18))

    assert rebuild.mantissas(column) == ([6_183_763_000_000, None, 1], -8)
    assert rebuild.mantissas(column.slice(2)) == ([1], -8)


def test_negative_and_huge_values_are_exact() -> None:
    values = [Decimal("-0.5"), Decimal("99999999999999999999.000000000000000001")]

    mantissas, exponent = rebuild.mantissas(pa.array(values, pa.decimal128(38, 18)))

    assert exponent == -18
    assert mantissas == [-5 * 10**17, 99999999999999999999 * 10**18 + 1]


def test_units_are_told_apart_also_when_one_is_not_read_to_its_end() -> None:
    rows = [row | {"unit": unit} for unit in (4, 7) for row in _rows([trade(1, "a")] * 5)]

    found = [(unit, next(batches).num_rows) for unit, batches in rebuild.by_unit(_batches(rows, 2))]

    assert found == [(4, 2), (7, 1)]


def test_two_trades_with_one_number_are_an_error() -> None:
    rows = list(_rows([trade(1, "a"), trade(1, "b")]))

    with pytest.raises(WrongRows, match="example BTC/USD: expected one row with seq 0, found 2"):
        list(rebuild.records(_batches(rows, 10), EXCHANGE, SYMBOL))
