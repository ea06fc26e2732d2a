"""What the check of the runbooks finds: each kind of drift, in a page that is otherwise right."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import check_runbooks
import pytest


@pytest.fixture
def pages(tmp_path: Path) -> Path:
    """Give a copy of the pages."""
    return Path(shutil.copytree(check_runbooks.PAGES, tmp_path / "docs/runbooks"))


def test_pages_and_code_agree(capsys: pytest.CaptureFixture[str]) -> None:
    code = check_runbooks.main()
    assert (code, capsys.readouterr().out) == (0, "")


@pytest.mark.parametrize(
    "page, change, told",
    [
        (
            "merger",
            lambda text: text.replace("jetl2_merger_lag_seconds", "jetl2_merger_lag_minutes"),
            "there is no metric jetl2_merger_lag_minutes",
        ),
        (
            "ingestor",
            lambda text: re.sub(r"### `buffer_full`", "", text),
            "no entry for buffer_full, which services/ingestor/",
        ),
        ("landing", lambda text: text.replace("Exit code 7", "7"), "no entry for exit code 7"),
        (
            "api",
            lambda text: text + "\n### `call_sang`\n",
            "call_sang has an entry, and nothing says it",
        ),
        (
            "README",
            lambda text: text + "\njetl2 admin sing\n",
            "there is no command jetl2 admin sing",
        ),
    ],
)
def test_drift_is_told(
    pages: Path,
    capsys: pytest.CaptureFixture[str],
    page: str,
    change: Callable[[str], str],
    told: str,
) -> None:
    path = pages / f"{page}.md"
    path.write_text(change(path.read_text()))
    assert check_runbooks.main(pages) == 1
    assert f"docs/runbooks/{page}.md: {told}" in capsys.readouterr().out


def test_an_alarm_without_an_entry_is_told(
    pages: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text("- alert: MergerBehind\n- alert: Sings\n  expr: jetl2_merger_tasks > 1\n")
    monkeypatch.setattr(check_runbooks, "ALARMS", tmp_path)
    assert check_runbooks.main(pages) == 1
    out = capsys.readouterr().out
    assert "rules.yaml: no runbook has an entry for Sings\n" in out
    assert "rules.yaml: no runbook has an entry for jetl2_merger_tasks\n" in out
    assert "MergerBehind" not in out


def test_a_missing_page_is_told(pages: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (pages / "export.md").unlink()
    assert check_runbooks.main(pages) == 1
    assert "export.md is missing" in capsys.readouterr().out
