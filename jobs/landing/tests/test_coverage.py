"""What coverage counts, and where."""

from typing import Any

from jetl2.landing.coverage import HOUR_NS, Coverage
from jetl2.schemas import records

START = 1_795_219_200_000_000_000 - HOUR_NS  # the last hour of a UTC day


def _row(coverage: Coverage, **wanted: Any) -> dict[str, Any]:
    rows = [row for _, table in coverage.tables() for row in table.to_pylist()]
    [found] = [row for row in rows if all(row[k] == v for k, v in wanted.items())]
    return found


def test_books_are_counted_by_hour_with_their_checksums() -> None:
    coverage = Coverage("kraken")
    delta: dict[str, Any] = {"symbol": "BTC/USD", "price_exponent": 0}
    coverage.add(records.BookDelta(**delta, seq=4, local_ts=START, verified="passed"), 9)
    coverage.add(records.BookDelta(**delta, seq=6, local_ts=START + 1, crossed=True), 2)
    coverage.add(records.BookDelta(**delta, seq=7, local_ts=START + HOUR_NS, duplicates=3), 1)

    days = [(day, table.num_rows) for day, table in coverage.tables()]
    first = _row(coverage, hour=START)

    assert days == [("2026-11-20", 1), ("2026-11-21", 1)]
    assert (first["exchange"], first["data_type"]) == ("kraken", "book_delta")
    assert (first["rows"], first["messages"], first["first_seq"], first["last_seq"]) == (
        11,
        2,
        4,
        6,
    )
    assert (first["checksums_passed"], first["crossed"], first["duplicates"]) == (1, 1, 0)
    assert _row(coverage, hour=START + HOUR_NS)["duplicates"] == 3


def test_gaps_are_counted_for_the_book() -> None:
    coverage = Coverage("kraken")
    for seq, reason in enumerate(["checksum", "disconnected", "sequence"]):
        coverage.add(records.Gap(symbol="X", seq=seq + 1, local_ts=START, reason=reason), 1)

    book = _row(coverage, data_type="book_delta")
    gaps = _row(coverage, data_type="gap")

    assert (book["gaps"], book["reconnects"], book["checksums_failed"]) == (3, 1, 1)
    assert (book["rows"], gaps["rows"], gaps["gaps"]) == (0, 3, 0)


def test_raw_events_count_disconnects_and_losses() -> None:
    coverage = Coverage("kraken")
    for kind in (records.FRAME, records.DISCONNECTED, records.LOST):
        event = records.RawEvent(
            exchange="kraken", symbol="X", local_ts=START, connection_id="c", kind=kind, payload=b""
        )
        coverage.add(event, 1)

    row = _row(coverage, data_type="raw")

    assert (row["messages"], row["reconnects"], row["gaps"]) == (3, 1, 1)
