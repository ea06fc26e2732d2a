"""What was received and could not be kept is counted; what could be, is kept, whatever ends a connection."""

import asyncio
import json
from collections.abc import Sequence
from itertools import count

from jetl2.ingestor.connection import Connection
from jetl2.ingestor.errors import DisconnectedError
from jetl2.schemas.records import CONNECTED, DISCONNECTED, FRAME, LOST
from tests.toy_exchange import TOY, MemorySink, book


class Socket:
    """Gives some frames to a reader; others have come too when the connection ends."""

    def __init__(self, read: Sequence[str], unread: Sequence[str], *, ends: bool) -> None:
        self._read = [text.encode() for text in read]
        self._unread = [text.encode() for text in unread]
        self._ends = ends

    async def recv(self) -> bytes:
        if self._read:
            return self._read.pop(0)
        if self._ends:
            message = "cut"
            raise DisconnectedError(message)
        await asyncio.Event().wait()
        return b""

    async def send(self, text: str) -> None:
        pass

    async def answers(self, _: float) -> bool:
        return True

    async def unread(self) -> list[bytes]:
        return self._unread

    async def close(self) -> None:
        pass


async def received(sink: MemorySink, socket: Socket, symbols: Sequence[str]) -> Connection:
    """Return a connection that has received what the socket has, and ended."""

    async def dial() -> tuple[Socket, str]:
        return socket, "ws://toy"

    connection = Connection(
        TOY,
        symbols,
        ["book_delta"],
        identity="c",
        dial=dial,
        sink=sink,
        first_book_s=20,
        on_first=lambda *_: None,
    )
    async with asyncio.timeout(20):
        await connection.run()
    return connection


def notes(sink: MemorySink) -> dict[str, int]:
    return {e.symbol: json.loads(e.payload)["messages"] for e in sink.of(LOST)}


async def test_each_symbol_is_told_how_much_of_it_was_lost() -> None:
    # The notes of three connected symbols, and two frames
    sink = MemorySink(capacity=5)
    read = [book("A"), book("B"), book("A", "B")]
    unread = [book("B"), book("A", "X"), '{"channel":"heartbeat"}', book("B", "A")]
    await received(sink, Socket(read, unread, ends=False), ["A", "B", "C"])
    sink.make_room()

    assert len(sink.of(FRAME)) == 2
    assert notes(sink) == {"A": 3, "B": 3, "": 1}
    (kept, *_), (loss, *_) = sink.of(FRAME, "A"), sink.of(LOST, "A")
    said = json.loads(loss.payload)
    (end,) = sink.of(DISCONNECTED, "A")
    assert kept.local_ts <= said["from_ts"] <= said["to_ts"] <= end.local_ts
    assert end.payload == b"buffer full"


async def test_of_a_frame_for_two_symbols_only_the_one_that_was_not_kept_is_lost() -> None:
    sink = MemorySink(capacity=3)
    await received(sink, Socket([book("A", "B")], [], ends=False), ["A", "B"])
    sink.make_room()

    assert [e.symbol for e in sink.of(FRAME)] == ["A"]
    assert notes(sink) == {"B": 1}


async def test_after_a_loss_nothing_is_kept_though_there_is_room_again() -> None:
    class Flickering(MemorySink):
        """Full for a single event."""

        numbers = count()

        def put(self, event: object) -> None:
            self.capacity = 0 if next(self.numbers) == 2 else 1000
            super().put(event)  # type: ignore[arg-type]  # whatever comes

    sink = Flickering()
    await received(sink, Socket([book("A")] * 2, [book("A")] * 3, ends=False), ["A"])

    assert [e.kind for e in sink.events] == [CONNECTED, FRAME, LOST, DISCONNECTED]
    assert notes(sink) == {"A": 4}


async def test_a_frame_that_nobody_can_read_may_be_lost_to_any_symbol() -> None:
    sink = MemorySink(capacity=2)
    await received(sink, Socket(["<html>"], [], ends=False), ["A", "B"])
    sink.make_room()

    assert notes(sink) == {"": 1, "A": 1, "B": 1}


async def test_what_had_come_before_a_connection_ended_is_kept() -> None:
    sink = MemorySink()
    unread = [book("A", number=1), book("A", number=2)]
    connection = await received(sink, Socket([book("A")], unread, ends=True), ["A"])

    assert connection.reason == "cut"
    assert [e.counter for e in sink.of(FRAME)] == [0, 1, 2]
    assert not sink.of(LOST)
    assert sink.events[-1].kind == DISCONNECTED
