"""How the commands print: tables for people and pipes, one JSON object, times."""

# ruff: noqa: T201 - printing is its work

import json
import re
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from jetl2.merger.admin.errors import UsageError

_NS = 1_000_000_000


def document(value: object) -> None:
    """Print JSON on one line."""
    print(json.dumps(value))


def line(text: str) -> None:
    """Print a line."""
    print(text)


def note(text: str) -> None:
    """Say something to the person, on standard error."""
    print(text, file=sys.stderr)


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print in columns on a terminal, else tab-separated, with a header."""
    every = [tuple(columns), *(tuple("" if c is None else str(c) for c in row) for row in rows)]
    widths = [max(len(row[n]) for row in every) for n in range(len(columns))]
    for row in every:
        if sys.stdout.isatty():
            print("  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip())
        else:
            print("\t".join(row))


def when(ts: int) -> str:
    """Return a time in ns as text, to the second; "" for 0."""
    return f"{datetime.fromtimestamp(ts // _NS, UTC):%Y-%m-%dT%H:%M:%SZ}" if ts else ""


def time_of(text: str) -> int:
    """Return ns of a UTC time: 2026-11-22, 2026-11-22T10:30, 2026-11-22T10:30:00.5Z.

    Raises:
        UsageError: Not in one of these forms.
    """
    if re.fullmatch(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?)?Z?", text.strip()):
        try:
            found = datetime.fromisoformat(text.strip().removesuffix("Z")).replace(tzinfo=UTC)
        except ValueError:
            pass
        else:
            return int(found.timestamp()) * _NS + found.microsecond * 1000
    message = f"{text!r} is not a time; write 2026-11-22 or 2026-11-22T10:30:00.5 (UTC)"
    raise UsageError(message)
