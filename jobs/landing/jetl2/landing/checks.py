"""Whether everything between two offsets was read: what must hold before the offsets move; pure."""

from collections.abc import Mapping

from jetl2.landing.errors import RecordError
from jetl2.landing.plan import Range
from jetl2.landing.report import Report


def check(of: Range, report: Report, before: Mapping[str, int], *, dense: bool) -> dict[str, int]:
    """Return the last own number of every symbol so far.

    Within the range the task has seen that numbers follow each other; here the seams are looked at.

    Args:
        of: What was to be read.
        report: What was read.
        before: Last own number of every symbol of the partition before the range.
        dense: Whether each offset must hold a record (raw topics: no transactions, no markers).

    Raises:
        RecordError: Records are missing.
    """
    if dense and report.records != of.end - of.start:
        message = f"{of}: {report.records} records were read, expected {of.end - of.start}"
        raise RecordError(message)
    for symbol, first in report.first_seqs.items():
        if symbol in before and first != before[symbol] + 1:
            message = f"{of}: {symbol} begins with seq {first}, expected {before[symbol] + 1}"
            raise RecordError(message)
    return dict(before) | report.last_seqs
