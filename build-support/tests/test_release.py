import subprocess
from pathlib import Path

import packages
import pytest
import release

CHANGES = (
    "# Changes\n\n## Unreleased\n\n### Added\n\n- Depth.\n\n## 1.2.3 (2026-11-22)\n\n- First.\n"
)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a git repository: a library, one above it, a service; each 1.2.3, nothing tagged."""
    for module in (packages, release):
        monkeypatch.setattr(module, "ROOT", tmp_path)
    for name, value in {"NAME": "Somebody", "EMAIL": "somebody@example.org"}.items():
        monkeypatch.setenv(f"GIT_AUTHOR_{name}", value)
        monkeypatch.setenv(f"GIT_COMMITTER_{name}", value)
    # A machine's own configuration, such as signed tags, is not under test
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    for path, more in {
        "libs/schemas": "",
        "libs/orderbook": 'imports=["libs/schemas"]',
        "services/merger": 'imports=["libs/orderbook"], below=["libs/schemas"], kind="service"',
        "libs/testkit": 'imports=["libs/schemas"], kind="development"',
    }.items():
        folder = tmp_path / path
        (folder / "jetl2").mkdir(parents=True)
        (folder / "jetl2/code.py").touch()
        (folder / "BUILD").write_text(f'package("{folder.name}", version="1.2.3", {more})\n')
        (folder / "CHANGELOG.md").write_text(CHANGES)
    chart = tmp_path / "infra/chart"
    chart.mkdir(parents=True)
    (chart / "Chart.yaml").write_text("apiVersion: v2\nversion: 1.2.3\nkubeVersion: 1.32.0\n")
    (chart / "CHANGELOG.md").write_text(CHANGES)
    git(tmp_path, "init", "--quiet")
    commit(tmp_path)
    return tmp_path


def git(root: Path, *args: str) -> str:
    return subprocess.run(
        ["git", *args], cwd=root, check=True, capture_output=True, text=True
    ).stdout.strip()


def commit(root: Path) -> None:
    git(root, "add", ".")
    git(root, "commit", "--quiet", "--message", "Go on")


def edit(root: Path, file: str, old: str, new: str) -> None:
    text = (root / file).read_text()
    assert old in text
    (root / file).write_text(text.replace(old, new, 1))
    commit(root)


def refused(root: Path, capsys: pytest.CaptureFixture[str], *args: str) -> str:
    """Return what is said when a release is refused, which changes nothing."""
    before = git(root, "rev-parse", "HEAD"), git(root, "tag"), git(root, "status", "--porcelain")
    assert release.main(list(args)) == 1
    assert before == (
        git(root, "rev-parse", "HEAD"),
        git(root, "tag"),
        git(root, "status", "--porcelain"),
    )
    return capsys.readouterr().out


@pytest.mark.parametrize(
    "part,version", [("major", "2.0.0"), ("minor", "1.3.0"), ("patch", "1.2.4")]
)
def test_a_release_writes_the_version_commits_and_tags(root: Path, part: str, version: str) -> None:
    assert release.main(["schemas", part]) == 0

    changelog = (root / "libs/schemas/CHANGELOG.md").read_text()
    assert f'version="{version}"' in (root / "libs/schemas/BUILD").read_text()
    assert changelog.startswith(f"# Changes\n\n## Unreleased\n\n## {version} (")
    assert "- Depth." in changelog
    assert git(root, "describe", "--tags") == f"schemas-v{version}"
    assert not git(root, "status", "--porcelain")


def test_the_chart_is_released_like_a_package(root: Path) -> None:
    assert release.main(["chart", "minor"]) == 0

    chart = (root / "infra/chart/Chart.yaml").read_text()
    assert chart == "apiVersion: v2\nversion: 1.3.0\nkubeVersion: 1.32.0\n"
    assert git(root, "describe", "--tags") == "chart-v1.3.0"


def test_a_release_that_wheels_shut_out_is_told_to_its_dependants(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert release.main(["schemas", "major"]) == 0

    said = capsys.readouterr().out
    assert "2.0.0 may break 1.2.3" in said
    order = [line.split("=")[1].split()[0] for line in said.splitlines() if "PART=..." in line]
    assert order == ["orderbook", "merger"]
    for path in ("libs/orderbook", "services/merger"):
        changelog = (root / path / "CHANGELOG.md").read_text()
        assert (
            "## Unreleased\n\n### Dependencies\n\n- Needs jetl2-schemas 2.0.0.\n\n### Added\n"
            in changelog
        )
    assert "Needs" not in (root / "libs/testkit/CHANGELOG.md").read_text()


def test_a_patch_asks_nothing_of_dependants(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert release.main(["schemas", "patch"]) == 0

    assert "PART=..." not in capsys.readouterr().out
    assert "Needs" not in (root / "libs/orderbook/CHANGELOG.md").read_text()


def test_a_package_waits_for_the_release_of_what_it_needs(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = refused(root, capsys, "merger", "minor")
    commands = [line.split("#")[0].strip() for line in said.splitlines() if "#" in line]
    assert commands == [f"make release PACKAGE={n} PART=..." for n in ("schemas", "orderbook")]

    assert [release.main([name, "minor"]) for name in ("schemas", "orderbook", "merger")] == [0] * 3
    assert git(root, "describe", "--tags") == "merger-v1.3.0"


def test_a_need_that_changed_without_a_word_is_noticed(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("schemas", "orderbook"):
        assert release.main([name, "patch"]) == 0
    (root / "libs/schemas/jetl2/code.py").write_text("new = True\n")
    commit(root)

    said = refused(root, capsys, "merger", "minor")

    assert "# changed since schemas-v1.2.4, and its CHANGELOG does not say how" in said


def test_a_need_without_news_that_was_never_tagged_is_noticed(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("schemas", "orderbook"):
        edit(root, f"libs/{name}/CHANGELOG.md", "### Added\n\n- Depth.\n\n", "")

    said = refused(root, capsys, "merger", "minor")

    assert "git tag -a -m 'schemas 1.2.3' schemas-v1.2.3" in said


def test_nothing_unreleased_is_not_released(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert release.main(["schemas", "minor"]) == 0

    assert "Nothing stands under '## Unreleased' in libs/schemas/CHANGELOG.md" in refused(
        root, capsys, "schemas", "minor"
    )


def test_a_changed_tree_is_not_released(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "libs/schemas/README.md").touch()

    assert "(libs/schemas/README.md): commit or remove them" in refused(
        root, capsys, "schemas", "minor"
    )


def test_a_tag_ahead_of_build_is_a_skipped_version(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    git(root, "tag", "schemas-v1.4.0")

    assert "schemas-v1.4.0 exists, but BUILD says 1.2.3" in refused(
        root, capsys, "schemas", "minor"
    )


def test_build_and_changelog_must_agree(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edit(root, "libs/schemas/BUILD", "1.2.3", "1.3.0")

    said = refused(root, capsys, "schemas", "minor")

    assert "BUILD says version 1.3.0, but the newest dated heading" in said
    assert "is 1.2.3" in said


def test_a_dated_version_without_its_tag_is_refused(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert release.main(["schemas", "minor"]) == 0
    git(root, "tag", "--delete", "schemas-v1.3.0")
    edit(root, "libs/schemas/CHANGELOG.md", "## Unreleased\n", "## Unreleased\n\n- More.\n")

    assert "there is no tag schemas-v1.3.0: fetch the tags" in refused(
        root, capsys, "schemas", "minor"
    )


def test_a_hole_in_the_changelog_is_refused(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    heading = "## 1.2.3 (2026-11-22)\n"
    edit(root, "libs/schemas/CHANGELOG.md", heading, f"## 1.4.0 (2026-11-23)\n\n{heading}")
    edit(root, "libs/schemas/BUILD", "1.2.3", "1.4.0")
    git(root, "tag", "schemas-v1.4.0")

    assert "goes from 1.2.3 to 1.4.0: a version between them is missing" in refused(
        root, capsys, "schemas", "minor"
    )


def test_a_commit_that_fails_leaves_nothing_behind(root: Path) -> None:
    hook = root / ".git/hooks/pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho not today >&2\nexit 1\n")
    hook.chmod(0o755)

    with pytest.raises(SystemExit, match="git commit: not today"):
        release.main(["schemas", "minor"])

    assert not git(root, "status", "--porcelain")


@pytest.mark.parametrize(
    "args", [["", ""], [], ["schemas", "huge"], ["unknown", "minor"], ["testkit", "minor"]]
)
@pytest.mark.usefixtures("root")
def test_wrong_words_are_explained(capsys: pytest.CaptureFixture[str], args: list[str]) -> None:
    assert release.main(args) == 2
    assert "example: make release PACKAGE=ingestor PART=minor" in capsys.readouterr().err


@pytest.mark.usefixtures("root")
def test_help_names_the_packages(capsys: pytest.CaptureFixture[str]) -> None:
    assert release.main(["--help"]) == 0
    assert "packages: chart, merger, orderbook, schemas" in capsys.readouterr().out
