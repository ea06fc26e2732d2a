"""Reports of trials as lines, sums and Markdown."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

from rich.table import Table

from jetl2.campaign.trial import percentile

Report = dict[str, Any]

_JUDGED = ("records", "duplicated", "missing", "wrong", "wrong_books")


def line(report: Report) -> str:
    """Return what one trial did and found, for a terminal."""
    done = ", ".join(f"{count} x {what}" for what, count in report["injected"].items())
    verdict = "[green]good[/]" if report["good"] else "[red]BAD[/]"
    lines = [f"{verdict} {report['scenario']} seed {report['seed']} {report['seconds']} s: {done}"]
    lines.append(f"     {_found(report)}")
    lines += [f"     [red]{problem}[/]" for problem in report["problems"]]
    lines += [f"     {name}: {_times(times)}" for name, times in report["times"].items() if times]
    lines += [f"     {name}: {figure}" for name, figure in report["figures"].items()]
    return "\n".join(lines)


def table(reports: Sequence[Report]) -> Table:
    """Return how often each fault was injected, over all trials."""
    found = Table(title="Faults injected")
    found.add_column("fault")
    found.add_column("times", justify="right")
    for what, count in _injected(reports):
        found.add_row(what, str(count))
    return found


def sums(reports: Sequence[Report]) -> str:
    """Return the verdict over all trials."""
    bad = [f"{r['scenario']} seed {r['seed']}" for r in reports if not r["good"]]
    total = {name: sum(r[name] for r in reports) for name in _JUDGED}
    end = f"[red]bad: {', '.join(bad)}[/]" if bad else "[green]all good[/]"
    return f"{len(reports)} trials: {_found(total)}; {end}"


def markdown(reports: Sequence[Report]) -> str:
    """Return tables of all trials for a document."""
    by_scenario: dict[str, list[Report]] = defaultdict(list)
    times: dict[str, list[float]] = defaultdict(list)
    for report in reports:
        by_scenario[report["scenario"]].append(report)
        for name, found in report["times"].items():
            times[name] += found
    lines = [
        "| scenario | faults | trials | seeds | records right | duplicated | missing | wrong | wrong books | bad trials |"
    ]
    lines.append("|---|---|--:|---|--:|--:|--:|--:|--:|--:|")
    for name, group in by_scenario.items():
        faults = sorted({f for r in group for f in r["faults"]}, key=lambda f: int(f[1:]))
        seeds = sorted({r["seed"] for r in group})
        counts = [f"{sum(r[n] for r in group):,}" for n in _JUDGED]
        bad = sum(not r["good"] for r in group)
        row = [name, " ".join(faults), len(group), _span(seeds), *counts, bad]
        lines.append(f"| {' | '.join(map(str, row))} |")
    lines += ["", "| scenario | done to the system, times |", "|---|---|"]
    for name, group in by_scenario.items():
        done = ", ".join(f"{what} {count:,}" for what, count in _injected(group))
        lines.append(f"| {name} | {done} |")
    lines += ["", "| until visible again after | times | p50 s | p95 s | worst s |"]
    lines.append("|---|--:|--:|--:|--:|")
    for name, found in sorted(times.items()):
        if found:
            p50, p95 = percentile(found, 0.5), percentile(found, 0.95)
            lines.append(f"| {name} | {len(found)} | {p50:.2f} | {p95:.2f} | {max(found):.2f} |")
    return "\n".join(lines)


def _injected(reports: Sequence[Report]) -> list[tuple[str, int]]:
    injected: Counter[str] = Counter()
    for report in reports:
        injected.update(report["injected"])
    return sorted(injected.items())


def _found(counts: Report) -> str:
    return (
        f"{counts['records']} records right, {counts['duplicated']} duplicated, "
        f"{counts['missing']} missing, {counts['wrong']} wrong, {counts['wrong_books']} wrong books"
    )


def _times(times: Sequence[float]) -> str:
    p50, p95 = percentile(times, 0.5), percentile(times, 0.95)
    return f"{len(times)} times, p50 {p50:.2f} s, p95 {p95:.2f} s, worst {max(times):.2f} s"


def _span(seeds: Sequence[int]) -> str:
    if len(seeds) > 2 and seeds[-1] - seeds[0] == len(seeds) - 1:
        return f"{seeds[0]}-{seeds[-1]}"
    return ", ".join(map(str, seeds))
