"""Named points at which a process can be told to die, for tests of what it leaves behind."""

import os
import signal
from collections.abc import Sequence


class CrashPoints:
    """The points of one process; nothing happens at them until one is armed."""

    def __init__(self, names: Sequence[str]) -> None:
        """Arm none.

        Args:
            names: Of all points, in the order in which they are told to a person.
        """
        self._names = names
        self._left: dict[str, int] = {}

    def check(self, where: str) -> str:
        """Return what may be given to `arm`.

        Raises:
            ValueError: No such point, or no number.
        """
        name, _, count = where.partition(":")
        if where and name not in self._names:
            message = f"no crash point {name!r}; there are: {', '.join(self._names)}"
            raise ValueError(message)
        if count and not (count.isdecimal() and int(count)):
            message = f"{where!r}: expected a number from 1 after the colon, such as {name}:2"
            raise ValueError(message)
        return where

    def arm(self, where: str) -> None:
        """Die by SIGKILL, as a lost machine would, when this process passes a point the nth time.

        Args:
            where: `<point>:<n>`, or `<point>` for its first passing; "" arms nothing.

        Raises:
            ValueError: No such point, or no number.
        """
        name, _, count = self.check(where).partition(":")
        self._left.clear()
        if where:
            self._left[name] = int(count or 1)

    def point(self, name: str) -> None:
        """Pass a point."""
        if name in self._left:
            self._left[name] -= 1
            # Threads may pass it side by side
            if self._left[name] <= 0:
                os.kill(os.getpid(), signal.SIGKILL)
