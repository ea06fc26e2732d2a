"""The slice of the fault campaign that belongs to every test run: `make faults` runs all of it."""

import os

import pytest

from jetl2.campaign import __main__ as campaign
from jetl2.campaign import scenarios
from jetl2.campaign.scenarios import landing_deaths, merger_deaths
from jetl2.devstack import pipeline
from jetl2.devstack.errors import StackError
from jetl2.landing import crash as landing_crash
from jetl2.merger import crash

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

KNOWN = scenarios.load()


@pytest.mark.parametrize("name", [name for name, s in KNOWN.items() if s.IN_SLICE])
def test_nothing_is_lost_repeated_or_wrong(name: str) -> None:
    try:
        for package in ("merger", "landing"):
            pipeline.built(package)
    except StackError as error:
        pytest.skip(str(error))
    # The same in every run: other seeds are for `make faults`
    seed = int(os.environ.get("JETL2_SEED", "1"))
    scenario = KNOWN[name]

    report = campaign.trial(name, seed, scenario.IN_SLICE, frozenset(scenario.FAULTS))

    assert report["good"], report
    assert report["records"] > 0
    assert report["injected"]


def test_every_crash_point_of_the_merger_is_in_the_campaign() -> None:
    assert merger_deaths.POINTS == crash.POINTS


def test_every_crash_point_of_landing_is_in_the_campaign() -> None:
    assert landing_deaths.POINTS == landing_crash.POINTS
