"""Compares what infra/terraform says of Kafka with what the services make and ask for.

- topics.yaml has the topics that they make, with their settings: AWS is sized by the file
- modules/iam lets an operator use the topic, group and transactional id of `jetl2 admin`

Terraform reads the file, since nothing else here reads YAML.
"""

import base64
import json
import os
import subprocess
import sys
from typing import Any

import packages
from packages import ROOT

FILE = ROOT / "infra/terraform/topics.yaml"
ROLES = ROOT / "infra/terraform/modules/iam/main.tf"
_MADE = """
import json
from types import SimpleNamespace

from jetl2.merger.admin import reading, redrive
from jetl2.runtime import kafka
from jetl2.schemas import topics as t

class Asked(Exception): pass

def asked(_, wanted):
    raise Asked(wanted)

# Before anything else it makes its own topic: that request is all that is wanted of it
kafka.ensure_topics = asked
try:
    redrive.apply(SimpleNamespace(bootstrap_servers=""), None, None, 1)
except Asked as found:
    alone = found.args[0]

names = [f("<exchange>") for f in (t.raw, t.market, t.control, t.dead_letter)]
made = {n: {"config": t.config(n)} for n in [*names, t.CHANGELOG]}
made |= {n: {"config": t.config(n), "partitions": count} for n, count in alone.items()}
asks = [("topic", n) for n in [t.CHANGELOG, *alone]]
asks += [("group", reading.GROUP), ("transactional", redrive.TRANSACTIONAL_ID)]
print(json.dumps({"topics": made, "asks": asks}))
"""


def main() -> int:
    """Print what differs and return the exit code."""
    told = _told()
    made, asks = _made()
    wrong = [
        f"{FILE.name}: {name}: the file has {told.get(name)}, the services make {made.get(name)}"
        for name in sorted(told.keys() | made.keys())
        if told.get(name) != made.get(name)
    ]
    roles = ROLES.read_text()
    wrong += [
        f"{ROLES.relative_to(ROOT)}: no role names the {kind} {name}, which the code uses"
        for kind, name in asks
        if f'${{local.{kind}}}/{name}"' not in roles
    ]
    print("\n".join(wrong))
    return 1 if wrong else 0


def _made() -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """Return (topic -> settings as the services make them, kind and name of what they use)."""
    known = packages.read()
    folders = [str(p.folder) for p in packages.closure(known["services/merger"], known)]
    done = subprocess.run(
        [sys.executable, "-c", _MADE],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(folders)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found = json.loads(done.stdout)
    return found["topics"], found["asks"]


def _told() -> dict[str, Any]:
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
    found: dict[str, Any] = json.loads(base64.b64decode(done.stdout.strip().strip('"')))["topics"]
    return found


if __name__ == "__main__":
    sys.exit(main())
