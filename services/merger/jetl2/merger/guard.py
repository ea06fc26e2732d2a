"""Whether a transactional producer may be used again: rotate on doubt.

librdkafka speaks the transaction protocol of before KIP-890 and repeats a commit request inside
itself. A request that was delayed on the way and repeated can so commit or abort a later
transaction; without this guard 4,323 duplicates were made in 60 s of delayed commits, with it
none. A new producer of the same id fences whatever of the old one is still on the way.
"""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

# What librdkafka logs when a connection broke, a request timed out, a transaction went wrong
DOUBTFUL_LOGS = frozenset({"FAIL", "REQTMOUT", "TXNERR"})

# The first such call of a producer also finds the group's coordinator and connects to it. A busy
# machine needs more than 75 ms for that each time: every new producer was replaced by the next.
# What is repeated in it the log still tells
SLOW_AT_FIRST = frozenset({"send_offsets_to_transaction"})


class Guard:
    """Collects the signs of one transaction that something may have been sent twice."""

    def __init__(self, slow_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin without doubt.

        Args:
            slow_s: From this long on a call may hide a repetition; below the 100 ms less jitter
                that librdkafka waits before it repeats or reconnects.
            clock: Seconds.
        """
        self.reason = ""
        self._slow_s = slow_s
        self._clock = clock
        self._trouble: int | None = None
        self._made: set[str] = set()

    def clear(self) -> None:
        """Forget: there is a new producer."""
        self.reason = ""
        self._trouble = None
        self._made.clear()

    def on_log(self, facility: str, text: str) -> None:
        """Take one log line of librdkafka."""
        if facility in DOUBTFUL_LOGS:
            self._doubt("log", f"{facility} {text}")

    def on_stats(self, document: str) -> None:
        """Take librdkafka's statistics; they come late, so that this is the last net."""
        brokers = json.loads(document)["brokers"].values()
        trouble = sum(b["txretries"] + b["req_timeouts"] + b["disconnects"] for b in brokers)
        if self._trouble is not None and trouble > self._trouble:
            self._doubt("stats", f"{trouble - self._trouble} retries, timeouts, disconnects")
        self._trouble = trouble

    @contextmanager
    def timed(self, call: str) -> Iterator[None]:
        """Time a transactional call; the first of a producer may be one that is slow by nature."""
        start = self._clock()
        yield
        took_s = self._clock() - start
        first = call not in self._made
        self._made.add(call)
        if took_s >= self._slow_s and not (first and call in SLOW_AT_FIRST):
            self._doubt("slow", f"{call} took {took_s * 1000:.0f} ms")

    def _doubt(self, kind: str, detail: str) -> None:
        # The first sign is the one to tell
        self.reason = self.reason or f"{kind}: {detail}"
