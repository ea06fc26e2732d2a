"""The demo as a client of the API: asks for an export, follows it, downloads and verifies the files."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from jetl2.client.client import Client
from jetl2.client.download import sha256
from jetl2.client.errors import ClientError
from jetl2.client.messages import result
from jetl2.devstack.errors import StackError
from jetl2.devstack.sources import Source
from jetl2.devstack.stages import Update
from jetl2.schemas.pb import export_pb2

_DAY_NS = 86_400 * 10**9
_TIMEOUT_S = 240


class Request(NamedTuple):
    """What to export: (exchange, symbol) each in all types, from yesterday to tomorrow.

    A recording may begin before midnight and end after it.
    """

    instruments: Sequence[tuple[str, str]]
    data_types: Sequence[str]


class Files(NamedTuple):
    """What was downloaded.

    Args:
        name: Of the export.
        paths: By (exchange, data type, symbol, date).
        missing: Days of a data type of which nothing was recorded.
    """

    name: str
    paths: dict[tuple[str, str, str, str], Path]
    rows: int
    size: int
    missing: int

    def of(self, exchange: str, data_type: str, symbol: str) -> list[Path]:
        """Return the files of one type of one symbol, in order of their days."""
        wanted = (exchange, data_type, symbol)
        return [self.paths[key] for key in sorted(self.paths) if key[:3] == wanted]


class Coverage(NamedTuple):
    """Totals of the coverage of some instruments."""

    records: int
    gaps: int
    checksums_passed: int
    checksums_failed: int
    duplicates: int


def export(address: str, request: Request, out: Path, update: Update) -> Files:
    """Make an export, download its files into a folder, and verify each by its sha256.

    The same request is then made again, which must be answered with the same export, already done.

    Raises:
        StackError: The API refused, the export failed, or a file is not what the manifest says.
    """
    start_ts, end_ts = days()

    def follow(metadata: export_pb2.ExportMetadata) -> None:
        stage = metadata.stage or "waiting"
        update(metadata.files_done, metadata.files_total, f"{stage} ({metadata.rows_done:,} rows)")

    try:
        with Client(address) as client:
            asked = (request.instruments, request.data_types, start_ts, end_ts)
            operation = client.create_export(*asked)
            made = client.wait(operation.name, follow, _TIMEOUT_S)
            update(0, 0, f"downloading {made.file_count:,} files")
            client.download(made.name, out)
            files = list(client.files(made.name))
            again = client.create_export(*asked)
    except (ClientError, TimeoutError) as error:
        message = f"the export failed: {error}"
        raise StackError(message) from error
    if not again.done or result(again).name != made.name:
        message = f"the same request gave {made.name} and was then prepared anew: {again}"
        raise StackError(message)
    paths = {}
    for file in files:
        path = out / file.file_name
        if sha256(path) != file.sha256:
            message = f"{path} has not the sha256 that the manifest says"
            raise StackError(message)
        paths[file.exchange, file.data_type, file.symbol, file.date] = path
    rows, size = (sum(f.rows for f in files), sum(f.size_bytes for f in files))
    return Files(made.name, paths, rows, size, len(made.missing))


def coverage(address: str, wanted: Sequence[Source]) -> Coverage:
    """Return the totals of all instruments of these sources.

    Raises:
        StackError: The API refused.
    """
    start_ts, end_ts = days()
    try:
        with Client(address) as client:
            hours = [
                hour
                for source in wanted
                for hour in client.coverage(source.exchange, source.symbols, start_ts, end_ts)
            ]
    except ClientError as error:
        message = f"the coverage could not be read: {error}"
        raise StackError(message) from error
    return Coverage(
        # Raw events are archived beside what was merged from them
        records=sum(hour.messages for hour in hours if hour.data_type != "raw"),
        gaps=sum(hour.gaps for hour in hours),
        checksums_passed=sum(hour.checksums_passed for hour in hours),
        checksums_failed=sum(hour.checksums_failed for hour in hours),
        duplicates=sum(hour.duplicates for hour in hours),
    )


def days() -> tuple[int, int]:
    """Return yesterday's midnight and that after tomorrow, UTC, in ns."""
    today = time.time_ns() // _DAY_NS * _DAY_NS
    return today - _DAY_NS, today + 2 * _DAY_NS
