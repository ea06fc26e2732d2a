"""Times as people write them, in ns since the epoch and back."""

import re
from datetime import UTC, datetime

from jetl2.client.errors import Invalid

_NS = 1_000_000_000
_FORM = re.compile(r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d)?)(?:\.(\d{1,9}))?)?Z?")


def parse(text: str) -> int:
    """Return ns of a UTC time: "2026-11-22", "2026-11-22T10:30", "2026-11-22T10:30:00.123456789Z".

    Raises:
        Invalid: Not in one of these forms.
    """
    found = _FORM.fullmatch(text.strip())
    day, clock, part = found.groups() if found else ("", "", "")
    try:
        whole = datetime.fromisoformat(f"{day}T{clock or '00:00'}").replace(tzinfo=UTC)
    except ValueError:
        raise Invalid(
            f"{text!r} is not a time; write 2026-11-22 or 2026-11-22T10:30:00.5 (UTC)"
        ) from None
    return int(whole.timestamp()) * _NS + int((part or "").ljust(9, "0"))


def show(ts: int) -> str:
    """Return a time as text, to the second; "" for 0."""
    return f"{datetime.fromtimestamp(ts // _NS, UTC):%Y-%m-%dT%H:%M:%SZ}" if ts else ""
