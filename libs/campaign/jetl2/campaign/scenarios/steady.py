"""Nothing is done to the mergers: how often the guard replaces a producer for nothing."""

import time
from collections import Counter

from jetl2.campaign.merging import Line, line
from jetl2.campaign.trial import Trial
from jetl2.devstack import kafka, watch

FAULTS = {"F0": "none: how often the guard doubts without reason"}
# A figure, no verdict: a busy machine would turn it red
IN_SLICE = 0.0

# Restored and caught up, all of them
SETTLED_S = 5.0
_PREFIX = "jetl2_merger_"


def run(trial: Trial) -> None:
    """Watch the mergers' own counters for as long as faults would be injected."""
    with (
        kafka.broker(trial.folder / "kafka") as broker,
        line(trial, broker.bootstrap_servers) as at,
    ):
        time.sleep(SETTLED_S)
        before = _counted(at)
        for left in trial.strikes():
            time.sleep(min(left, 1))
        counted = _counted(at) - before
    commits = counted.pop("commits", 0)
    for reason, times in counted.items():
        trial.figures[f"guard_rotations_{reason}"] = times
    trial.figures["guard_commits"] = commits
    trial.figures["guard_rotations_per_commit"] = round(counted.total() / max(commits, 1), 5)


def _counted(at: Line) -> Counter[str]:
    """Return commits, and rotations by reason, of all mergers so far."""
    found: Counter[str] = Counter()
    for member in at.members:
        page = watch.page(member.events("http_listening")[-1]["port"])
        found["commits"] += int(watch.total(page, f"{_PREFIX}commits_total"))
        reasons = watch.by(page, f"{_PREFIX}guard_rotations_total", "reason")
        found.update({reason: int(times) for reason, times in reasons.items()})
    return found
