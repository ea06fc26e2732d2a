"""A seeded exchange that trades by itself and speaks an exchange's own protocol over loopback.

Each symbol has a true book; every connection is told of it in the exchange's dialect, and a control
path (`/_control/...`) reads the truth and asks for misbehaviour from another process.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from jetl2.devstack import dialects, faults, server
from jetl2.devstack.dialect import BOOK, Dialect, Feed, Frame
from jetl2.devstack.market import Levels, Market
from jetl2.devstack.wire import dumps

_CONTROL = "/_control/"
_DAMAGE = {faults.CORRUPT: faults.damaged, faults.TAMPER: faults.tampered}
_COPIES = {faults.DROP: 0, faults.DUPLICATE: 2}


class Connection:
    """One client: its feed, and the frames that wait to be written."""

    def __init__(self, feed: Feed, socket: ServerConnection) -> None:
        """Take a new connection."""
        self.feed = feed
        self.socket = socket
        self.queue: asyncio.Queue[str | None] = asyncio.Queue()
        # Reordered frames by symbol, to follow the next one of that symbol
        self.held: dict[str, list[str]] = {}
        self.silent = False
        self.told = set[str]()  # symbols whose snapshot was sent


class Simulator:
    """One simulated exchange; `run` trades, `handle` and `answer` serve its clients."""

    def __init__(
        self,
        dialect: Dialect,
        *,
        seed: int = 1,
        events: int = 1000,
        events_per_second: float = 40,
        misbehaviour: faults.Faults | None = None,
    ) -> None:
        """Open the market; it moves when the first client has subscribed.

        Args:
            events: Market events in all, over all symbols; then the truth stands still.
        """
        self.dialect = dialect
        self.exchange = dialect.exchange
        self.markets = {item.symbol: Market(item, seed) for item in dialect.listings}
        self.symbols = list(self.markets)
        self.faults = misbehaviour or faults.Faults(seed)
        self.sent: Counter[str] = Counter()
        self.connections_made = 0
        self.port = 0
        self._events = events
        self._interval = 1 / events_per_second
        self._open: list[Connection] = []
        self._subscribed = asyncio.Event()
        self._step = 0

    @property
    def endpoints(self) -> dict[str, str]:
        """Addresses, in the form of the ingestor's endpoint setting."""
        return server.endpoints(self.port)

    def progress(self) -> tuple[int, int]:
        """Return market events so far, and how many there will be."""
        return self._step, self._events

    def finished(self) -> bool:
        """Whether the truth stands still."""
        return self._step >= self._events

    def book(self, symbol: str) -> tuple[Levels, Levels]:
        """Return the true book: bids and asks, best first, as shortest exact text."""
        return self.markets[symbol].book()

    async def run(self) -> None:
        """Trade, round-robin over the symbols, then only give signs of life."""
        await self._subscribed.wait()
        beat = due = time.monotonic()
        markets = list(self.markets.values())
        while True:
            if not self.finished():
                # The end is undisturbed, or a loss there could not be noticed any more
                if self._step == self._events * 9 // 10:
                    self.faults.stop()
                market = markets[self._step % len(markets)]
                event = market.step(time.time_ns())
                self._step += 1
                for connection in list(self._open):
                    for frame in connection.feed.publish(market, event):
                        self._send(connection, frame)
            if time.monotonic() - beat >= 1:
                beat = time.monotonic()
                for connection in list(self._open):
                    for frame in connection.feed.heartbeat():
                        self._send(connection, frame)
            due += self._interval
            await asyncio.sleep(max(0, due - time.monotonic()))

    async def handle(self, socket: ServerConnection) -> None:
        """Serve one client until it leaves."""
        self.connections_made += 1
        path = socket.request.path if socket.request else "/"
        feed = self.dialect.connect(path, self.markets, self.connections_made)
        connection = Connection(feed, socket)
        self._open.append(connection)
        writer = asyncio.create_task(self._write(connection))
        try:
            for frame in feed.greet():
                self._send(connection, frame)
            async for text in socket:
                for frame in feed.receive(text if isinstance(text, str) else text.decode()):
                    self._send(connection, frame)
                self._subscribed.set()
        except ConnectionClosed:
            pass
        finally:
            if connection in self._open:
                self._open.remove(connection)
            writer.cancel()
            with suppress(asyncio.CancelledError):
                await writer

    def answer(self, path: str, query: Mapping[str, str]) -> bytes | None:
        """Answer REST: the exchange's own paths, and the control path."""
        if path.startswith(_CONTROL):
            return dumps(self._control(path.removeprefix(_CONTROL), query)).encode()
        document = self.dialect.instruments(path, self.symbols)
        if document is None:
            document = self.dialect.rest(path, query, self.markets)
        return None if document is None else dumps(document).encode()

    def _control(self, what: str, query: Mapping[str, str]) -> object:
        if what == "fault":
            self.faults.ask(query["kind"], query.get("symbol", ""))
            return {"asked": query["kind"]}
        if what == "book":
            bids, asks = self.book(query["symbol"])
            return {"bids": bids, "asks": asks}
        done, total = self.progress()
        return {"events": done, "of": total, "sent": dict(self.sent), "faults": self.faults.done}

    def _send(self, connection: Connection, frame: Frame) -> None:
        kind = ""
        if frame.kind == BOOK:
            # The first book frame of a connection starts the book; later ones may be hit
            if frame.symbol in connection.told:
                kind = self.faults.next(frame.symbol, matters=frame.matters)
            connection.told.add(frame.symbol)
        if kind == faults.DISCONNECT:
            # The client must not get a goodbye
            self._open.remove(connection)
            connection.socket.transport.abort()
        elif kind == faults.SILENT:
            connection.silent = True
        if connection.silent or kind == faults.DISCONNECT:
            return
        text = _DAMAGE.get(kind, str)(frame.text)
        if kind == faults.REORDER:
            connection.held.setdefault(frame.symbol, []).append(text)
            return
        for _ in range(_COPIES.get(kind, 1)):
            self._put(connection, text, frame.kind)
        if frame.kind == BOOK:
            for held in connection.held.pop(frame.symbol, ()):
                self._put(connection, held, BOOK)

    def _put(self, connection: Connection, text: str, kind: str) -> None:
        connection.queue.put_nowait(text)
        self.sent[kind] += 1

    async def _write(self, connection: Connection) -> None:
        with suppress(ConnectionClosed):
            while (text := await connection.queue.get()) is not None:
                await connection.socket.send(text)


@asynccontextmanager
async def simulating(simulator: Simulator) -> AsyncIterator[Simulator]:
    """Serve one simulated exchange until the block ends."""
    async with server.listening(simulator.handle, simulator.answer) as port:
        simulator.port = port
        trading = asyncio.create_task(simulator.run())
        try:
            yield simulator
        finally:
            trading.cancel()
            with suppress(asyncio.CancelledError):
                await trading


def all_exchanges(**options: float) -> list[Simulator]:
    """Return one simulator for each dialect there is; options as `Simulator`."""
    return [Simulator(dialect, **options) for dialect in dialects.load().values()]  # type: ignore[arg-type]
