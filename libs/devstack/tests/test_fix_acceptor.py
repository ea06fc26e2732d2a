"""The simulated exchanges over FIX, from a client put together by hand."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from simplefix import FixMessage, FixParser

from jetl2.devstack import faults, over_fix
from jetl2.devstack.fix_acceptor import Acceptor, Fields, accepting
from jetl2.devstack.over_fix.deribit import Speaker as Deribit

NAMES = over_fix.names()


class Client:
    """A connection that numbers its messages from 1, unless told otherwise."""

    def __init__(
        self, acceptor: Acceptor, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.number = 0
        self._speaker = acceptor.speaker
        self._reader = reader
        self._writer = writer
        self._parser = FixParser()

    def say(self, kind: str, fields: Fields, *, skip: int = 0) -> None:
        """Send a message."""
        self.number += 1 + skip
        message = FixMessage()
        head: Fields = [(8, self._speaker.begin), (35, kind), (49, "ME")]
        for tag, value in [*head, (56, self._speaker.comp_id), (34, self.number), *fields]:
            message.append_pair(tag, value)
        self._writer.write(message.encode())

    async def next(self) -> dict[int, str]:
        """Return the next message; a repeated tag has its last value. Empty at the end."""
        while (message := self._parser.get_message()) is None:
            data = await self._reader.read(65536)
            if not data:
                return {}
            self._parser.append_buffer(data)
        return {int(tag): value.decode() for tag, value in message.pairs}


class Open(Deribit):
    """Takes any logon."""

    def refusal(self, _: object) -> str:
        """Refuse nobody."""
        return ""

    def confirmed(self, _: object) -> Fields:
        """Return nothing."""
        return []


@asynccontextmanager
async def connected(acceptor: Acceptor, *, log_on: bool = True) -> AsyncIterator[Client]:
    async with accepting(acceptor):
        reader, writer = await asyncio.open_connection("127.0.0.1", acceptor.port)
        client = Client(acceptor, reader, writer)
        if log_on:
            client.say("A", [(108, 30)])
            assert (await client.next())[35] == "A"
            assert (await client.next())[35] == "1"
        try:
            yield client
        finally:
            writer.close()


@pytest.mark.parametrize("name", NAMES)
async def test_a_logon_without_credentials_is_refused(name: str) -> None:
    async with connected(Acceptor(over_fix.speaker(name)), log_on=False) as client:
        client.say("A", [(108, 30), (96, "eC5lQT09"), (553, "nobody"), (554, "x")])
        answer = await client.next()
        end = await client.next()

    assert (answer[35], end) == ("5", {})
    assert answer[58]


async def test_a_logon_is_refused_on_request_and_must_come_first() -> None:
    acceptor = Acceptor(Open())
    acceptor.logons_to_refuse = 1
    async with connected(acceptor, log_on=False) as client:
        client.say("A", [(108, 30)])
        assert (await client.next())[58] == "System is in maintenance."
    async with connected(Acceptor(Open()), log_on=False) as client:
        client.say("V", [(262, "1")])
        assert await client.next() == {}


async def test_a_client_that_miscounts_is_logged_out() -> None:
    async with connected(Acceptor(Open())) as client:
        client.say("0", [], skip=1)
        answer = await client.next()

    assert answer[58] == "MsgSeqNum: expected 2, received 3"


async def test_what_is_not_there_is_refused() -> None:
    async with connected(Acceptor(Open())) as client:
        client.say("V", [(262, "1"), (263, 1), (146, 1), (55, "NOTHING")])
        client.say("D", [])
        found = [await client.next() for _ in range(2)]

    assert [(m[35], m[58]) for m in found] == [
        ("Y", "unsupported symbol: NOTHING"),
        ("3", "Unsupported MsgType D"),
    ]


@pytest.mark.parametrize(
    "kind, steps", [(faults.DROP, [1, 1, 2, 1]), (faults.DUPLICATE, [1, 1, 1, 0])]
)
async def test_a_fault_shows_in_the_numbers(kind: str, steps: list[int]) -> None:
    misbehaviour = faults.Faults(1, schedule={2: kind})
    acceptor = Acceptor(Open(), events=30, misbehaviour=misbehaviour)
    symbol = acceptor.symbols[0]
    numbers: list[int] = []
    async with connected(acceptor) as client:
        client.say("V", [(262, "1"), (263, 1), (146, 1), (55, symbol), (269, 0), (269, 1)])
        while len(numbers) < 5:
            numbers.append(int((await client.next())[34]))

    assert [b - a for a, b in itertools.pairwise(numbers)] == steps


async def test_silence_keeps_the_connection_open() -> None:
    misbehaviour = faults.Faults(1, schedule={1: faults.SILENT})
    acceptor = Acceptor(Open(), events=30, misbehaviour=misbehaviour)
    async with connected(acceptor) as client:
        fields: Fields = [(262, "1"), (263, 1), (146, 1), (55, acceptor.symbols[0]), (269, 0)]
        client.say("V", fields)
        assert [(await client.next())[35] for _ in range(2)] == ["W", "X"]
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(client.next(), 0.3)
