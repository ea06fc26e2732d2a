"""Releases a package: version in BUILD, date in CHANGELOG, a commit and a tag.

make release PACKAGE=ingestor PART=major|minor|patch
"""

import re
import subprocess
import sys
from datetime import UTC, datetime

import packages
from packages import ROOT, Package

PARTS = ("major", "minor", "patch")


def main(args: list[str]) -> int:
    """Release the package named by `args`; return the exit code."""
    known = {p.name: p for p in packages.read().values() if p.kind != "development"}
    match args:
        case [name, part] if name in known and part in PARTS:
            package = known[name]
        case _:
            print("usage: make release PACKAGE=NAME PART=major|minor|patch")
            print(f"packages: {', '.join(sorted(known))}")
            return 2
    changelog = package.folder / "CHANGELOG.md"
    text = changelog.read_text()
    if _git("status", "--porcelain"):
        print("The tree has changes that are not committed; commit them first.")
        return 1
    if not (
        unreleased := re.search(r"^## Unreleased\n(.*?)(?=^## |\Z)", text, re.DOTALL | re.MULTILINE)
    ) or (not unreleased[1].strip()):
        print(f"Nothing stands under '## Unreleased' in {changelog.relative_to(ROOT)}.")
        return 1

    version = _next(package, part)
    today = datetime.now(UTC).date().isoformat()
    changelog.write_text(
        text.replace("## Unreleased\n", f"## Unreleased\n\n## {version} ({today})\n", 1)
    )
    build = package.folder / "BUILD"
    build.write_text(
        build.read_text().replace(f'version="{package.version}"', f'version="{version}"', 1)
    )
    _git(
        "commit",
        "--quiet",
        "--message",
        f"Release {name} {version}",
        "--",
        str(build),
        str(changelog),
    )
    _git("tag", "--annotate", "--message", f"{name} {version}", f"{name}-v{version}")
    print(f"{name}-v{version}: push it with: git push origin HEAD {name}-v{version}")
    return 0


def _next(package: Package, part: str) -> str:
    numbers = [int(number) for number in package.version.split(".")]
    place = PARTS.index(part)
    numbers = [*numbers[:place], numbers[place] + 1, *[0] * (len(PARTS) - 1 - place)]
    return ".".join(map(str, numbers))


def _git(*args: str) -> str:
    done = subprocess.run(["git", *args], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        message = f"git {args[0]}: {done.stderr.strip()}"
        raise SystemExit(message)
    return done.stdout.strip()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
