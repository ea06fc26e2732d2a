"""What the CHANGELOG of a package says: what is unreleased, which versions are dated."""

import re

Version = tuple[int, int, int]

UNRELEASED = "## Unreleased\n"
DEPENDENCIES = "\n### Dependencies\n\n"
_SECTION = re.compile(r"^## Unreleased\n(.*?)(?=^## |\Z)", re.DOTALL | re.MULTILINE)
_DATED = re.compile(r"^## (\d+\.\d+\.\d+) \(\d{4}-\d\d-\d\d\)$", re.MULTILINE)


def parse(text: str) -> Version:
    """Return a version as numbers.

    Raises:
        ValueError: Not three numbers.
    """
    major, minor, patch = (int(number) for number in text.split("."))
    return major, minor, patch


def show(version: Version) -> str:
    """Return a version as text."""
    return ".".join(map(str, version))


def unreleased(text: str) -> str:
    """Return what stands under `## Unreleased`, stripped; nothing when there is no such heading."""
    found = _SECTION.search(text)
    return "" if found is None else found[1].strip()


def dated(text: str) -> list[Version]:
    """Return the dated versions in the file's order: the newest first."""
    return [parse(version) for version in _DATED.findall(text)]


def release(text: str, version: Version, date: str) -> str:
    """Return the text with what was unreleased under a heading of its own."""
    return text.replace(UNRELEASED, f"{UNRELEASED}\n## {show(version)} ({date})\n", 1)


def raised(text: str, line: str) -> str:
    """Return the text with a line about a dependency among what is unreleased."""
    before, heading, after = text.partition(UNRELEASED)
    return f"{before}{heading}{DEPENDENCIES}- {line}\n{after.removeprefix(DEPENDENCIES)}"
