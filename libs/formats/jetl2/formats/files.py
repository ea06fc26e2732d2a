"""Files on disk: gzip with its checksum on the way, and all files of a stream of records."""

import hashlib
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from jetl2.formats import tardis
from jetl2.formats.errors import NameCollision
from jetl2.formats.table import Table
from jetl2.schemas import lake
from jetl2.schemas.records import Gap, MarketRecord

# Half the time of zlib's default for 3 % more bytes, on book levels
_LEVEL = 5
_CHUNK_CHARS = 1 << 16
_CHUNK_BYTES = 1 << 18


@dataclass(frozen=True, slots=True, kw_only=True)
class FileInfo:
    """One finished file.

    Args:
        size: Bytes as stored; sha256: of the same bytes, in hex.
        rows: Without the header.
        first_ts, last_ts: local_timestamp of the first and last row, ns; 0 when there is none.
    """

    path: Path
    exchange: str
    data_type: str
    symbol: str
    date: str
    size: int
    sha256: str
    rows: int
    first_ts: int
    last_ts: int
    gaps: tuple[Gap, ...]


class GzipWriter:
    """Text to a gzip file, the same bytes for the same text: no name and no time in its header.

    Memory is bounded, and no file is held open, since a day's recording may fill hundreds at once.
    The file appears under its name when it is whole.

    Attributes:
        size, sha256: Of the compressed bytes, final after `close`.
    """

    def __init__(self, path: Path) -> None:
        self.size = 0
        self._path = path
        self._part = path.with_name(path.name + ".part")
        self._part.write_bytes(b"")
        self._sha256 = hashlib.sha256()
        self._gzip = zlib.compressobj(_LEVEL, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
        self._text: list[str] = []
        self._chars = 0
        self._bytes = bytearray()

    @property
    def sha256(self) -> str:
        """Checksum of what was written so far, in hex."""
        return self._sha256.hexdigest()

    def write(self, text: str) -> None:
        """Add text."""
        self._text.append(text)
        self._chars += len(text)
        if self._chars >= _CHUNK_CHARS:
            self._compress()

    def close(self) -> None:
        """Write the rest, and give the file its name."""
        self._compress()
        self._bytes += self._gzip.flush()
        self._store()
        self._part.replace(self._path)

    def discard(self) -> None:
        """Remove what was written."""
        self._part.unlink(missing_ok=True)

    def _compress(self) -> None:
        self._bytes += self._gzip.compress("".join(self._text).encode())
        self._text.clear()
        self._chars = 0
        if len(self._bytes) >= _CHUNK_BYTES:
            self._store()

    def _store(self) -> None:
        with self._part.open("ab") as file:
            file.write(self._bytes)
        self._sha256.update(self._bytes)
        self.size += len(self._bytes)
        self._bytes.clear()


class CsvFile:
    """One CSV file in the making: a `Table` written through a `GzipWriter`.

    Args:
        start_ts, end_ts: See `Table`.
    """

    def __init__(self, path: Path, data_type: str, *, start_ts: int = 0, end_ts: int = 0) -> None:
        self.table = Table(data_type, start_ts=start_ts, end_ts=end_ts)
        self.path = path
        self.data_type = data_type
        self._writer = GzipWriter(path)
        self._writer.write(tardis.header(data_type) + "\n")

    def feed(self, record: MarketRecord) -> None:
        """Add what a record says; records come in order of seq."""
        text = self.table.feed(record)
        if text:
            self._writer.write(text)

    def close(self, exchange: str, symbol: str, date: str) -> FileInfo:
        """Finish the file and say what it is."""
        self._writer.write(self.table.finish())
        self._writer.close()
        lines = self.table.lines
        return FileInfo(
            path=self.path,
            exchange=exchange,
            data_type=self.data_type,
            symbol=symbol,
            date=date,
            size=self._writer.size,
            sha256=self._writer.sha256,
            rows=lines.rows,
            first_ts=lines.first_ts,
            last_ts=lines.last_ts,
            gaps=tuple(self.table.gaps),
        )

    def discard(self) -> None:
        """Remove what was written."""
        self._writer.discard()


class _Day(NamedTuple):
    date: str
    files: dict[str, CsvFile]


def write_files(
    records: Iterable[MarketRecord], out: Path, types: Sequence[str] = tardis.DATA_TYPES
) -> list[FileInfo]:
    """Write all CSV files of a stream of records, one for each exchange, type, symbol and UTC day.

    Args:
        records: Of any exchanges and symbols mixed; those of one symbol in order of seq.
        out: Folder, made if it is missing; file names as `tardis.file_name`.
        types: Which of `tardis.DATA_TYPES`; files without a row are not written.

    Returns:
        The files, by name.

    Raises:
        UnknownDataType: Lists the known ones.
        NameCollision: Two symbols would share a file.
    """
    for data_type in types:
        tardis.lake_type(data_type)
    out.mkdir(parents=True, exist_ok=True)
    days: dict[tuple[str, str], _Day] = {}
    owners: dict[str, str] = {}
    infos: list[FileInfo] = []
    try:
        for record in records:
            address = record.exchange, record.symbol
            date = lake.date(record.local_ts)
            day = days.get(address)
            # A message may be late by a little; it stays with the day that has begun
            if day is None or date > day.date:
                if day:
                    infos += _close(day, *address)
                day = days[address] = _open(out, date, *address, types, owners)
            for file in day.files.values():
                file.feed(record)
        for address, day in days.items():
            infos += _close(day, *address)
    except BaseException:
        for day in days.values():
            for file in day.files.values():
                file.discard()
        raise
    return sorted(infos, key=lambda info: info.path.name)


def _open(
    out: Path, date: str, exchange: str, symbol: str, types: Sequence[str], owners: dict[str, str]
) -> _Day:
    owner = owners.setdefault(f"{exchange}/{tardis.file_symbol(symbol)}", symbol)
    if owner != symbol:
        message = f"{exchange}: {owner!r} and {symbol!r} would be written to one file"
        raise NameCollision(message)
    return _Day(
        date, {t: CsvFile(out / tardis.file_name(exchange, t, date, symbol), t) for t in types}
    )


def _close(day: _Day, exchange: str, symbol: str) -> list[FileInfo]:
    infos = [file.close(exchange, symbol, day.date) for file in day.files.values()]
    for info in infos:
        if not info.rows:
            info.path.unlink()
    return [info for info in infos if info.rows]
