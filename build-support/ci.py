"""Runs everything that must hold and ends with one line of counts: `make test`.

In order: checks, unit tests, packages, integration tests on the built PEX files. A step that fails
does not stop the next, so that one run tells all.
"""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import ci_summary
import reports
from packages import ROOT

REPORTS = ROOT / "dist/reports"
UNIT = ROOT / "dist/test/reports"


def main() -> int:
    """Run the steps, print the summary, and return its exit code."""
    for folder in (REPORTS, UNIT):
        shutil.rmtree(folder, ignore_errors=True)
    # A binary of an earlier build must not stand in for one that no longer builds
    for built in (ROOT / "dist").glob("*.*"):
        built.unlink()

    steps = [
        _step("checks", [sys.executable, "build-support/check.py"], [REPORTS / "checks.xml"]),
        _step("unit tests", ["./pants", "test", "::"], [UNIT]),
        _step("packages", ["./pants", "package", "::"], []),
    ]
    for name, folders in {
        "tests of build-support": [ROOT / "build-support/tests"],
        "integration tests": [
            ROOT / "tests/integration",
            *sorted(ROOT.glob("[ljs]*/*/tests/integration")),
        ],
    }.items():
        report = REPORTS / f"{name.replace(' ', '-')}.xml"
        argv = [sys.executable, "-m", "pytest", "-ra", f"--junitxml={report}"]
        argv += [str(folder) for folder in folders if folder.exists()]
        steps.append(_step(name, argv, [report]))
    reports.write(REPORTS / "steps.xml", [step for step in steps if step is not None])
    return ci_summary.main([str(REPORTS), str(UNIT)], REPORTS / "counts.txt")


def _step(name: str, argv: list[str], found: list[Path]) -> reports.Result | None:
    """Run one step; return it as a result of its own, or None when its report tells the failure.

    Args:
        name: What it is called in the output.
        argv: The command, from the repository's root.
        found: Reports that it writes, files or folders.
    """
    print(f"\n=== {name}: {' '.join(argv[:4])}", flush=True)
    began = time.monotonic()
    code = subprocess.run(
        argv, cwd=ROOT, env=_environment(), stdin=subprocess.DEVNULL, check=False
    ).returncode
    seconds = time.monotonic() - began
    print(
        f"=== {name}: {'ok' if code == 0 else f'exit code {code}'} after {seconds:.0f} s",
        flush=True,
    )
    told = ci_summary.collect(found)
    if code and any(result.failure is not None for result in told):
        return None
    failure = f"exit code {code}: {' '.join(argv[:4])}" if code else None
    if not code and found and not told:
        failure = "no test ran"
    return reports.Result(suite="step", name=name, seconds=seconds, failure=failure)


def _environment() -> dict[str, str]:
    """Return the environment of the steps: the sources' folders, so that pytest finds the packages."""
    roots = [str(build.parent) for build in sorted(ROOT.glob("[ljs]*/*/BUILD"))]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(roots)}


if __name__ == "__main__":
    sys.exit(main())
