"""Coverage: per symbol, data type and hour, how much there is and how good it is; pure.

Gaps, reconnects and failed checksums come from gap records and are counted for the book.
"""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from jetl2.landing import layout
from jetl2.schemas import lake, records

HOUR_NS = 3_600_000_000_000

_COUNTS = (
    "rows",
    "messages",
    "first_seq",
    "last_seq",
    "gaps",
    "reconnects",
    "checksums_passed",
    "checksums_failed",
    "crossed",
    "duplicates",
)


class Coverage:
    """Counts of one range, built record by record."""

    def __init__(self, exchange: str) -> None:
        """Begin with nothing."""
        self._exchange = exchange
        self._counts: dict[tuple[str, str, int], dict[str, int]] = defaultdict(
            lambda: dict.fromkeys(_COUNTS, 0)
        )

    def add(self, record: Any, rows: int) -> None:
        """Count one record that became so many rows."""
        hour = record.local_ts // HOUR_NS * HOUR_NS
        data_type = layout.data_type(record)
        counts = self._counts[record.symbol, data_type, hour]
        counts["rows"] += rows
        counts["messages"] += 1
        if isinstance(record, records.RawEvent):
            counts["gaps"] += record.kind == records.LOST
            counts["reconnects"] += record.kind == records.DISCONNECTED
            return
        counts["first_seq"] = counts["first_seq"] or record.seq
        counts["last_seq"] = record.seq
        if isinstance(record, records.BookDelta):
            counts["checksums_passed"] += record.verified == records.PASSED
            counts["crossed"] += record.crossed
            counts["duplicates"] += record.duplicates
        elif isinstance(record, records.Gap):
            book = self._counts[record.symbol, "book_delta", hour]
            book["gaps"] += 1
            book["reconnects"] += record.reason == "disconnected"
            book["checksums_failed"] += record.reason == "checksum"

    def tables(self) -> Iterator[tuple[str, pa.Table]]:
        """Yield (day, rows sorted by symbol, data type and hour), days in order."""
        days = defaultdict(list)
        for key in sorted(self._counts):
            days[lake.date(key[2])].append(key)
        for day in sorted(days):
            keys = days[day]
            yield (
                day,
                pa.table(
                    {
                        "exchange": pa.array([self._exchange] * len(keys), pa.string()),
                        "symbol": pa.array([symbol for symbol, _, _ in keys], pa.string()),
                        "data_type": pa.array([of for _, of, _ in keys], pa.string()),
                        "hour": pa.array([hour for _, _, hour in keys], pa.int64()),
                        **{
                            name: pa.array([self._counts[key][name] for key in keys], pa.int64())
                            for name in _COUNTS
                        },
                    }
                ),
            )


def folder(exchange: str, day: str) -> str:
    """Return the folder of an exchange's coverage of a day, ending in "/"."""
    return f"data_type={lake.COVERAGE}/exchange={exchange}/date={day}/"
