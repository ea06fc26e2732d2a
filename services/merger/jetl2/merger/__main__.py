"""`merger`: settings from the environment, then merge until told to stop, and an exit code."""

import ctypes
import os
import random
import sys
import time
from collections.abc import Mapping
from typing import NoReturn

from confluent_kafka import KafkaException

from jetl2.exchanges import adapters
from jetl2.exchanges.errors import UnknownExchange
from jetl2.exchanges.exchange import Exchange
from jetl2.merger import crash, metrics, observe, source
from jetl2.merger.errors import DoubtError, RefusedError
from jetl2.merger.settings import Settings
from jetl2.merger.worker import Worker
from jetl2.runtime import cli, health, kafka, lifecycle, log
from jetl2.runtime.settings import refuse

ABOUT = """
Merges raw exchange traffic (raw.<exchange>) into books, trades and tickers (market.<exchange>):
each event exactly once, in the order of each symbol, gaps shown and never papered over.
State lives in memory and in the topic merger.changelog; it may be killed at any time.

`merger admin` looks at that state and repairs it, beside the running ones (`jetl2 admin`; --help).
"""
EXAMPLE = "JETL2_MERGER_BOOTSTRAP_SERVERS=localhost:9092 JETL2_MERGER_HTTP_PORT=8080 merger"

# Exit codes beside those of `lifecycle`
EXIT_REFUSED = 4

# How often this process has replaced itself, in all and in a row; never set by an operator
LIVES = "JETL2_MERGER_LIVES"
STEADY_S = 60.0
MOST_BACKOFF_S = 10.0

# Of mallopt, in glibc's malloc.h
_M_MMAP_THRESHOLD = -3
_M_ARENA_MAX = -8
ARENAS = 2
MAPPED_BYTES = 128 * 1024

_log = log.get()


def main() -> int:
    """Run the merger, or do what an admin command says; return the exit code."""
    if sys.argv[1:2] == ["admin"]:
        # Not before: a merger that was killed must be back soon
        from jetl2.merger.admin import commands  # noqa: PLC0415

        return commands.main(sys.argv[2:])
    settings = cli.start("merger", Settings, about=ABOUT, example=EXAMPLE)
    known = _known(settings)
    _keep_no_memory()
    crash.arm(settings.crash_at)
    stopped: list[bool] = []
    lifecycle.on_signal(lambda: stopped.append(True))
    checks = health.Health()
    server = health.serve(checks, settings.http_host, settings.http_port)
    total, in_a_row = _lives()
    metrics.LIVES.set(total)
    began = time.monotonic()
    try:
        while not stopped:
            _merge(settings, known, checks, stopped)
    except RefusedError as error:
        _log.error("refused", problem=str(error), see="docs/runbooks/merger.md")
        sys.stderr.flush()
        # Other tasks' transactions are left to their next owner, and no thread is waited for
        os._exit(EXIT_REFUSED)
    except kafka.Unavailable:
        return lifecycle.EXIT_OK
    except Exception as error:  # noqa: BLE001 - crash-only: what is not understood is a doubt
        expected = isinstance(error, DoubtError | KafkaException | kafka.TopicError)
        _log.error("in_doubt", problem=str(error), exc_info=not expected)
        steady = time.monotonic() - began > STEADY_S
        _give_up(settings, stopped, total, 0 if steady else in_a_row)
    server.close()
    _log.info("stopped")
    return lifecycle.EXIT_OK


def _merge(
    settings: Settings, known: Mapping[str, Exchange], checks: health.Health, stopped: list[bool]
) -> None:
    """Merge the raw topics that there are, until asked to stop or until there are others."""
    checks.not_ready("kafka", "no broker has answered yet")
    while True:
        checks.beat()
        kafka.wait(settings.bootstrap_servers, stopped=lambda: _turned(checks, stopped))
        checks.ready("kafka")
        client = kafka.admin(settings.bootstrap_servers, client_id="merger-admin")
        found = _found(source.raw_topics(client), settings, known)
        if found:
            break
        checks.not_ready("topics", "there is no raw topic to merge yet")
        _log.warning("waiting_for_topics", wanted=settings.exchanges or sorted(known))
        if _sleep(settings.discover_interval_s / 10, stopped):
            return
    checks.ready("topics")
    checks.ready()
    partitions = source.prepare(settings.bootstrap_servers, found, settings.changelog)
    watch = observe.Observer(settings.bootstrap_servers, sorted(found), partitions)
    worker = Worker(settings, {name: known[name] for name in found}, partitions, checks)
    looked = time.monotonic()

    def ended() -> bool:
        nonlocal looked
        if stopped:
            return True
        if settings.exchanges or time.monotonic() - looked < settings.discover_interval_s:
            return False
        looked = time.monotonic()
        return watch.exchanges() & known.keys() > found.keys()

    try:
        worker.run(ended)
    finally:
        watch.close()


def _keep_no_memory() -> None:
    """Let the allocator give back what was freed; to be called before there are threads.

    A producer that replaces one in doubt brings threads of its own, glibc gives each a new arena, up
    to eight a core, and never gives back what was once in one: 1 to 2.5 MiB for each producer.
    Large buffers it maps apart, but only until one was freed: from then on what is up to that size
    lies between small things, and the heap grows by it (mallopt(3), M_MMAP_THRESHOLD).
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # Not in every C library
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, ARENAS)
        # The size it begins with; once said it stays
        mallopt(_M_MMAP_THRESHOLD, MAPPED_BYTES)


def _known(settings: Settings) -> dict[str, Exchange]:
    if not settings.exchanges:
        return adapters.load()
    try:
        return {name: adapters.get(name) for name in settings.exchanges}
    except UnknownExchange as error:
        refuse("JETL2_MERGER_EXCHANGES", str(error))


def _found(
    there: Mapping[str, int], settings: Settings, known: Mapping[str, Exchange]
) -> dict[str, int]:
    """Return exchange -> partitions of what can be merged; nothing while something named lacks."""
    found = {name: count for name, count in there.items() if name in known}
    return {} if settings.exchanges and found.keys() != known.keys() else found


def _turned(checks: health.Health, stopped: list[bool]) -> bool:
    checks.beat()
    return bool(stopped)


def _sleep(seconds: float, stopped: list[bool]) -> bool:
    deadline = time.monotonic() + seconds
    while not stopped and time.monotonic() < deadline:
        time.sleep(0.05)
    return bool(stopped)


def _lives() -> tuple[int, int]:
    total, _, in_a_row = os.environ.get(LIVES, "0,0").partition(",")
    return int(total), int(in_a_row)


def _give_up(settings: Settings, stopped: list[bool], total: int, in_a_row: int) -> NoReturn:
    """Throw everything in memory away, clients and threads included: nothing is closed in order.

    Closing would talk to a broker about a transaction that only the next life can judge.
    """
    if stopped or settings.on_doubt == "exit":
        sys.stderr.flush()
        os._exit(lifecycle.EXIT_IN_DOUBT)
    backoff_s = min(0.1 * 2**in_a_row, MOST_BACKOFF_S) * random.uniform(0.5, 1)  # noqa: S311
    _log.warning("starting_anew", after_s=round(backoff_s, 2), lives=total + 1)
    if _sleep(backoff_s, stopped):
        os._exit(lifecycle.EXIT_IN_DOUBT)
    os.environ[LIVES] = f"{total + 1},{in_a_row + 1}"
    sys.stderr.flush()
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606


if __name__ == "__main__":
    sys.exit(main())
