"""A client of a simulated exchange by its declaration alone: connects, answers pings, fetches snapshots.

What came goes to a merge session, and what the session asks for is done. It is what the ingestor and
the merger do together, made anew in the most direct way.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, TypeVar
from urllib.parse import urlsplit, urlunsplit

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException

from jetl2.devstack.simulator import Simulator
from jetl2.exchanges.errors import UNREADABLE
from jetl2.exchanges.exchange import PING, Address, Exchange, read, timed
from jetl2.exchanges.life import Output
from jetl2.exchanges.session import Session
from jetl2.schemas import records
from jetl2.schemas.records import BookDelta, RawEvent, Resync

SILENCE_S = 0.7
UNCLASSIFIED = (Address("", "unclassified"),)
R = TypeVar("R")


@dataclass
class Line:
    """One connection as long as it stands."""

    identity: str
    socket: ClientConnection
    symbols: list[str]
    # The channel of what is said of it: where it brings no books, they go on without it
    about: str
    frames: int = 0
    ended: bool = False
    begun: set[str] = field(default_factory=set)


class PlainIngestor:
    """Follows all symbols of one exchange, through whatever happens to its connections."""

    def __init__(self, exchange: Exchange, simulator: Simulator, data_types: Sequence[str]) -> None:
        """Open nothing yet."""
        self.exchange = exchange
        self.session = Session(exchange)
        self.found: list[Output] = []
        self.ends: Counter[str] = Counter()
        self.channels: Counter[str] = Counter()
        self.failed = False  # by no misbehaviour of the exchange
        self._simulator = simulator
        self._left = False
        self._data_types = [t for t in data_types if t in exchange.channels]
        self._book_lines: dict[str, Line] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._rest = httpx.AsyncClient(base_url=simulator.endpoints["rest"], trust_env=False)

    def of(self, kind: type[R]) -> list[R]:
        """Return the records of a kind, in order."""
        return [record for record in self.found if isinstance(record, kind)]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Stay connected for the length of the block."""
        routes: dict[str, tuple[dict[str, None], dict[str, None]]] = {}
        for symbol in self._simulator.symbols:
            for data_type in self._data_types:
                route = self.exchange.route
                url = route(symbol, data_type) if route else self.exchange.url
                symbols, data_types = routes.setdefault(url, ({}, {}))
                symbols[symbol], data_types[data_type] = None, None
        for url, (symbols, data_types) in routes.items():
            self._start(self._keep(url, list(symbols), list(data_types)))
        try:
            yield
        finally:
            self._left = True
            tasks = list(self._tasks)
            for task in tasks:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
            await self._rest.aclose()
        for error in results:
            if isinstance(error, Exception):
                raise error

    def _start(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        if task.cancelled() or task.exception() is None:
            self._tasks.discard(task)
        else:  # it stays, and is raised at the end
            self.failed = True

    async def _keep(self, url: str, symbols: list[str], data_types: list[str]) -> None:
        while True:
            try:
                async with connect(await self._address(url), max_size=None) as socket:
                    await self._receive(socket, symbols, data_types)
            except (ConnectionClosed, WebSocketException, TimeoutError) as error:
                self.ends[type(error).__name__] += 1
            await asyncio.sleep(0.01)

    async def _address(self, url: str) -> str:
        if self.exchange.token is not None:
            answer = await self._rest.post(tail(self.exchange.token.url))
            while answer.status_code != HTTPStatus.OK:
                answer = await self._rest.post(tail(self.exchange.token.url))
            url = self.exchange.token.parse(self.exchange.decode(answer.content))
        return self._simulator.endpoints["ws"] + tail(url)

    async def _receive(
        self, socket: ClientConnection, symbols: list[str], data_types: list[str]
    ) -> None:
        about = "" if "book_delta" in data_types else self.exchange.channels[data_types[0]]
        line = Line(f"line-{time.time_ns()}", socket, symbols, about)
        for symbol in symbols:
            self._feed(line, Address(symbol, about), records.CONNECTED)
            if "book_delta" in data_types:
                self._book_lines[symbol] = line
        parts = [self._start(self._ping(socket))]
        classify = self.exchange.new_classifier()
        try:
            for text in self.exchange.subscribe(symbols, data_types):
                await socket.send(_now(text))
            while True:
                async with asyncio.timeout(SILENCE_S):
                    payload = await socket.recv(decode=False)
                try:
                    addresses = classify(payload) or UNCLASSIFIED
                except UNREADABLE:
                    addresses = UNCLASSIFIED
                await self._take(line, addresses, payload)
        finally:
            for part in parts:
                part.cancel()
            line.ended = True
            # That we leave is no gap: the books stay to be looked at
            for symbol in symbols if not self._left else ():
                self._feed(line, Address(symbol, about), records.DISCONNECTED, b"cut")

    async def _take(self, line: Line, addresses: Sequence[Address], payload: bytes) -> None:
        answer = self.exchange.keepalive.answer
        for address in addresses:
            self.channels[address.channel] += 1
            self._feed(line, address, records.FRAME, payload)
            if address == ("", PING) and answer is not None:
                await line.socket.send(answer(payload))
            if self._begins(line, address, payload):
                line.begun.add(address.symbol)
                self._start(self._fetch(line, address.symbol))
        if addresses is UNCLASSIFIED:
            for symbol in line.symbols:
                self._feed(line, Address(symbol, line.about), records.UNREADABLE)
        else:
            line.frames += self.exchange.counts(addresses)

    def _begins(self, line: Line, address: Address, payload: bytes) -> bool:
        """Whether this is the first delta of a book whose snapshot comes by REST."""
        if self.exchange.rule.snapshot != "rest" or address.symbol in {"", *line.begun}:
            return False
        try:
            _, found = read(self.exchange, payload, address)
        except UNREADABLE:
            return False
        return any(isinstance(record, BookDelta) for record in found)

    async def _fetch(self, line: Line, symbol: str) -> None:
        snapshot = self.exchange.snapshot
        assert snapshot is not None
        url = tail(snapshot.url(symbol))
        answer = await self._rest.get(url)
        while answer.status_code != HTTPStatus.OK:
            await asyncio.sleep(float(answer.headers["Retry-After"]))
            answer = await self._rest.get(url)
        if not line.ended:
            self._feed(line, Address(symbol, ""), records.SNAPSHOT, answer.content)

    async def _ping(self, socket: ClientConnection) -> None:
        alive = self.exchange.keepalive
        while alive.message:
            await asyncio.sleep(alive.interval_s)
            await socket.send(_now(alive.message))

    def _feed(self, line: Line, address: Address, kind: str, payload: bytes = b"") -> None:
        event = RawEvent(
            exchange=self.exchange.name,
            symbol=address.symbol,
            channel=address.channel,
            local_ts=time.time_ns(),
            connection_id=line.identity,
            counter=line.frames,
            kind=kind,
            payload=payload,
        )
        found = self.session.feed(event)
        self.found += found
        for record in found:
            if isinstance(record, Resync):
                self._start(self._again(record))

    async def _again(self, request: Resync) -> None:
        """Do what the merge engine asks for, as the exchange's declaration says."""
        await asyncio.sleep(0)  # not while a frame is taken
        line, symbol = self._book_lines[request.symbol], request.symbol
        if line.ended:
            return  # the next one begins the book anew
        try:
            if request.reason == "connection_sequence" and self.exchange.connection_seq:
                await line.socket.close()
            elif self.exchange.rule.snapshot == "rest":
                await self._fetch(line, symbol)
            elif self.exchange.resubscribe is not None:
                for text in self.exchange.resubscribe(symbol):
                    await line.socket.send(_now(text))
            else:
                await line.socket.close()
        except ConnectionClosed:
            pass  # the next one begins the book anew


def _now(text: str) -> str:
    return timed(text, int(time.time()))


def tail(url: str) -> str:
    """Return the URL without scheme and host."""
    return urlunsplit(urlsplit(url)._replace(scheme="", netloc="")) or "/"
