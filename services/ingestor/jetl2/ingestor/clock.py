"""The time that events are stamped with: the wall clock's, but it never goes back."""

import time
from collections.abc import Callable


class Clock:
    """Follows the wall clock forward at once; one that was set back is waited for at half speed.

    So the events of a process keep their order and the time between them stays more than nothing,
    whatever sets the clock: a person, NTP, a leap second.
    """

    def __init__(
        self,
        wall: Callable[[], int] = time.time_ns,
        steady: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        """Begin at the wall clock's time.

        Args:
            wall: ns since the epoch.
            steady: ns since anything; never set.
        """
        self._wall = wall
        self._steady = steady
        self._last = wall()
        self._at = steady()

    def now(self) -> int:
        """Return ns since the epoch, never less than before."""
        wall, steady = self._wall(), self._steady()
        least = self._last + (steady - self._at) // 2
        self._last = max(wall, least)
        self._at = steady
        return self._last

    def ahead_s(self) -> float:
        """Return how far it is ahead of a wall clock that was set back; else 0."""
        return max(self.now() - self._wall(), 0) / 1e9


# One of the process: two connections that overlap must agree
_clock = Clock()
now = _clock.now
ahead_s = _clock.ahead_s
