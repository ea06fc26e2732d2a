"""From a signal to an exit code: SIGTERM and SIGINT ask for a drain, a second one ends at once."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from types import FrameType

from jetl2.runtime import log

EXIT_OK = 0
EXIT_FAILED = 1
# 2 is a wrong setting, see `settings`
EXIT_IN_DOUBT = 3

_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_log = log.get()


def on_signal(stop: Callable[[], None]) -> None:
    """Call `stop` on the first SIGTERM or SIGINT (threaded form; from the main thread only)."""
    asked = False

    def handle(number: int, _: FrameType | None) -> None:
        nonlocal asked
        asked = _ask(number, stop, again=asked)

    for number in _SIGNALS:
        signal.signal(number, handle)


def run(main: Callable[[asyncio.Event], Awaitable[int]]) -> int:
    """Run an asyncio service until it returns its exit code.

    Args:
        main: Gets an event that is set when the service shall drain and return.

    Returns:
        What `main` returned, or EXIT_FAILED after an error that it did not handle (logged).
    """
    try:
        return asyncio.run(_until_signal(main))
    except Exception:  # noqa: BLE001 - the last place that can say why the process ends
        _log.exception("stopped_by_error")
        return EXIT_FAILED


async def _until_signal(main: Callable[[asyncio.Event], Awaitable[int]]) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def handle(number: int) -> None:
        _ask(number, stop.set, again=stop.is_set())

    for number in _SIGNALS:
        loop.add_signal_handler(number, handle, number)
    return await main(stop)


def _ask(number: int, stop: Callable[[], None], *, again: bool) -> bool:
    if again:
        os._exit(128 + number)
    _log.info("stop_requested", signal=signal.Signals(number).name)
    stop()
    return True
