"""The previous release of a package, as sources beside ours, to be run against what is here.

That is its newest tag before this commit, or the commit of a baseline file where that is younger:
before the first release, and after a break that was meant. The distributions that it needs are
those of the environment that runs the tests, not the older ones that it was released with.
"""

import io
import os
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path


class NoPreviousReleaseError(Exception):
    """The sources of the previous release cannot be had; says why and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Previous:
    """The sources of an earlier state.

    Attributes:
        name: A tag, or the commit of the baseline file.
        folder: The root of its tree, without files that are not sources.
    """

    name: str
    folder: Path

    @property
    def python_path(self) -> str:
        """Return the PYTHONPATH by which its packages are found."""
        builds = sorted(self.folder.glob("*/*/BUILD"))
        return os.pathsep.join(str(build.parent) for build in builds)


def unpack(repository: Path, package: str, baseline: Path, folder: Path) -> Previous:
    """Write the sources of a package's previous release, and of all beside it, to a folder.

    Args:
        repository: A git clone with its whole history; of a shallow one the rest is fetched.
        package: As in its tags: `<package>-v1.2.3`.
        baseline: File whose last line is a commit.
        folder: Empty.

    Raises:
        NoPreviousReleaseError: No git clone, or one that lacks the commit and cannot get it.
    """
    if _git(repository, "rev-parse", "--is-shallow-repository") == "true":
        # Without its history neither tags nor the baseline can be found
        _git(repository, "fetch", "--quiet", "--unshallow", "--tags", "origin")
    commit = baseline.read_text().split()[-1]
    _git(repository, "cat-file", "-e", f"{commit}^{{commit}}")
    name = _newest(repository, package, commit)
    archive = _run(repository, "archive", name, "--", "libs", "services", "jobs")
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        tar.extractall(folder, filter="data")
    return Previous(name=name, folder=folder)


def _newest(repository: Path, package: str, baseline: str) -> str:
    """Return the newest tag before HEAD, unless the baseline is no part of it."""
    pattern = f"{package}-v*"
    before = ["--merged", "HEAD", "--no-contains", "HEAD", "--sort=-version:refname"]
    tags = _git(repository, "tag", "--list", pattern, *before).split()
    if not tags:
        return baseline
    older = _git(repository, "tag", "--list", pattern, "--contains", baseline).split()
    return tags[0] if tags[0] in older else baseline


def _git(repository: Path, *args: str) -> str:
    return _run(repository, *args).decode().strip()


def _run(repository: Path, *args: str) -> bytes:
    done = subprocess.run(  # noqa: S603 - our own words
        ["git", *args],  # noqa: S607 - whichever git is there
        cwd=repository,
        capture_output=True,
        check=False,
    )
    if done.returncode:
        message = (
            f"cannot get the previous release: git {' '.join(args[:4])} in {repository}: "
            f"{done.stderr.decode(errors='replace').strip()}. It takes a clone with its whole "
            "history and tags: git fetch --unshallow --tags"
        )
        raise NoPreviousReleaseError(message)
    return done.stdout
