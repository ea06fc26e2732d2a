"""A book of Decimals by plain dicts."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

Levels = list[tuple[Decimal, Decimal]]


@dataclass
class Book:
    """One symbol's levels; `ready` once a snapshot has come."""

    bids: dict[Decimal, Decimal] = field(default_factory=dict)
    asks: dict[Decimal, Decimal] = field(default_factory=dict)
    ready: bool = False
    depth: int = 0
    sequence: int = 0
    waiting: list[dict[str, Any]] = field(default_factory=list)

    def top(self, depth: int) -> tuple[Levels, Levels]:
        """Return the best levels of each side, best first."""
        bids = sorted(self.bids.items(), reverse=True)
        asks = sorted(self.asks.items())
        return bids[:depth], asks[:depth]

    def everything(self) -> tuple[Levels, Levels]:
        """Return all levels of each side, best first."""
        return self.top(len(self.bids) + len(self.asks))

    def change(self, side: str, price: str, size: str) -> None:
        """Set one level; size zero removes it."""
        levels = self.bids if side == "bid" else self.asks
        if Decimal(size) == 0:
            levels.pop(Decimal(price), None)
        else:
            levels[Decimal(price)] = Decimal(size)

    def cut(self) -> None:
        """Forget what lies beyond the depth."""
        bids, asks = self.top(self.depth)
        self.bids, self.asks = dict(bids), dict(asks)

    def change_all(self, bids: Sequence[Sequence[str]], asks: Sequence[Sequence[str]]) -> None:
        """Set levels given as sequences that begin with price and size."""
        for side, levels in (("bid", bids), ("ask", asks)):
            for price, size, *_ in levels:
                self.change(side, price, size)

    def clear(self) -> None:
        """Forget all levels, for a snapshot that follows."""
        self.bids, self.asks, self.ready = {}, {}, True


Books = dict[str, Book]
