"""Two ingestors record the same symbols, one dies: the merged stream has no gap and nothing twice.

Over real sockets, from the simulator through two feeds into one merge session, as the raw topic of a
symbol would have it; without a broker.
"""

import asyncio
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal

import pytest

from jetl2.devstack import dialects
from jetl2.devstack.simulator import Simulator, simulating
from jetl2.exchanges import adapters
from jetl2.exchanges.session import Session
from jetl2.ingestor.feed import Feed
from jetl2.ingestor.settings import Endpoint, Settings
from jetl2.ingestor.subscription import Subscription
from jetl2.runtime.health import Health
from jetl2.schemas.records import BookDelta, DeadLetter, Gap, MarketRecord, RawEvent, Resync, Trade

pytestmark = pytest.mark.integration

NAMES = sorted(dialects.load())
GOODBYE, SILENCE = "with a goodbye", "without a word"
# The simulated exchange trades for so long; one recorder dies after a while, and the engine gives a
# silent one two seconds, twice
RATE, SECONDS, DIES_AFTER_S = 30, 12, 3.0


@dataclass
class Merged:
    """What comes of the raw events of both recorders, in the order in which they wrote."""

    simulator: Simulator
    records: list[MarketRecord] = field(default_factory=list)
    unread: list[DeadLetter] = field(default_factory=list)
    feeds: list[Feed] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.session = Session(adapters.get(self.simulator.exchange))
        self.died_after = 0

    def take(self, event: RawEvent) -> None:
        """Merge an event; ask all recorders for what is missing, as over the control topic."""
        for output in self.session.feed(event):
            if isinstance(output, Resync):
                for feed in self.feeds:
                    asyncio.get_running_loop().call_soon(feed.asked, output)
            elif isinstance(output, DeadLetter):
                self.unread.append(output)
            else:
                self.records.append(output)

    def deltas(self, symbol: str) -> Iterator[BookDelta]:
        """Yield what was written of a book."""
        return (r for r in self.records if isinstance(r, BookDelta) and r.symbol == symbol)


class Recorder:
    """One ingestor's sink; nothing of it is written once it is dead."""

    def __init__(self, merged: Merged) -> None:
        self._merged = merged
        self.dead = False
        self.written = 0

    def put(self, event: RawEvent) -> None:
        """Write an event."""
        if not self.dead:
            self.written += 1
            self._merged.take(event)

    note = put

    async def room(self) -> None:
        """Return: there always is."""


async def _play(name: str, death: str) -> Merged:
    merged = Merged(Simulator(dialects.load()[name], events=RATE * SECONDS, events_per_second=RATE))
    exchange, simulator = adapters.get(name), merged.simulator
    async with simulating(simulator):
        subscription = Subscription(
            symbols=tuple(simulator.symbols), data_types=("book_delta", "trade")
        )
        settings = Settings.model_construct(
            subscriptions={name: subscription}, endpoints={name: Endpoint(**simulator.endpoints)}
        )
        recorders = [Recorder(merged), Recorder(merged)]
        merged.feeds = [
            Feed(exchange, subscription, settings, sink=recorder, health=Health())
            for recorder in recorders
        ]
        first, second = (feed.run(simulator.symbols) for feed in merged.feeds)
        running = [asyncio.create_task(first)]
        # Books live on the connection that came first: that is the one to die
        await asyncio.sleep(DIES_AFTER_S / 3)
        running.append(asyncio.create_task(second))
        await asyncio.sleep(DIES_AFTER_S)
        recorders[0].dead = death == SILENCE
        running[0].cancel()
        await asyncio.gather(running[0], return_exceptions=True)
        recorders[0].dead = True
        merged.died_after = len(merged.records)
        async with asyncio.timeout(60):
            while not simulator.finished():  # noqa: ASYNC110 - it has no event for this
                await asyncio.sleep(0.1)
        await asyncio.sleep(0.5)
        recorders[1].dead = True
        running[1].cancel()
        await asyncio.gather(running[1], return_exceptions=True)
        assert all(recorder.written for recorder in recorders)
    return merged


@pytest.fixture(scope="module", params=[GOODBYE, SILENCE])
def played(request: pytest.FixtureRequest) -> dict[str, Merged]:
    """Return what came of each exchange; all of them at once, for most of it is waiting."""

    async def every() -> list[Merged]:
        return await asyncio.gather(*(_play(name, request.param) for name in NAMES))

    return dict(zip(NAMES, asyncio.run(every()), strict=True))


@pytest.mark.parametrize("name", NAMES)
def test_the_end_of_one_of_two_recorders_is_no_gap(played: dict[str, Merged], name: str) -> None:
    merged = played[name]

    assert [r for r in merged.records if isinstance(r, Gap)] == []
    assert merged.unread == []
    rule = adapters.get(name).rule
    for symbol in merged.simulator.symbols:
        assert merged.session.state(symbol) == "synced"
        after = [r for r in merged.records[merged.died_after :] if isinstance(r, BookDelta)]
        assert [r for r in after if r.symbol == symbol]
        if rule.scope == "connection" and rule.snapshot != "every":
            assert merged.session.counters(symbol)["handovers"] == 1


@pytest.mark.parametrize("name", NAMES)
def test_two_recorders_give_nothing_twice(played: dict[str, Merged], name: str) -> None:
    merged = played[name]

    trades = Counter((r.symbol, r.trade_id) for r in merged.records if isinstance(r, Trade))
    assert trades
    assert [trade for trade, count in trades.items() if count > 1] == []
    whole = adapters.get(name).rule.snapshot == "every"
    for symbol in merged.simulator.symbols:
        changes = [_content(r) for r in merged.deltas(symbol) if whole or not r.is_snapshot]
        assert changes
        assert [change for change in changes if changes.count(change) > 1] == []
    assert sum(merged.session.counters(s)["duplicates"] for s in merged.simulator.symbols)


@pytest.mark.parametrize("name", NAMES)
def test_the_books_of_two_recorders_are_the_true_ones(played: dict[str, Merged], name: str) -> None:
    merged = played[name]

    for symbol in merged.simulator.symbols:
        assert _rebuilt(merged, symbol) == _truth(merged, symbol)


def _content(record: BookDelta) -> tuple[object, ...]:
    # Without numbers: those may belong to a connection
    return (
        record.exchange_ts,
        record.bid_prices,
        record.bid_sizes,
        record.ask_prices,
        record.ask_sizes,
    )


def _rebuilt(merged: Merged, symbol: str) -> list[dict[Decimal, Decimal]]:
    """Return bids and asks as the records alone give them."""
    sides: list[dict[Decimal, Decimal]] = [{}, {}]
    for record in merged.deltas(symbol):
        if record.is_snapshot:
            sides = [{}, {}]
        changes = (
            (record.bid_prices, record.bid_sizes),
            (record.ask_prices, record.ask_sizes),
        )
        for side, (prices, sizes) in zip(sides, changes, strict=True):
            for price, size in zip(prices, sizes, strict=True):
                key = Decimal(price).scaleb(record.price_exponent)
                side[key] = Decimal(size).scaleb(record.size_exponent)
                if not size:
                    del side[key]
    return sides


def _truth(merged: Merged, symbol: str) -> list[dict[Decimal, Decimal]]:
    """Return the simulator's book, as deep as the exchange gives it."""
    depth = adapters.get(merged.simulator.exchange).book_depth or None
    return [
        {Decimal(price): Decimal(size) for price, size in side[:depth]}
        for side in merged.simulator.book(symbol)
    ]
