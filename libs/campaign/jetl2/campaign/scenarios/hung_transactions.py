"""A merger hangs with transactions open until the broker aborts them, and wakes."""

import signal
import time
from collections.abc import Iterable
from contextlib import closing

from confluent_kafka import Consumer, TopicPartition

from jetl2.campaign.mergers import IN_DOUBT, Member
from jetl2.campaign.merging import MARKET, Line, line
from jetl2.campaign.trial import Trial
from jetl2.devstack import kafka
from jetl2.devstack.errors import NotReadyError
from jetl2.devstack.process import wait_until

FAULTS = {"F11": "a merger frozen until the broker has aborted its transactions"}
IN_SLICE = 20.0

RATE = 1000.0
# The least that a merger takes
TRANSACTION_TIMEOUT_MS = 5000
# Longer than it hangs: else the group would give its tasks away, and their new owner abort them
SESSION_TIMEOUT_MS = 60_000
# The broker looks for transactions that are too old every 10 s
ABORTED_WITHIN_S = 60.0
# What the frozen process had sent already is done by then
SENT_S = 0.5

Place = tuple[str, int]  # topic, partition


class Ends:
    """Looks where topics end: for readers of committed records, and really."""

    def __init__(self, servers: str) -> None:
        """Connect."""
        common = {"bootstrap.servers": servers, "group.id": "campaign-ends", "log_level": 0}
        self._stable = Consumer(common | {"isolation.level": "read_committed"})
        self._last = Consumer(common | {"isolation.level": "read_uncommitted"})

    def stable(self, places: Iterable[Place]) -> dict[Place, int]:
        """Return the offset up to which each place can be read."""
        return {place: _end(self._stable, place) for place in places}

    def hidden(self, places: Iterable[Place]) -> dict[Place, int]:
        """Return the same of those places only that hold more, behind an open transaction."""
        stable = self.stable(places)
        return {p: offset for p, offset in stable.items() if _end(self._last, p) > offset}

    def close(self) -> None:
        """Disconnect."""
        self._stable.close()
        self._last.close()


def run(trial: Trial) -> None:
    """Freeze one merger after the other, each until nothing of it hides later records any more."""
    with (
        kafka.broker(trial.folder / "kafka") as broker,
        closing(Ends(broker.bootstrap_servers)) as ends,
        line(
            trial,
            broker.bootstrap_servers,
            rate=RATE,
            transaction_timeout_ms=TRANSACTION_TIMEOUT_MS,
            session_timeout_ms=SESSION_TIMEOUT_MS,
        ) as at,
    ):
        for _ in trial.strikes():
            _hang(trial, at, trial.chance.choice(at.members), ends)
            time.sleep(trial.chance.uniform(0, 0.5))


def _hang(trial: Trial, at: Line, member: Member, ends: Ends) -> None:
    assigned = member.events("assigned")
    tasks = assigned[-1]["tasks"] if assigned else []
    doubts = member.ended[IN_DOUBT]
    member.signal(signal.SIGSTOP)
    frozen_at = time.monotonic()
    time.sleep(SENT_S)
    hidden = ends.hidden((topic, task) for topic in MARKET for task in tasks)
    try:
        if hidden:
            _wait_aborted(ends, hidden)
            took_s = time.monotonic() - frozen_at
            trial.seconds_by_name["hung transactions aborted"].append(took_s)
    except NotReadyError as error:
        trial.problem(str(error))
    member.signal(signal.SIGCONT)
    since = at.now()
    if not hidden:
        trial.did("merger frozen between transactions")
        return
    trial.did("merger frozen in transactions")
    try:
        member.wait_ended(IN_DOUBT, doubts + 1)
    except NotReadyError:
        trial.problem(f"{member.name} went on although its transactions were aborted")
    at.recovered("merger woken after its transactions were aborted", since)


def _wait_aborted(ends: Ends, hidden: dict[Place, int]) -> None:
    def aborted() -> bool:
        return all(offset > hidden[place] for place, offset in ends.stable(hidden).items())

    what = "the broker aborts what a hung merger left open"
    wait_until(aborted, what, timeout_s=ABORTED_WITHIN_S)


def _end(consumer: Consumer, place: Place) -> int:
    return int(consumer.get_watermark_offsets(TopicPartition(*place), timeout=30)[1])
