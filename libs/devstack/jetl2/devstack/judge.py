"""What a soak run has shown: each finding with its figure, and whether it is as it must be."""

from collections.abc import Callable, Mapping, Sequence
from statistics import fmean, linear_regression
from typing import NamedTuple

# One look at everything: "merger.rss_mib" -> 93.1; "at_s" is since the start
Sample = Mapping[str, float]

WARM_UP_SHARE = 0.2
# A slope through less says nothing; it is red only when it was looked at for so long
WINDOW_S = 600
MEMORY_GROWTH = 0.01  # an hour
# Python's allocator and librdkafka's queues take memory by the MiB: two of them are no leak
MEMORY_STEP_MIB = 2
# Java takes what it may (512 MiB of heap) before it collects: bounded, not flat
JAVA = "kafka"
JAVA_MIB = 1200
COUNT_GROWTH = 0.05
COUNT_STEP = 3
LAG_S = 10
RATE_SHARE = 0.95
# Of raw and merged events, their indexes, for what retention keeps (three minutes, looked at each five)
DISK_MIB_PER_RATE = 0.8


class Finding(NamedTuple):
    """One thing that was looked at; `passed` is None where the run was too short to tell."""

    name: str
    passed: bool | None
    text: str


def warm(samples: Sequence[Sample], seconds: float) -> list[Sample]:
    """Return the samples after the warm-up, which is the first fifth."""
    return [s for s in samples if s["at_s"] >= seconds * WARM_UP_SHARE]


def slope(samples: Sequence[Sample], name: str) -> float:
    """Return the growth of a figure an hour, by least squares; 0 of fewer than two samples."""
    if len(samples) < 2:
        return 0
    times = [s["at_s"] for s in samples]
    return linear_regression(times, [s[name] for s in samples]).slope * 3600


def processes(samples: Sequence[Sample], names: Sequence[str]) -> list[Finding]:
    """Judge memory, files and threads of each process."""
    found = []
    for name in names:
        found.append(_memory(samples, name))
        found += [_count(samples, name, what) for what in ("files", "threads")]
    return found


def _memory(samples: Sequence[Sample], name: str) -> Finding:
    field = f"{name}.rss_mib"
    mean, growth = _mean(samples, field), slope(samples, field)
    text = f"{mean:.0f} MiB, {growth:+.1f} MiB/h ({growth / max(mean, 1):+.1%}/h)"
    if name == JAVA:
        most = max((s[field] for s in samples), default=0)
        return Finding(f"{name} memory", most < JAVA_MIB, f"{text}, at most {most:.0f} MiB")
    passed = growth < max(mean * MEMORY_GROWTH, MEMORY_STEP_MIB)
    if passed or _window_s(samples) >= WINDOW_S:
        return Finding(f"{name} memory", passed, text)
    return Finding(f"{name} memory", None, f"{text}: too short a time to judge a slope by")


def _count(samples: Sequence[Sample], name: str, what: str) -> Finding:
    """Judge by what the line says has come in the time that was looked at, not in an hour."""
    field = f"{name}.{what}"
    mean = _mean(samples, field)
    growth = slope(samples, field) * _window_s(samples) / 3600
    text = f"{mean:.0f}, {growth:+.1f} in the time"
    passed = growth < max(mean * COUNT_GROWTH, COUNT_STEP)
    if passed or _window_s(samples) >= WINDOW_S:
        return Finding(f"{name} {what}", passed, text)
    # The broker's segments become more until retention lets the first go; a new producer of the
    # merger is there before the old one has gone
    return Finding(f"{name} {what}", None, f"{text}: too short a time to judge by")


def lag(samples: Sequence[Sample]) -> Finding:
    """Judge how far behind the merged stream was, and whether ever farther."""
    most = max((s["lag_s"] for s in samples), default=0)
    growth = slope(samples, "lag_s") * _window_s(samples) / 3600
    text = (
        f"mean {_mean(samples, 'lag_s'):.2f} s, at most {most:.2f} s, {growth:+.2f} s in the time; "
        f"at most {max((s['lag_messages'] for s in samples), default=0):,.0f} messages uncommitted"
    )
    return Finding("lag", most < LAG_S and growth < LAG_S / 10, text)


def rate(samples: Sequence[Sample], wanted: float) -> Finding:
    """Judge whether so much really came."""
    found = _mean(samples, "messages_per_s")
    return Finding(
        "rate", found >= wanted * RATE_SHARE, f"{found:,.0f} of {wanted:,.0f} messages/s"
    )


def disk(samples: Sequence[Sample], wanted: float) -> Finding:
    """Judge whether retention bounds what the broker keeps."""
    most, limit = max((s["disk_mib"] for s in samples), default=0), wanted * DISK_MIB_PER_RATE
    return Finding("broker disk", most < limit + 256, f"at most {most:,.0f} MiB")


def nothing(name: str, counted: Mapping[str, float]) -> Finding:
    """Judge what must not have happened at all."""
    wrong = {what: number for what, number in counted.items() if number}
    text = ", ".join(f"{number:,.0f} {what or 'in all'}" for what, number in wrong.items())
    return Finding(name, not wrong, text or "0")


def _mean(samples: Sequence[Sample], name: str) -> float:
    return fmean(s[name] for s in samples) if samples else 0.0


def _window_s(samples: Sequence[Sample]) -> float:
    return samples[-1]["at_s"] - samples[0]["at_s"] if samples else 0.0


def rows(findings: Sequence[Finding], mark: Callable[[bool | None], str]) -> str:
    """Return a line for each finding."""
    width = max(len(f.name) for f in findings)
    return "\n".join(f"{mark(f.passed)} {f.name:<{width}}  {f.text}" for f in findings)
