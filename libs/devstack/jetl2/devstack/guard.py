"""Run one command and make sure that nothing of it outlives the process that asked for it.

`python guard.py GRACE_S COMMAND...`: each byte on standard input is a signal number for the
command's process group; end of input (the parent asked to stop, or died in whatever way) stops it:
SIGTERM, after GRACE_S seconds SIGKILL, then SIGKILL to every descendant that is left.
Imports only what starts fast, and is run as a file, never as a module.
"""

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

_PR_SET_CHILD_SUBREAPER = 36


def main(grace_s: float, command: list[str]) -> int:
    """Run the command to its end or ours; return its exit code, or 128 + signal."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # A handler, not SIG_IGN: that one the command would inherit
        signal.signal(number, lambda *_: None)
    if sys.platform == "linux":
        # Orphaned grandchildren come to us, so that _descendants finds them
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    try:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)  # noqa: S603 - our own commands
    except OSError as error:
        sys.stderr.write(f"cannot start {command[0]}: {error}\n")
        return 127
    while child.poll() is None:
        ready, _, _ = select.select([0], [], [], 0.05)
        if not ready:
            continue
        signals = os.read(0, 64)
        for byte in signals:
            _signal_group(child.pid, byte)
        if not signals:
            _signal_group(child.pid, signal.SIGTERM)
            try:
                child.wait(grace_s)
            except subprocess.TimeoutExpired:
                _signal_group(child.pid, signal.SIGKILL)
                child.wait()
    _sweep()
    return child.returncode if child.returncode >= 0 else 128 - child.returncode


def _signal_group(group: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, number)


def _sweep() -> None:
    deadline = time.monotonic() + 5
    while (rest := _descendants(os.getpid())) and time.monotonic() < deadline:
        for pid in rest:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        try:
            while os.waitpid(-1, os.WNOHANG) != (0, 0):
                pass
        except ChildProcessError:
            return
        time.sleep(0.01)


def _descendants(root: int) -> set[int]:
    parents: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            # The command name may hold spaces and brackets: the fields begin after the last ")"
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
        except (OSError, ValueError, IndexError):
            continue
    found: set[int] = set()
    fresh = {root}
    while fresh:
        fresh = {pid for pid, parent in parents.items() if parent in fresh} - found
        found |= fresh
    return found


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]), sys.argv[2:]))
