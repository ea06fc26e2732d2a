"""Runs every static check and tells which failed: `make check`.

    python build-support/check.py [WORD...]    only the checks whose name holds a WORD

Each check is one item of the report dist/reports/checks.xml.
"""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import packages
import reports
from packages import ROOT

BIN = Path(sys.executable).parent
REPORT = ROOT / "dist/reports/checks.xml"
TERRAFORM = ROOT / "infra/terraform"
# What a command exits with when it could not check; its last line says why
SKIP = 77


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One command; it holds when the command exits with 0."""

    name: str
    argv: list[str]
    env: dict[str, str] = field(default_factory=dict)
    cwd: Path = ROOT
    skipped: str | None = None


def main(words: list[str]) -> int:
    """Run the checks, print the output of those that fail, and return the exit code."""
    wanted = (c for c in _checks() if not words or any(word in c.name for word in words))
    results = [_run(check) for check in wanted]
    reports.write(REPORT, results)
    failed = [result.name for result in results if result.failure is not None]
    print(f"checks: {len(results) - len(failed)} of {len(results)} hold", flush=True)
    return 1 if failed else 0


def _run(check: Check) -> reports.Result:
    if check.skipped is not None:
        print(f"skip  {check.name}: {check.skipped}", flush=True)
        return reports.Result(suite="check", name=check.name, skipped=check.skipped)
    began = time.monotonic()
    done = subprocess.run(
        check.argv,
        cwd=check.cwd,
        env={**os.environ, **check.env},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    seconds = time.monotonic() - began
    if done.returncode == SKIP:
        reason = done.stdout.strip().splitlines()[-1]
        print(f"skip  {check.name}: {reason}", flush=True)
        return reports.Result(suite="check", name=check.name, seconds=seconds, skipped=reason)
    print(
        f"{'FAIL' if done.returncode else 'ok'.ljust(4)}  {check.name} ({seconds:.1f} s)",
        flush=True,
    )
    notes = [
        line for line in done.stdout.splitlines() if done.returncode or line.startswith("note:")
    ]
    if notes:
        print("\n".join(f"      {line}" for line in notes), flush=True)
    failure = (done.stdout.strip() or f"exit code {done.returncode}") if done.returncode else None
    return reports.Result(suite="check", name=check.name, seconds=seconds, failure=failure)


def _checks() -> Iterator[Check]:
    """Yield the checks, quick ones first."""
    python = sys.executable
    yield Check(name="packages", argv=[python, "build-support/check_packages.py"])
    yield Check(name="ruff check", argv=[str(BIN / "ruff"), "check", "--no-cache", "--quiet", "."])
    yield Check(
        name="ruff format",
        argv=[str(BIN / "ruff"), "format", "--no-cache", "--check", "--quiet", "."],
    )
    yield Check(
        name="docs/exchanges.md", argv=[python, "build-support/exchange_table.py", "--check"]
    )
    yield Check(name="docs/runbooks", argv=[python, "build-support/check_runbooks.py"])
    yield from _workflows()
    yield from _terraform()
    yield Check(name="chart", argv=[python, "build-support/check_chart.py"])
    yield Check(name="checkov", argv=[python, "build-support/check_security.py"])
    yield from _mypy()
    # Computing dependencies applies the rules between packages
    yield Check(name="pants dependencies", argv=["./pants", "--level=warn", "dependencies", "::"])


def _workflows() -> Iterator[Check]:
    """Yield whether the workflow files are ones, and whether a stranger could misuse them."""
    files = sorted(str(path) for path in (ROOT / ".github/workflows").glob("*.yml"))
    schema = [str(BIN / "check-jsonschema"), "--builtin-schema", "vendor.github-workflows"]
    yield Check(name="workflows schema", argv=[*schema, *files])
    zizmor = [str(BIN / "zizmor"), "--offline", "--no-progress", "--quiet", ".github"]
    yield Check(name="workflows zizmor", argv=zizmor)


def _mypy() -> Iterator[Check]:
    """Yield a check for each package, which sees only what it may import, and one for the rest."""
    known = packages.read()
    mypy = [str(BIN / "mypy"), "--no-error-summary"]
    testkit = known.get("libs/testkit")
    for package in known.values():
        needed = packages.closure(package, known)
        if testkit is not None and package.kind != "development":
            needed.append(testkit)
        if testkit is not None and package.kind == "service":
            # Their tests take simulated exchanges from the testkit, which has them from devstack
            needed += [p for p in packages.closure(testkit, known) if p not in needed]
        files = [
            str(p)
            for p in (package.folder / "jetl2", package.folder / "tests")
            if any(p.rglob("*.py"))
        ]
        yield Check(
            name=f"mypy {package.path}",
            argv=[*mypy, *files],
            env={"MYPYPATH": _path(needed)},
        )
    tests = ROOT / "tests/integration"
    if tests.exists():
        yield Check(
            name="mypy tests/integration",
            argv=[*mypy, str(tests)],
            env={"MYPYPATH": _path(list(known.values()))},
        )
    yield Check(
        name="mypy build-support",
        argv=[
            *mypy,
            *(
                str(p)
                for p in sorted((ROOT / "build-support").rglob("*.py"))
                if p.name != "macros.py"
            ),
        ],
        env={"MYPYPATH": str(ROOT / "build-support")},
    )


def _path(needed: list[packages.Package]) -> str:
    return os.pathsep.join(str(package.folder) for package in needed)


def _terraform() -> Iterator[Check]:
    """Yield format, validity and tests of the infrastructure."""
    if not TERRAFORM.exists():
        return
    terraform = shutil.which("terraform")
    missing = None if terraform else "terraform is not on the PATH"
    name = terraform or "terraform"
    yield Check(
        name="terraform fmt",
        argv=[name, "fmt", "-check", "-recursive", "-diff"],
        cwd=TERRAFORM,
        skipped=missing,
    )
    yield Check(
        name="terraform topics.yaml",
        argv=[sys.executable, str(ROOT / "build-support/check_topics.py")],
        skipped=missing,
    )
    modules = sorted(
        {path.parent for path in TERRAFORM.rglob("versions.tf") if ".terraform" not in path.parts}
    )
    for module in modules:
        place = module.relative_to(TERRAFORM).as_posix()
        yield Check(
            name=f"terraform {place}",
            argv=["bash", str(ROOT / "build-support/terraform.sh"), str(module)],
            skipped=missing,
        )
    # Brings its own tool, and needs no provider
    yield Check(
        name="terraform READMEs",
        argv=["bash", str(ROOT / "build-support/terraform_docs.sh"), "--check"],
    )
    yield Check(
        name="terraform plan of dev",
        argv=[sys.executable, str(ROOT / "build-support/check_plan.py"), "dev"],
        skipped=missing,
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
