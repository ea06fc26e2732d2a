"""Checks the rules that no tool knows: changelogs, exchange names, sizes of files.

Prints what breaks a rule and exits with 1; sizes are only reported.
"""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from packages import ROOT, Package, read

# Look again above this; not a limit
SIZES = {"tests": 400, "adapters": 200, "": 300}
# Where an exchange may be named: its modules, and what is tested or played with them
NAMING = {"adapters", "dialects", "over_fix", "tests"}
# Checksums and sequence rules are families, named after the exchange that has them; testkit and campaign hold
# references that must not share the code they judge
NAMING_PACKAGES = {"libs/orderbook", "libs/testkit", "libs/campaign"}


def main() -> int:
    """Print every broken rule, then the long files; return the exit code."""
    packages = read()
    broken = [line for package in packages.values() for line in _metadata(package)]
    broken += _exchange_names(packages)
    for line in broken:
        print(line)
    for path, lines, aim in _long_files():
        print(f"note: {path} has {lines} lines (aim: {aim})")
    return 1 if broken else 0


def _metadata(package: Package) -> Iterator[str]:
    """Yield what is wrong with a package's own files."""
    for name in ("README.md", "CHANGELOG.md", f"jetl2/{package.name}/py.typed"):
        if not (package.folder / name).exists():
            yield f"{package.path}: {name} is missing"
    if package.folder.name != package.name:
        yield f"{package.path}/BUILD: the package is called {package.name}"
    changelog = package.folder / "CHANGELOG.md"
    headings = re.findall(
        r"^## (.+)$", changelog.read_text() if changelog.exists() else "", re.MULTILINE
    )
    if headings[:1] != ["Unreleased"]:
        yield f"{package.path}/CHANGELOG.md: the first heading must be '## Unreleased'"
    dated = [re.fullmatch(r"(\d+\.\d+\.\d+) \((\d{4}-\d\d-\d\d)\)", h) for h in headings[1:]]
    if not dated or dated[0] is None or dated[0][1] != package.version:
        yield (
            f"{package.path}/CHANGELOG.md: the first dated heading must be "
            f"'## {package.version} (YYYY-MM-DD)', as BUILD says"
        )


def _exchange_names(packages: dict[str, Package]) -> Iterator[str]:
    """Yield each exchange's name in code that must not know one; comments and docstrings may."""
    adapters = ROOT / "libs/exchanges/jetl2/exchanges/adapters"
    stems = {path.stem for path in adapters.glob("*.py") if not path.stem.startswith("_")}
    if not stems:
        return
    words = "|".join(sorted(stem.replace("_", "[-_]") for stem in stems))
    pattern = re.compile(
        rf"(?<![a-z]){words}(?![a-z])".replace(words, f"(?:{words})"), re.IGNORECASE
    )
    for package in packages.values():
        if package.path in NAMING_PACKAGES:
            continue
        for path in sorted(package.folder.rglob("*.py")):
            if NAMING.isdisjoint(path.relative_to(package.folder).parts):
                for line, text in _names_and_strings(path):
                    if found := pattern.search(text):
                        yield f"{path.relative_to(ROOT)}:{line}: names the exchange {found[0]}"


def _names_and_strings(path: Path) -> Iterator[tuple[int, str]]:
    """Yield (line, text) for identifiers and strings, docstrings and settings' examples left out."""
    tree = ast.parse(path.read_text())
    spoken = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg == "examples":
            spoken.update(id(inner) for inner in ast.walk(node.value))
    for node in ast.walk(tree):
        match node:
            case ast.Constant(value=str(text)) if id(node) not in spoken:
                yield node.lineno, text
            case ast.Name(id=text) | ast.Attribute(attr=text) | ast.arg(arg=text):
                yield node.lineno, text
            case ast.FunctionDef(name=text) | ast.ClassDef(name=text) | ast.alias(name=text):
                yield node.lineno, text


def _long_files() -> Iterator[tuple[str, int, int]]:
    """Yield (path, lines, aim) of the files above the size aimed at."""
    for path in sorted(ROOT.glob("[ljs]*/*/**/*.py")):
        parts = path.relative_to(ROOT).parts
        if "pb" in parts:
            continue
        aim = next(SIZES[key] for key in SIZES if key in parts or not key)
        if (lines := path.read_text().count("\n")) > aim:
            yield path.relative_to(ROOT).as_posix(), lines, aim


if __name__ == "__main__":
    sys.exit(main())
