"""What a soak run's findings say of figures that grow, stand, or were never looked at for long."""

import random

import pytest

from jetl2.devstack import judge
from jetl2.devstack.judge import Finding, Sample

HOUR_S = 3600
NOISE = random.Random(1)


def samples(seconds: float = HOUR_S, **grows: float) -> list[Sample]:
    """Return an hour of a merger that keeps its size, but for what grows by so much an hour."""
    level = {"merger.rss_mib": 150.0, "merger.files": 50.0, "merger.threads": 30.0}
    level |= {"kafka.rss_mib": 600.0, "kafka.files": 900.0, "kafka.threads": 80.0}
    level |= {"lag_s": 0.2, "lag_messages": 900.0, "messages_per_s": 5000.0, "disk_mib": 900.0}
    return [
        {"at_s": at_s}
        | {
            name: value * (1 + NOISE.uniform(-0.002, 0.002)) + grows.get(name, 0) * at_s / HOUR_S
            for name, value in level.items()
        }
        for at_s in range(10, int(seconds), 10)
    ]


def found(findings: list[Finding]) -> dict[str, bool | None]:
    """Return the verdicts by name."""
    return {finding.name: finding.passed for finding in findings}


def test_what_stands_is_right() -> None:
    flat = samples()
    findings = [*judge.processes(flat, ["merger", "kafka"]), judge.lag(flat)]
    findings += [judge.rate(flat, 5000), judge.disk(flat, 5000), judge.nothing("gaps", {})]

    assert set(found(findings).values()) == {True}


@pytest.mark.parametrize(
    "grows, finding",
    [
        ({"merger.rss_mib": 4.0}, "merger memory"),
        ({"merger.files": 12.0}, "merger files"),
        ({"merger.threads": 4.0}, "merger threads"),
        ({"kafka.rss_mib": 700.0}, "kafka memory"),
        ({"kafka.files": 100.0}, "kafka files"),
    ],
)
def test_what_grows_is_red_and_nothing_else(grows: dict[str, float], finding: str) -> None:
    verdicts = found(judge.processes(samples(**grows), ["merger", "kafka"]))

    assert [name for name, passed in verdicts.items() if not passed] == [finding]


def test_growth_within_minutes_is_no_verdict_but_what_stands_does_so_at_once() -> None:
    grows = {"merger.rss_mib": 4000.0, "merger.files": 900.0}
    verdicts = found(judge.processes(samples(120, **grows), ["merger"]))

    assert verdicts == {"merger memory": None, "merger files": None, "merger threads": True}


@pytest.mark.parametrize("lag_s", [20.0, 1.5])
def test_falling_behind_is_red_by_its_height_and_by_its_growth(lag_s: float) -> None:
    assert judge.lag(samples(lag_s=lag_s)).passed is False


def test_too_little_traffic_is_no_proof() -> None:
    assert judge.rate(samples(), 6000).passed is False


def test_a_disk_that_retention_does_not_bound_is_red() -> None:
    assert judge.disk(samples(disk_mib=9000), 5000).passed is False


def test_what_must_not_happen_is_told_by_name() -> None:
    finding = judge.nothing("gaps", {"sequence": 2, "checksum": 0})

    assert finding == Finding("gaps", passed=False, text="2 sequence")


def test_the_warm_up_is_left_out() -> None:
    assert judge.warm(samples(), HOUR_S)[0]["at_s"] == HOUR_S * judge.WARM_UP_SHARE
