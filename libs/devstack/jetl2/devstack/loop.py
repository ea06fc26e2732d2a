"""An event loop in a thread of its own, so that tests and the demo can stay plain sequential code."""

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

T = TypeVar("T")


class Loop:
    """A running loop; `call` runs a coroutine in it and waits for the result."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Take a loop that runs in another thread."""
        self._loop = loop

    def call(self, coroutine: Coroutine[Any, Any, T], timeout_s: float = 30) -> T:
        """Return what the coroutine returns."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(timeout_s)


@contextmanager
def background() -> Iterator[Loop]:
    """Run a loop for the length of the block; its tasks are cancelled at the end."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="devstack", daemon=True)
    thread.start()
    try:
        yield Loop(loop)
    finally:
        asyncio.run_coroutine_threadsafe(_cancel_all(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


async def _cancel_all() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
