"""A book as it stood at an instant, from the lake: the last snapshot before it and what followed."""

from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from jetl2.api_grpc.catalog import Catalog
from jetl2.api_grpc.errors import ApiError
from jetl2.api_grpc.objects import ObjectFile, again
from jetl2.api_grpc.store import Store
from jetl2.schemas import lake
from jetl2.schemas.pb import errors_pb2

_COLUMNS = ["seq", "local_ts", "exchange_ts", "is_snapshot", "level", "side", "price", "size"]


class Levels(NamedTuple):
    """A whole book; sides are (price, size), best first."""

    bids: list[tuple[Decimal, Decimal]]
    asks: list[tuple[Decimal, Decimal]]
    seq: int
    local_ts: int
    exchange_ts: int


class Books:
    """Rebuilds books from the row groups of a symbol's day, the newest first, as few as needed."""

    def __init__(self, store: Store, catalog: Catalog) -> None:
        self._store = store
        self._catalog = catalog

    def at(self, exchange: str, symbol: str, ts: int) -> Levels:
        """Return the book after all records with local_ts <= ts.

        Raises:
            ApiError: BOOK_UNKNOWN, there is no snapshot before, or a gap after it.
        """
        return again(lambda: self._at(exchange, symbol, ts))

    def _at(self, exchange: str, symbol: str, ts: int) -> Levels:
        day = lake.date(ts)
        before = (date.fromisoformat(day) - timedelta(days=1)).isoformat()
        folders = [(t, exchange, d, symbol) for d in (day, before) for t in ("book_delta", "gap")]
        found = self._catalog.objects(folders)
        tables: list[pa.Table] = []
        for of_day in (day, before):
            keys = found["book_delta", exchange, of_day, symbol]
            for key in sorted(keys, key=_newness, reverse=True):
                for rows in self._groups(key, _COLUMNS, ts):
                    tables.append(rows)
                    # By its first level: the rest of it may lie in the next group
                    snapshots = rows.filter(pc.field("is_snapshot") & (pc.field("level") == 0))
                    if not len(snapshots):
                        continue
                    gaps = [k for d in (day, before) for k in found["gap", exchange, d, symbol]]
                    since = pc.max(snapshots["seq"]).as_py()
                    self._check_gaps(gaps, since, ts)
                    return _book(pa.concat_tables(tables), since)
        message = f"no snapshot of {symbol} of {exchange} was recorded on {before} or {day} before"
        raise ApiError(errors_pb2.ERROR_REASON_BOOK_UNKNOWN, message)

    def _check_gaps(self, keys: list[str], since: int, ts: int) -> None:
        for key in keys:
            for rows in self._groups(key, ["seq", "local_ts", "reason", "detail"], ts):
                for gap in rows.filter(pc.field("seq") > since).to_pylist():
                    lost = f"{gap['reason']}: {gap['detail']}"
                    message = f"the book was lost ({lost}) and not taken anew"
                    reason = errors_pb2.ERROR_REASON_BOOK_UNKNOWN
                    raise ApiError(reason, message, gap=gap["reason"])

    def _groups(self, key: str, columns: list[str], ts: int) -> Iterator[pa.Table]:
        """Yield the rows of an object up to an instant, a row group at a time, the newest first."""
        with pq.ParquetFile(pa.PythonFile(ObjectFile(self._store, key), "r")) as file:
            names = file.schema_arrow.names
            for number in reversed(range(file.num_row_groups)):
                column = file.metadata.row_group(number).column(names.index("local_ts"))
                of = column.statistics
                first: int | None = of.min if of else None
                if first is not None and first > ts:
                    continue
                rows = file.read_row_group(number, columns=columns)
                yield rows.filter(pc.field("local_ts") <= ts)


def _newness(key: str) -> tuple[int, str]:
    """Return what sorts objects as their offsets do."""
    part = lake.parse_object(key)
    return (part.start if part else 0, key)


def _book(rows: pa.Table, since: int) -> Levels:
    rows = rows.filter(pc.field("seq") >= since).sort_by(
        [("seq", "ascending"), ("level", "ascending")]
    )
    last = rows.slice(len(rows) - 1).to_pylist()[0]
    # Sizes are absolute: a level is what was said of it last
    numbered = rows.append_column("row", pa.array(range(len(rows)), pa.int64()))
    newest = numbered.group_by(["side", "price"]).aggregate([("row", "max")])["row_max"]
    levels = rows.take(newest).select(["side", "price", "size"]).to_pylist()
    sides = {
        side: [(r["price"], r["size"]) for r in levels if r["side"] == side and r["size"]]
        for side in ("bid", "ask")
    }
    return Levels(
        bids=sorted(sides["bid"], reverse=True),
        asks=sorted(sides["ask"]),
        seq=last["seq"],
        local_ts=last["local_ts"],
        exchange_ts=last["exchange_ts"],
    )
