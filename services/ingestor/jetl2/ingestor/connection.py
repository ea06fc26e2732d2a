"""One connection from its opening to its end: stamps, classifies and hands on every frame."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence

from jetl2.exchanges import fix
from jetl2.exchanges.errors import UNREADABLE
from jetl2.exchanges.exchange import PING, RENEW, Address, Exchange, timed
from jetl2.ingestor import clock, metrics
from jetl2.ingestor.errors import BufferFullError, DisconnectedError
from jetl2.ingestor.first_books import FirstBooks
from jetl2.ingestor.retries import FIRST_S, Retries
from jetl2.ingestor.sink import Sink, lost
from jetl2.ingestor.transport.socket import Socket
from jetl2.runtime import log
from jetl2.schemas import records
from jetl2.schemas.records import RawEvent

UNCLASSIFIED = (Address("", "unclassified"),)
# The adapters' word for an error that names no symbol
ERROR = "error"
# Channels of frames that we must do something about
ASKING = frozenset({ERROR, PING, RENEW})
TICK_S = 0.5
# A new connection whose quiet symbols have said nothing for so long replaces the old one all the same
OVERLAP_S = 10.0
# After this time a book is asked for that has not changed yet
QUIET_S = 3.0
# A socket that gave nothing for so long is pinged; one that does not answer in the second time is
# half open, however long the exchange itself may be silent
PING_AFTER_S, ANSWER_S = 1.5, 3.0

_log = log.get()

# Opens a socket; with it comes its address as it may be told, without secrets. Raises
# DisconnectedError
Dial = Callable[[], Awaitable[tuple[Socket, str]]]


class Connection:
    """Receives for some symbols of one exchange.

    Whatever ends it calls `end` with the reason; `run` then closes the socket and returns. In that
    order the symbols see: connected, frames, lost (only after a full buffer), disconnected.
    """

    def __init__(
        self,
        exchange: Exchange,
        symbols: Sequence[str],
        data_types: Sequence[str],
        *,
        identity: str,
        dial: Dial,
        sink: Sink,
        first_book_s: float,
        on_first: Callable[["Connection", str], None],
        renews: bool = False,
    ) -> None:
        """Open nothing yet.

        Args:
            identity: Unique for ever.
            dial: Opens the socket.
            on_first: Called with each symbol whose first book frame has come.
            renews: Takes over from a connection that still runs, so that no book begins anew.
        """
        self.exchange = exchange
        self.symbols = tuple(symbols)
        self.identity = identity
        self.renews = renews
        self.opened_ts = 0
        self.reason = ""
        self.sound = False
        self.frames = 0
        self.opened = asyncio.Event()
        self.delivering = asyncio.Event()
        self.leaving = asyncio.Event()
        self.books = FirstBooks(exchange, symbols, data_types, renews=renews)
        self.data_types = tuple(data_types)
        self._retries = Retries(exchange, symbols, data_types, first_s=min(FIRST_S, first_book_s))
        self._dial = dial
        self._wanted = {"", *symbols}
        self._classify = exchange.new_classifier(mixed=False)
        # What is said of a connection without books is apart from them
        self._about = "" if "book_delta" in data_types else exchange.channels[data_types[0]]
        self._sink = sink
        self._first_book_s = first_book_s
        self._on_first = on_first
        self._ended = asyncio.Event()
        # Since when nothing was kept any more, and how much of each symbol was not
        self._lost_ts = 0
        self._lost = Counter[str]()
        self._out: asyncio.Queue[str] = asyncio.Queue()
        self._answers: asyncio.Queue[str] = asyncio.Queue()
        self._readable = 0
        self._number_offset: int | None = None
        self._bytes = 0
        self._counted = (0, 0)
        self._last_s = 0.0
        self._alarmed = False

    @property
    def live(self) -> bool:
        """Whether it is open and wanted."""
        return bool(self.opened_ts) and not self._ended.is_set()

    def end(self, reason: str, *, sound: bool = False) -> None:
        """Ask it to end; the first reason counts.

        Args:
            sound: The exchange is well, only frames are missing: no reason to wait for a new one.
        """
        if not self._ended.is_set():
            self.reason = reason
            self.sound = sound
            self._ended.set()

    def request(self, texts: Sequence[str]) -> None:
        """Send requests, each in its turn under the exchange's rate."""
        for text in texts:
            self._out.put_nowait(text)

    def stale_s(self) -> float:
        """Return how long no frame has come."""
        return time.monotonic() - self._last_s if self.live else 0

    def snapshot(self, symbol: str, body: bytes, local_ts: int) -> None:
        """Hand on the body of a REST snapshot, as of this connection."""
        self.books.joined(symbol)
        try:
            self._sink.put(self._event(symbol, "", local_ts, records.SNAPSHOT, body))
        except BufferFullError:
            self._lose([symbol], local_ts)

    async def run(self) -> None:
        """Open, receive until the end, close; `reason` says why."""
        try:
            socket, address = await self._dial()
        except DisconnectedError as error:
            self.end(f"could not connect: {error}")
            return
        try:
            await self._receive(socket, address)
        finally:
            await socket.close()

    async def _receive(self, socket: Socket, address: str) -> None:
        self.opened_ts = clock.now()
        self._last_s = time.monotonic()
        self._note_each(records.CONNECTED, address)
        self.opened.set()
        metrics.connects.labels(self.exchange.name).inc()
        metrics.connections.labels(self.exchange.name).inc()
        _log.info(
            "connected",
            exchange=self.exchange.name,
            connection=self.identity,
            symbols=len(self.symbols),
            renews=self.renews,
        )
        coroutines = (
            self._read(socket),
            self._write(socket),
            self._answer(socket),
            self._keep_alive(socket),
            self._watch(),
            self._ping(socket),
        )
        parts = [asyncio.create_task(coroutine) for coroutine in coroutines]
        for part in parts:
            part.add_done_callback(self._part_done)
        try:
            self.request(self.exchange.subscribe(self.symbols, self.data_types))
            await self._ended.wait()
        finally:
            self.end("stopped")
            for part in parts:
                part.cancel()
            await asyncio.gather(*parts, return_exceptions=True)
            last = asyncio.create_task(self._take_unread(socket))
            last.add_done_callback(self._part_done)
            await asyncio.gather(last, return_exceptions=True)
            self._note_lost()
            self._note_each(records.DISCONNECTED, self.reason)
            self._count()
            metrics.connections.labels(self.exchange.name).dec()

    async def _read(self, socket: Socket) -> None:
        recv, now, ended = socket.recv, clock.now, self._ended.is_set
        while not ended():
            payload = await recv()
            self._take(payload, now())

    def _take(self, payload: bytes, local_ts: int) -> None:
        try:
            addresses = self._classify(payload) or UNCLASSIFIED
        except UNREADABLE:
            metrics.unclassified.labels(self.exchange.name).inc()
            addresses = UNCLASSIFIED
        if self._lost_ts:
            # After a loss all else is lost too: a hole would look like none
            self._lose(self._about_whom(addresses), local_ts)
            return
        if not self._keep(payload, local_ts, addresses):
            return
        self.frames += 1
        self._readable += addresses is not UNCLASSIFIED and self.exchange.counts(addresses)
        self._bytes += len(payload)
        self._last_s = time.monotonic()
        if self.books.unseen or not self.delivering.is_set():
            self._begin(addresses, payload)
        if self._retries.unheard:
            self._retries.heard(addresses)
        if addresses[0][1] in ASKING:
            self._do(addresses[0], payload)
        if self.exchange.connection_seq is not None:
            self._follow(payload)

    def _begin(self, addresses: Sequence[Address], payload: bytes) -> None:
        """See whose book begins with a frame."""
        for symbol in self.books.seen(addresses, payload):
            self._on_first(self, symbol)
        if not self.books.unseen and any(symbol for symbol, _ in addresses):
            self.delivering.set()

    def _do(self, address: Address, payload: bytes) -> None:
        """Do what a frame asks for that is about the connection."""
        if address.channel == ERROR:
            self._refused(payload)
        elif address == ("", PING):
            self._pinged(payload)
        elif address == ("", RENEW):
            self.leaving.set()

    def _keep(self, payload: bytes, local_ts: int, addresses: Sequence[Address]) -> bool:
        """Hand a frame on, once for each of our symbols; return False when that was not possible."""
        put, event = self._sink.put, self._event
        kept = 0
        try:
            for symbol, channel in addresses:
                if symbol in self._wanted:
                    put(event(symbol, channel, local_ts, records.FRAME, payload))
                    kept += 1
            if not kept:
                # a channel over all symbols may be about none of ours; kept once all the same
                put(event("", addresses[0].channel, local_ts, records.FRAME, payload))
            if addresses is UNCLASSIFIED:
                # It may be about any of them: the merger knows whether their numbers will tell
                for symbol in self.symbols:
                    put(event(symbol, self._about, local_ts, records.UNREADABLE, b""))
        except BufferFullError:
            self._lose(self._about_whom(addresses)[kept:], local_ts)
            return False
        return True

    def _about_whom(self, addresses: Sequence[Address]) -> list[str]:
        """Return our symbols that a frame may be about; "" where it is about none of them."""
        if addresses is UNCLASSIFIED:
            return ["", *self.symbols]
        return [symbol for symbol, _ in addresses if symbol in self._wanted] or [""]

    async def _take_unread(self, socket: Socket) -> None:
        """Take what had come before the end; after a full buffer only to count it."""
        for payload in await socket.unread():
            self._take(payload, clock.now())

    def _lose(self, symbols: Sequence[str], local_ts: int) -> None:
        """Take note that an event of these symbols could not be kept; the connection ends."""
        metrics.lost.labels(self.exchange.name).inc()
        self._lost.update(symbols)
        if not self._lost_ts:
            self._lost_ts = local_ts
            _log.error("buffer_full", exchange=self.exchange.name, connection=self.identity)
            self.end("buffer full")

    def _note_lost(self) -> None:
        to_ts = clock.now()
        for symbol, messages in self._lost.items():
            about = self._about if symbol else ""
            first = self._event(symbol, about, self._lost_ts, records.LOST, b"")
            self._sink.note(lost(first, to_ts=to_ts, messages=messages, reason="buffer full"))
        self._lost.clear()

    def _follow(self, payload: bytes) -> None:
        """Compare the exchange's count of this connection's frames with our own."""
        assert self.exchange.connection_seq is not None
        try:
            frame = self.exchange.decode(payload)
            number = self.exchange.connection_seq(frame)
        except UNREADABLE:
            return
        if number is None:
            return
        before = self._number_offset
        self._number_offset, missing = self.exchange.ahead(frame, number - self._readable, before)
        if missing:
            assert before is not None
            metrics.gaps.labels(self.exchange.name).inc()
            expected = self._readable + before
            self.end(f"connection_sequence: expected {expected}, found {number}", sound=True)

    def _refused(self, payload: bytes) -> None:
        metrics.refusals.labels(self.exchange.name).inc()
        text = fix.shown(payload, 500)
        _log.warning(
            "exchange_refused", exchange=self.exchange.name, connection=self.identity, answer=text
        )
        self._retries.refused(time.monotonic())

    def _pinged(self, payload: bytes) -> None:
        answer = self.exchange.keepalive.answer
        if answer is None:
            return
        try:
            self._answers.put_nowait(answer(payload))
        except UNREADABLE:
            metrics.unclassified.labels(self.exchange.name).inc()

    async def _write(self, socket: Socket) -> None:
        """Send requests under the exchange's rate."""
        await asyncio.sleep(self.exchange.limits.wait_s)
        while True:
            text = timed(await self._out.get(), int(time.time()))
            await socket.send(text)
            self._sink.note(self._event("", "", clock.now(), records.SUBSCRIBED, text.encode()))
            await asyncio.sleep(1 / self.exchange.limits.sends_per_second)

    async def _answer(self, socket: Socket) -> None:
        """Answer the exchange's pings at once, however many requests wait."""
        while True:
            await socket.send(await self._answers.get())

    async def _keep_alive(self, socket: Socket) -> None:
        alive = self.exchange.keepalive
        while alive.message:
            await asyncio.sleep(alive.interval_s)
            await socket.send(timed(alive.message, int(time.time())))

    async def _ping(self, socket: Socket) -> None:
        """Ask a socket that gives nothing for a sign of life."""
        while True:
            await asyncio.sleep(TICK_S)
            # Requests still to be sent are pings enough, and count towards the same rate
            if self.stale_s() < PING_AFTER_S or not self._out.empty():
                continue
            if not await socket.answers(ANSWER_S) and self.stale_s() > ANSWER_S:
                self.end(f"half open: no answer to a ping for {ANSWER_S:g} s")
                return
            await asyncio.sleep(PING_AFTER_S - TICK_S)

    async def _watch(self) -> None:
        most_s = self.exchange.keepalive.stale_s
        begin_s = time.monotonic()
        while True:
            await asyncio.sleep(min(TICK_S, most_s / 4, self._first_book_s / 4))
            self._count()
            age_s = time.monotonic() - begin_s
            if self.stale_s() > most_s:
                self.end(f"stale: no frame for {most_s:g} s")
            if age_s > QUIET_S:
                for symbol in self.books.quiet():
                    self._on_first(self, symbol)
            if age_s > OVERLAP_S and self.frames:
                self.delivering.set()
            if age_s > self._first_book_s and self.books.missing and not self._alarmed:
                self._alarmed = True
                self._retries.late(time.monotonic())
                _log.error(
                    "no_first_book",
                    exchange=self.exchange.name,
                    connection=self.identity,
                    symbols=sorted(self.books.missing),
                    after_s=self._first_book_s,
                )
            if self._out.empty():
                self._ask_again(time.monotonic())

    def _ask_again(self, now_s: float) -> None:
        """Ask once more for what was refused or has not come."""
        asked = self._retries.due(now_s, self.books.missing)
        if asked is None:
            return
        metrics.retries.labels(self.exchange.name).inc()
        _log.warning(
            "asking_again",
            exchange=self.exchange.name,
            connection=self.identity,
            symbols=asked.symbols,
            attempt=self._retries.attempt,
        )
        self.request(asked.texts)
        for symbol in asked.fetch:
            self._on_first(self, symbol)

    def missing(self) -> int:
        """Return how many books have not come in the time they should."""
        return len(self.books.missing) if self._alarmed and self.live else 0

    def _count(self) -> None:
        frames, size = self._counted
        metrics.frames.labels(self.exchange.name).inc(self.frames - frames)
        metrics.size.labels(self.exchange.name).inc(self._bytes - size)
        self._counted = (self.frames, self._bytes)

    def _part_done(self, part: asyncio.Task[None]) -> None:
        error = None if part.cancelled() else part.exception()
        if isinstance(error, DisconnectedError):
            self.end(str(error))
        elif error is not None:
            _log.error("connection_failed", connection=self.identity, exc_info=error)
            self.end(f"{type(error).__name__}: {error}")

    def _note_each(self, kind: str, text: str) -> None:
        local_ts = clock.now()
        for symbol in self.symbols:
            self._sink.note(self._event(symbol, self._about, local_ts, kind, text.encode()))

    def _event(self, symbol: str, channel: str, ts: int, kind: str, payload: bytes) -> RawEvent:
        return RawEvent(
            exchange=self.exchange.name,
            symbol=symbol,
            channel=channel,
            local_ts=ts,
            connection_id=self.identity,
            counter=self._readable,
            kind=kind,
            payload=payload,
        )
