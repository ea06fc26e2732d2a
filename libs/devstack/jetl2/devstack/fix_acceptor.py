"""A seeded exchange that trades by itself and speaks FIX over loopback, with faults.

Its session shares no code with the one that it is there to test: only the codec, which writes what
the other side reads without it.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import NamedTuple, Protocol

from simplefix import FixMessage, FixParser
from simplefix.errors import ParsingError

from jetl2.devstack import faults
from jetl2.devstack.market import Event, Levels, Listing, Market

Fields = list[tuple[int, str | int]]
# A message's tags with their values, in the order sent
Received = list[tuple[int, str]]

BOOK, TRADE = "book", "trade"
# What can befall a book's message; one that is dropped or comes late leaves a hole in MsgSeqNum
KINDS = (faults.DROP, faults.DUPLICATE, faults.CORRUPT, faults.DISCONNECT, faults.SILENT)


class Body(NamedTuple):
    """A message without its header and trailer."""

    kind: str
    fields: Fields


class Push(NamedTuple):
    """What is sent to all who subscribed."""

    symbol: str
    data_type: str
    body: Body


class Speaker(Protocol):
    """One exchange's messages, from its side; keeps what all its clients see alike."""

    exchange: str
    begin: str
    comp_id: str
    listings: Sequence[Listing]
    # What a client must log on with, as the ingestor's setting wants it
    credentials: Mapping[str, str]

    def open(self, markets: Mapping[str, Market]) -> None:
        """Begin with these markets."""

    def refusal(self, logon: Received) -> str:
        """Return why a logon is refused, "" for a good one."""

    def confirmed(self, logon: Received) -> Fields:
        """Return what the answer to a good logon has besides the usual."""

    def listed(self, symbol: str) -> Body | None:
        """Return the answer to a request for one instrument."""

    def snapshot(self, symbol: str) -> list[Body]:
        """Return the messages of a book's snapshot."""

    def publish(self, market: Market, event: Event) -> list[Push]:
        """Return the messages of one market event."""


def utc(ts: int, decimals: int = 3) -> str:
    """Return ns as a UTC timestamp."""
    at = datetime.fromtimestamp(ts // 10**9, UTC)
    return f"{at:%Y%m%d-%H:%M:%S}.{str(ts % 10**9).rjust(9, '0')[:decimals]}"


def value(message: Received, tag: int) -> str:
    """Return a field's value, "" where there is none."""
    return next((v for t, v in message if t == tag), "")


def values(message: Received, tag: int) -> list[str]:
    """Return all values of a repeated field."""
    return [v for t, v in message if t == tag]


class Acceptor:
    """One simulated exchange; `run` trades, `handle` serves a client."""

    def __init__(
        self,
        speaker: Speaker,
        *,
        seed: int = 1,
        events: int = 400,
        events_per_second: float = 100,
        misbehaviour: faults.Faults | None = None,
    ) -> None:
        """Open the market; it moves when the first client has subscribed.

        Args:
            events: Market events in all, over all symbols; then the truth stands still.
        """
        self.speaker = speaker
        self.markets = {item.symbol: Market(item, seed) for item in speaker.listings}
        self.symbols = list(self.markets)
        self.faults = misbehaviour or faults.Faults(seed)
        self.logons_to_refuse = 0
        self.logons = 0
        self.logouts = 0
        self.port = 0
        self.depth = 10**9  # all levels are sent
        self.asked: Counter[str] = Counter()  # messages of clients, by type
        self.answered: list[str] = []  # TestReqID of our own TestRequests
        self.sessions: list[Session] = []
        self._events = events
        self._interval = 1 / events_per_second
        self._subscribed = asyncio.Event()
        self._step = 0
        speaker.open(self.markets)

    @property
    def url(self) -> str:
        """Its address."""
        return f"fix://127.0.0.1:{self.port}"

    def finished(self) -> bool:
        """Whether the truth stands still."""
        return self._step >= self._events

    def book(self, symbol: str) -> tuple[Levels, Levels]:
        """Return the true book: bids and asks, best first, as shortest exact text."""
        return self.markets[symbol].book()

    def sent(self) -> int:
        """Return how many messages were sent in all."""
        return sum(session.number for session in self.sessions)

    async def run(self) -> None:
        """Trade, round-robin over the symbols, then only give signs of life."""
        await self._subscribed.wait()
        due = time.monotonic()
        markets = list(self.markets.values())
        while True:
            if not self.finished():
                if self._step == self._events * 9 // 10:
                    self.faults.stop()
                market = markets[self._step % len(markets)]
                event = market.step(time.time_ns())
                self._step += 1
                for push in self.speaker.publish(market, event):
                    for session in self.sessions:
                        session.push(push)
            for session in self.sessions:
                session.beat()
            due += self._interval
            await asyncio.sleep(max(0, due - time.monotonic()))

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one client until it leaves."""
        session = Session(self, writer)
        parser = FixParser()
        try:
            while data := await reader.read(65536):
                parser.append_buffer(data)
                while (message := parser.get_message()) is not None:
                    pairs = [(int(tag), text.decode()) for tag, text in message.pairs]
                    if not session.take(pairs):
                        return
                await writer.drain()
        except (OSError, ParsingError, ValueError):
            pass  # gone, or it speaks no FIX
        finally:
            session.live = False
            writer.close()

    def subscribed(self) -> None:
        """Let the market move."""
        self._subscribed.set()


class Session:
    """The exchange's end of one connection."""

    def __init__(self, acceptor: Acceptor, writer: asyncio.StreamWriter) -> None:
        self.acceptor = acceptor
        self.speaker = acceptor.speaker
        self.client = ""
        self.live = False
        self.number = 0
        self.subscriptions: dict[tuple[str, str], str] = {}
        self._writer = writer
        self._expected = 1
        self._silent = False
        self._heartbeat_s = 30.0
        self._sent_s = time.monotonic()

    def take(self, message: Received) -> bool:
        """Answer a client's message; whether the connection goes on."""
        kind, number = value(message, 35), value(message, 34)
        self.acceptor.asked[kind] += 1
        if number != str(self._expected):
            return self._goodbye(f"MsgSeqNum: expected {self._expected}, received {number}")
        self._expected += 1
        if not self.live:
            return self._logon(message) if kind == "A" else False
        if kind == "5":
            self.acceptor.logouts += 1
            return self._goodbye("Logout acknowledgment.")
        if kind == "1":
            self.send("0", [(112, value(message, 112))])
        elif kind == "0":
            if test := value(message, 112):
                self.acceptor.answered.append(test)
        elif kind == "x":
            found = self.speaker.listed(value(message, 55))
            if found:
                head: Fields = [(320, value(message, 320)), (560, 0)]
                self.send(found.kind, [*head, *found.fields])
        elif kind == "V":
            self._subscribe(message)
        else:
            self.send("3", [(45, number), (372, kind), (58, f"Unsupported MsgType {kind}")])
        return True

    def push(self, push: Push) -> None:
        """Send what is subscribed, or what a fault leaves of it."""
        name = self.subscriptions.get((push.symbol, push.data_type))
        if not self.live or name is None:
            return
        kind = ""
        if push.data_type == BOOK:
            kind = self.acceptor.faults.next(push.symbol, matters=True)
        if kind == faults.DISCONNECT:
            # No goodbye: the rest of what is buffered is lost too
            self.live = False
            self._writer.transport.abort()
        elif kind == faults.SILENT:
            self._silent = True
        elif kind == faults.DROP:
            self.number += 1
        else:
            fields: Fields = [(262, name), *push.body.fields]
            self.send(push.body.kind, fields, corrupt=kind == faults.CORRUPT)
            if kind == faults.DUPLICATE:
                self.number -= 1
                self.send(push.body.kind, fields)

    def beat(self) -> None:
        """Give a sign of life when it is due."""
        if self.live and time.monotonic() - self._sent_s >= self._heartbeat_s:
            self.send("0", [])

    def send(self, kind: str, fields: Fields, *, corrupt: bool = False) -> None:
        """Send a message, numbered."""
        self._sent_s = time.monotonic()
        if self._silent:
            return
        self.number += 1
        message = FixMessage()
        message.append_pair(8, self.speaker.begin)
        message.append_pair(35, kind)
        message.append_pair(34, self.number)
        message.append_pair(49, self.speaker.comp_id)
        message.append_pair(52, utc(time.time_ns(), 6))
        message.append_pair(56, self.client)
        for tag, text in fields:
            message.append_pair(tag, text)
        raw = message.encode()
        if corrupt:
            raw = raw[:-2] + bytes([48 + (raw[-2] - 47) % 10]) + raw[-1:]
        with suppress(OSError):
            self._writer.write(raw)

    def hang_up(self) -> None:
        """End the connection."""
        self.live = False
        self._writer.close()

    def _logon(self, message: Received) -> bool:
        self.client = value(message, 49)
        acceptor = self.acceptor
        refusal = self.speaker.refusal(message)
        if acceptor.logons_to_refuse:
            acceptor.logons_to_refuse -= 1
            refusal = "System is in maintenance."
        if any(other.live and other.client == self.client for other in acceptor.sessions):
            refusal = "SenderCompID is in use."
        if value(message, 56) != self.speaker.comp_id:
            refusal = "Unknown TargetCompID."
        if refusal:
            return self._goodbye(refusal)
        self.live = True
        acceptor.logons += 1
        acceptor.sessions.append(self)
        self._heartbeat_s = float(value(message, 108))
        usual: Fields = [(98, 0), (108, value(message, 108)), (141, "Y")]
        self.send("A", [*usual, *self.speaker.confirmed(message)])
        self.send("1", [(112, f"test-{acceptor.logons}")])
        return True

    def _subscribe(self, message: Received) -> None:
        name, symbols = value(message, 262), values(message, 55)
        if value(message, 263) == "2":
            for key in [k for k, n in self.subscriptions.items() if n == name]:
                del self.subscriptions[key]
            return
        unknown = [symbol for symbol in symbols if symbol not in self.acceptor.markets]
        if unknown or name in self.subscriptions.values():
            text = f"unsupported symbol: {unknown[0]}" if unknown else "duplicate MDReqID"
            self.send("Y", [(262, name), (281, 0 if unknown else 1), (58, text)])
            return
        entry_types = values(message, 269) or ["0", "1", "2"]
        for symbol in symbols:
            if "2" in entry_types:
                self.subscriptions[symbol, TRADE] = name
            if "0" in entry_types:
                self.subscriptions[symbol, BOOK] = name
                for body in self.speaker.snapshot(symbol):
                    self.send(body.kind, [(262, name), *body.fields])
        self.acceptor.subscribed()

    def _goodbye(self, text: str) -> bool:
        self.send("5", [(58, text)])
        return False


@asynccontextmanager
async def accepting(acceptor: Acceptor) -> AsyncIterator[Acceptor]:
    """Serve one simulated exchange over FIX until the block ends."""
    server = await asyncio.start_server(acceptor.handle, "127.0.0.1", 0)
    acceptor.port = server.sockets[0].getsockname()[1]
    trading = asyncio.create_task(acceptor.run())
    try:
        yield acceptor
    finally:
        trading.cancel()
        server.close()
        for session in acceptor.sessions:
            session.hang_up()
        with suppress(asyncio.CancelledError):
            await trading
