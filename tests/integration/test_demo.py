"""`make demo` as a person runs it: it ends well, it can be run again, and it leaves nothing behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from jetl2.devstack import demo, folders, pipeline, sources
from jetl2.devstack.errors import StackError
from jetl2.devstack.process import wait_until

# In the environment of whatever a demo starts
_MARK = "STARTED_BY_THE_DEMO_IN"

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]


@pytest.fixture(autouse=True)
def _binaries_are_built() -> None:
    try:
        for package in (*pipeline.SERVICES, *pipeline.JOBS):
            pipeline.built(package)
    except StackError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give one folder for all runs: a run must take the place of the one before."""
    return tmp_path_factory.mktemp("demo") / "out"


def test_recordings_come_out_as_the_books_that_were_recorded(out: Path) -> None:
    if folders.recordings() is None:
        pytest.skip(
            "no recordings: JETL2_RECORDINGS is not set, and ../shared/recordings not there"
        )

    summary = _run(out, "recordings")

    # Every book message that carries a checksum fitted; 16 are empty and become no record
    assert summary["checksums_passed"] == 306 + 1504 - 16
    assert summary["checksums_failed"] == 0
    assert summary["gaps"] == 0
    assert summary["dead"] == 0
    assert len(summary["books"]) == 14
    for name, verdict in summary["books"].items():
        # Before a REST snapshot joined there is no book to compare
        assert verdict["missed"] <= max(2, verdict["instants"] // 3), (name, verdict)


def test_the_simulation_comes_out_as_the_true_books_again_and_again(out: Path) -> None:
    if not out.exists():
        _run(out, "simulated", "--seconds", "8")

    summary = _run(out, "simulated", "--seconds", "8")

    assert summary["gaps"] == summary["dead"] == summary["checksums_failed"] == 0
    assert len(summary["books"]) == sum(len(d.listings) for d in sources.families())
    assert all(verdict["instants"] for verdict in summary["books"].values())


def test_the_fields_readers_load_what_the_demo_exported(out: Path) -> None:
    if not out.exists():
        _run(out, "simulated", "--seconds", "8")
    test = "test_both_readers_see_the_books_of_an_export"

    done = subprocess.run(
        [sys.executable, "-m", "pytest", f"{Path(__file__).with_name('test_readers.py')}::{test}"],
        env=os.environ
        | {"PYTHONPATH": os.pathsep.join(sys.path), "JETL2_EXPORTED": str(out / "files")},
        capture_output=True,
        text=True,
        check=False,
    )

    assert "1 passed" in done.stdout, done.stdout


def test_an_interrupted_demo_leaves_nothing_running(tmp_path: Path) -> None:
    process = _start(tmp_path / "out", "simulated")
    wait_until((tmp_path / "out/logs/merger.log").exists, "services run", timeout_s=120)

    process.send_signal(signal.SIGINT)

    output, _ = process.communicate(timeout=60)
    assert process.returncode not in (0, None), output
    assert "Traceback" not in output
    assert _left(tmp_path / "out") == []


def test_a_folder_that_is_no_demos_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("dear")

    process = _start(tmp_path, "simulated")

    output, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "choose another" in output
    assert (tmp_path / "mine").read_text() == "dear"


def _start(out: Path, source: str, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "jetl2.devstack", "demo", "--source", source, "--out", out, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), _MARK: str(out)},
    )


def _run(out: Path, source: str, *words: str) -> dict[str, Any]:
    process = _start(out, source, *words)
    output, _ = process.communicate(timeout=700)
    assert process.returncode == 0, output
    assert _left(out) == []
    assert (out / "books.png").stat().st_size > 20_000
    summary = demo.document(out)
    assert summary["messages"] > 0
    assert summary["rows_landed"] > summary["records"] > 0
    assert summary["rows_exported"] > 0
    assert len(list((out / "files").glob("*.csv.gz"))) == summary["files"]
    return summary


def _left(folder: Path) -> list[str]:
    """Return the commands of processes that a demo of this folder started, after a moment to end."""
    deadline = time.monotonic() + 5
    while True:
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if f"{_MARK}={folder}".encode() in (process / "environ").read_bytes().split(b"\0"):
                    found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode())
            except OSError:
                continue
        if not found or time.monotonic() > deadline:
            return found
        time.sleep(0.1)
