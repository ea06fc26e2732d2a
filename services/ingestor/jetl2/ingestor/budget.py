"""An allowance per minute that is never exceeded, whichever minute one looks at."""

import asyncio
from collections.abc import Callable


class Budget:
    """Half of the allowance may be spent at once, the other half comes back over the minute.

    A bucket that holds all of it would allow twice the allowance in its first minute.
    """

    def __init__(self, per_minute: float, clock: Callable[[], float]) -> None:
        """Begin full.

        Args:
            clock: Seconds, monotonic.
        """
        self._clock = clock
        self._most = max(per_minute / 2, 1)
        self._per_s = per_minute / 2 / 60
        self._left = self._most
        self._at = clock()
        self._lock = asyncio.Lock()

    async def spend(self, weight: float = 1) -> None:
        """Return when that much may be spent; those who wait are served in turn."""
        async with self._lock:
            while (wait_s := self.take(weight)) > 0:  # noqa: ASYNC110 - waits for a time
                await asyncio.sleep(wait_s)

    def take(self, weight: float) -> float:
        """Spend it and return 0, or spend nothing and return after how many seconds to ask."""
        now = self._clock()
        if now > self._at:
            self._left = min(self._most, self._left + (now - self._at) * self._per_s)
            self._at = now
        needed = min(weight, self._most)  # what is dearer than half a minute waits for a full one
        if now >= self._at and self._left >= needed:
            self._left -= weight
            return 0
        return max(self._at - now, 0) + max(needed - self._left, 0) / self._per_s

    def pause(self, seconds: float) -> None:
        """Spend nothing for a while: the exchange said so."""
        self._left = max(self._left, 0)
        self._at = max(self._at, self._clock() + seconds)
