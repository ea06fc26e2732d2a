import subprocess
from pathlib import Path

import packages
import pytest
import release


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a git repository with one package at 1.2.3 that has something to release."""
    for module in (packages, release):
        monkeypatch.setattr(module, "ROOT", tmp_path)
    for name, value in {"NAME": "Somebody", "EMAIL": "somebody@example.org"}.items():
        monkeypatch.setenv(f"GIT_AUTHOR_{name}", value)
        monkeypatch.setenv(f"GIT_COMMITTER_{name}", value)
    folder = tmp_path / "libs/orderbook"
    folder.mkdir(parents=True)
    (folder / "BUILD").write_text('package("orderbook", version="1.2.3")\n')
    (folder / "CHANGELOG.md").write_text(
        "# Changes\n\n## Unreleased\n\n### Added\n\n- Depth.\n\n## 1.2.3 (2026-11-22)\n"
    )
    _git(tmp_path, "init", "--quiet")
    _git(tmp_path, "add", ".")
    _git(tmp_path, "commit", "--quiet", "--message", "Begin")
    return tmp_path


def _git(root: Path, *args: str) -> str:
    return subprocess.run(
        ["git", *args], cwd=root, check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.mark.parametrize(
    "part,version", [("major", "2.0.0"), ("minor", "1.3.0"), ("patch", "1.2.4")]
)
def test_a_release_writes_the_version_commits_and_tags(root: Path, part: str, version: str) -> None:
    assert release.main(["orderbook", part]) == 0

    changelog = (root / "libs/orderbook/CHANGELOG.md").read_text()
    assert f'version="{version}"' in (root / "libs/orderbook/BUILD").read_text()
    assert changelog.startswith(f"# Changes\n\n## Unreleased\n\n## {version} (")
    assert "- Depth." in changelog
    assert _git(root, "describe", "--tags") == f"orderbook-v{version}"
    assert not _git(root, "status", "--porcelain")


@pytest.mark.usefixtures("root")
def test_nothing_unreleased_is_not_released() -> None:
    assert release.main(["orderbook", "minor"]) == 0

    assert release.main(["orderbook", "minor"]) == 1


def test_a_changed_tree_is_not_released(root: Path) -> None:
    (root / "libs/orderbook/README.md").touch()

    assert release.main(["orderbook", "minor"]) == 1


@pytest.mark.parametrize("args", [["", ""], ["orderbook", "huge"], ["unknown", "minor"]])
@pytest.mark.usefixtures("root")
def test_wrong_words_are_explained(capsys: pytest.CaptureFixture[str], args: list[str]) -> None:
    assert release.main(args) == 2
    assert "packages: orderbook" in capsys.readouterr().out
