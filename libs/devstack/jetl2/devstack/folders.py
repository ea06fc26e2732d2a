"""Where things lie: the repository's root, its cache, its built binaries, the recordings."""

import os
from pathlib import Path


def root() -> Path:
    """Return the repository that this runs in: upwards from here, the folder with pants.toml."""
    for folder in (*Path(__file__).resolve().parents, *Path.cwd().resolve().parents):
        if (folder / "3rdparty" / "requirements.txt").exists():
            return folder
    return Path.cwd()


def cache() -> Path:
    """Return where downloads are kept between runs; JETL2_CACHE moves it."""
    return Path(os.environ.get("JETL2_CACHE") or root() / ".cache")


def recordings() -> Path | None:
    """Return the folder of recorded sessions, or None: JETL2_RECORDINGS, else beside the repository."""
    named = os.environ.get("JETL2_RECORDINGS")
    folder = Path(named) if named else root().parent / "shared" / "recordings"
    return folder if (folder / "README.md").exists() else None


def binary(package: str) -> Path:
    """Return the newest built PEX file of a service or job in dist/ (JETL2_DIST), even if missing."""
    dist = Path(os.environ.get("JETL2_DIST") or root() / "dist")
    found = sorted(dist.rglob(f"{package}.pex"), key=lambda p: p.stat().st_mtime, reverse=True)
    return found[0] if found else dist / f"{package}.pex"
