"""Rows by hand, from the documented rules."""

from collections.abc import Sequence

from jetl2.formats.table import Table
from jetl2.schemas.records import MarketRecord
from jetl2.testkit.making import (
    START_TS,
    START_US,
    book,
    derivative,
    gap,
    liquidation,
    numbered,
    ticker,
    trade,
)

BOOK = "incremental_book_L2"


def rows(
    data_type: str, records: Sequence[MarketRecord], start_us: int = 0, end_us: int = 0
) -> list[str]:
    """Return the rows with the times of the test, in us."""
    return _rows(_table(data_type, records, start_us, end_us)[1])


def _table(
    data_type: str, records: Sequence[MarketRecord], start_us: int = 0, end_us: int = 0
) -> tuple[Table, str]:
    start_ts = START_TS + start_us * 1000 if start_us else 0
    end_ts = START_TS + end_us * 1000 if end_us else 0
    table = Table(data_type, start_ts=start_ts, end_ts=end_ts)
    text = "".join(table.feed(record) for record in numbered(records)) + table.finish()
    return table, text


def _rows(text: str) -> list[str]:
    result = []
    for row in text.splitlines():
        exchange, symbol, timestamp, local_timestamp, rest = row.split(",", 4)
        assert (exchange, symbol) == ("example", "BTC/USD")
        result.append(f"{int(timestamp) - START_US},{int(local_timestamp) - START_US},{rest}")
    return result


def test_a_row_is_spelled_out_in_full() -> None:
    _, text = _table("trades", [trade(7, "5f-1", exchange_us=3)])

    assert text == (f"example,BTC/USD,{START_US + 3},{START_US + 7},5f-1,sell,8531.5,2\n")


def test_a_snapshot_is_one_block_best_first_and_deltas_keep_the_order_sent() -> None:
    records = [
        book(5, [(99, 5), (100, 1)], [(110, 150), (105, 1)], "initial", exchange_us=1),
        book(9, [(100, 0), (98, 10)], [(105, 20)], exchange_us=4),
    ]

    assert rows(BOOK, records) == [
        "1,5,true,bid,10,0.01",
        "1,5,true,bid,9.9,0.05",
        "1,5,true,ask,10.5,0.01",
        "1,5,true,ask,11,1.5",
        "4,9,false,bid,10,0",
        "4,9,false,bid,9.8,0.1",
        "4,9,false,ask,10.5,0.2",
    ]


def test_a_snapshot_never_says_a_price_twice_nor_a_size_of_zero() -> None:
    records = [book(5, [(100, 1), (100, 2), (99, 0)], [], "initial"), book(6, [(98, 1)], [])]

    assert rows(BOOK, records) == ["5,5,true,bid,10,0.02", "6,6,false,bid,9.8,0.01"]


def test_a_message_without_exchange_time_takes_the_local_one() -> None:
    records = [book(5, [(100, 1)], [], "initial"), book(5, [(99, 1)], [])]

    assert rows(BOOK, records) == ["5,5,true,bid,10,0.01", "6,6,false,bid,9.9,0.01"]


def test_messages_never_share_a_local_timestamp_nor_go_back() -> None:
    records = [
        book(5, [(100, 1)], [], "initial"),
        book(5, [(99, 1)], []),
        book(3, [(98, 1)], []),
        book(8, [(97, 1)], []),
    ]

    assert [row.split(",")[1] for row in rows(BOOK, records)] == ["5", "6", "7", "8"]


def test_records_of_one_message_share_both_times_and_show_one_top() -> None:
    first, second, third = (
        book(5, [(100, 1)], [(110, 1)], "initial", exchange_us=1),
        book(9, [(101, 1)], [], exchange_us=6),
        book(9, [(102, 1)], [], exchange_us=7),
    )
    third.source_index = 1
    records = [first, second, third]

    assert rows(BOOK, records)[2:] == ["6,9,false,bid,10.1,0.01", "6,9,false,bid,10.2,0.01"]
    assert rows("quotes", records) == ["1,5,0.01,11,10,0.01", "6,9,0.01,11,10.2,0.01"]


def test_trades_of_one_message_share_its_local_timestamp_and_keep_their_own_time() -> None:
    records = [trade(9, "a", 0, 4), trade(9, "b", 1, 6), trade(9, "c", 0, 6)]

    assert rows("trades", records) == [
        "4,9,a,sell,8531.5,2",
        "6,9,b,sell,8531.5,2",
        "6,10,c,sell,8531.5,2",
    ]


def test_book_ticker_rows_begin_with_the_ask_size_and_leave_missing_sides_empty() -> None:
    records = [ticker(3), ticker(4, asks=False)]

    assert rows("book_ticker", records) == ["3,3,5494,8629.3,8629.2,806", "4,4,,,8629.2,806"]


def test_derivative_ticker_rows_have_numbers_in_plain_decimals() -> None:
    records = [
        derivative(3, funding_rate="1.5e-05", mark_price="8640.10"),
        derivative(4, funding_rate="0.000015", open_interest="12", index_price="8640"),
    ]

    assert rows("derivative_ticker", records) == [
        f"3,3,{START_US},0.000015,,,,,8640.1",
        f"4,4,{START_US},0.000015,,12,,8640,",
    ]


def test_liquidation_rows_are_as_those_of_trades() -> None:
    assert rows("liquidations", [liquidation(3, "x")]) == ["3,3,x,buy,8640.5,3"]


def test_of_whole_books_only_the_first_is_a_block() -> None:
    records = [
        book(1, [(100, 1), (99, 1)], [(110, 1)], "initial"),
        book(2, [(100, 1), (98, 2)], [(110, 3)], "update"),
        book(3, [(100, 1), (98, 2)], [(110, 3)], "update"),
        gap(4),
        book(5, [(97, 1)], [(111, 1)], "resync"),
        book(6, [(97, 2)], [(111, 1)], "update"),
    ]

    assert rows(BOOK, records) == [
        "1,1,true,bid,10,0.01",
        "1,1,true,bid,9.9,0.01",
        "1,1,true,ask,11,0.01",
        "2,2,false,bid,9.9,0",
        "2,2,false,bid,9.8,0.02",
        "2,2,false,ask,11,0.03",
        "5,5,true,bid,9.7,0.01",
        "5,5,true,ask,11.1,0.01",
        "6,6,false,bid,9.7,0.02",
    ]


def test_the_top_is_shown_only_when_it_changed() -> None:
    records = [
        book(1, [(100, 1), (99, 1)], [(110, 1)], "initial"),
        book(2, [(99, 7)], []),
        book(3, [(100, 1)], []),
        book(4, [(100, 0)], []),
        book(5, [], [(110, 0)]),
    ]

    assert rows("quotes", records) == [
        "1,1,0.01,11,10,0.01",
        "4,4,0.01,11,9.9,0.07",
        "5,5,,,9.9,0.07",
    ]
    assert rows("book_snapshot_5", records)[:2] == [
        "1,1,11,0.01,10,0.01,,,9.9,0.01" + "," * 12,
        "2,2,11,0.01,10,0.01,,,9.9,0.07" + "," * 12,
    ]


def test_finer_precision_alone_is_no_change_of_the_top() -> None:
    finer = book(2, [], [])
    finer.price_exponent, finer.bid_prices, finer.bid_sizes = -3, [90001], [5]
    records = [book(1, [(1000, 1)], [], "initial"), finer]

    assert rows("quotes", records) == ["1,1,,,100,0.01"]


def test_deltas_before_the_first_snapshot_are_dropped() -> None:
    records = [book(1, [(100, 1)], []), book(2, [(99, 1)], [], "resync"), book(3, [(98, 1)], [])]

    assert rows(BOOK, records) == ["2,2,true,bid,9.9,0.01", "3,3,false,bid,9.8,0.01"]
    assert rows("quotes", records) == ["2,2,,,9.9,0.01"]


def test_a_periodic_snapshot_is_written_only_where_the_file_begins() -> None:
    records = [
        book(1, [(100, 1)], [], "periodic"),
        book(1, [(99, 1)], []),
        book(2, [(100, 1), (99, 1)], [], "periodic"),
        book(2, [(99, 2)], []),
    ]

    assert rows(BOOK, records) == [
        "1,1,true,bid,10,0.01",
        "2,2,false,bid,9.9,0.01",
        "3,3,false,bid,9.9,0.02",
    ]


def test_after_a_gap_nothing_of_the_book_until_the_next_snapshot() -> None:
    records = [
        book(1, [(100, 1)], [], "initial"),
        book(2, [(99, 1)], []),
        gap(3),
        book(4, [(98, 1)], []),
        book(5, [(97, 1)], [], "resync"),
        book(6, [(96, 1)], []),
    ]

    assert rows(BOOK, records) == [
        "1,1,true,bid,10,0.01",
        "2,2,false,bid,9.9,0.01",
        "5,5,true,bid,9.7,0.01",
        "6,6,false,bid,9.6,0.01",
    ]
    assert rows("quotes", records) == ["1,1,,,10,0.01", "5,5,,,9.7,0.01"]
    assert rows("trades", [trade(1, "a"), gap(2), trade(3, "b")])[1:] == ["0,3,b,sell,8531.5,2"]


def test_a_block_that_nothing_follows_repeats_a_level_as_a_delta() -> None:
    records = [
        book(1, [(100, 1)], [(110, 1)], "initial", exchange_us=-4),
        gap(2),
        book(2, [(97, 1)], [], "resync"),
    ]

    assert rows(BOOK, records) == [
        "-4,1,true,bid,10,0.01",
        "-4,1,true,ask,11,0.01",
        "-4,2,false,bid,10,0.01",
        "3,3,true,bid,9.7,0.01",
        "3,4,false,bid,9.7,0.01",
    ]


def test_a_book_that_became_empty_is_removed_level_by_level() -> None:
    records = [
        book(1, [(100, 1)], [(110, 1)], "initial"),
        book(2, [(99, 1)], []),
        book(3, [], [], "resync"),
        book(4, [(98, 1)], []),
    ]

    assert rows(BOOK, records)[3:] == [
        "3,3,false,bid,10,0",
        "3,3,false,bid,9.9,0",
        "3,3,false,ask,11,0",
        "4,4,false,bid,9.8,0.01",
    ]


def test_a_book_that_begins_empty_has_its_first_levels_as_a_block() -> None:
    records = [book(1, [], [], "initial"), book(2, [(99, 1)], []), book(3, [(98, 1)], [])]

    assert rows(BOOK, records) == ["2,2,true,bid,9.9,0.01", "3,3,false,bid,9.8,0.01"]


def test_a_clip_begins_with_the_book_as_it_stood() -> None:
    records = [
        book(1, [(100, 1)], [(110, 1)], "initial", exchange_us=-3),
        book(4, [(99, 1)], [], exchange_us=2),
        book(5, [(98, 1)], [], exchange_us=3),
        book(8, [(97, 1)], [], exchange_us=7),
    ]

    assert rows(BOOK, records, start_us=5, end_us=8) == [
        "2,5,true,bid,10,0.01",
        "2,5,true,bid,9.9,0.01",
        "2,5,true,ask,11,0.01",
        "3,6,false,bid,9.8,0.01",
    ]
    assert rows("quotes", records, start_us=5, end_us=8) == ["2,5,0.01,11,10,0.01"]


def test_a_clip_without_messages_still_tells_the_book() -> None:
    records = [book(1, [(100, 1)], [], "initial")]

    assert rows(BOOK, records, start_us=5, end_us=8) == [
        "5,5,true,bid,10,0.01",
        "5,6,false,bid,10,0.01",
    ]
    assert rows("quotes", records, start_us=5, end_us=8) == ["5,5,,,10,0.01"]


def test_a_clip_of_trades_holds_those_within() -> None:
    records = [trade(us, str(us)) for us in (1, 5, 7, 8)]

    assert [row.split(",")[2] for row in rows("trades", records, 5, 8)] == ["5", "7"]


def test_a_clip_that_begins_in_a_gap_says_so_and_begins_with_the_next_snapshot() -> None:
    records = [
        book(1, [(100, 1)], [], "initial"),
        gap(2),
        book(6, [(99, 1)], [], "resync"),
        gap(7),
        gap(9),
    ]

    table, text = _table(BOOK, records, 5, 9)

    assert _rows(text)[0] == "6,6,true,bid,9.9,0.01"
    assert [record.local_ts - START_TS for record in table.gaps] == [2000, 7000]


def test_a_table_counts_its_rows_and_knows_its_span() -> None:
    table, _ = _table("trades", [trade(1, "a"), trade(3, "b")])

    assert table.lines.rows == 2
    assert (table.lines.first_ts, table.lines.last_ts) == (START_TS + 1000, START_TS + 3000)


def test_no_text_breaks_the_columns() -> None:
    assert rows("trades", [trade(1, 'a,"b"')]) == ['0,1,"a,""b""",sell,8531.5,2']
