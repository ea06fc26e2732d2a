"""Asks checkov what is insecure in infra/terraform and in the rendered chart.

What it asks for and is not done stands in infra/checkov.yaml, each check with its reason. A finding
that is not there fails, and so does a line there that finds nothing any more. Checkov's environment is
made on first use (3rdparty/checkov.txt); it asks nobody on the network.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import chart
import check_chart
import yaml
from packages import ROOT

ACCEPTED = ROOT / "infra/checkov.yaml"
CHECKOV = ROOT / ".cache/env/checkov/bin/checkov"
FRAMEWORKS = ("terraform", "kubernetes")


def main() -> int:
    """Print what is insecure; return the exit code."""
    subprocess.run([str(ROOT / "build-support/env.sh"), "checkov"], check=True)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        shutil.copytree(
            ROOT / "infra/terraform",
            folder / "terraform",
            ignore=shutil.ignore_patterns(".terraform*", "tests"),
        )
        for environment in chart.ENVIRONMENTS:
            try:
                manifests = chart.render(environment, check_chart.kubernetes())
            except chart.Unavailable as error:
                print(error)
                return chart.SKIP
            for manifest in manifests:
                # Where Helm puts what names no other
                manifest["metadata"].setdefault("namespace", "jetl2")
            (folder / f"{environment}.yaml").write_text(yaml.safe_dump_all(manifests))
        done = subprocess.run(
            [
                str(CHECKOV),
                *("--directory", str(folder), "--framework", *FRAMEWORKS),
                *("--output", "json", "--skip-download", "--quiet", "--compact", "--soft-fail"),
            ],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        print(done.stdout + done.stderr)
        return done.returncode
    wrong = problems(json.loads(done.stdout), yaml.safe_load(ACCEPTED.read_text()))
    print("\n".join(wrong))
    return 1 if wrong else 0


def problems(reports: list[dict[str, Any]], accepted: Mapping[str, str]) -> list[str]:
    """Return what does not hold.

    Args:
        reports: Checkov's, one for each framework.
        accepted: Check -> why what it asks for is not done.
    """
    wrong = []
    seen = set()
    checked = {report["check_type"] for report in reports if report["summary"]["passed"]}
    if missing := set(FRAMEWORKS) - checked:
        wrong.append(f"checkov looked at nothing of {sorted(missing)}")
    for report in reports:
        wrong += [f"{path}: cannot be read" for path in report["results"].get("parsing_errors", ())]
        for found in report["results"]["failed_checks"]:
            seen.add(found["check_id"])
            if found["check_id"] not in accepted:
                where = f"{found['file_path'].lstrip('/')}: {found['resource']}"
                wrong.append(f"{where}: {found['check_id']}: {found['check_name']}")
    # A module is looked at once by itself and once for each environment
    wrong = list(dict.fromkeys(wrong))
    name = ACCEPTED.relative_to(ROOT)
    wrong += [f"{name}: {each} finds nothing any more" for each in sorted(accepted.keys() - seen)]
    wrong += [f"{name}: {each} has no reason" for each, why in accepted.items() if not why]
    return wrong


if __name__ == "__main__":
    sys.exit(main())
