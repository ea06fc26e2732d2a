"""Rows, order and bytes of each data type."""

import io
import random
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jetl2.landing import layout
from jetl2.landing.layout import Entry
from jetl2.schemas import lake, records

COMMON: dict[str, Any] = {"exchange": "kraken", "symbol": "BTC/USD", "exchange_ts": 5}


def _delta(seq: int, **fields: Any) -> records.BookDelta:
    levels: dict[str, Any] = {
        "price_exponent": -1,
        "size_exponent": -8,
        "bid_prices": [100, 99],
        "bid_sizes": [1, 0],
        "ask_prices": [101],
        "ask_sizes": [25],
    }
    return records.BookDelta(**COMMON | levels | {"seq": seq, "local_ts": seq * 10} | fields)


def _entries(of: Sequence[Any]) -> list[Entry]:
    return [(r.local_ts, r.seq, r) for r in of]


def _read(table: pa.Table) -> list[dict[str, Any]]:
    return pq.read_table(io.BytesIO(layout.parquet(table))).to_pylist()


def test_a_book_delta_becomes_a_row_for_each_level() -> None:
    delta = _delta(7, is_snapshot=True, reason="resync", verified="passed", source_partition=3)

    rows = _read(layout.table("book_delta", _entries([delta]), 0))

    assert layout.rows(delta) == 3
    assert [(r["side"], r["price"], r["size"], r["level"]) for r in rows] == [
        ("bid", Decimal("10.0"), Decimal("0.00000001"), 0),
        ("bid", Decimal("9.9"), Decimal(0), 1),
        ("ask", Decimal("10.1"), Decimal("0.00000025"), 2),
    ]
    assert {r["seq"] for r in rows} == {7}
    assert {(r["is_snapshot"], r["reason"], r["verified"], r["crossed"]) for r in rows} == {
        (True, "resync", "passed", False)
    }
    assert {(r["exchange_ts"], r["local_ts"], r["source_partition"]) for r in rows} == {(5, 70, 3)}


def test_a_snapshot_of_an_empty_book_is_a_row_without_a_level() -> None:
    empty = _delta(1, is_snapshot=True, bid_prices=[], bid_sizes=[], ask_prices=[], ask_sizes=[])

    rows = _read(layout.table("book_delta", _entries([empty, _delta(2)]), 0))

    assert (rows[0]["side"], rows[0]["price"], rows[0]["size"]) == (None, None, None)
    assert len(rows) == 4


def test_records_of_differing_precision_share_a_column() -> None:
    fine = _delta(2, price_exponent=-18, bid_prices=[1], bid_sizes=[1], ask_prices=[], ask_sizes=[])

    rows = _read(layout.table("book_delta", _entries([_delta(1), fine]), 0))

    assert [r["price"] for r in rows][-1] == Decimal("1E-18")


def test_rows_are_sorted_by_local_ts_then_seq_whatever_the_order_of_arrival() -> None:
    deltas = [_delta(n, local_ts=n // 3) for n in range(1, 30)]
    shuffled = deltas[:]
    random.Random(7).shuffle(shuffled)

    table = layout.table("book_delta", _entries(shuffled), 0)

    order = list(zip(*(table[c].to_pylist() for c in ("local_ts", "seq", "level")), strict=True))
    assert order == sorted(order)
    assert layout.parquet(table) == layout.parquet(layout.table("book_delta", _entries(deltas), 0))


def test_trades_tickers_and_gaps_keep_every_field() -> None:
    trade = records.Trade(
        **COMMON,
        seq=1,
        trade_id="t",
        aggressor="sell",
        price=123,
        price_exponent=-2,
        size=5,
        size_exponent=0,
    )
    ticker = records.BookTicker(
        **COMMON, seq=2, price_exponent=-1, size_exponent=-2, bid_price=10, bid_size=4
    )
    funding = records.DerivativeTicker(
        **COMMON, seq=3, funding_ts=9, funding_rate="-0.0001", mark_price="1e-3"
    )
    gap = records.Gap(
        **COMMON, seq=4, reason="checksum", detail="1 != 2", from_ts=8, first_seq=11, last_seq=12
    )

    [t] = _read(layout.table("trade", _entries([trade]), 0))
    [b] = _read(layout.table("book_ticker", _entries([ticker]), 0))
    [d] = _read(layout.table("derivative_ticker", _entries([funding]), 0))
    [g] = _read(layout.table("gap", _entries([gap]), 0))

    assert (t["trade_id"], t["aggressor"], t["price"], t["size"]) == (
        "t",
        "sell",
        Decimal("1.23"),
        Decimal(5),
    )
    assert (b["bid_price"], b["bid_size"], b["ask_price"]) == (Decimal(1), Decimal("0.04"), None)
    assert (d["funding_rate"], d["mark_price"]) == (Decimal("-0.0001"), Decimal("0.001"))
    assert (d["index_price"], d["funding_ts"]) == (None, 9)
    assert (g["reason"], g["detail"], g["from_ts"]) == ("checksum", "1 != 2", 8)
    assert (g["first_seq"], g["last_seq"]) == (11, 12)


def test_raw_payloads_stay_byte_for_byte() -> None:
    payload = bytes(range(256))
    events = [
        records.RawEvent(
            exchange="kraken", symbol="", local_ts=9 - n, connection_id="c", payload=payload
        )
        for n in range(2)
    ]

    rows = _read(layout.table(lake.RAW, [(e.local_ts, 40 + n, e) for n, e in enumerate(events)], 6))

    assert [r["payload"] for r in rows] == [payload, payload]
    assert [(r["local_ts"], r["source_partition"], r["source_offset"]) for r in rows] == [
        (8, 6, 41),
        (9, 6, 40),
    ]


@pytest.mark.parametrize(
    "record",
    [
        _delta(1),
        records.Trade(symbol="s", price=1, price_exponent=0, size=1, size_exponent=0),
        records.Liquidation(symbol="s", price=1, price_exponent=0, size=1, size_exponent=0),
        records.BookTicker(symbol="s", price_exponent=0, size_exponent=0),
        records.DerivativeTicker(symbol="s"),
        records.Gap(symbol="s"),
    ],
)
def test_no_column_is_named_as_a_folder_and_none_is_a_float(record: Any) -> None:
    table = layout.table(layout.data_type(record), _entries([record]), 0)

    assert layout.data_type(record) in lake.DATA_TYPES
    assert not {"data_type", "exchange", "date", "symbol"} & set(table.column_names)
    assert not [f for f in table.schema if pa.types.is_floating(f.type)]


def test_times_and_numbers_are_delta_encoded_and_row_groups_bounded() -> None:
    body = layout.parquet(layout.table("book_delta", _entries([_delta(n) for n in range(1, 9)]), 0))

    group = pq.ParquetFile(io.BytesIO(body)).metadata.row_group(0)
    columns = {group.column(n).path_in_schema: group.column(n) for n in range(group.num_columns)}
    assert "DELTA_BINARY_PACKED" in columns["local_ts"].encodings
    assert columns["local_ts"].compression == "ZSTD"
    statistics = columns["local_ts"].statistics
    assert statistics is not None
    assert statistics.min == 10
    assert layout.ROW_GROUP_ROWS == 1_000_000
