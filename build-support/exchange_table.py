"""Makes docs/exchanges.md of what the exchanges' modules declare.

python build-support/exchange_table.py            writes it: `make docs`
python build-support/exchange_table.py --check    exits with 1 where it is not as it would be made
"""

import os
import subprocess
import sys

import packages
from packages import ROOT

PAGE = ROOT / "docs/exchanges.md"
MAKER = (
    "from jetl2.exchanges import adapters, overview;"
    "print(overview.page(adapters.load().values()), end='')"
)


def main(words: list[str]) -> int:
    """Write or compare; return the exit code."""
    page = _made()
    if words != ["--check"]:
        PAGE.write_text(page)
        return 0
    if PAGE.exists() and PAGE.read_text() == page:
        return 0
    print(f"{PAGE.relative_to(ROOT)} is not what the modules declare: run `make docs`")
    return 1


def _made() -> str:
    known = packages.read()
    needed = packages.closure(known["libs/exchanges"], known)
    path = os.pathsep.join(str(package.folder) for package in needed)
    command = [sys.executable, "-c", MAKER]
    done = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(done.stderr)
    return done.stdout


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
