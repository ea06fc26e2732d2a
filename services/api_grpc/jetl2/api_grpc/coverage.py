"""How complete the recording is: what the landing job counted hour by hour, read back and added up."""

import io
from collections.abc import Collection, Iterable
from datetime import date, timedelta
from functools import lru_cache
from typing import Any

import msgspec
import pyarrow.parquet as pq

from jetl2.api_grpc.objects import Gone, again
from jetl2.api_grpc.store import Store
from jetl2.schemas import lake

_HOUR_NS = 3600 * 1_000_000_000


class Hour(msgspec.Struct, frozen=True, order=True):
    """One hour of one of the lake's data types of one symbol; counts are of that hour."""

    exchange: str
    symbol: str
    data_type: str
    hour: int
    rows: int = 0
    messages: int = 0
    first_seq: int = 0
    last_seq: int = 0
    gaps: int = 0
    reconnects: int = 0
    checksums_passed: int = 0
    checksums_failed: int = 0
    crossed: int = 0
    duplicates: int = 0


_COUNTS = tuple(n for n in Hour.__struct_fields__[4:] if not n.endswith("_seq"))


class Coverage:
    """The coverage objects of the lake; they never change, so the last ones read are kept."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._hours = lru_cache(maxsize=512)(self._read)

    def hours(
        self, exchange: str, symbols: Collection[str], start_ts: int, end_ts: int
    ) -> list[Hour]:
        """Return the hours that overlap [start_ts, end_ts), sorted.

        Args:
            symbols: Empty: all.
        """
        found: dict[tuple[str, str, int], Hour] = {}
        for hours in again(lambda: self._objects(exchange, start_ts, end_ts)):
            for hour in hours:
                if symbols and hour.symbol not in symbols:
                    continue
                if hour.hour < end_ts and hour.hour + _HOUR_NS > start_ts:
                    address = hour.symbol, hour.data_type, hour.hour
                    found[address] = _added(found[address], hour) if address in found else hour
        return sorted(found.values())

    def days(
        self, exchange: str, symbols: Collection[str], start_ts: int, end_ts: int
    ) -> list[dict[str, Any]]:
        """Return the same added up by UTC day, as it stands in a manifest."""
        found: dict[tuple[str, str, str], Hour] = {}
        for hour in self.hours(exchange, symbols, start_ts, end_ts):
            address = lake.date(hour.hour), hour.symbol, hour.data_type
            found[address] = _added(found[address], hour) if address in found else hour
        return [_day(day, hour) for (day, _, _), hour in found.items()]

    def _objects(self, exchange: str, start_ts: int, end_ts: int) -> list[tuple[Hour, ...]]:
        return [self._hours(key) for key in lake.current(self._keys(exchange, start_ts, end_ts))]

    def _keys(self, exchange: str, start_ts: int, end_ts: int) -> Iterable[str]:
        prefix = f"data_type={lake.COVERAGE}/exchange={exchange}/"
        first = date.fromisoformat(lake.date(start_ts)) - timedelta(days=1)
        last = lake.date(end_ts)
        for entry in self._store.entries(prefix, after=f"{prefix}date={first.isoformat()}"):
            if lake.parse_folder(entry.key).get("date", "") > last:
                return
            if entry.key.endswith(".parquet"):
                yield entry.key

    def _read(self, key: str) -> tuple[Hour, ...]:
        stored = self._store.get(key)
        if stored is None:
            raise Gone(key)
        rows = pq.ParquetFile(io.BytesIO(stored.body)).read().to_pylist()
        return tuple(msgspec.convert(row, Hour) for row in rows)


def _added(one: Hour, other: Hour) -> Hour:
    counts = {n: getattr(one, n) + getattr(other, n) for n in _COUNTS}
    # 0: only counted through another data type's records
    first = min(filter(None, (one.first_seq, other.first_seq)), default=0)
    last = max(one.last_seq, other.last_seq)
    return msgspec.structs.replace(one, first_seq=first, last_seq=last, **counts)


def _day(day: str, hour: Hour) -> dict[str, Any]:
    fields = msgspec.structs.asdict(hour)
    del fields["hour"]
    return {"date": day, **fields}
