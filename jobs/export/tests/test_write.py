"""A unit's file and what its sidecar says of it."""

import gzip
import hashlib
from pathlib import Path
from typing import Any

from jetl2.export.spec import Unit
from jetl2.export.write import sidecar, write_file
from jetl2.testkit.making import EXCHANGE, START_TS, SYMBOL, book, gap, numbered, trade


def _unit(**other: Any) -> Unit:
    fields = {
        "exchange": EXCHANGE,
        "data_type": "incremental_book_L2",
        "symbol": SYMBOL,
        "date": "2026-05-28",
        "key": "units/a.csv.gz",
        "objects": (),
    }
    return Unit(**(fields | other))


def test_the_sidecar_says_what_the_file_is(tmp_path: Path) -> None:
    records = numbered([book(1, [(100, 1)], [], "initial"), book(3, [(99, 1)], []), gap(5)])
    unit = _unit()

    info = write_file(unit, records, tmp_path)
    document = sidecar(unit, info)

    stored = info.path.read_bytes()
    assert document == {
        "key": "units/a.csv.gz",
        "size": len(stored),
        "sha256": hashlib.sha256(stored).hexdigest(),
        "rows": 2,
        "first_ts": START_TS + 1000,
        "last_ts": START_TS + 3000,
        "gaps": [
            {
                "from_ts": 0,
                "local_ts": START_TS + 5000,
                "reason": "checksum",
                "detail": "",
                "first_seq": 0,
                "last_seq": 0,
            }
        ],
    }


def test_a_clip_is_kept_to(tmp_path: Path) -> None:
    unit = _unit(data_type="trades", start_ts=START_TS + 2000, end_ts=START_TS + 3000)

    info = write_file(unit, numbered([trade(us, "x") for us in (1, 2, 3)]), tmp_path)

    assert info.rows == 1
    assert info.first_ts == START_TS + 2000


def test_a_unit_without_a_row_is_a_file_with_a_header(tmp_path: Path) -> None:
    info = write_file(_unit(data_type="quotes"), [], tmp_path)

    assert gzip.decompress(info.path.read_bytes()).decode().splitlines() == [
        "exchange,symbol,timestamp,local_timestamp,ask_amount,ask_price,bid_price,bid_amount"
    ]
    assert sidecar(_unit(), info)["first_ts"] == 0
