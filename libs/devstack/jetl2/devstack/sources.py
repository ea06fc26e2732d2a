"""Where the demo's and the tests' messages come from: recorded sessions, the simulator, or live."""

import time
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import Protocol

from jetl2.devstack import dialects, loop, player, simulator
from jetl2.devstack.dialect import Dialect
from jetl2.devstack.errors import StackError
from jetl2.exchanges import adapters

LIVE = "live"
RECORDINGS = "recordings"
SIMULATED = "simulated"
KINDS = (LIVE, RECORDINGS, SIMULATED)


class Source(Protocol):
    """One exchange that can be recorded."""

    exchange: str
    symbols: list[str]

    @property
    def endpoints(self) -> dict[str, str]:
        """Addresses for the ingestor's endpoint setting; empty: the exchange's own."""

    def progress(self) -> tuple[int, int]:
        """Return how much has come, of how much."""

    def finished(self) -> bool:
        """Whether nothing more will come."""


class Live:
    """A real exchange, listened to for a while from the first look at it."""

    endpoints: dict[str, str] = {}  # noqa: RUF012 - never changed

    def __init__(self, exchange: str, symbols: Sequence[str], duration_s: int) -> None:
        """Take an exchange; the clock starts when progress is first asked for."""
        self.exchange = exchange
        self.symbols = list(symbols)
        self._duration_s = duration_s
        self._start = 0.0

    def progress(self) -> tuple[int, int]:
        """Return seconds listened, of how many."""
        self._start = self._start or time.monotonic()
        return min(int(time.monotonic() - self._start), self._duration_s), self._duration_s

    def finished(self) -> bool:
        """Whether the time is over."""
        done, total = self.progress()
        return done >= total


def families() -> list[Dialect]:
    """Return one dialect of each way in which a book comes and is numbered: so few that all can run.

    Of several, one with a recorded session is taken, else the first by name.
    """
    chosen: dict[tuple[str, str], Dialect] = {}
    for dialect in sorted(dialects.load().values(), key=lambda d: (not d.recording, d.exchange)):
        rule = adapters.get(dialect.exchange).rule
        chosen.setdefault((rule.snapshot, rule.proof), dialect)
    return sorted(chosen.values(), key=lambda d: d.exchange)


def live(duration_s: int = 45) -> list[Live]:
    """Return an exchange of each family, with the symbols that its simulator has."""
    return [
        Live(d.exchange, [listing.symbol for listing in d.listings], duration_s) for d in families()
    ]


@contextmanager
def recorded(folder: Path, duration_s: float = 30) -> Iterator[list[player.Player]]:
    """Play the recorded session of each family that has one, all lasting `duration_s`.

    Raises:
        StackError: A session is not there.
    """
    players = []
    for dialect in families():
        if not dialect.recording:
            continue
        path = folder / dialect.recording
        if not path.exists():
            message = f"{path} is missing: not the folder of recordings that this release knows"
            raise StackError(message)
        players.append(player.Player(dialect, player.load(path), duration_s=duration_s))
    with loop.background() as background:
        stack = AsyncExitStack()
        for one in players:
            background.call(stack.enter_async_context(player.playing(one)))
        try:
            yield players
        finally:
            background.call(stack.aclose())


@contextmanager
def simulated(
    simulators: Sequence[simulator.Simulator],
) -> Iterator[Sequence[simulator.Simulator]]:
    """Run simulated exchanges."""
    with loop.background() as background:
        stack = AsyncExitStack()
        for one in simulators:
            background.call(stack.enter_async_context(simulator.simulating(one)))
        try:
            yield simulators
        finally:
            background.call(stack.aclose())
