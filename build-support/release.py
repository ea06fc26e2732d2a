"""Releases a package or the chart: version, date in CHANGELOG, a commit and a tag. Publishes nothing.

Refused, with every reason and what to do about each, and nothing changed: a tree with changes,
nothing under '## Unreleased', a version that BUILD, CHANGELOG and tags do not agree about, and a
package that needs another one in a form that is not released yet.
"""

import argparse
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise

import changelog
import packages
from changelog import Version
from packages import ROOT, Package

# In a BUILD file, and in the chart's
_VERSION = re.compile(r"(\bversion=\"|^version: )[0-9.]+", re.MULTILINE)
PARTS = ("major", "minor", "patch")
EXAMPLE = """\
example: make release PACKAGE=ingestor PART=minor
         git push origin HEAD ingestor-v0.2.0      (publishes it, see docs/releasing.md)"""


def main(args: list[str]) -> int:
    """Release the package named by `args`; return the exit code: 0 done, 1 refused, 2 misused."""
    known = packages.released()
    by_name = {p.name: p for p in known.values()}
    parser = argparse.ArgumentParser(
        prog="make release",
        usage="make release PACKAGE=NAME PART=major|minor|patch",
        description=__doc__,
        epilog=f"packages: {', '.join(sorted(by_name))}\n{EXAMPLE}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("package", metavar="PACKAGE", choices=sorted(by_name))
    parser.add_argument("part", metavar="PART", choices=PARTS)
    try:
        given = parser.parse_args(args)
    except SystemExit as ended:
        if ended.code:
            print(f"\n{EXAMPLE}", file=sys.stderr)
        return int(ended.code or 0)
    package = by_name[given.package]

    if refusals := list(_refusals(package, known)):
        print(f"{package.name} is not released:")
        for refusal in refusals:
            print(f"- {refusal}")
        return 1
    _release(package, given.part, _dependants(package, known))
    return 0


def _release(package: Package, part: str, dependants: list[Package]) -> None:
    """Write, commit and tag the next version, and tell what follows from it."""
    before, after = changelog.parse(package.version), _next(changelog.parse(package.version), part)
    version = changelog.show(after)
    # Wheels ask for "~=" the version that they were built with: up to, not with, the next minor
    shut_out = [] if part == "patch" else dependants
    texts = {
        package.folder / "CHANGELOG.md": changelog.release(
            _text(package), after, datetime.now(UTC).date().isoformat()
        ),
        package.build: _VERSION.sub(rf"\g<1>{version}", package.build.read_text(), count=1),
    }
    for dependant in shut_out:
        line = f"Needs jetl2-{package.name} {version}."
        texts[dependant.folder / "CHANGELOG.md"] = changelog.raised(_text(dependant), line)

    tag = f"{package.name}-v{version}"
    old = {path: path.read_text() for path in texts}
    try:
        for path, text in texts.items():
            path.write_text(text)
        paths = [str(path) for path in texts]
        _git("commit", "--quiet", "--message", f"Release {package.name} {version}", "--", *paths)
    except BaseException:
        for path, text in old.items():
            path.write_text(text)
        raise
    _git("tag", "--annotate", "--message", f"{package.name} {version}", tag)
    print(f"{tag} is committed and tagged here; nothing is published yet.")
    print(f"publish:  git push origin HEAD {tag}")
    print(f"undo:     git tag --delete {tag} && git reset --hard HEAD~1")
    if shut_out:
        breaking = part == "major" or before[0] == 0
        print(
            f"{version} {'may break' if breaking else 'adds to'} {changelog.show(before)}: "
            f"published packages ask for jetl2-{package.name} ~={changelog.show(before)} and do "
            "not take it. To be released with it, in this order (noted in their CHANGELOG):"
        )
        for dependant in shut_out:
            print(f"  make release PACKAGE={dependant.name} PART=...")


def _refusals(package: Package, known: dict[str, Package]) -> Iterator[str]:
    """Yield each reason against releasing the package, with what to do."""
    if changed := _git("status", "--porcelain").splitlines():
        names = ", ".join(line[3:] for line in changed[:3]) + (" ..." if changed[3:] else "")
        yield f"The tree has changes that are not committed ({names}): commit or remove them."
    if not changelog.unreleased(_text(package)):
        yield (
            f"Nothing stands under '## Unreleased' in {package.path}/CHANGELOG.md: "
            "write there what its users will notice."
        )
    yield from _disagreements(package)
    if needed := list(_unreleased_needs(package, known)):
        yield (
            f"{package.name} is built with what is not released, so that nobody could install it. "
            "Release first, in this order:"
            + "".join(f"\n    {command:<45}# {why}" for command, why in needed)
        )


def _disagreements(package: Package) -> Iterator[str]:
    """Yield where BUILD, CHANGELOG and tags differ about the versions there are."""
    build, name = changelog.parse(package.version), package.name
    dated, tagged = changelog.dated(_text(package)), _tagged(package)
    if not dated or dated[0] != build:
        newest = changelog.show(dated[0]) if dated else "none"
        yield (
            f"{package.path}/{package.build.name} says version {package.version}, but the newest "
            f"dated heading of "
            f"{package.path}/CHANGELOG.md is {newest}: make them agree; only 'make release' "
            "changes either."
        )
    if tagged and tagged[0] > build:
        yield (
            f"The tag {name}-v{changelog.show(tagged[0])} exists, but "
            f"{package.build.name} says "
            f"{package.version}: you are on an old commit, or the tag is wrong. Check out the "
            f"branch that has the tag (git branch --all --contains {name}-v"
            f"{changelog.show(tagged[0])}), or delete it."
        )
    # The first dated version is older than tags; each later one was made with its tag
    for version in dated[:-1]:
        if version not in tagged:
            yield (
                f"{changelog.show(version)} stands in {package.path}/CHANGELOG.md, but there is no "
                f"tag {name}-v{changelog.show(version)}: fetch the tags (git fetch --tags), or tag "
                "the commit that released it."
            )
    for newer, older in pairwise(dated):
        if newer not in {_next(older, part) for part in PARTS}:
            yield (
                f"{package.path}/CHANGELOG.md goes from {changelog.show(older)} to "
                f"{changelog.show(newer)}: a version between them is missing."
            )


def _unreleased_needs(package: Package, known: dict[str, Package]) -> Iterator[tuple[str, str]]:
    """Yield (command, why) for each package below that has more than its newest release."""
    for needed in _bottom_up(known):
        if needed == package or needed not in packages.closure(package, known):
            continue
        tag = f"{needed.name}-v{needed.version}"
        is_tagged = changelog.parse(needed.version) in _tagged(needed)
        if changelog.unreleased(_text(needed)):
            yield f"make release PACKAGE={needed.name} PART=...", "has unreleased entries"
        elif not is_tagged:
            yield f"git tag -a -m '{needed.name} {needed.version}' {tag}", "was never tagged"
        elif _git("diff", "--name-only", tag, "HEAD", "--", f"{needed.path}/jetl2"):
            yield (
                f"make release PACKAGE={needed.name} PART=...",
                f"changed since {tag}, and its CHANGELOG does not say how",
            )


def _dependants(package: Package, known: dict[str, Package]) -> list[Package]:
    """Return the packages whose wheels ask for this one, those below others first."""
    return [p for p in _bottom_up(known) if package.path in (*p.imports, *p.below)]


def _bottom_up(known: dict[str, Package]) -> list[Package]:
    """Return the packages, each after those that it needs."""
    depth = {path: len(packages.closure(package, known)) for path, package in known.items()}
    return [known[path] for path in sorted(known, key=lambda path: (depth[path], path))]


def _tagged(package: Package) -> list[Version]:
    """Return the versions that have a tag, the newest first."""
    prefix = f"{package.name}-v"
    tags = _git("tag", "--list", f"{prefix}[0-9]*.[0-9]*.[0-9]*").splitlines()
    return sorted((changelog.parse(tag.removeprefix(prefix)) for tag in tags), reverse=True)


def _text(package: Package) -> str:
    return (package.folder / "CHANGELOG.md").read_text()


def _next(version: Version, part: str) -> Version:
    major, minor, patch = version
    match part:
        case "major":
            return major + 1, 0, 0
        case "minor":
            return major, minor + 1, 0
        case _:
            return major, minor, patch + 1


def _git(*args: str) -> str:
    done = subprocess.run(["git", *args], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        message = f"git {args[0]}: {done.stderr.strip() or done.stdout.strip()}"
        raise SystemExit(message)
    return done.stdout.rstrip()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
