"""One run of one scenario: its chance, its folder, what was done to the system, what came of it."""

import math
import random
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jetl2.campaign.oracle import Verdict


@dataclass
class Trial:
    """What a scenario is given, and what it fills in.

    Args:
        scenario: Its name.
        seed: All that is left to chance follows from it.
        seconds: How long faults are injected; starting and judging come on top.
        faults: Those of the scenario's faults that were asked for, such as {"F1"}.
        folder: Of its own, for data and logs.
        say: Shows a person what goes on.
        injected: What was done, by name, and how often.
        seconds_by_name: Times that are reported, such as recoveries, by name.
        figures: Other numbers worth reporting.
        verdict: Of the oracle, over the whole run.
        problems: What is wrong beyond the verdict.
    """

    scenario: str
    seed: int
    seconds: float
    faults: frozenset[str]
    folder: Path
    say: Callable[[str], None]
    injected: Counter[str] = field(default_factory=Counter)
    seconds_by_name: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    figures: dict[str, float] = field(default_factory=dict)
    verdict: Verdict = field(default_factory=Verdict)
    problems: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.chance = random.Random(f"{self.scenario}/{self.seed}")  # noqa: S311 - no secret
        self._began = time.monotonic()

    @property
    def good(self) -> bool:
        """Whether nothing was lost, repeated or wrong."""
        return self.verdict.good and not self.problems

    def strikes(self) -> Iterator[float]:
        """Yield the seconds left, again and again, until the time for faults is over."""
        end = time.monotonic() + self.seconds
        while (left := end - time.monotonic()) > 0:
            yield left

    def did(self, what: str, times: int = 1) -> None:
        """Count something that was done to the system."""
        self.injected[what] += times
        self.say(f"{what} {self.injected[what]}")

    def problem(self, text: str) -> None:
        """Note something wrong that no record shows."""
        self.problems.append(text)

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Take the time of the block."""
        start = time.monotonic()
        yield
        self.seconds_by_name[name].append(time.monotonic() - start)

    def report(self) -> dict[str, Any]:
        """Return what is written about it, for JSON."""
        verdict = self.verdict
        return {
            "scenario": self.scenario,
            "seed": self.seed,
            "faults": sorted(self.faults, key=lambda f: int(f[1:])),
            "good": self.good,
            "seconds": round(time.monotonic() - self._began, 1),
            "injected": dict(self.injected),
            "records": verdict.records,
            "duplicated": verdict.duplicated,
            "missing": verdict.missing,
            "wrong": verdict.wrong,
            "wrong_books": verdict.wrong_books,
            "times": {
                name: [round(s, 3) for s in times] for name, times in self.seconds_by_name.items()
            },
            "figures": self.figures,
            "problems": [*self.problems, *verdict.examples],
        }


def percentile(times: Sequence[float], share: float) -> float:
    """Return the value that `share` of all are not above; nan of nothing."""
    ordered = sorted(times)
    return ordered[max(math.ceil(share * len(ordered)) - 1, 0)] if ordered else math.nan
