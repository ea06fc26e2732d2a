"""Named points at which a process can be told to die, for tests of what it leaves behind."""

import os
import signal

# In the order in which a run passes them; `offsets-sent` twice: of the plan, and of the landed range
POINTS = ("fenced", "offsets-sent", "planned", "object", "written", "manifest", "committed")

_left: dict[str, int] = {}


def check(where: str) -> str:
    """Return what may be given to `arm`.

    Raises:
        ValueError: No such point, or no number.
    """
    name, _, count = where.partition(":")
    if where and name not in POINTS:
        message = f"no crash point {name!r}; there are: {', '.join(POINTS)}"
        raise ValueError(message)
    if count and not (count.isdecimal() and int(count)):
        message = f"{where!r}: expected a number from 1 after the colon, such as {name}:2"
        raise ValueError(message)
    return where


def arm(where: str) -> None:
    """Die by SIGKILL, as a lost machine would, when this process passes a point the nth time.

    Args:
        where: `<point>:<n>`, or `<point>` for its first passing; "" arms nothing.

    Raises:
        ValueError: No such point, or no number.
    """
    name, _, count = check(where).partition(":")
    _left.clear()
    if where:
        _left[name] = int(count or 1)


def point(name: str) -> None:
    """Pass a point."""
    if name in _left:
        _left[name] -= 1
        if not _left[name]:
            os.kill(os.getpid(), signal.SIGKILL)
