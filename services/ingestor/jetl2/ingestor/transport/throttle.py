"""How long an exchange wants to be left alone, by what it answers instead of serving."""

import math
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

# Where the answer names no time: 429 asks to slow down, 418 (seen at some) bans
SLOW_DOWN_S, BANNED_S = 60, 300
_WAIT = {429: SLOW_DOWN_S, 418: BANNED_S}
# May say how long; else it is tried again as after any failure
_UNAVAILABLE = 503


def wait_s(status: int, headers: Mapping[str, str]) -> float:
    """Return for how many seconds nothing may be asked; 0: the answer says nothing of it."""
    if status not in _WAIT and status != _UNAVAILABLE:
        return 0
    default_s = _WAIT.get(status, 0)
    # By the exchange's own clock, where it is told: ours may be wrong
    now_s = _date_s(headers.get("Date", "")) or time.time()
    return retry_after_s(headers.get("Retry-After", ""), now_s, default_s)


def retry_after_s(header: str, now_s: float, default_s: float) -> float:
    """Return the seconds that a Retry-After header asks for: a number, or a date."""
    try:
        asked_s = float(header)
    except ValueError:
        until_s = _date_s(header)
        asked_s = math.nan if until_s is None else until_s - now_s
    return max(asked_s, 0) if math.isfinite(asked_s) else default_s


def _date_s(text: str) -> float | None:
    try:
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, OverflowError):
        return None
