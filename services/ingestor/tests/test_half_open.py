"""A socket that gives nothing: half open or only quiet; and what a real one is when its peer is gone."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from jetl2.ingestor import connection as connections
from jetl2.ingestor.connection import Connection
from jetl2.testkit.simulated import dialects, families
from tests.merging import following
from tests.toy_exchange import TOY, MemorySink, book

FAMILIES = [dialect.exchange for dialect in families()]


@pytest.fixture
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in (("TICK_S", 0.05), ("PING_AFTER_S", 0.2), ("ANSWER_S", 0.3)):
        monkeypatch.setattr(connections, name, seconds)


def test_a_half_open_socket_is_noticed_within_five_seconds() -> None:
    waits = (connections.PING_AFTER_S, connections.TICK_S, connections.ANSWER_S)
    assert sum(waits) <= 5


class Socket:
    """Gives a frame each `every_s`, and answers pings or not."""

    def __init__(self, *, every_s: float, alive: bool) -> None:
        self.pings = 0
        self._every_s = every_s
        self._alive = alive

    async def recv(self) -> bytes:
        await asyncio.sleep(self._every_s)
        return book("A").encode()

    async def send(self, text: str) -> None:
        pass

    async def answers(self, timeout_s: float) -> bool:
        self.pings += 1
        if not self._alive:
            await asyncio.sleep(timeout_s)
        return self._alive

    async def unread(self) -> list[bytes]:
        return []

    async def close(self) -> None:
        pass


async def ended(socket: Socket, seconds: float) -> str:
    """Return why a connection ended within that time, "" if it did not."""

    async def dial() -> tuple[Socket, str]:
        return socket, "ws://toy"

    connection = Connection(
        TOY,
        ["A"],
        ["book_delta"],
        identity="c",
        dial=dial,
        sink=MemorySink(),
        first_book_s=20,
        on_first=lambda *_: None,
    )
    task = asyncio.create_task(connection.run())
    await asyncio.wait({task}, timeout=seconds)
    found = connection.reason
    connection.end("stopped")
    await task
    return found


@pytest.mark.usefixtures("_quick")
async def test_who_says_nothing_and_answers_nothing_is_given_up() -> None:
    socket = Socket(every_s=1000, alive=False)

    assert await ended(socket, 20) == "half open: no answer to a ping for 0.3 s"
    assert socket.pings == 1


@pytest.mark.usefixtures("_quick")
async def test_who_is_only_quiet_is_asked_now_and_then() -> None:
    socket = Socket(every_s=1000, alive=True)

    assert await ended(socket, 1.5) == ""
    assert 1 <= socket.pings <= 1.5 / 0.2


@pytest.mark.usefixtures("_quick")
async def test_who_tells_something_needs_no_answer() -> None:
    assert await ended(Socket(every_s=0.02, alive=False), 1.5) == ""


class Relay:
    """TCP in both directions, which can stop passing anything on and leave the sockets open."""

    def __init__(self) -> None:
        self._port = 0
        self._target = 0
        self._frozen: set[asyncio.Task[None]] = set()
        self._passing: set[asyncio.Task[None]] = set()

    def to(self, target: int) -> int:
        """Pass on to this port of loopback from now on; return the relay's own."""
        self._target = target
        return self._port

    def freeze(self) -> None:
        """Pass nothing on any more on what is open now."""
        self._frozen |= self._passing

    @asynccontextmanager
    async def listening(self) -> AsyncIterator["Relay"]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self._port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for task in self._passing:
                task.cancel()
            await asyncio.gather(*self._passing, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self._target)
        both = [
            asyncio.create_task(self._pass(reader, back)),
            asyncio.create_task(self._pass(there, writer)),
        ]
        self._passing |= set(both)
        await asyncio.gather(*both, return_exceptions=True)
        for end in (writer, back):
            end.close()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(1 << 16):
                if asyncio.current_task() in self._frozen:
                    await asyncio.Event().wait()
                writer.write(data)
        writer.close()


@pytest.mark.usefixtures("_quick")
@pytest.mark.parametrize("name", FAMILIES)
async def test_when_the_host_is_gone_without_a_word_another_connection_is_made(name: str) -> None:
    """Whatever silence the exchange's own rule allows."""
    dialect = dialects.load()[name]
    async with (
        Relay().listening() as relay,
        following(dialect, through=relay.to, events=600) as run,
    ):
        await run.until(lambda: run.simulator.progress()[0] > 100)
        relay.freeze()
        await run.until(lambda: run.simulator.connections_made > 1)
        await run.until_true()

    reasons = run.sink.ends()
    assert [r for r in reasons if r.startswith("half open")]
    assert not [r for r in reasons if r.startswith("stale")]
    assert "disconnected" in run.sink.gaps()
