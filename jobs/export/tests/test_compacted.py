"""What is read in place of objects that are gone: what holds exactly their rows, or nothing."""

import io
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, cast

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jetl2.export.compacted import resolved
from jetl2.export.store import Folder
from jetl2.schemas import lake

FOLDER = lake.folder("trade", "example", "2026-11-22", "BTC/USD")
ELSEWHERE = lake.folder("gap", "example", "2026-11-22", "BTC/USD")


class Lake:
    """Objects in memory, as `Folder` gives them."""

    def __init__(self, *names: str) -> None:
        self.objects = dict.fromkeys(names, b"")

    def compact(self, end: int, made_of: Sequence[str], rows: int = 3) -> str:
        """Add a compacted object of [0, end) that says so."""
        sources = [[name.rpartition("/")[2], 1, 2, "sha256"] for name in made_of]
        table = pa.table({"local_ts": list(range(rows))})
        said = {lake.COMPACTED_FROM: json.dumps({"sources": sources})} if sources else {}
        buffer = io.BytesIO()
        pq.write_table(table.replace_schema_metadata(said), buffer)
        name = FOLDER + lake.compacted_name("market.example", 3, 0, end)
        self.objects[name] = buffer.getvalue()
        return name

    def existing(self, names: Iterable[str]) -> Iterator[str]:
        return (name for name in names if name in self.objects)

    def keys(self, prefix: str) -> list[str]:
        return sorted(name for name in self.objects if name.startswith(prefix))

    def tail(self, name: str, size: int) -> bytes | None:
        found = self.objects.get(name)
        return None if found is None else found[-size:]


def _landed(start: int, end: int, folder: str = FOLDER, partition: int = 3) -> str:
    return folder + lake.object_name("market.example", partition, start, end)


OLD = [_landed(0, 10), _landed(10, 20), _landed(30, 40)]


def _resolved(there: Lake, names: Sequence[str]) -> list[str]:
    gone = set(names) - set(there.existing(names))
    return list(resolved(cast("Folder", cast("Any", there)), names, gone))


def test_what_is_there_stays() -> None:
    there = Lake(*OLD)
    there.compact(40, OLD)

    assert _resolved(there, OLD) == OLD


@pytest.mark.parametrize("left", [0, 1, 2])
def test_an_object_with_exactly_their_rows_stands_for_those_that_are_gone(left: int) -> None:
    other = [_landed(40, 50), _landed(0, 10, ELSEWHERE), _landed(0, 10, partition=4)]
    there = Lake(*OLD[:left], *other)
    whole = there.compact(40, OLD)

    assert _resolved(there, [*OLD, *other]) == [*other, whole]


def test_one_with_more_rows_does_not() -> None:
    there = Lake()
    there.compact(50, [*OLD, _landed(40, 50)])

    assert _resolved(there, OLD) == OLD


def test_one_that_was_made_of_compacted_ones_stands_for_all_of_them() -> None:
    there = Lake()
    first = FOLDER + lake.compacted_name("market.example", 3, 0, 40)
    late = _landed(40, 50)
    whole = there.compact(50, [*OLD, first, late])

    assert _resolved(there, [first, late]) == [whole]
    assert _resolved(there, [*OLD, late]) == [whole]
    assert _resolved(there, [first]) == [first]


def test_one_that_does_not_say_what_it_was_made_of_stands_for_nothing() -> None:
    there = Lake()
    there.compact(40, [])

    assert _resolved(there, OLD) == OLD


def test_a_long_footer_is_read_whole() -> None:
    many = [_landed(n, n + 1) for n in range(2000)]
    there = Lake()
    whole = there.compact(2000, many, rows=100_000)

    assert _resolved(there, many) == [whole]
