"""Mergers of one group, each with a name that outlives it."""

import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from jetl2.campaign.kept import Clock, Kept
from jetl2.campaign.trial import Trial

IN_DOUBT = 3
REFUSED = 4
# By a signal that it did not handle yet, as the guard of a process tells it
TERMINATED = 128 + signal.SIGTERM
_ASKED = "stop_requested"


class Member(Kept):
    """One merger; its settings notice death soon."""

    def __init__(
        self,
        name: str,
        bootstrap_servers: str,
        folder: Path,
        settings: Mapping[str, object],
        clock: Clock | None = None,
    ) -> None:
        """Start it.

        Args:
            name: Its group.instance.id.
            bootstrap_servers: Of the broker, or of a proxy before it.
            folder: For its log.
            settings: Of the merger, by name, over those here.
            clock: That it sees; None: the machine's.
        """
        given = {
            "bootstrap_servers": bootstrap_servers,
            "group_instance_id": name,
            "session_timeout_ms": 6000,
            "snapshot_interval_s": 2,
            "discover_interval_s": 1,
            "on_doubt": "exit",
        }
        super().__init__("merger", name, folder, given | dict(settings), clock)

    def retire(self, trial: Trial) -> None:
        """Ask it to end, for good; in order, or in doubt where the group had given it up before.

        A late heartbeat or a machine that stands still costs it its place at any moment, this one
        too. Then it must not commit what is open, and whoever comes next must begin there: the
        oracle recounts that. One that was starting again did not know signals yet: it has opened
        nothing, and the default ends it. One that did know says that it was asked.
        """
        asked = len(self.events(_ASKED))
        code = self.stop()
        if code == IN_DOUBT:
            trial.figures["ended_in_doubt"] = trial.figures.get("ended_in_doubt", 0) + 1
        elif code == TERMINATED and len(self.events(_ASKED)) == asked:
            trial.figures["ended_at_start"] = trial.figures.get("ended_at_start", 0) + 1
        elif code != 0:
            trial.problem(f"{self.name} ended with exit code {code} when asked to stop")


@contextmanager
def members(
    count: int,
    bootstrap_servers: str | Sequence[str],
    folder: Path,
    clock: Clock | None = None,
    **settings: object,
) -> Iterator[list[Member]]:
    """Run so many mergers of one group for the length of the block.

    Args:
        count: Of mergers.
        bootstrap_servers: The same for all, or one for each.
        folder: For their logs.
        clock: That all of them see; None: the machine's.
        settings: Of each.
    """
    each = [bootstrap_servers] * count if isinstance(bootstrap_servers, str) else bootstrap_servers
    running: list[Member] = []
    try:
        for n in range(count):
            member = Member(f"merger-{n}", each[n], folder, settings, clock)
            running.append(member)
        yield running
    finally:
        for member in running:
            member.abandon()
