"""What a Spark task does: the records of one Kafka partition's range in, objects out.

Records come in offset order. They are held until there are enough, then the largest group (one
data type, day and symbol) is written. Which records share an object thus depends on nothing but
the range, and a repeat writes the same bytes under the same keys.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from jetl2.landing import crash, layout
from jetl2.landing.coverage import Coverage, folder
from jetl2.landing.decode import decode, exchange_of
from jetl2.landing.errors import RecordError
from jetl2.landing.layout import Entry
from jetl2.landing.plan import Range
from jetl2.landing.report import Report, Written
from jetl2.schemas import decimals, lake, records

# Raw payloads are bounded by size, for a thousand of them may be a megabyte or a gigabyte. Another
# number splits otherwise: raise plan.LAYOUT with it
MAX_BYTES = 64 * 1024 * 1024

Put = Callable[[str, bytes], None]
# Topic, partition, offset, value
KafkaRow = tuple[str, int, int, bytes | None]


@dataclass(slots=True)
class _Group:
    """Records that will share an object, and where its offsets start."""

    start: int
    entries: list[Entry] = field(default_factory=list)
    rows: int = 0
    size: int = 0


class _Task:
    def __init__(self, of: Range, put: Put) -> None:
        self.range = of
        self.exchange = exchange_of(of.topic)
        self.report = Report(topic=of.topic, partition=of.partition)
        self.coverage = Coverage(self.exchange)
        self._put = put
        self._groups: dict[tuple[str, str, str], _Group] = {}
        self._rows = 0
        self._size = 0

    def add(self, offset: int, value: bytes | None) -> None:
        of = self.range
        record = decode(value, of.topic, of.partition, offset)
        self._count(offset, record)
        rows = layout.rows(record)
        data_type = layout.data_type(record)
        self.report.rows[data_type] = self.report.rows.get(data_type, 0) + rows
        self.coverage.add(record, rows)
        key = (data_type, lake.date(record.local_ts), record.symbol)
        group = self._groups.get(key)
        if group is None:
            group = self._groups[key] = _Group(of.start)
        number = offset if data_type == lake.RAW else record.seq
        group.entries.append((record.local_ts, number, record))
        group.rows += rows
        group.size += len(value or b"")
        self._rows += rows
        self._size += len(value or b"")
        if self._rows >= of.max_rows or self._size >= MAX_BYTES:
            largest = max(self._groups, key=lambda k: (self._groups[k].size, k))
            self._write(largest, offset + 1)

    def end(self) -> Report:
        for key in sorted(self._groups):
            if self._groups[key].entries:
                self._write(key, self.range.end)
        of = self.range
        name = lake.object_name(of.topic, of.partition, of.start, of.end)
        for day, table in self.coverage.tables():
            self._put_table(folder(self.exchange, day) + name, table)
        return self.report

    def _count(self, offset: int, record: Any) -> None:
        report = self.report
        where = f"{self.range.topic}-{self.range.partition} offset {offset}"
        if not self.range.start <= offset < self.range.end or (
            report.records and offset <= report.last_offset
        ):
            message = f"{where} was read after {report.last_offset} in {self.range}"
            raise RecordError(message)
        if isinstance(record, records.MarketRecord):
            last = report.last_seqs.get(record.symbol)
            if last is None:
                report.first_seqs[record.symbol] = record.seq
            elif record.seq != last + 1:
                message = f"{where}: {record.symbol} has seq {record.seq}, expected {last + 1}"
                raise RecordError(message)
            report.last_seqs[record.symbol] = record.seq
        if not report.records:
            report.first_offset = offset
            report.min_local_ts = report.max_local_ts = record.local_ts
        report.min_local_ts = min(report.min_local_ts, record.local_ts)
        report.max_local_ts = max(report.max_local_ts, record.local_ts)
        report.last_offset = offset
        report.records += 1

    def _write(self, key: tuple[str, str, str], end: int) -> None:
        data_type, day, symbol = key
        group = self._groups[key]
        of = self.range
        try:
            table = layout.table(data_type, group.entries, of.partition)
        except (pa.ArrowInvalid, decimals.DecimalError) as error:
            message = f"{of}: {data_type} of {symbol} does not fit the columns: {error}"
            raise RecordError(message) from error
        name = lake.object_name(of.topic, of.partition, group.start, end)
        self._put_table(lake.folder(data_type, self.exchange, day, symbol) + name, table)
        self._rows -= group.rows
        self._size -= group.size
        self._groups[key] = _Group(end)

    def _put_table(self, key: str, table: pa.Table) -> None:
        body = layout.parquet(table)
        self._put(key, body)
        digest = hashlib.sha256(body).hexdigest()
        self.report.objects.append(
            Written(key=key, rows=table.num_rows, size=len(body), sha256=digest)
        )
        crash.point("object")


def land(
    rows: Iterable[KafkaRow],
    ranges: Mapping[tuple[str, int], Range],
    put: Put,
) -> Report | None:
    """Write the objects of one range and return what was written; None when it held no record.

    Args:
        rows: All committed records of one Kafka partition's range, in offset order.
        ranges: The plan, by topic and partition.
        put: Writes an object to the lake, replacing what is there.

    Raises:
        RecordError: A record cannot be read, is out of order, or a number is missing.
    """
    task: _Task | None = None
    for topic, partition, offset, value in rows:
        if task is None:
            task = _Task(ranges[topic, partition], put)
        elif (topic, partition) != (task.range.topic, task.range.partition):
            message = f"{topic}-{partition} offset {offset} was read amid {task.range}"
            raise RecordError(message)
        task.add(offset, value)
    return task.end() if task else None
