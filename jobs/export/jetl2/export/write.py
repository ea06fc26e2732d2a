"""In a Spark task: the records of each unit to its file, the file to S3, then its sidecar."""

import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from jetl2.export import rebuild
from jetl2.export.spec import Unit
from jetl2.export.store import Folder
from jetl2.formats.files import CsvFile, FileInfo
from jetl2.schemas.records import Gap, MarketRecord

RESULT = "unit int, error string"
_FIELDS: Any = {"unit": pa.int32(), "error": pa.string()}
_RESULT = pa.schema(_FIELDS)


def write_units(
    batches: Iterable[pa.RecordBatch], units: dict[int, Unit], downloads: Folder
) -> Iterator[pa.RecordBatch]:
    """Write every unit whose rows come, and yield (unit, error) of each; error is "" when it is there.

    Args:
        batches: Rows in `rebuild.ORDER`.
        units: By their numbers in the rows.
    """
    for number, pieces in rebuild.by_unit(batches):
        unit = units[number]
        error = write_unit(unit, rebuild.records(pieces, unit.exchange, unit.symbol), downloads)
        yield pa.RecordBatch.from_pydict({"unit": [number], "error": [error]}, _RESULT)


def write_unit(unit: Unit, records: Iterable[MarketRecord], downloads: Folder) -> str:
    """Write one unit; return "" or what went wrong."""
    with tempfile.TemporaryDirectory(prefix="jetl2-export-") as folder:
        try:
            info = write_file(unit, records, Path(folder))
            downloads.upload(info.path, unit.key)
            downloads.write_json(unit.sidecar, sidecar(unit, info))
        except Exception as error:  # noqa: BLE001 - recorded for this unit; the others go on
            return f"{type(error).__name__}: {error}"
    return ""


def write_file(unit: Unit, records: Iterable[MarketRecord], folder: Path) -> FileInfo:
    """Write one unit's file to a folder."""
    path = folder / "unit.csv.gz"
    file = CsvFile(path, unit.data_type, start_ts=unit.start_ts, end_ts=unit.end_ts)
    for record in records:
        file.feed(record)
    return file.close(unit.exchange, unit.symbol, unit.date)


def sidecar(unit: Unit, info: FileInfo) -> dict[str, Any]:
    """Return what the sidecar says of a file; times in ns, 0 where there is none."""
    return {
        "key": unit.key,
        "size": info.size,
        "sha256": info.sha256,
        "rows": info.rows,
        "first_ts": info.first_ts,
        "last_ts": info.last_ts,
        "gaps": [_gap(gap) for gap in info.gaps],
    }


def _gap(gap: Gap) -> dict[str, Any]:
    names = ("from_ts", "local_ts", "reason", "detail", "first_seq", "last_seq")
    return {name: getattr(gap, name) for name in names}
