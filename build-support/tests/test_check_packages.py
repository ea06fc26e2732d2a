from pathlib import Path

import check_packages
import packages
import pytest


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a repository of two packages in which every rule holds."""
    for module in (packages, check_packages):
        monkeypatch.setattr(module, "ROOT", tmp_path)
    _package(tmp_path, "exchanges", "")
    _package(tmp_path, "client", 'imports=["libs/exchanges"],')
    adapters = tmp_path / "libs/exchanges/jetl2/exchanges/adapters"
    adapters.mkdir()
    (adapters / "some_exchange.py").write_text('NAME = "some-exchange"\n')
    return tmp_path


def _package(root: Path, name: str, fields: str) -> None:
    folder = root / "libs" / name
    sources = folder / "jetl2" / name
    sources.mkdir(parents=True)
    (folder / "BUILD").write_text(f'package("{name}", version="1.2.0", {fields})\n')
    (folder / "README.md").touch()
    (folder / "CHANGELOG.md").write_text("# Changes\n\n## Unreleased\n\n## 1.2.0 (2026-11-22)\n")
    (sources / "py.typed").touch()


@pytest.mark.usefixtures("root")
def test_a_sound_repository_breaks_no_rule(capsys: pytest.CaptureFixture[str]) -> None:
    assert check_packages.main() == 0
    assert not capsys.readouterr().out


def test_a_changelog_behind_the_version_is_noticed(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    build = root / "libs/client/BUILD"
    build.write_text(build.read_text().replace("1.2.0", "1.3.0"))

    assert check_packages.main() == 1
    assert "## 1.3.0" in capsys.readouterr().out


@pytest.mark.parametrize("code", ['NAME = "some-exchange"\n', "def some_exchange(): ...\n"])
def test_an_exchange_named_in_common_code_is_noticed(
    root: Path, capsys: pytest.CaptureFixture[str], code: str
) -> None:
    (root / "libs/client/jetl2/client/cli.py").write_text(code)

    assert check_packages.main() == 1
    assert "libs/client/jetl2/client/cli.py:1: names the exchange" in capsys.readouterr().out


def test_docstrings_may_name_an_exchange(root: Path) -> None:
    (root / "libs/client/jetl2/client/cli.py").write_text('"""As some-exchange does."""\n')

    assert check_packages.main() == 0


def test_a_closure_holds_what_imports_import(root: Path) -> None:
    _package(root, "stack", 'imports=["libs/client"],')
    known = packages.read()

    names = [package.name for package in packages.closure(known["libs/stack"], known)]

    assert names == ["stack", "client", "exchanges"]
