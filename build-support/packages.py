"""What the BUILD files say: every package's folder, version, imports and kind."""

import ast
import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """One `package(...)` call.

    Attributes:
        path: The package's folder, from the repository's root: `libs/schemas`.
        name: Its module under `jetl2`.
        version: Its version.
        imports: Folders of the packages that it may import.
        below: Folders of the packages that those need in turn.
        kind: library, service, job or development; the chart is of a kind of its own.
    """

    path: str
    name: str
    version: str
    imports: tuple[str, ...] = ()
    below: tuple[str, ...] = ()
    kind: str = "library"

    @property
    def folder(self) -> Path:
        """Return the package's folder."""
        return ROOT / self.path

    @property
    def build(self) -> Path:
        """Return the file that states its version."""
        return self.folder / ("Chart.yaml" if self.kind == "chart" else "BUILD")


def read() -> dict[str, Package]:
    """Return every package by its folder, in the order of the folders."""
    builds = sorted(ROOT.glob("libs/*/BUILD")) + sorted(ROOT.glob("[js]*/*/BUILD"))
    found = [_package(build) for build in builds]
    return {package.path: package for package in found}


def released() -> dict[str, Package]:
    """Return what has releases, by its folder: packages that are not for development, the chart."""
    found = {p.path: p for p in read().values() if p.kind != "development"}
    chart = ROOT / "infra/chart/Chart.yaml"
    if chart.exists() and (
        version := re.search(r"^version: (\S+)$", chart.read_text(), re.MULTILINE)
    ):
        path = chart.parent.relative_to(ROOT).as_posix()
        found[path] = Package(path=path, name="chart", version=version[1], kind="chart")
    return found


def closure(package: Package, packages: dict[str, Package]) -> list[Package]:
    """Return the package and all that it needs, itself first, each once."""
    wanted = [package.path]
    for path in wanted:
        wanted += [path for path in packages[path].imports if path not in wanted]
    return [packages[path] for path in wanted]


def _package(build: Path) -> Package:
    calls = [
        node
        for node in ast.walk(ast.parse(build.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "package"
    ]
    if len(calls) != 1:
        message = f"{build}: expected one package(...) call, found {len(calls)}"
        raise SystemExit(message)
    plain = {"version", "imports", "below", "kind"}
    given = {k.arg: ast.literal_eval(k.value) for k in calls[0].keywords if k.arg in plain}
    return Package(
        path=build.parent.relative_to(ROOT).as_posix(),
        name=ast.literal_eval(calls[0].args[0]),
        version=given["version"],
        imports=tuple(given.get("imports", ())),
        below=tuple(given.get("below", ())),
        kind=given.get("kind", "library"),
    )
