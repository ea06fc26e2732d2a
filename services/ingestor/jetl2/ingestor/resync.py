"""Taking books anew: REST snapshots on connecting, and what the merger asks for."""

import asyncio
import time
from collections.abc import Callable

from jetl2.exchanges.exchange import Exchange
from jetl2.ingestor import clock, metrics, plan
from jetl2.ingestor.connection import Connection
from jetl2.ingestor.errors import RefusedError
from jetl2.ingestor.transport.rest import Rest
from jetl2.runtime import log
from jetl2.schemas.records import Resync

# The merger's word for a jump in the counter of the whole connection
CONNECTION_SEQUENCE = "connection_sequence"

_log = log.get()


class Resyncs:
    """Takes books of one exchange anew, by what its declaration offers.

    REST snapshot, else a new subscription of the book, else a new connection. A symbol whose turn
    is already under way is not asked for twice, and at most once in `interval_s`.
    """

    def __init__(
        self,
        exchange: Exchange,
        rest: Rest,
        *,
        rest_host: str,
        interval_s: float,
        find: Callable[[str, str, int], Connection | None],
    ) -> None:
        """Do nothing until asked.

        Args:
            find: (symbol, connection id, time of the request) -> the connection that serves it,
                None where the request is not for us or out of date.
        """
        self._exchange = exchange
        self._rest = rest
        self._rest_host = rest_host
        self._interval_s = interval_s
        self._find = find
        self._under_way: dict[str, tuple[Connection, asyncio.Task[None]]] = {}
        self._last_s: dict[str, float] = {}

    def first(self, connection: Connection, symbol: str) -> None:
        """Fetch the snapshot that a new subscription needs, where the stream carries none."""
        if self._exchange.rule.snapshot == "rest" and not connection.renews:
            self._begin(connection, symbol, "snapshot", wait_s=0)

    def asked(self, request: Resync) -> None:
        """Do what the merger asks for."""
        connection = self._find(request.symbol, request.connection_id, request.local_ts)
        how = "ignored"
        if connection is not None:
            due_s = self._last_s.get(request.symbol, -self._interval_s) + self._interval_s
            wait_s = max(due_s - time.monotonic(), 0)
            wanted = self._how(request)
            if self._begin(connection, request.symbol, wanted, wait_s=wait_s):
                self._last_s[request.symbol] = time.monotonic() + wait_s
                how = wanted
        metrics.resyncs.labels(self._exchange.name, how).inc()
        _log.info(
            "resync_asked",
            exchange=self._exchange.name,
            symbol=request.symbol,
            connection=request.connection_id,
            reason=request.reason,
            how=how,
        )

    async def close(self) -> None:
        """Give up what is under way."""
        tasks = [task for _, task in self._under_way.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._rest.close()

    def _how(self, request: Resync) -> str:
        if request.reason == CONNECTION_SEQUENCE and self._exchange.connection_seq is not None:
            return "reconnect"
        if self._exchange.rule.snapshot == "rest":
            return "snapshot"
        return "resubscribe" if self._exchange.resubscribe is not None else "reconnect"

    def _begin(self, connection: Connection, symbol: str, how: str, *, wait_s: float) -> bool:
        """Begin, unless the same is under way on a connection that still stands."""
        if symbol in self._under_way:
            other, other_task = self._under_way[symbol]
            if other.live:
                return False
            other_task.cancel()
        task = asyncio.create_task(self._serve(connection, symbol, how, wait_s))
        self._under_way[symbol] = (connection, task)
        task.add_done_callback(lambda done: self._done(symbol, done))
        return True

    def _done(self, symbol: str, task: asyncio.Task[None]) -> None:
        if symbol in self._under_way and self._under_way[symbol][1] is task:
            del self._under_way[symbol]
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("resync_failed", exchange=self._exchange.name, symbol=symbol, exc_info=error)

    async def _serve(self, connection: Connection, symbol: str, how: str, wait_s: float) -> None:
        await asyncio.sleep(wait_s)
        if how == "reconnect":
            connection.end("resync asked for", sound=True)
        elif how == "snapshot":
            await self._fetch(connection, symbol)
        elif self._exchange.resubscribe is not None:
            connection.request(self._exchange.resubscribe(symbol))

    async def _fetch(self, connection: Connection, symbol: str) -> None:
        snapshot = self._exchange.snapshot
        assert snapshot is not None
        url = plan.at(snapshot.url(symbol), self._rest_host)
        with metrics.snapshot_seconds.labels(self._exchange.name).time():
            try:
                body = await self._rest.get(url, snapshot.weight)
            except RefusedError as error:
                _log.error(
                    "snapshot_refused",
                    exchange=self._exchange.name,
                    symbol=symbol,
                    error=str(error),
                )
                return
        local_ts = clock.now()
        # Ended meanwhile: a successor that begins anew fetches for itself, one that renewed does not
        to = connection if connection.live else self._find(symbol, connection.identity, 0)
        if to is not None:
            to.snapshot(symbol, body, local_ts)
