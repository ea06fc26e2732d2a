"""Nothing outlives the process that asked for it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from jetl2.devstack import process

# Prints its own pid, starts a grandchild in a session of its own, and ignores SIGTERM
_STUBBORN = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
print(os.getpid(), child.pid, flush=True)
time.sleep(600)
"""
_PARENT = """
import sys, time
from pathlib import Path
from jetl2.devstack.process import Process
Process("x", [sys.executable, "-c", sys.argv[1]], log=Path(sys.argv[2]), grace_s=0.2)
time.sleep(600)
"""


def test_stop_kills_what_ignores_sigterm_and_its_grandchildren(tmp_path: Path) -> None:
    log = tmp_path / "log"
    stubborn = process.Process("x", [sys.executable, "-c", _STUBBORN], log=log, grace_s=0.2)
    pids = _pids(log)

    stubborn.stop()

    assert not any(_alive(pid) for pid in pids)


def test_all_of_it_dies_when_the_parent_is_killed(tmp_path: Path) -> None:
    log = tmp_path / "log"
    parent = subprocess.Popen(
        [sys.executable, "-c", _PARENT, _STUBBORN, str(log)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    pids = _pids(log)

    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()

    process.wait_until(lambda: not any(_alive(p) for p in pids), "all gone", timeout_s=10)


def test_the_exit_code_is_that_of_the_command(tmp_path: Path) -> None:
    failing = process.Process(
        "x", [sys.executable, "-c", "raise SystemExit(3)"], log=tmp_path / "log"
    )

    assert failing.wait(20) == 3


def test_a_signal_reaches_the_command(tmp_path: Path) -> None:
    log = tmp_path / "log"
    victim = process.Process("x", [sys.executable, "-c", _STUBBORN], log=log)
    _pids(log)

    victim.signal(signal.SIGKILL)

    assert victim.wait(10) == 128 + signal.SIGKILL


def _pids(log: Path) -> list[int]:
    process.wait_until(
        lambda: log.exists() and len(log.read_text().split()) == 2, "pids", timeout_s=20
    )
    return [int(word) for word in log.read_text().split()]


def _alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"
