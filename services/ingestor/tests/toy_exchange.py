"""An exchange made for tests: its declaration, its scripted loopback server, and a sink in memory."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from websockets.asyncio.server import ServerConnection, serve
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from jetl2.exchanges import adapters
from jetl2.exchanges.errors import UnexpectedFrame
from jetl2.exchanges.exchange import (
    Address,
    Exchange,
    Frame,
    Instrument,
    Instruments,
    Keepalive,
    Limits,
    RestSnapshot,
    decode_json,
)
from jetl2.ingestor.errors import BufferFullError
from jetl2.ingestor.feed import Feed
from jetl2.ingestor.settings import Settings
from jetl2.ingestor.subscription import Subscription
from jetl2.orderbook import sequence
from jetl2.runtime.health import Health
from jetl2.schemas.records import BookDelta, MarketRecord, RawEvent

Script = Callable[[ServerConnection], Awaitable[None]]
Answer = Callable[[str], tuple[int, dict[str, str], bytes]]

PATIENCE_S = 20


def classify(payload: bytes) -> Sequence[Address]:
    """Return the addresses that a frame lists."""
    if payload == b"pong":
        return (Address("", "pong"),)
    try:
        frame = json.loads(payload)
        return [Address(symbol, frame["channel"]) for symbol in frame.get("symbols", [""])]
    except (ValueError, LookupError, AttributeError) as error:
        raise UnexpectedFrame(str(error)) from error


def parse(frame: Frame) -> list[MarketRecord]:
    """Return a delta, or a snapshot, of each symbol."""
    if frame["channel"] != "books":
        return []
    kind = frame.get("kind") == "snapshot"
    return [BookDelta(symbol=symbol, is_snapshot=kind) for symbol in frame["symbols"]]


def subscribe(symbols: Sequence[str], data_types: Sequence[str]) -> list[str]:
    """Return a request for each symbol."""
    return [json.dumps({"subscribe": s, "channels": list(data_types)}) for s in symbols]


def parse_instruments(body: Frame) -> list[Instrument]:
    """Return what is listed."""
    return [Instrument(symbol=s, base="", quote="", kind="spot") for s in body["symbols"]]


TOY = Exchange(
    name="toy",
    docs="",
    url="ws://toy.invalid/stream?v=1",
    channels={"book_delta": "books", "trade": "trades"},
    subscribe=subscribe,
    resubscribe=lambda symbol: [f'{{"again": "{symbol}"}}'],
    classify=classify,
    parse=parse,
    rule=adapters.get("kraken").rule,  # any: the ingestor keeps no books
    instruments=Instruments(url="https://toy.invalid/instruments", parse=parse_instruments),
    keepalive=Keepalive(stale_s=PATIENCE_S),
    limits=Limits(symbols=10, connects_per_minute=6000, sends_per_second=1000),
)
REST = RestSnapshot(
    url=lambda symbol: f"https://toy.invalid/depth?symbol={symbol}",
    parse=lambda symbol, _: BookDelta(symbol=symbol, is_snapshot=True),
    weight=1,
    weight_per_minute=6000,
)
TOY_REST = replace(TOY, resubscribe=None, snapshot=REST, rule=sequence.REST_RANGE)


def counted(frame: Frame) -> int | None:
    """Return the number of a frame on its connection."""
    number: int | None = frame.get("n") if isinstance(frame, dict) else None
    return number


TOY_COUNTED = replace(TOY, connection_seq=counted, decode=decode_json)


def book(*symbols: str, kind: str = "snapshot", **more: Any) -> str:
    """Return a frame of a book."""
    return json.dumps({"channel": "books", "symbols": symbols, "kind": kind, **more})


def no_answer(_: str) -> tuple[int, dict[str, str], bytes]:
    """Answer REST with 404."""
    return 404, {}, b"no such path"


class Server:
    """A running server: what it was asked, and how often it was connected to."""

    def __init__(self) -> None:
        self.port = 0
        self.paths: list[str] = []
        self.connects = 0

    @property
    def endpoint(self) -> dict[str, str]:
        """Return its hosts, as the setting wants them."""
        return {"ws": f"ws://127.0.0.1:{self.port}", "rest": f"http://127.0.0.1:{self.port}"}


@asynccontextmanager
async def serving(script: Script, answer: Answer = no_answer) -> AsyncIterator[Server]:
    """Serve a script for each connection, and answers to REST, on one port."""
    server = Server()

    def process_request(_: ServerConnection, request: Request) -> Response | None:
        if "Upgrade" in request.headers:
            return None
        server.paths.append(request.path)
        status, headers, body = answer(request.path)
        more = {**headers, "Content-Length": str(len(body)), "Connection": "close"}
        return Response(status, "", Headers(more), body)

    async def handle(connection: ServerConnection) -> None:
        server.connects += 1
        await script(connection)

    async with serve(
        handle, "127.0.0.1", 0, process_request=process_request, compression=None, close_timeout=1
    ) as running:
        server.port = running.sockets[0].getsockname()[1]
        yield server


class MemorySink:
    """Keeps events; full at `capacity`, until `make_room`."""

    def __init__(self, capacity: int = 1_000_000) -> None:
        self.events: list[RawEvent] = []
        self.capacity = capacity
        self._waiting: list[RawEvent] = []
        self._changed = asyncio.Condition()
        self._tasks: set[asyncio.Task[None]] = set()

    def put(self, event: RawEvent) -> None:
        """Take an event."""
        if len(self.events) >= self.capacity:
            raise BufferFullError
        self.events.append(event)
        task = asyncio.ensure_future(self._tell())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def note(self, event: RawEvent) -> None:
        """Take an event now or later."""
        self._waiting.append(event)
        self._take_waiting()

    async def room(self) -> None:
        """Return when there is room."""
        async with self._changed:
            await self._changed.wait_for(lambda: len(self.events) < self.capacity)

    def make_room(self) -> None:
        """Take any number from now on."""
        self.capacity = 1_000_000
        self._take_waiting()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Return when the condition holds, looked at after each event."""
        async with asyncio.timeout(PATIENCE_S), self._changed:
            await self._changed.wait_for(condition)

    def of(self, kind: str, symbol: str | None = None) -> list[RawEvent]:
        """Return the events of a kind, in order."""
        found = [e for e in self.events if e.kind == kind]
        return [e for e in found if symbol is None or e.symbol == symbol]

    def _take_waiting(self) -> None:
        try:
            while self._waiting:
                self.put(self._waiting[0])
                del self._waiting[0]
        except BufferFullError:
            pass

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()


@asynccontextmanager
async def feeding(
    exchange: Exchange,
    server: Server,
    sink: MemorySink,
    symbols: Sequence[str] = ("A",),
    data_types: Sequence[str] = ("book_delta",),
    **more: Any,
) -> AsyncIterator[Feed]:
    """Run a feed of the exchange from the server for the length of the block."""
    settings = Settings.model_construct(
        **{
            "endpoints": {},
            "resync_s": 0,
            "first_book_s": PATIENCE_S,
            "backoff_s": 0.01,
            "backoff_most_s": 0.05,
            **more,
        }
    )
    subscription = Subscription(symbols=tuple(symbols), data_types=tuple(data_types))
    here = replace(
        exchange,
        url=exchange.url.replace("ws://toy.invalid", server.endpoint["ws"]),
    )
    if here.snapshot is not None:
        host = server.endpoint["rest"]
        here = replace(
            here, snapshot=replace(here.snapshot, url=lambda s: f"{host}/depth?symbol={s}")
        )
    feed = Feed(here, subscription, settings, sink=sink, health=Health())
    task = asyncio.create_task(feed.run(symbols))
    try:
        yield feed
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
