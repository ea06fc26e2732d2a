"""Plans an environment for an account that holds nothing, and tells what would be made, by type.

    python build-support/check_plan.py dev

The real provider plans, with the environment's own values; the account is a local AWS API. That AWS
itself would take each value is not shown by it: only applying shows that. Exits with 77 where
Terraform's AWS provider cannot be had.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import textwrap
from collections import Counter
from pathlib import Path
from typing import Any

from moto.server import ThreadedMotoServer
from packages import ROOT

TERRAFORM = ROOT / "infra/terraform"
# Laid beside the environment: Terraform puts such a file above what the others say
OVERRIDE = """
terraform {
  backend "local" {}
}

provider "aws" {
  skip_metadata_api_check = true
}
"""


def main(environment: str) -> int:
    """Print the summary, or what is wrong; return the exit code."""
    with tempfile.TemporaryDirectory() as scratch:
        top = Path(scratch) / "terraform"
        shutil.copytree(TERRAFORM, top, ignore=shutil.ignore_patterns(".terraform*"))
        folder = top / "environments" / environment
        (folder / "local_override.tf").write_text(OVERRIDE)
        server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        server.start()
        try:
            host, port = server.get_host_and_port()
            steps = (
                [str(ROOT / "build-support/terraform_init.sh")],
                ["terraform", "plan", "-input=false", "-no-color", "-out=plan"],
                ["terraform", "show", "-json", "plan"],
            )
            shown = ""
            for step in steps:
                done = _run(step, folder, f"http://{host}:{port}")
                if done.returncode:
                    print(done.stdout + done.stderr)
                    return done.returncode
                shown = done.stdout
        finally:
            server.stop()
    changes = json.loads(shown)["resource_changes"]
    for line in (*summary(environment, changes), *(wrong := list(unexpected(changes)))):
        print(line)
    return 1 if wrong else 0


def summary(environment: str, changes: list[dict[str, Any]]) -> list[str]:
    """Return the lines that say how many resources of each type would be made, most first."""
    counts = Counter(each["type"] for each in changes if each["change"]["actions"] == ["create"])
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    several = [f"{count} {name.removeprefix('aws_')}" for name, count in ranked if count > 1]
    single = [name.removeprefix("aws_") for name, count in ranked if count == 1]
    lines = [f"a plan of {environment} makes {counts.total()} resources of {len(counts)} types"]
    for head, listed in (("", several), ("1 each of: ", single)):
        # A count stays with its type
        text = ", ".join(each.replace(" ", "\u00a0") for each in listed)
        lines += (line.replace("\u00a0", " ") for line in textwrap.wrap(head + text, 100))
    return [f"note: {line}" for line in lines]


def unexpected(changes: list[dict[str, Any]]) -> list[str]:
    """Return what a plan for an empty account should not hold: anything but making and reading."""
    return [
        f"{each['address']}: {'/'.join(each['change']['actions'])} in an account that holds nothing"
        for each in changes
        if each["change"]["actions"] not in (["create"], ["read"])
    ]


def _run(argv: list[str], folder: Path, endpoint: str) -> subprocess.CompletedProcess[str]:
    """Run a command of Terraform's; nothing of a person's own AWS set-up reaches it."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    local = {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "TF_IN_AUTOMATION": "1",
        "CHECKPOINT_DISABLE": "1",
    }
    return subprocess.run(
        argv, cwd=folder, env=own | local, capture_output=True, text=True, check=False
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
