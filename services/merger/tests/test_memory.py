"""Threads that come and go leave no memory behind in arenas of their own."""

import re
import subprocess
import sys

import pytest

THREADS = 12
# Beyond pymalloc, and below what malloc maps by itself; all threads at a time, so that none is given
# the arena of one that has gone
PROGRAM = """
import ctypes, sys, threading
from jetl2.merger import __main__ as merger

if sys.argv[1] == "few":
    merger._use_few_arenas()
together = threading.Barrier({threads})

def allocate():
    kept = bytes(60_000)
    together.wait()
    return kept

threads = [threading.Thread(target=allocate) for _ in range({threads})]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
libc = ctypes.CDLL(None)
libc.malloc_info(0, ctypes.c_void_p.in_dll(libc, "stdout"))
libc.fflush(None)
"""


def arenas(how: str) -> int:
    command = [sys.executable, "-c", PROGRAM.format(threads=THREADS), how]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return len(re.findall("<heap nr=", told))


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's malloc only")
def test_threads_share_the_arenas() -> None:
    assert arenas("many") > 2
    assert arenas("few") == 2
