"""`python -m jetl2.campaign`: inject faults by seeds, judge what came of it, and report."""

import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from jetl2.campaign import scenarios
from jetl2.campaign.trial import Trial, percentile
from jetl2.devstack.errors import StackError

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
_console = Console(stderr=True, highlight=False)


@app.command(
    epilog="Example: python -m jetl2.campaign --seeds 1-20 --seconds 60 --faults F1,F2 --out runs.jsonl"
)
def campaign(
    *,
    seeds: Annotated[str, typer.Option(help="such as 7, 1-20 or 3,5,9; unset: by the clock")] = "",
    seconds: Annotated[float, typer.Option(help="of faults, for each scenario and seed")] = 60,
    faults: Annotated[str, typer.Option(help="such as F1,F4; unset: all")] = "",
    short: Annotated[bool, typer.Option("--slice", help="what every test run has")] = False,
    out: Annotated[
        Path | None, typer.Option(help="JSON lines, one for each trial; added to")
    ] = None,
    keep: Annotated[
        Path | None, typer.Option(help="folder for data and logs; unset: thrown away")
    ] = None,
    listed: Annotated[bool, typer.Option("--list", help="name the faults and end")] = False,
) -> None:
    """Kill, freeze, delay and lie to the real components, then recount every record.

    Exit code 0: nothing lost, repeated or wrong; 1: something was. Each trial can be run again by
    its seed.
    """
    known = scenarios.load()
    if listed:
        for name, scenario in known.items():
            for fault, what in scenario.FAULTS.items():
                typer.echo(f"{fault:4} {name:20} {what}")
        return
    wanted = frozenset(f for f in faults.replace(" ", "").upper().split(",") if f)
    if unknown := wanted - {f for s in known.values() for f in s.FAULTS}:
        message = f"no scenario injects {', '.join(sorted(unknown))}; --list names the faults"
        raise StackError(message)
    reports: list[dict[str, Any]] = []
    for seed in _seeds(seeds):
        for name, scenario in known.items():
            chosen = frozenset(scenario.FAULTS) & (wanted or frozenset(scenario.FAULTS))
            if not chosen or (short and not scenario.IN_SLICE):
                continue
            length = scenario.IN_SLICE if short else seconds
            reports.append(trial(name, seed, length, chosen, keep))
            if out:
                with out.open("a") as file:
                    file.write(json.dumps(reports[-1]) + "\n")
    _tell(reports)
    raise typer.Exit(0 if reports and all(r["good"] for r in reports) else 1)


def trial(
    name: str, seed: int, seconds: float, faults: frozenset[str], keep: Path | None = None
) -> dict[str, Any]:
    """Run one scenario with one seed, and return its report.

    What the scenario could not do at all is a problem of the report: other trials go on.
    """
    with tempfile.TemporaryDirectory(prefix="jetl2-campaign-") as scratch:
        folder = (keep or Path(scratch)) / f"{name}-{seed}-{int(time.time())}"
        folder.mkdir(parents=True)
        with _console.status(f"{name} seed {seed}") as status:

            def say(text: str) -> None:
                status.update(f"{name} seed {seed}: {text}")

            run = Trial(name, seed, seconds, faults, folder, say)
            try:
                scenarios.load()[name].run(run)
            except Exception as error:  # noqa: BLE001 - the other trials are still worth running
                run.problem(f"{type(error).__name__}: {error}")
        report = run.report()
    _console.print(_line(report))
    return report


def _line(report: dict[str, Any]) -> str:
    done = ", ".join(f"{count} x {what}" for what, count in report["injected"].items())
    verdict = "[green]good[/]" if report["good"] else "[red]BAD[/]"
    lines = [f"{verdict} {report['scenario']} seed {report['seed']} {report['seconds']} s: {done}"]
    lines.append(
        f"     {report['records']} records right, {report['duplicated']} duplicated, "
        f"{report['missing']} missing, {report['wrong']} wrong, {report['wrong_books']} wrong books"
    )
    lines += [f"     [red]{problem}[/]" for problem in report["problems"]]
    lines += [
        f"     {name}: {len(times)} times, p50 {percentile(times, 0.5):.2f} s, "
        f"p95 {percentile(times, 0.95):.2f} s, worst {max(times):.2f} s"
        for name, times in report["times"].items()
        if times
    ]
    return "\n".join(lines)


def _tell(reports: Sequence[dict[str, Any]]) -> None:
    """Print the sums over all trials."""
    table = Table(title="Faults injected")
    for column in ("fault", "times"):
        table.add_column(column, justify="right" if column == "times" else "left")
    injected: Counter[str] = Counter()
    for report in reports:
        injected.update(report["injected"])
    for what, count in sorted(injected.items()):
        table.add_row(what, str(count))
    _console.print(table)
    sums = {
        n: sum(r[n] for r in reports)
        for n in ("records", "duplicated", "missing", "wrong", "wrong_books")
    }
    bad = [f"{r['scenario']} seed {r['seed']}" for r in reports if not r["good"]]
    _console.print(
        f"{len(reports)} trials: {sums['records']} records right, {sums['duplicated']} duplicated, "
        f"{sums['missing']} missing, {sums['wrong']} wrong, {sums['wrong_books']} wrong books; "
        + (f"[red]bad: {', '.join(bad)}[/]" if bad else "[green]all good[/]")
    )


def _seeds(text: str) -> list[int]:
    if not text:
        return [int(time.time()) % 100_000]
    found: list[int] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        try:
            found += range(int(first), int(last or first) + 1)
        except ValueError:
            message = f"--seeds {text}: expected numbers such as 7, 1-20 or 3,5,9"
            raise StackError(message) from None
    return found


def main() -> int:
    """Run the command; errors become one message and exit code 2."""
    try:
        app()
    except StackError as error:
        sys.stderr.write(f"campaign: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
