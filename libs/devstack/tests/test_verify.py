"""A book in exported files is compared to the last digit, and at instants before the end."""

import gzip
from decimal import Decimal
from pathlib import Path

import pytest

from jetl2.devstack import verify

HEADER = "exchange,symbol,timestamp,local_timestamp,is_snapshot,side,price,amount"
# local_timestamp, is_snapshot, side, price, amount
ROWS = [
    (1, "true", "bid", "10", "1"),
    (1, "true", "ask", "11", "2"),
    (2, "false", "bid", "10", "0"),
    (2, "false", "bid", "9.5", "3"),
    (5, "true", "bid", "9", "1.5"),
    (5, "true", "ask", "12", "1"),
    (6, "false", "ask", "12", "0.25"),
]
FINAL = verify.simulated(
    ([("9", "1.5")], [("12", "0.25")]),
    [([("9.50", "3.0")], [("11", "2")]), ([("9", "1.5")], [("12", "1")])],
)


def test_equal_books_are_counted_with_the_instants_before(tmp_path: Path) -> None:
    assert verify.check("x", [_file(tmp_path, ROWS)], FINAL) == (2, 2, 0)


def test_an_instant_that_never_was_is_missed(tmp_path: Path) -> None:
    strange = verify.fingerprint({Decimal(1): Decimal(1)}, {})

    verdict = verify.check(
        "x", [_file(tmp_path, ROWS)], FINAL._replace(samples=[*FINAL.samples, strange])
    )

    assert verdict.missed == 1


@pytest.mark.parametrize("missing", [4, 6])
def test_a_difference_names_the_first_level(tmp_path: Path, missing: int) -> None:
    rows = [row for number, row in enumerate(ROWS) if number != missing]

    with pytest.raises(verify.MismatchError, match=r"x: the (bid|ask) at (9|12) is"):
        verify.check("x", [_file(tmp_path, rows)], FINAL)


def _file(folder: Path, rows: list[tuple[int, str, str, str, str]]) -> Path:
    path = folder / "x_incremental_book_L2_2026-11-22_X.csv.gz"
    lines = [HEADER]
    lines += [
        f"x,X,{ts},{ts},{snapshot},{rest}"
        for ts, snapshot, *cells in rows
        for rest in [",".join(cells)]
    ]
    path.write_bytes(gzip.compress(("\n".join(lines) + "\n").encode()))
    return path
