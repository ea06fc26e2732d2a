"""Processes of the stack: started under a guard, logged to a file, gone when we are gone."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from jetl2.devstack import guard
from jetl2.devstack.errors import NotReadyError, ProcessError

_GUARD = Path(guard.__file__)


class Process:
    """One running command; everything it started dies with it, and all of it with us."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        log: Path,
        env: Mapping[str, str] | None = None,
        grace_s: float = 10,
    ) -> None:
        """Start the command.

        Args:
            name: What to call it in errors.
            log: Takes both outputs; appended to.
            env: The whole environment; None: ours.
            grace_s: From SIGTERM to SIGKILL when it is stopped.
        """
        self.name = name
        self.log = log
        self.grace_s = grace_s
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as out:
            self._guard = subprocess.Popen(  # noqa: S603 - our own commands
                [sys.executable, "-IS", str(_GUARD), str(grace_s), *command],
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=out,
                env=dict(os.environ if env is None else env),
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """Of the guard, whose children are the command."""
        return self._guard.pid

    def exit_code(self) -> int | None:
        """Return the exit code, or None while it runs."""
        return self._guard.poll()

    def check(self) -> None:
        """Raise when it has ended.

        Raises:
            ProcessError: It ended, with whatever code.
        """
        if (code := self.exit_code()) is not None:
            message = f"{self.name} ended with exit code {code}"
            raise ProcessError(message, self.log)

    def wait(self, timeout_s: float) -> int:
        """Return the exit code.

        Raises:
            ProcessError: Still running after `timeout_s`.
        """
        try:
            self._guard.wait(timeout_s)
            return self.stop()
        except subprocess.TimeoutExpired:
            message = f"{self.name} did not end within {timeout_s:.0f} s"
            raise ProcessError(message, self.log) from None

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process group of the command, SIGKILL and SIGSTOP included."""
        if self._guard.stdin and self._guard.poll() is None:
            with suppress(BrokenPipeError):
                self._guard.stdin.write(bytes([number]))
                self._guard.stdin.flush()

    def stop(self) -> int:
        """Terminate, kill after the grace, and return the exit code; harmless when it has ended."""
        if self._guard.stdin:
            with suppress(BrokenPipeError):
                self._guard.stdin.close()
        return self._guard.wait(self.grace_s + 20)


@contextmanager
def running(
    name: str,
    command: Sequence[str],
    *,
    log: Path,
    env: Mapping[str, str] | None = None,
    grace_s: float = 10,
) -> Iterator[Process]:
    """Start a process and stop it at the end of the block; arguments as `Process`."""
    process = Process(name, command, log=log, env=env, grace_s=grace_s)
    try:
        yield process
    finally:
        process.stop()


def free_ports(count: int) -> list[int]:
    """Return that many TCP ports of loopback that nothing listens on just now."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for s in sockets:
            s.bind(("127.0.0.1", 0))
        return [int(s.getsockname()[1]) for s in sockets]
    finally:
        for s in sockets:
            s.close()


def wait_until(
    condition: Callable[[], bool],
    what: str,
    *,
    timeout_s: float = 60,
    interval_s: float = 0.1,
    processes: Sequence[Process] = (),
) -> None:
    """Wait for a condition, and fail at once when one of the processes ends meanwhile.

    Raises:
        ProcessError: A process ended.
        NotReadyError: `timeout_s` passed; names `what`.
    """
    deadline = time.monotonic() + timeout_s
    while not condition():
        for process in processes:
            process.check()
        if time.monotonic() > deadline:
            message = f"{what}: not within {timeout_s:.0f} s"
            if processes:
                raise ProcessError(message, processes[0].log)
            raise NotReadyError(message)
        time.sleep(interval_s)
