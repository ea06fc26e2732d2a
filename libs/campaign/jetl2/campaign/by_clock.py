"""Runs a service under a wall clock that somebody else sets: `by_clock.py <file> <package>`.

The file holds how far the clock is ahead of the true one, in ns, and may change at any time. What is
told is Python's `time`; the monotonic clock goes on, as it does when a machine's clock is set, and
librdkafka's own stamps stay true. Imports nothing of ours but what it runs.
"""

import mmap
import runpy
import struct
import sys
import time

OFFSET = struct.Struct("=q")


def main(path: str, package: str) -> None:
    """Set the clock, then run the package as its PEX file would."""
    with open(path, "rb") as file:  # noqa: PTH123 - nothing is imported before the clock is set
        ahead = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    true_ns = time.time_ns

    def time_ns() -> int:
        return true_ns() + int(OFFSET.unpack_from(ahead)[0])

    # Before anything is imported that keeps a reference
    time.time_ns = time_ns
    time.time = lambda: time_ns() / 1e9
    sys.argv = [package]
    runpy.run_module(package, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
