"""The soak run in small: it ends, it sees what there is to see, and it can be red."""

import json
from pathlib import Path
from typing import Any

import psutil
import pytest

from jetl2.devstack import pipeline
from jetl2.devstack.errors import MissingToolError, StackError
from jetl2.devstack.soak import NAMES, Options, Soak

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]

# What a busy machine decides: how much comes through, how late, and how often the guard doubts
OF_THE_MACHINE = {"rate", "lag"}


@pytest.fixture(autouse=True)
def _binaries_are_built() -> None:
    try:
        for package in ("ingestor", "merger"):
            pipeline.built(package)
    except StackError as error:
        pytest.skip(str(error))


def _run(**options: Any) -> tuple[Soak, bool]:
    soak = Soak(Options(seconds=25, rate=200, sample_s=2, **options))
    try:
        return soak, soak.run()
    except MissingToolError as error:
        pytest.skip(str(error))


def test_a_quiet_run_finds_nothing_and_leaves_nothing_running(tmp_path: Path) -> None:
    before = set(psutil.pids())

    soak, _ = _run(exchanges=6, out=tmp_path / "soak")

    # In a minute's memory nothing can be seen to grow or to stand
    red = {f.name for f in soak.findings if f.passed is False} - OF_THE_MACHINE
    assert red == set()
    assert {"books", "gaps", "dead letters", "numbering", "merger memory"} <= {
        finding.name for finding in soak.findings
    }
    written = json.loads((tmp_path / "soak" / "soak.json").read_text())
    for name in NAMES:
        assert all(sample[f"{name}.rss_mib"] > 0 for sample in written["samples"])
        assert all(sample[f"{name}.files"] > 0 for sample in written["samples"])
    assert soak.figures["records"] > 0
    assert soak.figures["visible_ms"]["p50"] > 0
    assert soak.figures["commits"]["count"] > 0
    assert (tmp_path / "soak" / "soak.png").stat().st_size > 0
    assert "books" in soak.text()
    ours = [p for p in set(psutil.pids()) - before if _is_of(p, tmp_path)]
    assert not ours


def test_what_was_lost_makes_it_red(tmp_path: Path) -> None:
    soak, passed = _run(exchanges=3, out=tmp_path / "soak", faults=["drop=0.02"])

    findings = {finding.name: finding for finding in soak.findings}
    assert not passed
    assert findings["gaps"].passed is False
    assert "sequence" in findings["gaps"].text
    # The books are taken anew, and end true all the same
    assert findings["books"].passed
    assert findings["numbering"].passed


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "precious").touch()

    with pytest.raises(StackError, match="not empty"):
        Soak(Options(out=tmp_path)).run()

    assert (tmp_path / "precious").exists()


def test_more_exchanges_than_there_are_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StackError, match="1000 exchanges are wanted"):
        Soak(Options(exchanges=1000, out=tmp_path / "soak")).run()


@pytest.mark.parametrize(
    "setting", ["merger", "broker:JETL2_A=1", "merger:JETL2_MERGER_BATCH", "merger:BATCH=1"]
)
def test_a_setting_that_no_service_would_get_is_refused(setting: str, tmp_path: Path) -> None:
    with pytest.raises(StackError, match="expected SERVICE:NAME=VALUE"):
        Soak(Options(settings=[setting], out=tmp_path / "soak")).run()


def test_a_setting_reaches_its_service_only() -> None:
    options = Options(settings=["merger:JETL2_MERGER_BATCH=7", "merger:JETL2_A=b=c"])

    assert options.of("merger") == {"JETL2_MERGER_BATCH": "7", "JETL2_A": "b=c"}
    assert options.of("ingestor") == {}


def _is_of(pid: int, folder: Path) -> bool:
    try:
        return any(str(folder) in word for word in psutil.Process(pid).cmdline())
    except psutil.Error:
        return False
