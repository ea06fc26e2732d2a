"""The scenarios: one module each, found here.

A module declares `FAULTS`, the faults of the matrix that it injects, with a few words on each, and
`run(trial)`, which injects those of `trial.faults` for `trial.seconds` seconds, lets the system
come to rest, and fills in the verdict. `IN_SLICE` says how many seconds of it belong to every test
run; 0: it is too long for that.
"""

import importlib
import pkgutil
from collections.abc import Mapping
from typing import Protocol, cast

from jetl2.campaign.trial import Trial


class Scenario(Protocol):
    """What a module here is."""

    FAULTS: Mapping[str, str]
    IN_SLICE: float

    def run(self, trial: Trial) -> None:
        """Run it."""


def load() -> dict[str, Scenario]:
    """Return all of them by name, in the order of their first faults."""
    found = {
        name: cast("Scenario", importlib.import_module(f"{__name__}.{name}"))
        for _, name, _ in pkgutil.iter_modules(__path__)
    }
    return dict(sorted(found.items(), key=lambda item: (min(map(_order, item[1].FAULTS)), item[0])))


def _order(fault: str) -> int:
    return int(fault.removeprefix("F"))
