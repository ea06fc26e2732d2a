"""What was freed is given back: threads leave no arenas of their own, large buffers no holes."""

import re
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="glibc's malloc only")

THREADS = 12
# Beyond pymalloc, and below what malloc maps by itself; all threads at a time, so that none is given
# the arena of one that has gone
OF_THREADS = f"""
together = threading.Barrier({THREADS})

def allocate():
    kept = bytes(60_000)
    together.wait()
    return kept

threads = [threading.Thread(target=allocate) for _ in range({THREADS})]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
"""
OF_BUFFERS = """
bytes(8 * 1024 * 1024)
kept = bytes(1024 * 1024)
"""
PROGRAM = """
import ctypes, sys, threading
from jetl2.merger import __main__ as merger

if sys.argv[1] == "set":
    merger._keep_no_memory()
{body}
libc = ctypes.CDLL(None)
libc.malloc_info(0, ctypes.c_void_p.in_dll(libc, "stdout"))
libc.fflush(None)
"""


def told(body: str, how: str) -> str:
    """Return what the allocator says of itself after `body`, as "set" by the merger or "unset"."""
    command = [sys.executable, "-c", PROGRAM.format(body=body), how]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def arenas(how: str) -> int:
    return len(re.findall("<heap nr=", told(OF_THREADS, how)))


def mapped(how: str) -> int:
    (count,) = re.findall('<total type="mmap" count="([0-9]+)"', told(OF_BUFFERS, how))
    return int(count)


def test_threads_share_the_arenas() -> None:
    assert arenas("unset") > 2
    assert arenas("set") == 2


def test_a_large_buffer_is_mapped_apart_after_a_larger_one_was_freed() -> None:
    assert mapped("set") > mapped("unset")
