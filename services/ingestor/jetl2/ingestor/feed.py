"""All connections of one exchange: opened, renewed with an overlap, opened again when they end."""

import asyncio
import itertools
import os
import random
import socket
import time
from collections import OrderedDict
from collections.abc import Sequence

from jetl2.exchanges.errors import UNREADABLE
from jetl2.exchanges.exchange import Exchange, decode_json
from jetl2.ingestor import clock, listing, metrics, plan
from jetl2.ingestor.budget import Budget
from jetl2.ingestor.connection import Connection
from jetl2.ingestor.errors import DisconnectedError, RefusedError, ThrottledError
from jetl2.ingestor.resync import Resyncs
from jetl2.ingestor.settings import Endpoint, Settings
from jetl2.ingestor.sink import Sink
from jetl2.ingestor.subscription import Subscription
from jetl2.ingestor.transport import fix, websocket
from jetl2.ingestor.transport.rest import Rest
from jetl2.ingestor.transport.socket import Socket
from jetl2.runtime import log
from jetl2.runtime.health import Health
from jetl2.schemas import records
from jetl2.schemas.records import RawEvent

# One that lived this long was a good one: the next backoff begins anew
GOOD_S = 30
ENDED_KEPT = 1000

_log = log.get()
_numbers = itertools.count(1)


class Feed:
    """One exchange's symbols, on as many connections as its limits ask for."""

    def __init__(
        self,
        exchange: Exchange,
        subscription: Subscription,
        settings: Settings,
        *,
        sink: Sink,
        health: Health,
        rest: Rest | None = None,
        chance: random.Random | None = None,
    ) -> None:
        """Open nothing yet.

        Args:
            rest: What all requests to the exchange go through, closed at the end; None: its own.
            chance: For jitter.
        """
        endpoint = settings.endpoints.get(exchange.name, Endpoint())
        self._credentials = settings.fix.get(exchange.name)
        self._host = endpoint.ws
        self.rest = rest or listing.rest_of(exchange)
        if self._credentials is not None:
            exchange = exchange.over_fix()
            self._host = endpoint.fix
        self.exchange = exchange
        self.rest_host = endpoint.rest
        self.connections: dict[str, Connection] = {}
        self._subscription = subscription
        self._settings = settings
        self._sink = sink
        self._health = health
        self._chance = chance or random.Random()  # noqa: S311 - jitter
        self._keepers: list[asyncio.Task[None]] = []
        self._failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._connects = Budget(exchange.limits.connects_per_minute, time.monotonic)
        self._turn = asyncio.Lock()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._ended: OrderedDict[str, None] = OrderedDict()
        self._resyncs = Resyncs(
            exchange,
            self.rest,
            rest_host=endpoint.rest,
            interval_s=settings.resync_s,
            find=self._find,
        )
        self.asked = self._resyncs.asked

    async def run(self, symbols: Sequence[str]) -> None:
        """Receive these symbols, and those added later, until cancelled; then close all connections."""
        self.add(symbols)
        try:
            await self._failed
        finally:
            for keeper in self._keepers:
                keeper.cancel()
            for identity, connection in self.connections.items():
                connection.end("stopped")
                if not connection.opened.is_set():
                    self._tasks[identity].cancel()
            await asyncio.gather(*self._keepers, *self._tasks.values(), return_exceptions=True)
            await self._resyncs.close()

    def add(self, symbols: Sequence[str]) -> None:
        """Receive these symbols too, on connections of their own."""
        most = self.exchange.limits.symbols
        for group in plan.groups(self.exchange, symbols, self._data_types()):
            for members in plan.shards(group.symbols, most):
                part = group._replace(symbols=members)
                if self._session_is_missing(part):
                    continue
                keeper = asyncio.create_task(self._keep(len(self._keepers), part))
                keeper.add_done_callback(self._keeper_done)
                self._keepers.append(keeper)

    def _data_types(self) -> list[str]:
        """Return what is wanted and can be had by this transport."""
        wanted, channels = self._subscription.data_types, self.exchange.channels
        if self._credentials is not None and (left := [t for t in wanted if t not in channels]):
            _log.warning("not_over_fix", exchange=self.exchange.name, data_types=left)
        return [t for t in wanted if self._credentials is None or t in channels]

    def _session_is_missing(self, part: plan.Group) -> bool:
        """Whether a part has no FIX session to come by: each name is taken once at a time."""
        if self._credentials is None or self.exchange.fix is None:
            return False
        if not part.data_types:
            _log.error("nothing_over_fix", exchange=self.exchange.name, symbols=part.symbols)
            return True
        if len(self._keepers) < len(self._credentials.senders(self.exchange.fix)):
            return False
        _log.error("no_fix_session_left", exchange=self.exchange.name, symbols=part.symbols)
        return True

    def _keeper_done(self, keeper: asyncio.Task[None]) -> None:
        if not keeper.cancelled() and (error := keeper.exception()) and not self._failed.done():
            self._failed.set_exception(error)

    def measure(self) -> None:
        """Bring the gauges up to date."""
        every = list(self.connections.values())
        name = self.exchange.name
        metrics.staleness.labels(name).set(max((c.stale_s() for c in every), default=0))
        metrics.books_missing.labels(name).set(sum(c.missing() for c in every))

    async def _keep(self, number: int, group: plan.Group) -> None:
        """Keep a group connected; at a renewal the new one delivers before the old closes."""
        part = f"{self.exchange.name}/{number}"
        current: Connection | None = None
        attempt = 0
        while True:
            if current is None:
                self._health.not_ready(part, "not connected")
            await self._sink.room()
            await self._take_turn()
            new = self._open(group, number, renews=current is not None and current.live)
            task = self._tasks[new.identity]
            await _either(task, new.delivering if new.renews else new.opened)
            if not task.done():
                self._health.ready(part)
                if current is not None:
                    current.end("renewed")
                current = new
                renew_s = plan.renew_after_s(self.exchange.limits.lifetime_s, self._chance)
                begun_s = time.monotonic()
                await _either(task, new.leaving, timeout_s=renew_s)
                if not task.done():
                    continue
                if new.sound or time.monotonic() - begun_s > GOOD_S:
                    attempt = 0
            if current is not None and not current.live:
                current = None
            await self._back_off(new, attempt)
            attempt += 1

    async def _take_turn(self) -> None:
        """Return when one more connection may be opened."""
        await self._connects.spend()
        if per_second := self.exchange.limits.connects_per_second:
            async with self._turn:
                await asyncio.sleep(1 / per_second)

    def _open(self, group: plan.Group, number: int, *, renews: bool) -> Connection:
        identity = f"{socket.gethostname()}-{os.getpid()}-{next(_numbers)}-{time.time_ns()}"
        connection = Connection(
            self.exchange,
            group.symbols,
            group.data_types,
            identity=identity,
            dial=lambda: self._dial(group.url, number, identity),
            sink=self._sink,
            first_book_s=self._settings.first_book_s,
            on_first=self._resyncs.first,
            renews=renews,
        )
        task = asyncio.create_task(connection.run(), name=identity)
        self.connections[identity] = connection
        self._tasks[identity] = task
        task.add_done_callback(lambda done: self._close(connection, done))
        return connection

    async def _dial(self, url: str, number: int, identity: str) -> tuple[Socket, str]:
        """Open a websocket, with a token where the exchange wants one, or log on; see Connection."""
        if self._credentials is not None:
            return await self._log_on(plan.at(url, self._host), number, identity)
        token = self.exchange.token
        if token is not None:
            ask = plan.at(token.url, self.rest_host)
            try:
                body = await self.rest.get(ask, attempts=1, post="")
                url = token.parse(decode_json(body))
            except (RefusedError, *UNREADABLE) as error:
                message = f"no token from {ask}: {type(error).__name__}: {error}"
                raise DisconnectedError(message) from error
        frame_bytes = self.exchange.limits.frame_bytes
        try:
            socket_ = await websocket.connect(plan.at(url, self._host), frame_bytes=frame_bytes)
        except ThrottledError as error:
            # All connections wait: each attempt more makes the ban longer
            self._connects.pause(error.wait_s)
            _log.warning("connect_throttled", exchange=self.exchange.name, wait_s=error.wait_s)
            raise
        told = url if token is None else url.partition("?")[0]
        return socket_, plan.at(told, self._host)

    async def _log_on(self, url: str, number: int, identity: str) -> tuple[Socket, str]:
        """Open a FIX session, and note the Logon, its secrets left out."""
        assert self.exchange.fix is not None
        assert self._credentials is not None
        session = await fix.connect(
            self.exchange.fix,
            url,
            self._credentials,
            frame_bytes=self.exchange.limits.frame_bytes,
            number=number,
        )
        self._sink.note(
            RawEvent(
                exchange=self.exchange.name,
                symbol="",
                local_ts=clock.now(),
                connection_id=identity,
                kind=records.SUBSCRIBED,
                payload=session.greeting.encode(),
            )
        )
        return session, url

    def _close(self, connection: Connection, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            _log.error("connection_failed", connection=connection.identity, exc_info=error)
        connection.end("stopped" if error is None else f"{type(error).__name__}: {error}")
        del self.connections[connection.identity]
        del self._tasks[connection.identity]
        self._ended[connection.identity] = None
        if len(self._ended) > ENDED_KEPT:
            self._ended.popitem(last=False)
        _log.info(
            "disconnected",
            exchange=self.exchange.name,
            connection=connection.identity,
            reason=connection.reason,
            frames=connection.frames,
        )

    async def _back_off(self, ended: Connection, attempt: int) -> None:
        metrics.reconnects.labels(self.exchange.name).inc()
        wait_s = plan.backoff_s(
            attempt, self._settings.backoff_s, self._settings.backoff_most_s, self._chance
        )
        _log.warning(
            "reconnecting",
            exchange=self.exchange.name,
            reason=ended.reason,
            attempt=attempt + 1,
            wait_s=round(wait_s, 2),
        )
        await asyncio.sleep(wait_s)

    def _find(self, symbol: str, identity: str, asked_ts: int) -> Connection | None:
        """Return the connection on which a book shall be taken anew, None where none shall."""
        named = self.connections.get(identity)
        if named is not None and named.live:
            return named if _keeps_book(named, symbol) else None
        if identity and named is None and identity not in self._ended:
            return None  # another ingestor's
        for connection in reversed(self.connections.values()):
            if connection.live and _keeps_book(connection, symbol):
                # Connected since the request: it has taken the book anew by itself
                begins_anew = connection.opened_ts > asked_ts and not connection.renews
                return None if begins_anew else connection
        return None


def _keeps_book(connection: Connection, symbol: str) -> bool:
    return symbol in connection.symbols and "book_delta" in connection.data_types


async def _either(
    task: asyncio.Task[None], event: asyncio.Event, *, timeout_s: float | None = None
) -> None:
    waiting = asyncio.create_task(event.wait())
    either = {task, waiting}
    try:
        await asyncio.wait(either, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()
