"""Signals, in real processes."""

import contextlib
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

ASYNC = """
import asyncio, sys
from jetl2.runtime import lifecycle, log
log.setup()

async def main(stop):
    print("up", flush=True)
    await stop.wait()
    print("drained", flush=True)
    return 0

sys.exit(lifecycle.run(main))
"""

THREADED = """
import sys, threading
from jetl2.runtime import lifecycle, log
log.setup()

stop = threading.Event()
lifecycle.on_signal(stop.set)
print("up", flush=True)
stop.wait()
print("drained", flush=True)
"""

FAILING = """
import sys
from jetl2.runtime import lifecycle, log
log.setup()

async def main(stop):
    raise ValueError("what went wrong")

sys.exit(lifecycle.run(main))
"""

STUCK = """
import asyncio, sys
from jetl2.runtime import lifecycle, log
log.setup()

async def main(stop):
    print("up", flush=True)
    await stop.wait()
    print("drains", flush=True)
    await asyncio.Event().wait()

sys.exit(lifecycle.run(main))
"""


@contextlib.contextmanager
def running(program: str) -> Iterator[subprocess.Popen[str]]:
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


@pytest.mark.parametrize("program", [ASYNC, THREADED])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains_and_ends_with_0(program: str, number: signal.Signals) -> None:
    with running(program) as process:
        assert line(process) == "up\n"
        process.send_signal(number)
        out, _ = process.communicate(timeout=20)

    assert (out, process.returncode) == ("drained\n", 0)


def test_a_second_signal_ends_at_once() -> None:
    with running(STUCK) as process:
        assert line(process) == "up\n"
        process.terminate()
        assert line(process) == "drains\n"
        process.terminate()
        process.communicate(timeout=20)

    assert process.returncode == 128 + signal.SIGTERM


def test_an_error_is_said_and_ends_with_1() -> None:
    with running(FAILING) as process:
        _, err = process.communicate(timeout=20)

    assert process.returncode == 1
    assert "what went wrong" in err
