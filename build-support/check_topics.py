"""Compares infra/terraform/topics.yaml with the topics that the services make.

AWS is sized by the file, the services by `jetl2.schemas.topics`; this keeps them equal. Terraform
reads the file, since nothing else here reads YAML.
"""

import base64
import json
import os
import subprocess
import sys

from packages import ROOT

FILE = ROOT / "infra/terraform/topics.yaml"
_MADE = (
    "import json; from jetl2.schemas import topics as t; "
    "names = [f('<exchange>') for f in (t.raw, t.market, t.control, t.dead_letter)]; "
    "print(json.dumps({n: t.config(n) for n in [*names, t.CHANGELOG]}))"
)


def main() -> int:
    """Print what differs and return the exit code."""
    told = _told()
    made = _made()
    wrong = [
        f"{FILE.name}: {name}: the file has {told.get(name)}, the services make {made.get(name)}"
        for name in sorted(told.keys() | made.keys())
        if told.get(name) != made.get(name)
    ]
    print("\n".join(wrong))
    return 1 if wrong else 0


def _made() -> dict[str, dict[str, str]]:
    """Return topic -> settings as the services make them."""
    done = subprocess.run(
        [sys.executable, "-c", _MADE],
        env={**os.environ, "PYTHONPATH": str(ROOT / "libs/schemas")},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    made: dict[str, dict[str, str]] = json.loads(done.stdout)
    return made


def _told() -> dict[str, dict[str, str]]:
    """Return topic -> settings as the file has them."""
    done = subprocess.run(
        ["terraform", "console"],
        input=f'base64encode(jsonencode(yamldecode(file("{FILE.name}"))))\n',
        cwd=FILE.parent,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    # The console prints a text in quotes, escaped; base64 has nothing to escape
    found = json.loads(base64.b64decode(done.stdout.strip().strip('"')))["topics"]
    return {name: of["config"] for name, of in found.items()}


if __name__ == "__main__":
    sys.exit(main())
