"""Files on disk: names, days, checksums, the same bytes each time."""

import gzip
import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from jetl2.formats import tardis
from jetl2.formats.errors import NameCollision
from jetl2.formats.files import GzipWriter, write_files
from jetl2.schemas.records import MarketRecord
from jetl2.testkit.making import START_TS, book, gap, numbered, ticker, trade

DAY_US = 24 * 3600 * 1_000_000


def test_each_type_and_day_has_its_file_and_nothing_else_lies_there(tmp_path: Path) -> None:
    records = numbered(
        [
            book(1, [(100, 1)], [(110, 1)], "initial"),
            book(2, [(101, 1)], []),
            trade(3, "a"),
            gap(4),
            book(DAY_US, [(99, 1)], [], "resync"),
        ]
    )

    infos = write_files(records, tmp_path)

    assert [info.path.name for info in infos] == sorted(p.name for p in tmp_path.iterdir())
    assert [(info.data_type, info.date, info.rows) for info in infos] == [
        ("book_snapshot_25", "2026-05-28", 2),
        ("book_snapshot_25", "2026-05-29", 1),
        ("book_snapshot_5", "2026-05-28", 2),
        ("book_snapshot_5", "2026-05-29", 1),
        ("incremental_book_L2", "2026-05-28", 3),
        ("incremental_book_L2", "2026-05-29", 2),
        ("quotes", "2026-05-28", 2),
        ("quotes", "2026-05-29", 1),
        ("trades", "2026-05-28", 1),
    ]
    assert len(infos[0].gaps) == 1


def test_a_file_is_what_its_info_says(tmp_path: Path) -> None:
    (info,) = write_files(numbered([trade(3, "a"), trade(5, "b")]), tmp_path, ["trades"])

    stored = info.path.read_bytes()
    text = gzip.decompress(stored).decode()
    assert (info.size, info.sha256) == (len(stored), hashlib.sha256(stored).hexdigest())
    assert text.splitlines()[0] == tardis.header("trades")
    assert len(text.splitlines()) == info.rows + 1
    assert (info.first_ts, info.last_ts) == (START_TS + 3000, START_TS + 5000)


def test_the_same_records_give_the_same_bytes(tmp_path: Path) -> None:
    records = numbered([ticker(us) for us in range(1000)])

    first, second = (write_files(records, tmp_path / name)[0] for name in ("a", "b"))

    assert first.path.read_bytes() == second.path.read_bytes()


def test_gzip_headers_name_no_file_and_no_time(tmp_path: Path) -> None:
    writer = GzipWriter(tmp_path / "x.gz")
    writer.write("x")
    writer.close()

    header = (tmp_path / "x.gz").read_bytes()[:10]
    assert header[3] == 0, "no flags: no name"
    assert header[4:8] == bytes(4), "no time"


def test_a_large_text_is_stored_in_pieces_and_whole_at_the_end(tmp_path: Path) -> None:
    line = "".join(hashlib.sha256(str(i).encode()).hexdigest() for i in range(2000))
    writer = GzipWriter(tmp_path / "x.gz")
    for _ in range(20):
        writer.write(line)
    assert not (tmp_path / "x.gz").exists()
    writer.close()

    assert gzip.decompress((tmp_path / "x.gz").read_bytes()).decode() == line * 20


def test_two_symbols_that_would_share_a_file_are_refused(tmp_path: Path) -> None:
    other = trade(1, "a")
    other.symbol = "BTC-USD"

    with pytest.raises(NameCollision, match="'BTC/USD' and 'BTC-USD'"):
        write_files([trade(1, "a"), other], tmp_path)


def test_records_that_end_in_an_error_leave_no_half_file(tmp_path: Path) -> None:
    def records() -> Iterator[MarketRecord]:
        yield trade(1, "a")
        raise OSError("the recording is cut off")

    with pytest.raises(OSError, match="cut off"):
        write_files(records(), tmp_path)

    assert not list(tmp_path.iterdir())
