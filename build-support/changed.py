"""Tells what a change has to build, or what a tag releases, as JSON for the workflows.

    python build-support/changed.py --since origin/main     whose artifacts differ since then
    python build-support/changed.py --tag merger-v1.2.0     the one package; exits with 1 if it is
                                                            not what BUILD and CHANGELOG say

Each is {"name": "merger", "path": "services/merger", "kind": "service", "version": "1.2.0"}; kind is
library, service, job or chart.
"""

import argparse
import json
import re
import subprocess
import sys
from collections.abc import Iterable

import changelog
import packages
from packages import ROOT, Package

# What goes into each artifact; tests and documents go into none
EVERY = (
    *(f"3rdparty/{name}" for name in ("BUILD", "requirements.txt", "constraints.txt")),
    "3rdparty/setuptools.txt",
    "build-support/macros.py",
    "pants.toml",
)
IMAGES = "infra/images/"


def main(args: list[str]) -> int:
    """Print the packages; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="changed.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--since", metavar="COMMIT", help="compare with where it and HEAD parted")
    which.add_argument("--tag", help="as `make release` makes it")
    given = parser.parse_args(args)

    known = packages.released()
    if given.since:
        diff = subprocess.run(
            ["git", "diff", "--name-only", f"{given.since}...HEAD"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        if diff.returncode:
            print(f"git diff: {diff.stderr.strip()}", file=sys.stderr)
            return 1
        found = changed(diff.stdout.splitlines(), known)
    else:
        try:
            found = [tagged(given.tag, known)]
        except ValueError as error:
            print(error, file=sys.stderr)
            return 1
    keys = ("name", "path", "kind", "version")
    print(json.dumps([{key: getattr(package, key) for key in keys} for package in found]))
    return 0


def changed(files: Iterable[str], known: dict[str, Package]) -> list[Package]:
    """Return the packages whose artifacts hold one of the files, those above them included."""
    touched: set[str] = set()
    for file in files:
        if file.startswith(EVERY):
            touched.update(known)
        elif file.startswith(IMAGES):
            touched.update(p.path for p in known.values() if p.kind == "service")
        else:
            touched.update(
                path
                for path in known
                if file.startswith(f"{path}/") and not file.startswith(f"{path}/tests/")
            )
    return [
        package
        for package in known.values()
        if any(below.path in touched for below in packages.closure(package, known))
    ]


def tagged(tag: str, known: dict[str, Package]) -> Package:
    """Return the package that a tag releases.

    Raises:
        ValueError: No such package, or another version than BUILD and CHANGELOG say.
    """
    name, _, version = tag.rpartition("-v")
    by_name = {package.name: package for package in known.values()}
    if name not in by_name or not re.fullmatch(r"\d+\.\d+\.\d+", version):
        message = f"{tag} is no release: expected PACKAGE-v1.2.3, one of {', '.join(by_name)}"
        raise ValueError(message)
    package = by_name[name]
    dated = changelog.dated((package.folder / "CHANGELOG.md").read_text())
    if package.version != version or not dated or changelog.show(dated[0]) != version:
        newest = changelog.show(dated[0]) if dated else "none"
        message = (
            f"{tag}: {package.path} is at version {package.version}, the newest in its CHANGELOG is "
            f"{newest}; tags are made by 'make release'"
        )
        raise ValueError(message)
    return package


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
