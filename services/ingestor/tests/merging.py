"""The ingestor's feed of a simulated exchange, with a merge session in the merger's place."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from typing import Any, TypeVar

from jetl2.exchanges import adapters
from jetl2.exchanges.exchange import Exchange
from jetl2.exchanges.life import Output
from jetl2.exchanges.session import Session
from jetl2.ingestor.feed import Feed
from jetl2.ingestor.settings import Endpoint, Settings
from jetl2.ingestor.subscription import Subscription
from jetl2.orderbook.book import Book
from jetl2.runtime.health import Health
from jetl2.schemas.records import CONNECTED, DISCONNECTED, Gap, RawEvent, Resync
from jetl2.testkit.simulated import Dialect, Simulator, simulating
from tests.toy_exchange import MemorySink

PATIENCE_S = 20
DATA_TYPES = ("book_delta", "trade", "book_ticker")
Side = list[tuple[Decimal, Decimal]]
R = TypeVar("R")


class MergingSink(MemorySink):
    """Keeps raw events, makes books of them, and asks the feed as the merger would."""

    def __init__(self, exchange: Exchange) -> None:
        super().__init__()
        self.session = Session(exchange)
        self.found: list[Output] = []
        self.feed: Feed | None = None

    def put(self, event: RawEvent) -> None:
        """Take an event."""
        super().put(event)
        found = self.session.feed(event)
        self.found += found
        for record in found:
            if isinstance(record, Resync) and self.feed is not None:
                # As late as by Kafka: what it is about is over by then
                asyncio.get_running_loop().call_later(0.02, self.feed.asked, record)

    def records(self, kind: type[R]) -> list[R]:
        """Return the records of a kind, in order."""
        return [record for record in self.found if isinstance(record, kind)]

    def connections(self) -> int:
        """Return how many connections there have been."""
        return len({e.connection_id for e in self.of(CONNECTED)})

    def ends(self) -> Counter[str]:
        """Return why connections ended, each once."""
        return Counter(
            {e.connection_id: e.payload.decode() for e in self.of(DISCONNECTED)}.values()
        )

    def gaps(self) -> list[str]:
        """Return the reasons of the gaps."""
        return [gap.reason for gap in self.records(Gap)]


class Run:
    """A simulated exchange that is followed."""

    def __init__(self, simulator: Simulator, sink: MergingSink, feed: Feed) -> None:
        self.simulator = simulator
        self.sink = sink
        self.feed = feed

    async def until(self, condition: Callable[[], bool]) -> None:
        """Return when the condition holds.

        Raises:
            AssertionError: It does not within some seconds.
        """
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < deadline, (self.sink.ends(), self.sink.gaps())
            await asyncio.sleep(0.02)

    async def until_true(self) -> None:
        """Return when the market stands still and the books are those of the exchange.

        Raises:
            AssertionError: They are not within some seconds.
        """
        await self.until(self.simulator.finished)
        deadline = time.monotonic() + PATIENCE_S
        while self.books() != self.truth() and time.monotonic() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        assert self.books() == self.truth()

    def books(self) -> dict[str, tuple[Side, Side]]:
        """Return the session's books."""
        known = set(self.sink.session.symbols())
        return {s: _sides(self.sink.session.book(s)) for s in self.simulator.symbols if s in known}

    def truth(self) -> dict[str, tuple[Side, Side]]:
        """Return the exchange's books."""
        depth, books = self.simulator.depth, {}
        for symbol in self.simulator.symbols:
            bids, asks = self.simulator.book(symbol)
            books[symbol] = (_exact(bids[:depth]), _exact(asks[:depth]))
        return books


@asynccontextmanager
async def following(
    dialect: Dialect,
    *,
    exchange: Exchange | None = None,
    data_types: Sequence[str] = DATA_TYPES,
    settings: dict[str, Any] | None = None,
    through: Callable[[int], int] = lambda port: port,
    **options: Any,
) -> AsyncIterator[Run]:
    """Run a simulated exchange, and the feed of its exchange from it.

    Args:
        exchange: In place of the declared one.
        through: Port of the simulator -> port of what stands before it.
        options: Of the simulator.
    """
    simulator = Simulator(dialect, **{"events": 300, "events_per_second": 400, **options})
    exchange = quick(exchange or adapters.get(dialect.exchange))
    sink = MergingSink(exchange)
    async with simulating(simulator):
        host = f"127.0.0.1:{through(simulator.port)}"
        endpoint = Endpoint(ws=f"ws://{host}", rest=f"http://{host}")
        given = Settings.model_construct(
            **{
                "endpoints": {exchange.name: endpoint},
                "resync_s": 0,
                "first_book_s": PATIENCE_S,
                "backoff_s": 0.01,
                "backoff_most_s": 0.1,
                **(settings or {}),
            }
        )
        types = tuple(t for t in data_types if t in exchange.channels)
        subscription = Subscription(symbols=tuple(simulator.symbols), data_types=types)
        feed = sink.feed = Feed(exchange, subscription, given, sink=sink, health=Health())
        task = asyncio.create_task(feed.run(simulator.symbols))
        try:
            yield Run(simulator, sink, feed)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def quick(exchange: Exchange) -> Exchange:
    """Return the exchange without the rates that a test cannot wait for."""
    limits = replace(exchange.limits, connects_per_minute=6000, sends_per_second=200)
    snapshot = exchange.snapshot
    if snapshot is not None:
        snapshot = replace(snapshot, weight=1, weight_per_minute=6000)
    return replace(exchange, limits=limits, snapshot=snapshot)


def _sides(book: Book) -> tuple[Side, Side]:
    price, size = Decimal(10) ** book.price_exponent, Decimal(10) ** book.size_exponent
    bids, asks = book.top(book.depth)
    return [(p * price, s * size) for p, s in bids], [(p * price, s * size) for p, s in asks]


def _exact(levels: Sequence[tuple[str, str]]) -> Side:
    return [(Decimal(price), Decimal(size)) for price, size in levels]
