"""What the workflows call is there; their form and safety are checked by `make check`."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from packages import ROOT, released
from ruamel.yaml import YAML

WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))


def steps(workflow: Path) -> list[dict[str, Any]]:
    jobs = YAML(typ="safe").load(workflow)["jobs"].values()
    return [step for job in jobs for step in job.get("steps", [])]


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda p: p.name)
def test_a_workflow_calls_what_there_is(workflow: Path) -> None:
    targets = set(re.findall(r"^([a-z0-9]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for step in steps(workflow):
        script = step.get("run", "")
        assert set(re.findall(r"\bmake ([a-z0-9]+)", script)) <= targets
        for file in re.findall(r"\b(?:build-support|infra)/[\w./]+\w", script):
            assert (ROOT / file).exists(), file
        checked = subprocess.run(
            ["bash", "-n"], input=script, text=True, capture_output=True, check=False
        )
        assert not checked.returncode, checked.stderr


def test_every_kind_of_package_is_published() -> None:
    release = YAML(typ="safe").load(ROOT / ".github/workflows/release.yml")["jobs"]
    conditions = " ".join(job.get("if", "") for job in release.values())

    # Libraries go to the index, as all but the chart do, which lies beside its tag
    for kind in {package.kind for package in released().values()} - {"library"}:
        assert f"'{kind}'" in conditions


def test_every_action_is_pinned_and_says_its_version() -> None:
    used = [line for w in WORKFLOWS for line in w.read_text().splitlines() if " uses: " in line]

    assert used
    for line in used:
        assert re.search(r"uses: (\./\.github/|[\w./-]+@[0-9a-f]{40} # v\d)", line), line
