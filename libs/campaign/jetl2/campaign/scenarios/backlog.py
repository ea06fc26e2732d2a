"""Mergers stand still under flow, then a burst of ten times as much: what piled up is worked off."""

import signal
import time
from pathlib import Path

from jetl2.campaign.mergers import Member
from jetl2.campaign.merging import Line, line
from jetl2.campaign.trial import Trial
from jetl2.devstack import kafka
from jetl2.devstack.errors import NotReadyError
from jetl2.devstack.process import wait_until

FAULTS = {"F22": "mergers stand still for up to 60 s, then ten times the flow"}
IN_SLICE = 12.0

RATE = 500
BURST = 10
BURST_S = 5.0
STILL_S = 60.0
# What the chart gives a merger's pod
MOST_MB = 1536
DRAIN_S = 180.0


def run(trial: Trial) -> None:
    """Let it pile up by frozen or by ended mergers; most of the time is the standing still."""
    with (
        kafka.broker(trial.folder / "kafka") as broker,
        line(trial, broker.bootstrap_servers, rate=RATE) as at,
    ):
        for left in trial.strikes():
            still_s = min(STILL_S, left * 0.6)
            begun = len(at.feed.sent_at)
            _stand_still(trial, at, still_s)
            _burst(at)
            trial.did("burst of ten times the flow")
            _drain(trial, at, begun)


def _stand_still(trial: Trial, at: Line, seconds: float) -> None:
    """Keep all mergers from working, frozen all the time or killed at the end of it."""
    for member in at.members:
        member.signal(signal.SIGSTOP)
    time.sleep(seconds)
    killed = trial.chance.random() < 0.5
    for member in at.members:
        if killed:
            member.kill()
        else:
            member.signal(signal.SIGCONT)
    trial.did("mergers stood still, then killed" if killed else "mergers stood still")


def _burst(at: Line) -> None:
    began, sent = time.monotonic(), 0
    while (passed := time.monotonic() - began) < BURST_S:
        due = int(passed * RATE * (BURST - 1)) - sent
        at.feed.send(due)
        sent += due
        time.sleep(0.02)


def _drain(trial: Trial, at: Line, begun: int) -> None:
    """Wait until what came up to now is visible; report the speed in comparison to the flow.

    It is a figure and no verdict: what else a machine does slows it down many times.
    """
    start, end = time.monotonic(), len(at.feed.sent_at)
    peak_mb = 0.0

    def done() -> bool:
        nonlocal peak_mb
        peak_mb = max(peak_mb, *(_peak_mb(member) for member in at.members))
        return at.tail.visible_since(end) is not None

    try:
        wait_until(done, "the backlog is worked off", timeout_s=DRAIN_S)
    except NotReadyError as error:
        trial.problem(str(error))
        return
    took_s = time.monotonic() - start
    ratio = (end - begun) / took_s / RATE
    trial.seconds_by_name["backlog worked off"].append(took_s)
    figures = trial.figures
    figures["backlog_events"] = max(figures.get("backlog_events", 0), end - begun)
    figures["drain_ratio"] = round(min(figures.get("drain_ratio", ratio), ratio), 1)
    figures["peak_rss_mb"] = max(figures.get("peak_rss_mb", 0), round(peak_mb))
    if peak_mb > MOST_MB:
        trial.problem(f"a merger took {peak_mb:.0f} MB, more than {MOST_MB}")


def _peak_mb(member: Member) -> float:
    """Return the most memory that the process of a merger ever held; 0: it is just starting."""
    try:
        guard = member.process.pid
        children = Path(f"/proc/{guard}/task/{guard}/children").read_text().split()
        status = Path(f"/proc/{children[0]}/status").read_text()
        [line_] = [text for text in status.splitlines() if text.startswith("VmHWM:")]
    except (OSError, IndexError, ValueError):
        return 0
    return int(line_.split()[1]) / 1024
