"""A book as it stood at an instant, from the lake: the last snapshot before it and what followed."""

import io
from datetime import date, timedelta
from decimal import Decimal
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from jetl2.api_grpc.catalog import Catalog
from jetl2.api_grpc.errors import ApiError
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
    """Rebuilds books from the objects of a symbol's day, the newest first, as few as needed."""

    def __init__(self, store: Store, catalog: Catalog) -> None:
        self._store = store
        self._catalog = catalog

    def at(self, exchange: str, symbol: str, ts: int) -> Levels:
        """Return the book after all records with local_ts <= ts.

        Raises:
            ApiError: BOOK_UNKNOWN, there is no snapshot before, or a gap after it.
        """
        day = lake.date(ts)
        before = (date.fromisoformat(day) - timedelta(days=1)).isoformat()
        folders = [(t, exchange, d, symbol) for d in (day, before) for t in ("book_delta", "gap")]
        found = self._catalog.objects(folders)
        tables: list[pa.Table] = []
        for of_day in (day, before):
            # Names grow with the offset, so the last one is the newest
            for key in sorted(found["book_delta", exchange, of_day, symbol], reverse=True):
                tables.append(self._rows(key, _COLUMNS, ts))
                snapshots = tables[-1].filter(pc.field("is_snapshot"))
                if len(snapshots):
                    gaps = [k for d in (day, before) for k in found["gap", exchange, d, symbol]]
                    since = pc.max(snapshots["seq"]).as_py()
                    self._check_gaps(gaps, since, ts)
                    return _book(pa.concat_tables(tables), since)
        message = f"no snapshot of {symbol} of {exchange} was recorded on {before} or {day} before"
        raise ApiError(errors_pb2.ERROR_REASON_BOOK_UNKNOWN, message)

    def _check_gaps(self, keys: list[str], since: int, ts: int) -> None:
        for key in keys:
            gaps = self._rows(key, ["seq", "local_ts", "reason", "detail"], ts)
            for gap in gaps.filter(pc.field("seq") > since).to_pylist():
                message = f"the book was lost ({gap['reason']}: {gap['detail']}) and not taken anew"
                reason = errors_pb2.ERROR_REASON_BOOK_UNKNOWN
                raise ApiError(reason, message, gap=gap["reason"])

    def _rows(self, key: str, columns: list[str], ts: int) -> pa.Table:
        stored = self._store.get(key)
        file = pq.ParquetFile(io.BytesIO(stored.body if stored else b""))
        return file.read(columns=columns).filter(pc.field("local_ts") <= ts)


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
