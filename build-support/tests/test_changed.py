import json
import subprocess
from pathlib import Path

import changed
import packages
import pytest
from packages import Package

KNOWN = {
    p.path: p
    for p in (
        Package(path="libs/schemas", name="schemas", version="1.0.0"),
        Package(path="libs/book", name="book", version="1.0.0", imports=("libs/schemas",)),
        Package(path="libs/runtime", name="runtime", version="1.0.0"),
        Package(
            path="services/merger",
            name="merger",
            version="1.0.0",
            imports=("libs/book",),
            kind="service",
        ),
        Package(path="jobs/landing", name="landing", version="1.0.0", kind="job"),
        Package(path="infra/chart", name="chart", version="1.0.0", kind="chart"),
    )
}


@pytest.mark.parametrize(
    "files,names",
    [
        (["libs/schemas/jetl2/schemas/records.py"], ["schemas", "book", "merger"]),
        (["libs/book/BUILD"], ["book", "merger"]),
        (["services/merger/jetl2/merger/task.py", "jobs/landing/main.py"], ["merger", "landing"]),
        (["libs/schemas/tests/test_avro.py", "docs/glossary.md", "libs/schemas2/x.py"], []),
        (["infra/images/Dockerfile"], ["merger"]),
        (["infra/chart/values.yaml"], ["chart"]),
        (["3rdparty/constraints.txt"], [p.name for p in KNOWN.values()]),
        (["3rdparty/dev.txt"], []),
    ],
)
def test_a_change_builds_what_holds_it(files: list[str], names: list[str]) -> None:
    assert [package.name for package in changed.changed(files, KNOWN)] == names


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for module in (packages, changed):
        monkeypatch.setattr(module, "ROOT", tmp_path)
    folder = tmp_path / "services/merger"
    folder.mkdir(parents=True)
    (folder / "BUILD").write_text('package("merger", version="1.2.0", kind="service")\n')
    (folder / "CHANGELOG.md").write_text("## Unreleased\n\n## 1.2.0 (2026-11-23)\n")
    return tmp_path


def test_a_tag_names_one_package(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert root.exists()
    assert changed.main(["--tag", "merger-v1.2.0"]) == 0

    assert json.loads(capsys.readouterr().out) == [
        {"name": "merger", "path": "services/merger", "kind": "service", "version": "1.2.0"}
    ]


@pytest.mark.parametrize(
    "tag,said",
    [
        ("merger-v1.3.0", "merger-v1.3.0: services/merger is at version 1.2.0"),
        ("merger-1.2.0", "expected PACKAGE-v1.2.3, one of merger"),
        ("other-v1.2.0", "expected PACKAGE-v1.2.3, one of merger"),
    ],
)
@pytest.mark.usefixtures("root")
def test_a_tag_that_is_no_release_is_refused(
    capsys: pytest.CaptureFixture[str], tag: str, said: str
) -> None:
    assert changed.main(["--tag", tag]) == 1
    assert said in capsys.readouterr().err


def test_a_tag_that_the_changelog_does_not_know_is_refused(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (root / "services/merger/CHANGELOG.md").write_text("## Unreleased\n")

    assert changed.main(["--tag", "merger-v1.2.0"]) == 1
    assert "the newest in its CHANGELOG is none" in capsys.readouterr().err


def test_changes_are_counted_from_where_a_branch_left(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in {"NAME": "Somebody", "EMAIL": "somebody@example.org"}.items():
        monkeypatch.setenv(f"GIT_AUTHOR_{name}", value)
        monkeypatch.setenv(f"GIT_COMMITTER_{name}", value)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")

    def git(*args: str) -> None:
        subprocess.run(["git", *args], cwd=root, check=True)

    def commit(file: str) -> None:
        (root / file).touch()
        git("add", ".")
        git("commit", "--quiet", "--message", file)

    git("init", "--quiet", "--initial-branch=main")
    commit("README.md")
    git("checkout", "--quiet", "-b", "mine")
    commit("notes.md")
    git("checkout", "--quiet", "main")
    commit("services/merger/main.py")
    git("checkout", "--quiet", "mine")

    assert changed.main(["--since", "main"]) == 0
    assert json.loads(capsys.readouterr().out) == []
    commit("services/merger/mine.py")
    assert changed.main(["--since", "main"]) == 0
    assert [p["name"] for p in json.loads(capsys.readouterr().out)] == ["merger"]
    assert changed.main(["--since", "nowhere"]) == 1
