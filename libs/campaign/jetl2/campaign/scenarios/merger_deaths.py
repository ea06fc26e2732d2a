"""Mergers die and freeze: at any time, at named points, and in order, one after the other."""

import signal
import time

from jetl2.campaign.kept import KILLED
from jetl2.campaign.mergers import IN_DOUBT, Member
from jetl2.campaign.merging import Line, line
from jetl2.campaign.trial import Trial
from jetl2.devstack import kafka

FAULTS = {
    "F1": "kill -9 of a merger at any time",
    "F2": "kill -9 at each named crash point",
    "F3": "a merger frozen beyond its session, which wakes as a zombie",
    "F12": "rolling restart",
}
IN_SLICE = 30.0

# As the merger names them; in the order in which a transaction passes them
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
# Passed only by a merger that was asked to end
AT_THE_END = ("revoked", "stopping")
SESSION_S = 6.0


def run(trial: Trial) -> None:
    """Strike again and again; most times only when the last one is recovered from."""
    points = list(POINTS)
    trial.chance.shuffle(points)
    strikes = {"F1": _kill, "F2": _kill_at, "F3": _freeze, "F12": _restart}
    # A freeze takes as long as many deaths; each of the points is to have its turn
    weights = {"F1": 5, "F2": 10, "F3": 1, "F12": 2}
    asked = sorted(trial.faults)
    with (
        kafka.broker(trial.folder / "kafka") as broker,
        line(trial, broker.bootstrap_servers) as at,
    ):
        for _ in trial.strikes():
            (fault,) = trial.chance.choices(asked, [weights[f] for f in asked])
            member = trial.chance.choice(at.members)
            if fault == "F2":
                points.insert(0, point := points.pop())
                _kill_at(trial, at, member, point)
            else:
                strikes[fault](trial, at, member)
            time.sleep(trial.chance.uniform(0, 0.5))


def _kill(trial: Trial, at: Line, member: Member) -> None:
    if trial.chance.random() < 0.2:
        # Again before it is up
        member.kill()
        trial.did("merger killed")
        time.sleep(trial.chance.uniform(0.05, 2.5))
    since = at.now()
    member.kill()
    trial.did("merger killed")
    at.recovered("merger killed", since)


def _kill_at(trial: Trial, at: Line, member: Member, point: str = "") -> None:
    deaths = member.ended[KILLED]
    times = 1 if point in (*AT_THE_END, "fenced", "restored") else trial.chance.randint(1, 12)
    member.kill(crash_at=f"{point}:{times}")
    trial.did("merger killed")
    since = at.now()
    if point in AT_THE_END:
        member.wait_ended(KILLED, deaths + 1)
        at.recovered("merger killed", since)
        since = at.now()
        member.signal(signal.SIGTERM)
    member.wait_ended(KILLED, deaths + 2)
    trial.did("merger killed")
    trial.did(f"at {point}")
    at.recovered("merger killed twice", since)


def _freeze(trial: Trial, at: Line, member: Member) -> None:
    since = at.now()
    doubts = member.ended[IN_DOUBT]
    member.signal(signal.SIGSTOP)
    time.sleep(SESSION_S * trial.chance.uniform(1.1, 1.6))
    member.signal(signal.SIGCONT)
    trial.did("merger frozen")
    at.recovered("merger frozen", since)
    if member.ended[IN_DOUBT] == doubts:
        # The others had its tasks: whatever it had open must not have been committed
        trial.did("zombie that had nothing open")


def _restart(trial: Trial, at: Line, member: Member) -> None:
    since = at.now()
    member.end_in_order()
    trial.did("merger restarted in order")
    at.recovered("merger restarted", since)
