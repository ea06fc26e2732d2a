"""Books that exchanges send by rows with ids (or by orders): rows in, levels out.

A level's size is the sum of its rows. Integers throughout, at exponents that only get finer.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from jetl2.orderbook.errors import UnknownRow
from jetl2.schemas import decimals
from jetl2.schemas.records import BookDelta


class Row(NamedTuple):
    """One row of a book that is kept by row (or order) ids.

    Args:
        size: Of this row now; "0" removes the row.
        price, bid: None where the message leaves them out: as the row had them.
        new: The message says that the row was not there before.
    """

    id: int | str
    size: str
    price: str | None = None
    bid: bool | None = None
    new: bool = False


class Saved(NamedTuple):
    """All rows as columns."""

    price_exponent: int
    size_exponent: int
    ids: list[int | str]
    bids: list[bool]
    prices: list[int]
    sizes: list[int]


class Rows:
    """The rows of one book, and the sizes of the levels that they make."""

    __slots__ = ("_levels", "_price_exponent", "_rows", "_size_exponent")

    def __init__(self, saved: Saved | None = None) -> None:
        """Begin empty, or with what `save` gave."""
        self._price_exponent = saved.price_exponent if saved else 0
        self._size_exponent = saved.size_exponent if saved else 0
        self._rows: dict[int | str, tuple[bool, int, int]] = {}
        self._levels: dict[tuple[bool, int], int] = {}
        columns = (
            zip(saved.ids, saved.bids, saved.prices, saved.sizes, strict=True) if saved else ()
        )
        for number, bid, price, size in columns:
            self._put(number, bid, price, size)

    def replace(self, fields: BookDelta, rows: Sequence[Row]) -> BookDelta:
        """Forget all rows, take these; return the snapshot with their levels.

        Raises:
            DecimalError: A price or a size is no number.
            UnknownRow: A row says no price or no side.
        """
        self._rows.clear()
        self._levels.clear()
        self._take([row._replace(new=True) for row in rows], strict=True)
        return self._written(fields, self._levels)

    def apply(self, fields: BookDelta, rows: Sequence[Row], *, strict: bool) -> BookDelta:
        """Change rows; return the delta with the levels that they change.

        Args:
            strict: A row that was never known means that something is missing; else it is passed
                over.

        Raises:
            DecimalError: A price or a size is no number.
            UnknownRow: See `strict`.
        """
        return self._written(fields, self._take(rows, strict=strict))

    def save(self) -> Saved:
        """Return everything, for `Rows(saved)`."""
        rows = self._rows.values()
        return Saved(
            self._price_exponent,
            self._size_exponent,
            list(self._rows),
            *([row[field] for row in rows] for field in range(3)),  # type: ignore[arg-type]
        )

    def _take(self, rows: Sequence[Row], *, strict: bool) -> dict[tuple[bool, int], None]:
        """Return the levels that change, in the order of their first change."""
        prices = self._at_price([row.price for row in rows])
        sizes = self._at_size([row.size for row in rows])
        changed: dict[tuple[bool, int], None] = {}
        for row, price, size in zip(rows, prices, sizes, strict=True):
            known = self._rows.get(row.id)
            if known is None and not row.new:
                if strict:
                    message = f"expected a known row, found {row.id!r:.60}"
                    raise UnknownRow(message)
                continue
            if known is not None:
                changed[self._drop(row.id, *known)] = None
            if not size:
                continue
            bid = row.bid if row.bid is not None or known is None else known[0]
            at = price if price is not None or known is None else known[1]
            if bid is None or at is None:
                message = f"expected a side and a price of the new row {row.id!r:.60}"
                raise UnknownRow(message)
            changed[self._put(row.id, bid, at, size)] = None
        return changed

    def _put(self, number: int | str, bid: bool, price: int, size: int) -> tuple[bool, int]:  # noqa: FBT001
        level = (bid, price)
        self._rows[number] = (bid, price, size)
        self._levels[level] = self._levels.get(level, 0) + size
        return level

    def _drop(self, number: int | str, bid: bool, price: int, size: int) -> tuple[bool, int]:  # noqa: FBT001
        level = (bid, price)
        del self._rows[number]
        left = self._levels[level] - size
        if left:
            self._levels[level] = left
        else:
            del self._levels[level]
        return level

    def _written(self, fields: BookDelta, levels: Iterable[tuple[bool, int]]) -> BookDelta:
        """Set the levels of a record, best first."""
        for bid, prices, sizes in (
            (True, fields.bid_prices, fields.bid_sizes),
            (False, fields.ask_prices, fields.ask_sizes),
        ):
            prices.extend(sorted((p for side, p in levels if side is bid), reverse=bid))
            sizes.extend(self._levels.get((bid, price), 0) for price in prices)
        fields.price_exponent, fields.size_exponent = self._price_exponent, self._size_exponent
        return fields

    def _at_price(self, texts: Sequence[str | None]) -> list[int | None]:
        parsed = [None if text is None else decimals.parse(text) for text in texts]
        finest = min((p[1] for p in parsed if p), default=0)
        if finest < self._price_exponent:
            factor = 10 ** (self._price_exponent - finest)
            self._rows = {n: (b, p * factor, s) for n, (b, p, s) in self._rows.items()}
            self._levels = {(b, p * factor): s for (b, p), s in self._levels.items()}
            self._price_exponent = finest
        at = self._price_exponent
        return [None if p is None else p[0] * 10 ** (p[1] - at) for p in parsed]

    def _at_size(self, texts: Sequence[str]) -> list[int]:
        parsed = [decimals.parse(text) for text in texts]
        finest = min((p[1] for p in parsed), default=0)
        if finest < self._size_exponent:
            factor = 10 ** (self._size_exponent - finest)
            self._rows = {n: (b, p, s * factor) for n, (b, p, s) in self._rows.items()}
            self._levels = {level: s * factor for level, s in self._levels.items()}
            self._size_exponent = finest
        at = self._size_exponent
        return [size * 10 ** (exponent - at) for size, exponent in parsed]
