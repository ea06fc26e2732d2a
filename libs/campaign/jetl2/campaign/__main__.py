"""`python -m jetl2.campaign`: inject faults by seeds, judge what came of it, and report."""

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from jetl2.campaign import reports, scenarios
from jetl2.campaign.trial import Trial
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
    summary: Annotated[
        Path | None, typer.Option(help="print as Markdown what --out wrote, and end")
    ] = None,
    listed: Annotated[bool, typer.Option("--list", help="name the faults and end")] = False,
) -> None:
    """Kill, freeze, delay and lie to the real components, then recount every record.

    Exit code 0: nothing lost, repeated or wrong; 1: something was. Each trial can be run again by
    its seed.
    """
    known = scenarios.load()
    if summary:
        typer.echo(reports.markdown([json.loads(line) for line in summary.open()]))
        return
    if listed:
        for name, scenario in known.items():
            for fault, what in scenario.FAULTS.items():
                typer.echo(f"{fault:4} {name:20} {what}")
        return
    wanted = frozenset(f for f in faults.replace(" ", "").upper().split(",") if f)
    if unknown := wanted - {f for s in known.values() for f in s.FAULTS}:
        message = f"no scenario injects {', '.join(sorted(unknown))}; --list names the faults"
        raise StackError(message)
    done: list[dict[str, Any]] = []
    for seed in _seeds(seeds):
        for name, scenario in known.items():
            chosen = frozenset(scenario.FAULTS) & (wanted or frozenset(scenario.FAULTS))
            if not chosen or (short and not scenario.IN_SLICE):
                continue
            length = scenario.IN_SLICE if short else seconds
            done.append(trial(name, seed, length, chosen, keep))
            if out:
                with out.open("a") as file:
                    file.write(json.dumps(done[-1]) + "\n")
    _console.print(reports.table(done))
    _console.print(reports.sums(done))
    raise typer.Exit(0 if done and all(r["good"] for r in done) else 1)


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
    _console.print(reports.line(report))
    return report


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
