"""One range in, objects out: the same each time, split by the range alone."""

from typing import Any

import pytest

from jetl2.landing import task
from jetl2.landing.errors import RecordError
from jetl2.landing.plan import Range
from jetl2.landing.report import Report, dump, load
from jetl2.schemas import avro, lake, records

TOPIC = "market.kraken"
DAY = 1_795_219_200_000_000_000


def _range(start: int = 0, end: int = 1000, max_rows: int = 10, topic: str = TOPIC) -> Range:
    return Range(
        topic=topic, partition=1, start=start, end=end, plan="p", max_rows=max_rows, committed=start
    )


def _gap(offset: int, symbol: str = "A/B", **fields: Any) -> task.KafkaRow:
    record = records.Gap(
        exchange="kraken", symbol=symbol, **{"seq": offset + 1, "local_ts": DAY + offset} | fields
    )
    return (TOPIC, 1, offset, avro.encode(record))


def _land(rows: list[task.KafkaRow], of: Range) -> tuple[Report, dict[str, bytes]]:
    written: dict[str, bytes] = {}
    report = task.land(iter(rows), {(of.topic, of.partition): of}, written.__setitem__)
    assert report is not None
    return report, written


def _parts(written: dict[str, bytes], of: str = "data_type=gap") -> list[tuple[int, int]]:
    names = [key.rpartition("/")[2].removesuffix(".parquet") for key in written if of in key]
    return sorted((int(n.split("-")[-2]), int(n.split("-")[-1])) for n in names)


def test_objects_of_a_symbol_share_the_range_without_a_seam() -> None:
    report, written = _land([_gap(n) for n in range(5, 30)], _range(5, 40))

    assert _parts(written) == [(5, 15), (15, 25), (25, 40)]
    assert report.records == 25
    assert report.rows == {"gap": 25}
    assert (report.first_seqs, report.last_seqs) == ({"A/B": 6}, {"A/B": 30})
    assert sum(o.rows for o in report.objects if "gap" in o.key) == 25


def test_the_largest_group_is_written_first() -> None:
    rows = [_gap(0, "small", seq=1), *(_gap(n) for n in range(1, 12))]

    _, written = _land(rows, _range(0, 12))

    assert _parts(written, "symbol=small") == [(0, 12)]
    assert _parts(written, "symbol=A%2FB") == [(0, 10), (10, 12)]


def test_a_repeat_writes_the_same_bytes() -> None:
    rows = [_gap(n) for n in range(25)]

    assert _land(rows, _range()) == _land(rows, _range())


def test_days_are_cut_by_local_ts() -> None:
    rows = [_gap(0, local_ts=DAY - 1), _gap(1, local_ts=DAY)]

    _, written = _land(rows, _range())

    folders = {key.rpartition("/")[0] for key in written if "gap" in key}
    assert folders == {
        "data_type=gap/exchange=kraken/date=2026-11-20/symbol=A%2FB",
        "data_type=gap/exchange=kraken/date=2026-11-21/symbol=A%2FB",
    }


def test_coverage_lies_beside_the_data_one_object_a_day() -> None:
    _, written = _land([_gap(n) for n in range(25)], _range(0, 40))

    [key] = [key for key in written if lake.COVERAGE in key]
    folder, _, name = key.rpartition("/")
    assert folder == "data_type=coverage/exchange=kraken/date=2026-11-21"
    assert name == "market.kraken-0001-000000000000-000000000040.parquet"


def test_big_payloads_are_split_by_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(task, "MAX_BYTES", 5000)
    event = records.RawEvent(
        exchange="kraken", symbol="", local_ts=DAY, connection_id="c", payload=b"x" * 2000
    )
    rows: list[task.KafkaRow] = [("raw.kraken", 1, n, avro.encode(event)) for n in range(5)]

    _, written = _land(rows, _range(0, 5, topic="raw.kraken"))

    assert _parts(written, "data_type=raw") == [(0, 3), (3, 5)]
    assert any("symbol=__HIVE_DEFAULT_PARTITION__/" in key for key in written)


def test_a_missing_number_stops_the_range() -> None:
    with pytest.raises(RecordError, match="offset 2: A/B has seq 4, expected 2"):
        _land([_gap(0), _gap(2, seq=4)], _range())


def test_a_record_read_twice_or_from_elsewhere_stops_the_range() -> None:
    with pytest.raises(RecordError, match="offset 0 was read after 0"):
        _land([_gap(0), _gap(0)], _range())
    with pytest.raises(RecordError, match="offset 40 was read after"):
        _land([_gap(40)], _range(0, 40))
    with pytest.raises(RecordError, match="was read amid"):
        _land([_gap(0), (TOPIC, 2, 0, b"")], _range())


def test_a_number_that_no_column_can_hold_names_the_range_and_symbol() -> None:
    trade = records.Trade(
        exchange="kraken", symbol="A/B", price=1, price_exponent=-19, size=1, size_exponent=0
    )

    with pytest.raises(RecordError, match=r"market.kraken-1 \[0, 9\): trade of A/B does not fit"):
        _land([(TOPIC, 1, 0, avro.encode(trade))], _range(0, 9))


def test_a_range_of_markers_alone_has_no_report() -> None:
    written: dict[str, bytes] = {}

    assert task.land([], {(TOPIC, 1): _range()}, written.__setitem__) is None
    assert not written


def test_reports_travel_as_text() -> None:
    report, _ = _land([_gap(n) for n in range(25)], _range())

    assert load(dump(report)) == report
