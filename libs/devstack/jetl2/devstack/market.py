"""A seeded market: the true book of one simulated symbol, and the events that change it.

Prices and sizes are integers (ticks and lots); text appears only at the edge. The book is never
crossed, and each event has a millisecond of its own, so that an event can be found by its time.
"""

import copy
import random
from dataclasses import dataclass, field
from typing import NamedTuple

from jetl2.schemas import decimals

_MS = 1_000_000
_LEVELS = 60
_MAX_LEVELS = 120
_MIN_LEVELS = 15


class Listing(NamedTuple):
    """What is traded, and how its numbers are written."""

    symbol: str
    base: str
    quote: str
    price_places: int
    size_places: int
    price: int  # where it starts, in ticks

    def price_text(self, ticks: int) -> str:
        """Return a price with all its decimals, as exchanges send it."""
        return _fixed(ticks, self.price_places)

    def size_text(self, lots: int) -> str:
        """Return a size with all its decimals."""
        return _fixed(lots, self.size_places)


class TradeEvent(NamedTuple):
    """One trade at the best level."""

    trade_id: int
    buy: bool  # the aggressor bought
    price: int
    size: int


@dataclass(slots=True)
class Event:
    """One change of the book: net levels (size 0 removes), numbered first_id..last_id."""

    ts: int  # ns, whole milliseconds, its own within the market
    prev_id: int
    first_id: int = 0
    last_id: int = 0
    bids: dict[int, int] = field(default_factory=dict)
    asks: dict[int, int] = field(default_factory=dict)
    trade: TradeEvent | None = None
    top_changed: bool = False


# Best first, as shortest decimal text
Levels = list[tuple[str, str]]


class Market:
    """The truth about one symbol."""

    def __init__(self, listing: Listing, seed: int, *, sample_every: int = 50) -> None:
        """Make the opening book.

        Args:
            seed: The same seed gives the same books, trades and numbers.
            sample_every: After each so many events the whole book is kept, by the event's time; 0:
                never, for markets that move for hours.
        """
        self.listing = listing
        self.events = 0
        self.update_id = 1_000_000 + seed % 1000
        self.trade_id = 0
        self.ts = 0
        self.samples: dict[int, tuple[Levels, Levels]] = {}
        self._sample_every = sample_every
        self._random = random.Random(f"{seed}/{listing.symbol}")  # noqa: S311 - no secret
        self.bids: dict[int, int] = {}
        self.asks: dict[int, int] = {}
        bid, ask = listing.price, listing.price + 1
        for _ in range(_LEVELS):
            self.bids[bid] = self._size()
            self.asks[ask] = self._size()
            bid -= self._random.randint(1, 4)
            ask += self._random.randint(1, 4)
        self._opening = (dict(self.bids), dict(self.asks), self.update_id)
        self._best = self._found_best()

    def before(self) -> "Market":
        """Return the market as it was before any event, to look at: no delta goes on from there."""
        old = copy.copy(self)
        bids, asks, number = self._opening
        # One less: even the first event does not follow
        old.bids, old.asks, old.update_id, old.ts = dict(bids), dict(asks), number - 1, 0
        old._best = old._found_best()  # noqa: SLF001 - one of our own
        return old

    def step(self, now: int) -> Event:
        """Change the book once; `now` (ns) gives the event's time unless that is taken."""
        self.ts = max(now // _MS * _MS, self.ts + _MS)
        before = self._best
        event = Event(ts=self.ts, prev_id=self.update_id)
        if self._random.random() < 0.3:
            event.trade = self._trade(event)
        for _ in range(self._random.randint(1, 4)):
            self._quote(event)
        # A level that an event both adds and removes is still numbered and sent, as exchanges do
        event.first_id = self.update_id + 1
        self.update_id += len(event.bids) + len(event.asks)
        event.last_id = self.update_id
        self._best = self._found_best()
        event.top_changed = self._best != before
        self.events += 1
        if self._sample_every and self.events % self._sample_every == 0:
            self.samples[event.ts] = self.book()
        return event

    def best(self) -> tuple[int, int, int, int]:
        """Return bid price, bid size, ask price, ask size of the top."""
        return self._best

    def _found_best(self) -> tuple[int, int, int, int]:
        bid, ask = max(self.bids), min(self.asks)
        return bid, self.bids[bid], ask, self.asks[ask]

    def top(self, depth: int | None = None) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
        """Return the best levels of each side, best first."""
        bids = sorted(self.bids.items(), reverse=True)[:depth]
        return bids, sorted(self.asks.items())[:depth]

    def book(self) -> tuple[Levels, Levels]:
        """Return the whole book, bids and asks, best first, as shortest exact text."""
        bids, asks = self.top()
        return self._texts(bids), self._texts(asks)

    def _texts(self, levels: list[tuple[int, int]]) -> Levels:
        price, size = -self.listing.price_places, -self.listing.size_places
        return [(decimals.render(p, price), decimals.render(s, size)) for p, s in levels]

    def _trade(self, event: Event) -> TradeEvent:
        buy = self._random.random() < 0.5
        side, changed = (self.asks, event.asks) if buy else (self.bids, event.bids)
        price = min(side) if buy else max(side)
        size = self._random.randint(1, side[price])
        if len(side) <= _MIN_LEVELS:
            size = min(size, side[price] - 1) or side[price]
        self._set(side, changed, price, side[price] - size)
        self.trade_id += 1
        return TradeEvent(self.trade_id, buy, price, size)

    def _quote(self, event: Event) -> None:
        bid_side = self._random.random() < 0.5
        side, changed = (self.bids, event.bids) if bid_side else (self.asks, event.asks)
        if len(side) > _MAX_LEVELS:
            self._set(side, changed, min(side) if bid_side else max(side), 0)
            return
        leave = 0.25 if len(side) < _LEVELS else 0.6
        if len(side) > _MIN_LEVELS and self._random.random() < leave:
            near = sorted(side, reverse=bid_side)[: 1 + int(self._random.expovariate(0.15))]
            self._set(side, changed, near[-1], 0)
            return
        # The wider the spread, the likelier somebody quotes inside it; never across it
        bid, ask = max(self.bids), min(self.asks)
        if self._random.random() < (ask - bid - 1) / (ask - bid + 12):
            away = -self._random.randint(1, ask - bid - 1)
        else:
            away = int(self._random.expovariate(0.08))
        price = bid - away if bid_side else ask + away
        if price > 0:
            self._set(side, changed, price, self._size())

    @staticmethod
    def _set(side: dict[int, int], changed: dict[int, int], price: int, size: int) -> None:
        if size:
            side[price] = size
        else:
            side.pop(price, None)
        changed[price] = size

    def _size(self) -> int:
        few = min(self._random.paretovariate(1.4), 40)
        return 1 + int(few * 10 ** (self.listing.size_places - 2))


def _fixed(number: int, places: int) -> str:
    digits = str(number).rjust(places + 1, "0")
    return f"{digits[:-places]}.{digits[-places:]}" if places else digits
