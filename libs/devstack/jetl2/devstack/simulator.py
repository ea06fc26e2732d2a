"""A seeded exchange that trades by itself and speaks an exchange's own protocol over loopback.

Each symbol has a true book; every connection is told of it in the exchange's dialect, and a control
path (`/_control/...`) reads the truth and asks for misbehaviour from another process.
"""

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus

from websockets.asyncio.server import ServerConnection, broadcast
from websockets.exceptions import ConnectionClosed

from jetl2.devstack import faults, server
from jetl2.devstack.dialect import BOOK, Care, Dialect, Feed, Frame
from jetl2.devstack.market import Levels, Market
from jetl2.devstack.wire import dumps
from jetl2.exchanges import adapters

_CONTROL = "/_control/"
_DAMAGE = {faults.CORRUPT: faults.damaged, faults.TAMPER: faults.tampered}
_COPIES = {faults.DROP: 0, faults.DUPLICATE: 2}
_STATUS = {
    faults.CONNECT_429: HTTPStatus.TOO_MANY_REQUESTS,
    faults.CONNECT_503: HTTPStatus.SERVICE_UNAVAILABLE,
    faults.EXPIRED_TOKEN: HTTPStatus.UNAUTHORIZED,
    faults.REFUSED_TOKEN: HTTPStatus.UNAUTHORIZED,
    faults.REST_429: HTTPStatus.TOO_MANY_REQUESTS,
    faults.REST_418: HTTPStatus.IM_A_TEAPOT,
}
# Subscriptions come as several messages, on several connections; the market waits for all of them
_SETTLE_S = 0.2
# Of each symbol, after the last misbehaviour
_LAST_EVENTS = 25
# Why a connection was cut
NO_PING, NO_PONG, TOO_OLD = "no ping", "no pong", "too old"


class Connection:
    """One client and its feed."""

    def __init__(self, feed: Feed, socket: ServerConnection) -> None:
        """Take a new connection."""
        self.feed = feed
        self.socket = socket
        # Reordered frames by symbol, to follow the next one of that symbol
        self.held: dict[str, list[str | bytes]] = {}
        self.silent = False
        self.told = set[str]()  # symbols whose snapshot was sent
        now = time.monotonic()
        self.opened_s = self.client_pinged_s = self.we_pinged_s = now
        self.unanswered_s = 0.0  # since when our ping is; 0: it is answered

    def heard(self, care: Care, text: str) -> None:
        """Take note of a message of the client."""
        if care.is_ping(text):
            self.client_pinged_s = time.monotonic()
        if care.is_pong(text):
            self.unanswered_s = 0

    def overdue(self, care: Care) -> Iterator[str]:
        """Yield why it is to be cut."""
        now = time.monotonic()
        if care.ping_within_s and now - self.client_pinged_s > care.ping_within_s:
            yield NO_PING
        if (
            care.pong_within_s
            and self.unanswered_s
            and now - self.unanswered_s > care.pong_within_s
        ):
            yield NO_PONG
        if care.lifetime_s and now - self.opened_s > care.lifetime_s:
            yield TOO_OLD

    def ping(self, care: Care) -> Iterator[Frame]:
        """Yield our ping when it is due."""
        now = time.monotonic()
        if care.ping is not None and now - self.we_pinged_s >= care.ping_every_s:
            self.we_pinged_s = now
            self.unanswered_s = self.unanswered_s or now
            yield care.ping(time.time_ns())


class Simulator:
    """One simulated exchange; `run` trades, `handle` and `answer` serve its clients."""

    def __init__(
        self,
        dialect: Dialect,
        *,
        seed: int = 1,
        events: int = 1000,
        events_per_second: float = 40,
        messages_per_second: float = 0,
        sample_every: int = 50,
        misbehaviour: faults.Faults | None = None,
        care: Care | None = None,
    ) -> None:
        """Open the market; it moves when the first client has subscribed.

        Args:
            events: Market events in all, over all symbols; then the truth stands still.
            messages_per_second: Frames to all clients together, in place of events: an event is
                several frames. 0: the events are counted.
            sample_every: See `Market`.
            care: In place of the dialect's own, for tests that cannot wait so long.
        """
        self.dialect = dialect
        self.exchange = dialect.exchange
        self.markets = {
            item.symbol: Market(item, seed, sample_every=sample_every) for item in dialect.listings
        }
        self.symbols = list(self.markets)
        self.faults = misbehaviour or faults.Faults(seed)
        self.care = care or dialect.care
        self.sent: Counter[str] = Counter()
        self.cuts: Counter[str] = Counter()
        self.connections_made = 0
        self.port = 0
        self._events = events
        self._by_message = messages_per_second > 0
        self._interval = 1 / (messages_per_second or events_per_second)
        self._open: list[Connection] = []
        self._subscribed = asyncio.Event()
        self._step = 0

    @property
    def endpoints(self) -> dict[str, str]:
        """Addresses, in the form of the ingestor's endpoint setting."""
        return server.endpoints(self.port)

    @property
    def depth(self) -> int | None:
        """How many levels a side the subscribed books show; None: all."""
        return adapters.get(self.exchange).book_depth or None

    def progress(self) -> tuple[int, int]:
        """Return market events so far, and how many there will be."""
        return self._step, self._events

    def finished(self) -> bool:
        """Whether the truth stands still."""
        return self._step >= self._events

    def end(self) -> None:
        """Behave from now on, and stand still after as many events as show what was lost before."""
        self.faults.stop()
        self._events = min(self._events, self._step + _LAST_EVENTS * len(self.markets))

    def book(self, symbol: str) -> tuple[Levels, Levels]:
        """Return the true book: bids and asks, best first, as shortest exact text."""
        return self.markets[symbol].book()

    async def run(self) -> None:
        """Trade, round-robin over the symbols, then only give signs of life."""
        await self._subscribed.wait()
        await asyncio.sleep(_SETTLE_S)
        beat = due = time.monotonic()
        markets = list(self.markets.values())
        while True:
            before = self.sent.total()
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
            # An event that nobody is told of takes its time too
            cost = max(self.sent.total() - before, 1) if self._by_message else 1
            due += self._interval * cost
            await asyncio.sleep(max(0, due - time.monotonic()))

    async def handle(self, socket: ServerConnection) -> None:
        """Serve one client until it leaves."""
        self.connections_made += 1
        path = socket.request.path if socket.request else "/"
        feed = self.dialect.connect(path, self.markets, self.connections_made)
        connection = Connection(feed, socket)
        self._open.append(connection)
        watching = asyncio.create_task(self._watch(connection))
        try:
            for frame in feed.greet():
                self._send(connection, frame)
            async for message in socket:
                self._receive(connection, message if isinstance(message, str) else message.decode())
                self._subscribed.set()
        except ConnectionClosed:
            pass
        finally:
            if connection in self._open:
                self._open.remove(connection)
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)

    def answer(self, asked: server.Asked) -> server.Answer | None:
        """Answer HTTP: the exchange's own paths, the control path, and who may open a websocket."""
        if asked.upgrade:
            return self._refusal(self.faults.at(faults.CONNECT))
        path, query = asked.path, asked.query
        if path.startswith(_CONTROL):
            return _json(self._control(path.removeprefix(_CONTROL), query))
        query = {**query, **_members(asked.body)}
        named = {*query.values(), *path.split("/")}
        symbol = next((s for s in self.symbols if s in named), "")
        if kind := self.faults.at(faults.REST, symbol):
            return self._refusal(kind)
        document = self.dialect.instruments(path, self.symbols)
        if document is not None:
            return _json(document)
        document = self.dialect.token(path, self.endpoints["ws"])
        if document is not None:
            return self._refusal(self.faults.at(faults.TOKEN)) or _json(document)
        return self._snapshot(path, query, symbol)

    def _snapshot(self, path: str, query: Mapping[str, str], symbol: str) -> server.Answer | None:
        document = self.dialect.rest(path, query, self.markets)
        if document is None:
            return None
        kind = self.faults.at(faults.SNAPSHOT, symbol)
        if kind == faults.STALE_SNAPSHOT:
            old = {symbol: market.before() for symbol, market in self.markets.items()}
            document = self.dialect.rest(path, query, old)
        return _json(document, self.faults.late_s if kind == faults.LATE_SNAPSHOT else 0)

    def _refusal(self, kind: str) -> server.Answer | None:
        if not kind:
            return None
        body = dumps({"error": kind}).encode()
        status = _STATUS[kind]
        wait = {"Retry-After": f"{self.faults.retry_after_s:g}"}
        return server.Answer(body, status, {} if status == HTTPStatus.UNAUTHORIZED else wait)

    def _control(self, what: str, query: Mapping[str, str]) -> object:
        if what == "fault":
            self.faults.ask(query["kind"], query.get("symbol", ""))
            return {"asked": query["kind"]}
        if what == "end":
            self.end()
        if what == "book":
            bids, asks = self.book(query["symbol"])
            return {"bids": bids, "asks": asks}
        done, total = self.progress()
        counted = {"sent": dict(self.sent), "cuts": dict(self.cuts)}
        return {"events": done, "of": total, "faults": self.faults.done, **counted}

    def _receive(self, connection: Connection, text: str) -> None:
        connection.heard(self.care, text)
        refusal = self.dialect.refuse(text)
        if refusal is None or not self.faults.at(faults.SUBSCRIPTION):
            refusal = connection.feed.receive(text)
        for frame in refusal:
            self._send(connection, frame)

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
        text = _DAMAGE[kind](frame.text) if kind in _DAMAGE else frame.text
        if kind == faults.REORDER:
            connection.held.setdefault(frame.symbol, []).append(text)
            return
        for _ in range(_COPIES.get(kind, 1)):
            self._put(connection, text, frame.kind)
        if frame.kind == BOOK:
            for held in connection.held.pop(frame.symbol, ()):
                self._put(connection, held, BOOK)

    def _put(self, connection: Connection, text: str | bytes, kind: str) -> None:
        # Without waiting, as an exchange does not either; `send` costs a task and a queue more
        broadcast((connection.socket,), text)
        self.sent[kind] += 1

    async def _watch(self, connection: Connection) -> None:
        """Ping, and cut who does not do its part."""
        care = self.care
        times = (care.ping_within_s, care.ping_every_s, care.pong_within_s, care.lifetime_s)
        tick_s = min((s / 4 for s in times if s), default=0)
        while tick_s:
            await asyncio.sleep(min(tick_s, 1))
            if connection.silent:
                continue
            for reason in connection.overdue(care):
                self.cuts[reason] += 1
                await connection.socket.close(1008, reason)
                return
            for frame in connection.ping(care):
                self._send(connection, frame)


def _json(document: object, delay_s: float = 0) -> server.Answer:
    return server.Answer(dumps(document).encode(), delay_s=delay_s)


def _members(body: bytes) -> dict[str, str]:
    """Return the members of a JSON body that are texts or numbers, as text."""
    try:
        document = json.loads(body)
    except ValueError:
        return {}
    if not isinstance(document, dict):
        return {}
    return {name: str(value) for name, value in document.items() if isinstance(value, str | int)}


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
