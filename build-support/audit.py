"""Asks a public database for known vulnerabilities of all that is shipped: `make audit`.

Needs the network, unlike every check; CI asks for each change and every day. Exits with 1 when
something is known, and when it could not be asked.
"""

import subprocess
import sys

from packages import ROOT

PIP_AUDIT = [
    str(ROOT / ".cache/env/audit/bin/pip-audit"),
    *("--vulnerability-service", "osv", "--progress-spinner", "off", "--desc", "off"),
    # What cannot be asked about is a failure, not a note; the pins are read as they stand
    *("--strict", "--require-hashes", "--disable-pip"),
]
# All that Pants resolves, and what ./jetl2 installs
PINS = ("constraints.txt", "client.txt")
_NO_ANSWER = ("ConnectionError", "ServiceError", "Timeout")


def main(command: list[str]) -> int:
    """Run pip-audit on the pins; return the exit code."""
    files = [word for name in PINS for word in ("--requirement", str(ROOT / "3rdparty" / name))]
    done = subprocess.run(
        [*command, *files],
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    print(done.stdout, end="")
    if done.returncode and any(word in done.stderr for word in _NO_ANSWER):
        print(f"Not audited, as nobody answered: {done.stderr.strip().splitlines()[-1]}")
        print("Run it where there is a network; CI does (.github/workflows/audit.yml).")
        return 1
    print(done.stderr, end="", file=sys.stderr)
    if done.returncode:
        print(
            "Raise what is affected (build-support/pins.sh --upgrade), or, where it cannot "
            "matter, ignore the one finding: --ignore-vuln ID in build-support/audit.py, with why."
        )
    return 1 if done.returncode else 0


if __name__ == "__main__":
    sys.exit(main(PIP_AUDIT))
