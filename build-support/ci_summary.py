"""Sums up all reports: what was skipped and why, what failed, and as the last line the counts.

    python build-support/ci_summary.py REPORT-OR-FOLDER...

Exits with 1 if anything failed or nothing ran.
"""

import sys
from collections.abc import Iterable
from pathlib import Path

import reports


def main(args: list[str], kept: Path | None = None) -> int:
    """Print the summary of the files and folders named in `args`; return the exit code.

    The last line is also written to the file `kept`.
    """
    results = collect(map(Path, args))
    skipped = [r for r in results if r.skipped is not None]
    failed = [r for r in results if r.failure is not None]
    passed = len(results) - len(skipped) - len(failed)

    slowest = sorted(results, key=lambda r: -r.seconds)[:5]
    if slowest:
        print("\nSlowest:")
        for result in slowest:
            print(f"  {result.seconds:7.1f} s  {result.suite}: {result.name}")
    if skipped:
        print("\nSkipped:")
        for result in skipped:
            print(f"  {result.suite}: {result.name}: {_line(result.skipped)}")
    if failed:
        print("\nFailed:")
        for result in failed:
            print(f"  {result.suite}: {result.name}: {_line(result.failure)}")
    counts = f"{passed} passed, {len(failed)} failed, {len(skipped)} skipped"
    if kept is not None:
        kept.write_text(counts + "\n")
    print(f"\n{counts}", flush=True)
    return 1 if failed or not passed else 0


def collect(places: Iterable[Path]) -> list[reports.Result]:
    """Return the results of all report files among `places` and in the folders among them."""
    files = {
        file for place in places for file in ([place] if place.is_file() else place.rglob("*.xml"))
    }
    return [result for file in sorted(files) for result in reports.read(file)]


def _line(text: str | None) -> str:
    """Return the first line that says something, shortened."""
    lines = [line.strip() for line in (text or "").splitlines() if line.strip()]
    return lines[0][:200] if lines else ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
