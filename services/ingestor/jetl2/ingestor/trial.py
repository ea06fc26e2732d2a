"""An exchange tried for a while without Kafka: its feed, read and merged in this process."""

import asyncio
import statistics
from collections import Counter
from collections.abc import Sequence
from typing import Any

from jetl2.exchanges import fix, overview
from jetl2.exchanges.exchange import Exchange
from jetl2.exchanges.replay import DATA_TYPES
from jetl2.exchanges.session import Session
from jetl2.ingestor import clock
from jetl2.ingestor.connection import ERROR
from jetl2.ingestor.credentials import Credentials
from jetl2.ingestor.feed import Feed
from jetl2.ingestor.settings import Endpoint, Settings
from jetl2.ingestor.subscription import Subscription
from jetl2.runtime.health import Health
from jetl2.schemas import records
from jetl2.schemas.decimals import render
from jetl2.schemas.records import BookDelta, DeadLetter, Gap, RawEvent, Resync

# Of the messages of a kind that a report shows
SHOWN = 5
SHOWN_BYTES = 300


class Trial:
    """A sink that merges what comes at once, and keeps account of it."""

    def __init__(
        self, exchange: Exchange, symbols: Sequence[str], data_types: Sequence[str]
    ) -> None:
        """Know nothing yet."""
        self._exchange = exchange
        self._session = Session(exchange)
        self._symbols = list(symbols)
        self._books = "book_delta" in data_types
        self._data_types = list(data_types)
        self._feed: Feed | None = None
        self._began_ts = clock.now()
        self._ended_ts = 0
        self._connected_ts: dict[str, int] = {}
        self._requests = 0
        self._frames = set[tuple[str, int]]()
        self._breaks: list[str] = []
        self._refused: list[str] = []
        self._records: Counter[str] = Counter()
        self._unread: dict[bytes, str] = {}
        self._gaps: list[dict[str, str]] = []
        self._resyncs = 0
        self._behind_ms: list[float] = []
        self._first_s: dict[str, float] = {}

    def put(self, event: RawEvent) -> None:
        """Take an event, and ask for books as the merger would."""
        if self._ended_ts:
            return  # our own goodbye is no break
        self._follow(event)
        for output in self._session.feed(event):
            if isinstance(output, DeadLetter):
                self._unread[output.payload] = output.error
            elif isinstance(output, Resync):
                self._resyncs += 1
                # Not from within the connection that is just delivering
                if self._feed is not None:
                    asyncio.get_running_loop().call_soon(self._feed.asked, output)
            else:
                self._count(event, output)

    note = put

    async def room(self) -> None:
        """Return: there always is."""

    async def run(
        self,
        seconds: float,
        endpoint: Endpoint,
        stop: asyncio.Event,
        credentials: Credentials | None = None,
    ) -> None:
        """Receive for so long, or until `stop` is set.

        Args:
            credentials: Over FIX, with these.
        """
        name = self._exchange.name
        subscription = Subscription(
            symbols=tuple(self._symbols), data_types=tuple(self._data_types)
        )
        settings = Settings.model_construct(
            subscriptions={name: subscription},
            endpoints={name: endpoint},
            first_book_s=seconds,
            fix={} if credentials is None else {name: credentials},
        )
        self._began_ts = clock.now()
        self._feed = Feed(self._exchange, subscription, settings, sink=self, health=Health())
        feeding = asyncio.create_task(self._feed.run(self._symbols))
        stopping = asyncio.create_task(_set(stop))
        try:
            await asyncio.wait(
                {feeding, stopping}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            self._ended_ts = clock.now()
            feeding.cancel()
            stopping.cancel()
            (failed, _) = await asyncio.gather(feeding, stopping, return_exceptions=True)
            if isinstance(failed, Exception):
                raise failed

    def report(self) -> dict[str, Any]:
        """Return what happened, as JSON would say it; `problems` are sentences, none if all is well."""
        seconds = ((self._ended_ts or clock.now()) - self._began_ts) / 1e9
        total: Counter[str] = Counter()
        for symbol in ("", *self._session.symbols()):
            total.update(self._session.counters(symbol))
        first_ts = min(self._connected_ts.values(), default=0)
        return {
            "exchange": self._exchange.name,
            "seconds": round(seconds, 1),
            "data_types": self._data_types,
            "connected_after_s": _seconds(first_ts, self._began_ts) if first_ts else None,
            "connections": len(self._connected_ts),
            "breaks": self._breaks,
            "requests": self._requests,
            "refused": self._refused[:SHOWN],
            "messages": len(self._frames),
            "messages_per_second": round(len(self._frames) / seconds, 1) if seconds else 0.0,
            "records": dict(sorted(self._records.items())),
            "unread": len(self._unread),
            "unread_shown": [
                {"error": error, "payload": _shown(payload)}
                for payload, error in list(self._unread.items())[:SHOWN]
            ],
            "gaps": len(self._gaps),
            "gaps_shown": self._gaps[:SHOWN],
            "resyncs": self._resyncs,
            "checksums": {
                "passed": total["checksums_passed"],
                "failed": total["checksums_failed"],
            },
            "crossed": total["crossed"],
            "proof": overview.proof(self._exchange),
            "behind_ms": self._clock(),
            "books": {s: self._book(s) for s in self._symbols} if self._books else {},
            "problems": self._problems(),
        }

    def _follow(self, event: RawEvent) -> None:
        """Keep account of the connections, and of what was said on them."""
        if event.kind == records.CONNECTED:
            self._connected_ts.setdefault(event.connection_id, event.local_ts)
        elif event.kind == records.DISCONNECTED:
            text = event.payload.decode(errors="replace")
            if text not in self._breaks:
                self._breaks.append(text)
        elif event.kind == records.SUBSCRIBED:
            self._requests += 1
        elif event.kind == records.FRAME:
            self._frames.add((event.connection_id, event.local_ts))
            if event.channel == ERROR:
                self._refused.append(_shown(event.payload))

    def _count(self, event: RawEvent, record: records.MarketRecord) -> None:
        self._records[DATA_TYPES[type(record)]] += 1
        if isinstance(record, Gap):
            self._gaps.append(
                {"symbol": record.symbol, "reason": record.reason, "detail": record.detail}
            )
            return
        if isinstance(record, BookDelta) and record.is_snapshot:
            connected_ts = min(self._connected_ts.values(), default=self._began_ts)
            self._first_s.setdefault(record.symbol, _seconds(event.local_ts, connected_ts))
        elif record.exchange_ts:
            self._behind_ms.append((record.local_ts - record.exchange_ts) / 1e6)

    def _clock(self) -> dict[str, float] | None:
        """Return how far behind the exchange's times messages came: way and clocks together."""
        if not self._behind_ms:
            return None
        found = self._behind_ms
        return {
            "least": round(min(found), 1),
            "median": round(statistics.median(found), 1),
            "most": round(max(found), 1),
        }

    def _book(self, symbol: str) -> dict[str, Any]:
        found: dict[str, Any] = {
            "first_after_s": self._first_s.get(symbol),
            "state": self._session.state(symbol),
            "levels": 0,
            "bid": None,
            "ask": None,
        }
        if symbol in self._session.symbols():
            book = self._session.book(symbol)
            found["levels"] = book.levels
            for side, levels in zip(("bid", "ask"), book.top(1), strict=True):
                for price, size in levels:
                    found[side] = [
                        render(price, book.price_exponent),
                        render(size, book.size_exponent),
                    ]
        return found

    def _problems(self) -> list[str]:
        found = []
        if not self._connected_ts:
            found.append("no connection could be made: see the lines above")
        missing = [s for s in self._symbols if s not in self._first_s]
        if self._books and missing:
            found.append(f"no book came of {', '.join(missing)}")
        if self._refused:
            found.append(f"the exchange refused: {self._refused[0]}")
        if self._unread:
            error = next(iter(self._unread.values()))
            found.append(f"{len(self._unread)} messages could not be read, such as: {error}")
        return found


async def _set(event: asyncio.Event) -> None:
    await event.wait()


def _seconds(to_ts: int, from_ts: int) -> float:
    return round((to_ts - from_ts) / 1e9, 2)


def _shown(payload: bytes) -> str:
    return fix.shown(payload, SHOWN_BYTES)
