"""One symbol's book: exact integer levels, best price in constant time."""

from bisect import bisect_left, insort
from collections.abc import Iterable, Sequence

from jetl2.orderbook.errors import NotASnapshot
from jetl2.schemas.records import BookDelta

Level = tuple[int, int]


class Book:
    """Levels as integer mantissas at one price and one size exponent, which only get finer.

    A side is a dict of sizes by price, and its prices in order with the best at the END, where most
    changes happen: inserting there moves little. Asks are kept under their negated price, so that
    one order serves both sides.
    """

    __slots__ = ("_ask_order", "_asks", "_bid_order", "_bids", "price_exponent", "size_exponent")

    def __init__(self) -> None:
        self.price_exponent = 0
        self.size_exponent = 0
        self._bids: dict[int, int] = {}
        self._asks: dict[int, int] = {}
        self._bid_order: list[int] = []
        self._ask_order: list[int] = []

    def replace(self, record: BookDelta) -> None:
        """Forget all levels and take those of a snapshot; the finest precision seen so far stays.

        Raises:
            NotASnapshot: The record is a delta.
        """
        if not record.is_snapshot:
            message = f"{record.symbol}: replace needs a snapshot, found a delta"
            raise NotASnapshot(message)
        self.clear()
        price_factor, size_factor = self._refine(record.price_exponent, record.size_exponent)
        # a price sent twice counts once, with its later size, as if applied one after the other
        bids = dict(zip(record.bid_prices, record.bid_sizes, strict=True))
        asks = dict(zip(record.ask_prices, record.ask_sizes, strict=True))
        self._bids = {p * price_factor: s * size_factor for p, s in bids.items() if s}
        self._asks = {-p * price_factor: s * size_factor for p, s in asks.items() if s}
        self._bid_order = sorted(self._bids)
        self._ask_order = sorted(self._asks)

    def apply(self, record: BookDelta) -> None:
        """Set the levels of a delta in the order sent; size 0 removes, unknown or not.

        Raises:
            NotASnapshot: The record is a snapshot.
        """
        if record.is_snapshot:
            message = f"{record.symbol}: apply needs a delta, found a snapshot"
            raise NotASnapshot(message)
        if record.price_exponent == self.price_exponent and (
            record.size_exponent == self.size_exponent
        ):
            price_factor = size_factor = 1
        else:
            price_factor, size_factor = self._refine(record.price_exponent, record.size_exponent)
        if record.bid_prices:
            levels = zip(record.bid_prices, record.bid_sizes, strict=True)
            _set(self._bids, self._bid_order, levels, price_factor, size_factor)
        if record.ask_prices:
            levels = zip(record.ask_prices, record.ask_sizes, strict=True)
            _set(self._asks, self._ask_order, levels, -price_factor, size_factor)

    def clear(self) -> None:
        """Forget all levels; the finest precision seen so far stays."""
        self._bids.clear()
        self._asks.clear()
        self._bid_order.clear()
        self._ask_order.clear()

    def truncate(self, depth: int) -> tuple[list[int], list[int]]:
        """Forget the levels of each side beyond the best `depth`; return the prices forgotten.

        Returns:
            Bids, asks, worst first.
        """
        return _cut(self._bids, self._bid_order, depth), [
            -key for key in _cut(self._asks, self._ask_order, depth)
        ]

    def top(self, depth: int) -> tuple[list[Level], list[Level]]:
        """Return the best `depth` levels of each side, best first, as (price, size) mantissas.

        Returns:
            Bids descending, asks ascending; fewer when the book has fewer.
        """
        if depth <= 0:
            return [], []
        bids, asks = self._bids, self._asks
        return (
            [(k, bids[k]) for k in self._bid_order[: -depth - 1 : -1]],
            [(-k, asks[k]) for k in self._ask_order[: -depth - 1 : -1]],
        )

    @property
    def levels(self) -> int:
        """Number of levels of both sides."""
        return len(self._bid_order) + len(self._ask_order)

    @property
    def depth(self) -> int:
        """Number of levels of the longer side."""
        return max(len(self._bid_order), len(self._ask_order))

    @property
    def crossed(self) -> bool:
        """Whether the best bid is not below the best ask."""
        return bool(self._bid_order and self._ask_order) and (
            self._bid_order[-1] >= -self._ask_order[-1]
        )

    def refine(self, price_exponent: int, size_exponent: int) -> None:
        """Keep levels at least this finely from now on."""
        self._refine(price_exponent, size_exponent)

    def _refine(self, price_exponent: int, size_exponent: int) -> tuple[int, int]:
        """Make the book fine enough; return what mantissas of these exponents must be times."""
        if price_exponent < self.price_exponent:
            factor = 10 ** (self.price_exponent - price_exponent)
            self._bids = {k * factor: s for k, s in self._bids.items()}
            self._asks = {k * factor: s for k, s in self._asks.items()}
            self._bid_order = [k * factor for k in self._bid_order]
            self._ask_order = [k * factor for k in self._ask_order]
            self.price_exponent = price_exponent
        if size_exponent < self.size_exponent:
            factor = 10 ** (self.size_exponent - size_exponent)
            self._bids = {k: s * factor for k, s in self._bids.items()}
            self._asks = {k: s * factor for k, s in self._asks.items()}
            self.size_exponent = size_exponent
        return (
            10 ** (price_exponent - self.price_exponent),
            10 ** (size_exponent - self.size_exponent),
        )


def _set(
    sizes: dict[int, int],
    order: list[int],
    levels: Iterable[Level],
    price_factor: int,
    size_factor: int,
) -> None:
    for price, size in levels:
        key = price * price_factor
        if size:
            if key not in sizes:
                insort(order, key)
            sizes[key] = size * size_factor
        elif key in sizes:
            del sizes[key]
            del order[bisect_left(order, key)]


def _cut(sizes: dict[int, int], order: list[int], depth: int) -> list[int]:
    surplus = len(order) - depth
    if surplus <= 0:
        return []
    cut = order[:surplus]
    for key in cut:
        del sizes[key]
    del order[:surplus]
    return cut


def columns(levels: Sequence[Level]) -> tuple[list[int], list[int]]:
    """Return (prices, sizes) of levels: the parallel lists of a BookDelta."""
    return [p for p, _ in levels], [s for _, s in levels]
