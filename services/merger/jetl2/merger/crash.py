"""Named points at which the process can be told to die, for tests of what it leaves behind."""

import os
import signal

POINTS = (
    "fenced",
    "restored",
    "before-begin",
    "begun",
    "outputs-produced",
    "states-produced",
    "commit-record-produced",
    "flushed",
    "offsets-sent",
    "committed",
    "revoked",
    "stopping",
)

_left: dict[str, int] = {}


def arm(where: str) -> None:
    """Die by SIGKILL at the nth passing of a point.

    Args:
        where: `<point>:<n>`, n from 1; "" arms nothing.

    Raises:
        ValueError: No such point, or no number.
    """
    _left.clear()
    if not where:
        return
    name, _, count = where.partition(":")
    if name not in POINTS:
        message = f"no crash point {name!r}; there are: {', '.join(POINTS)}"
        raise ValueError(message)
    _left[name] = int(count or 1)


def point(name: str) -> None:
    """Pass a point."""
    if _left and name in _left:
        _left[name] -= 1
        if _left[name] <= 0:
            os.kill(os.getpid(), signal.SIGKILL)
