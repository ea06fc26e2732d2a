"""One file in the making: records of one symbol and day go in, lines of text come out."""

from jetl2.formats import rows
from jetl2.formats.lines import NS_PER_US, Lines
from jetl2.schemas.records import Gap, MarketRecord


class Table:
    """The lines of one file, clipped, and what is known of its gaps.

    Args:
        data_type: One of `tardis.DATA_TYPES`.
        start_ts, end_ts: Only rows of start_ts <= local_ts < end_ts, in ns; 0 is open. A book that
            is known at start_ts makes the file's first snapshot block or row.

    Attributes:
        lines: Number of rows so far, first and last time.
        gaps: Gap records within the clip, and the one that was open at its start.

    Raises:
        UnknownDataType: Lists the known ones.
    """

    def __init__(self, data_type: str, *, start_ts: int = 0, end_ts: int = 0) -> None:
        self.lines = Lines()
        self.gaps: list[Gap] = []
        self._rows = rows.make(data_type, self.lines)
        self._start_ts, self._end_ts = start_ts, end_ts
        self._now_ts = 0
        self._entered = False
        self._gap_before: Gap | None = None

    def feed(self, record: MarketRecord) -> str:
        """Return the lines that are complete with this record, each with its newline.

        Records come in order of seq; those that the file is not made from are passed over.
        """
        # Time may fall between two connections, the order of seq holds: cut once, not in pieces
        self._now_ts = max(self._now_ts, record.local_ts)
        if self._end_ts and self._now_ts >= self._end_ts:
            return ""
        if not self._entered and self._now_ts >= self._start_ts:
            self._enter()
        if isinstance(record, Gap):
            self._lose(record)
        elif isinstance(record, self._rows.record_type):
            self.lines.name(record)
            if self._entered:
                self._rows.take(record)
            else:
                self._rows.pass_over(record)
        return self.lines.drain()

    def finish(self) -> str:
        """Return the lines that waited for more records; the file is whole then."""
        if not self._entered:
            self._enter()
        self._rows.finish()
        return self.lines.drain()

    def _enter(self) -> None:
        self._entered = True
        if self._gap_before and not self._rows.known:
            self.gaps.append(self._gap_before)
        whole_us = -(-self._start_ts // NS_PER_US) * NS_PER_US
        self._rows.enter(whole_us)

    def _lose(self, gap: Gap) -> None:
        self._rows.lose()
        if self._entered:
            self.gaps.append(gap)
        else:
            self._gap_before = gap
