"""Looks at processes from outside: memory, files, threads, processor time, and their metrics pages."""

import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import httpx
import psutil
from prometheus_client.parser import text_string_to_metric_families

from jetl2.devstack.process import Process

MIB = 1024 * 1024

# Name of a sample -> (labels, value) of each
Page = dict[str, list[tuple[Mapping[str, str], float]]]


class Watched:
    """One process of the stack, with all that it started."""

    def __init__(self, process: Process) -> None:
        """Take a running one."""
        self._guard = psutil.Process(process.pid)
        self._cpu_s, self._looked = self._cpu(), time.monotonic()

    def look(self) -> dict[str, float]:
        """Return memory in MiB, open files, threads, and cores kept busy since the last look."""
        cpu_s, now = self._cpu(), time.monotonic()
        cores = (cpu_s - self._cpu_s) / max(now - self._looked, 1e-6)
        self._cpu_s, self._looked = cpu_s, now
        found = {"rss_mib": 0.0, "files": 0.0, "threads": 0.0, "cores": max(cores, 0.0)}
        for process in self._processes():
            with suppress(psutil.NoSuchProcess), process.oneshot():
                found["rss_mib"] += process.memory_info().rss / MIB
                found["files"] += process.num_fds()
                found["threads"] += process.num_threads()
        return found

    def _processes(self) -> list[psutil.Process]:
        try:
            return self._guard.children(recursive=True)
        except psutil.NoSuchProcess:
            return []

    def _cpu(self) -> float:
        total = 0.0
        for process in self._processes():
            with suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                total += times.user + times.system
        return total


def page(port: int) -> Page:
    """Return the metrics of a service of this machine; empty when it does not answer."""
    found: Page = defaultdict(list)
    with suppress(httpx.HTTPError):
        answer = httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=5, trust_env=False)
        for family in text_string_to_metric_families(answer.text):
            for sample in family.samples:
                found[sample.name].append((sample.labels, sample.value))
    return found


def total(found: Page, name: str) -> float:
    """Return the sum over all labels."""
    return sum(value for _, value in found.get(name, ()))


def most(found: Page, name: str) -> float:
    """Return the greatest value of all labels."""
    return max((value for _, value in found.get(name, ())), default=0)


def by(found: Page, name: str, label: str) -> dict[str, float]:
    """Return the sums by the values of one label."""
    sums: dict[str, float] = defaultdict(float)
    for labels, value in found.get(name, ()):
        sums[labels.get(label, "")] += value
    return dict(sums)


def disk_mib(folder: Path) -> float:
    """Return what the files of a folder take on disk; files that vanish meanwhile count nothing."""
    return sum(_sizes(folder)) / MIB


def _sizes(folder: Path) -> Iterator[int]:
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):
            # Not their length: index files are made long and hold little
            yield path.stat().st_blocks * 512
