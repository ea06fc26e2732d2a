"""Sorted files to one sorted stream, in bounded memory; and whether a stream is sorted.

Files of one partition follow each other in time but for what came late: of each only a batch is held,
and of those that have not begun yet nothing. What is held is written as soon as no other file can
hold an earlier row.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from jetl2.schemas import lake

BATCH_ROWS = 65_536
# Raw payloads may be large: a batch is bounded by bytes, too
BATCH_BYTES = 32 * 1024 * 1024


def keys(data_type: str, schema: pa.Schema) -> list[str]:
    """Return the columns that the objects of a data type are sorted by."""
    if data_type == lake.COVERAGE:
        return ["symbol", "data_type", "hour"]
    if data_type == lake.RAW:
        return ["local_ts", "source_offset"]
    return ["local_ts", "seq", *(["level"] if "level" in schema.names else [])]


def merged(files: Sequence[Path], by: Sequence[str]) -> Iterator[pa.Table]:
    """Yield the rows of files, each sorted by these columns, sorted by them over all.

    A file that is not sorted makes a stream that is not: look at it by `Order`.
    """
    found = (_File(path, by) for path in files if pq.read_metadata(path).num_rows)
    waiting = sorted(found, key=lambda file: file.first)
    begun: list[_File] = []
    while waiting or begun:
        if not begun:
            begun.append(waiting.pop(0).next())
        bound = _bound(begun)
        while waiting and (bound is None or waiting[0].first <= bound):
            begun.append(waiting.pop(0).next())
            bound = _bound(begun)
        ready = [table for file in begun for table in file.take(bound)]
        if ready:
            table = pa.concat_tables(ready)
            yield table.sort_by([(name, "ascending") for name in by]) if len(ready) > 1 else table
        for file in begun:
            if file.more and file.last == bound:
                file.next()
        begun = [file for file in begun if file.more or file.held]


def _bound(begun: "Sequence[_File]") -> Any:
    """Return the first value that files which go on may still hold; None when none goes on."""
    return min((file.last for file in begun if file.more), default=None)


class _File:
    """One file, read batch by batch.

    Attributes:
        first: Value of the first column in its first row.
        last: The same in the last row read so far.
        held: Rows read and not taken.
        more: Whether rows are left to read.
    """

    def __init__(self, path: Path, by: Sequence[str]) -> None:
        self._path = path
        self._by = by[0]
        self._batches: Iterator[pa.RecordBatch] | None = None
        self.held: list[pa.Table] = []
        self.more = True
        self.last: Any = None
        metadata = pq.read_metadata(path)
        self._left = metadata.num_rows
        groups = [metadata.row_group(n) for n in range(metadata.num_row_groups)]
        size = sum(group.total_byte_size for group in groups)
        most = BATCH_BYTES * metadata.num_rows // max(size, 1)
        self._batch_rows = max(1, min(BATCH_ROWS, most))
        with pq.ParquetFile(path) as file:
            batch = next(file.iter_batches(1, columns=[self._by]))
            self.first: Any = batch.column(0)[0].as_py()

    def next(self) -> "_File":
        """Read one batch more."""
        if self._batches is None:
            file = pq.ParquetFile(self._path, memory_map=True)
            self._batches = file.iter_batches(self._batch_rows, use_threads=False)
        batch = next(self._batches)
        self._left -= batch.num_rows
        self.more = self._left > 0
        self.held.append(pa.Table.from_batches([batch]))
        self.last = batch.column(self._by)[-1].as_py()
        return self

    def take(self, bound: Any) -> list[pa.Table]:
        """Give away the rows before a value; all for None."""
        taken, kept = [], []
        for table in self.held:
            count = len(table)
            if bound is not None:
                earlier: Any = pc.less(table[self._by], bound)
                count = pc.sum(earlier).as_py() or 0
            taken.append(table.slice(0, count))
            kept.append(table.slice(count))
        self.held = [table for table in kept if len(table)]
        return [table for table in taken if len(table)]


class Order:
    """Whether batches that follow each other are sorted."""

    def __init__(self, by: Sequence[str]) -> None:
        """Begin with no row."""
        self._by = by
        self._last: tuple[Any, ...] | None = None

    def add(self, batch: pa.RecordBatch) -> bool:
        """Add rows; whether all so far are sorted."""
        count = batch.num_rows
        if not count:
            return True
        columns = [batch.column(name) for name in self._by]
        first = tuple(column[0].as_py() for column in columns)
        before, self._last = self._last, tuple(column[-1].as_py() for column in columns)
        if before is not None and first < before:
            return False
        same: Any = pa.scalar(True)
        for column in columns:
            one, next_ = column.slice(0, count - 1), column.slice(1)
            if pc.any(pc.and_(same, pc.less(next_, one))).as_py():
                return False
            same = pc.and_(same, pc.equal(next_, one))
        return True
