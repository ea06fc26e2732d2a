"""Members come and go in order under flow: two, three, one, and again.

Each is a static member, and such a one that was stopped in order stays in its group until its
session is over: who scales down waits for as long as for one that died. Reported, not judged.
"""

import time

from jetl2.campaign.mergers import Member
from jetl2.campaign.merging import Line, line
from jetl2.campaign.trial import Trial
from jetl2.devstack import kafka

FAULTS = {"F12": "scaled from 2 to 3 to 1 members, and back to 2"}
IN_SLICE = 12.0


def run(trial: Trial) -> None:
    """Go round until the time is over; one round at least."""
    names = (f"merger-{n}" for n in range(2, 10_000))
    with (
        kafka.broker(trial.folder / "kafka") as broker,
        line(trial, broker.bootstrap_servers) as at,
    ):
        for _ in trial.strikes():
            _up(trial, at, next(names))
            time.sleep(trial.chance.uniform(0.2, 2))
            _down(trial, at)
            time.sleep(trial.chance.uniform(0.2, 2))
            _up(trial, at, next(names))


def _up(trial: Trial, at: Line, name: str) -> None:
    since = at.now()
    at.members.append(Member(name, at.servers, trial.folder, {}))
    trial.did(f"scaled up to {len(at.members)}")
    at.recovered("scaled up", since)
    _at_work(trial, at)


def _down(trial: Trial, at: Line) -> None:
    """Stop all but one, whose order is left to chance, one right after the other."""
    trial.chance.shuffle(at.members)
    since = at.now()
    while len(at.members) > 1:
        at.members.pop().retire(trial)
    trial.did("scaled down to 1")
    at.recovered("scaled down", since)


def _at_work(trial: Trial, at: Line) -> None:
    """Wait for the newest member's share: a start that is never given work shows nothing."""
    newest = at.members[-1]
    deadline = time.monotonic() + 90
    while not any(event["tasks"] for event in newest.events("assigned")):
        if time.monotonic() > deadline:
            trial.problem(f"{newest.name} was never given a task")
            return
        time.sleep(0.1)
