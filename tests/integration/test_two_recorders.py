"""Two ingestors record the same symbols, one dies: the merged stream has no gap and nothing twice.

Nor has it when one of them writes three seconds late, or what both write is mixed up to fifty events.

Over real sockets, from the simulator through two feeds into one merge session, as the raw topic of a
symbol would have it; without a broker.
"""

import asyncio
import random
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterator
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
from jetl2.schemas.records import (
    HANDOVER,
    PERIODIC,
    BookDelta,
    DeadLetter,
    Gap,
    MarketRecord,
    RawEvent,
    Resync,
    Trade,
)

pytestmark = pytest.mark.integration

NAMES = sorted(dialects.load())
GOODBYE, SILENCE = "with a goodbye", "without a word"
# The same, and the one that lives writes later than it receives; and both write in any order, each
# recorder's own kept
LATE, MIXED = "without a word, the other one late", "with a goodbye, mixed"
LATE_S, WINDOW = 3.0, 50
RATE = 20
# Of the second recorder, of each symbol, before the first one dies
DUPLICATES = 5
PATIENCE_S = 100


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

    def each(self, holds: Callable[[str], bool]) -> bool:
        """Whether something holds for each symbol."""
        return all(map(holds, self.simulator.symbols))

    def known_twice(self, symbol: str) -> int:
        """Return how many messages of a symbol the other recorder had given already."""
        return self.session.counters(symbol)["duplicates"]

    def changes_since(self, symbol: str, number: int) -> int:
        """Return how many records of a book were written after so many of all kinds."""
        late = self.records[number:]
        return len([r for r in late if isinstance(r, BookDelta) and r.symbol == symbol])

    def deltas(self, symbol: str) -> Iterator[BookDelta]:
        """Yield what was written of a book."""
        return (r for r in self.records if isinstance(r, BookDelta) and r.symbol == symbol)


class Topic:
    """What lies between recorders and the merge engine; each recorder's own order is kept."""

    def __init__(self, merged: Merged) -> None:
        self._merged = merged
        # A recorder that is new has nothing of what others still have before them
        self.window = 0
        self._chance = random.Random(7)
        self._waiting: dict[Recorder, deque[RawEvent]] = defaultdict(deque)

    def write(self, recorder: "Recorder", event: RawEvent) -> None:
        """Take an event; so many are kept back, and it is chance whose comes next."""
        self._waiting[recorder].append(event)
        self.flush(self.window)

    def flush(self, window: int = 0) -> None:
        """Merge all but as many as the window holds."""
        while sum(map(len, self._waiting.values())) > window:
            ready = [events for events in self._waiting.values() if events]
            self._merged.take(self._chance.choice(ready).popleft())


class Recorder:
    """One ingestor's sink; nothing of it is written once it is dead."""

    def __init__(self, topic: Topic, late_s: float) -> None:
        self._topic = topic
        self._late_s = late_s
        self.dead = False
        self.written = 0

    def put(self, event: RawEvent) -> None:
        """Write an event, or have it written later."""
        if self._late_s:
            asyncio.get_running_loop().call_later(self._late_s, self._write, event)
        else:
            self._write(event)

    def _write(self, event: RawEvent) -> None:
        if not self.dead:
            self.written += 1
            self._topic.write(self, event)

    note = put

    async def room(self) -> None:
        """Return: there always is."""


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 - many things change it
            await asyncio.sleep(0.1)


async def _play(name: str, death: str) -> Merged:
    merged = Merged(Simulator(dialects.load()[name], events=10**9, events_per_second=RATE))
    exchange, simulator = adapters.get(name), merged.simulator
    async with simulating(simulator):
        subscription = Subscription(
            symbols=tuple(simulator.symbols), data_types=("book_delta", "trade")
        )
        settings = Settings.model_construct(
            subscriptions={name: subscription}, endpoints={name: Endpoint(**simulator.endpoints)}
        )
        topic = Topic(merged)
        recorders = [Recorder(topic, 0), Recorder(topic, LATE_S if death == LATE else 0)]
        merged.feeds = [
            Feed(exchange, subscription, settings, sink=recorder, health=Health())
            for recorder in recorders
        ]
        first, second = (feed.run(simulator.symbols) for feed in merged.feeds)
        running = [asyncio.create_task(first)]
        # Books live on the connection that came first: that is the one to die
        await _until(lambda: merged.each(lambda s: merged.session.state(s) == "synced"))
        running.append(asyncio.create_task(second))
        await _until(lambda: merged.each(lambda s: merged.known_twice(s) > DUPLICATES))
        if death == MIXED:
            topic.window = WINDOW
            await _until(lambda: merged.each(lambda s: merged.known_twice(s) > 10 * DUPLICATES))
        recorders[0].dead = death in (SILENCE, LATE)
        running[0].cancel()
        await asyncio.gather(running[0], return_exceptions=True)
        topic.flush()
        recorders[0].dead = True
        merged.died_after = len(merged.records)
        await _until(lambda: merged.each(lambda s: merged.changes_since(s, merged.died_after) > 5))
        simulator.end()
        await _until(simulator.finished)
        await asyncio.sleep(LATE_S + 0.5 if death == LATE else 0.5)
        topic.flush()
        recorders[1].dead = True
        running[1].cancel()
        await asyncio.gather(running[1], return_exceptions=True)
        assert all(recorder.written for recorder in recorders)
    return merged


@pytest.fixture(scope="module", params=[GOODBYE, SILENCE, LATE, MIXED])
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
        deltas = list(merged.deltas(symbol))
        # One event may be several messages: those after the whole book are told once more
        handed_over = {r.exchange_ts for r in deltas if r.reason == HANDOVER}
        changes = [
            _content(r)
            for r in deltas
            if r.exchange_ts not in handed_over
            and (not r.is_snapshot or (whole and r.reason != PERIODIC))
        ]
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
