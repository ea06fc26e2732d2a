"""Hypothesis strategies for levels, book records and whole runs of deltas."""

from typing import Any

from hypothesis import strategies as st

from jetl2.schemas.records import BookDelta

# Few prices, so that levels meet; sizes with a good share of zeros, so that levels go
PRICES = st.integers(min_value=1, max_value=60)
SIZES = st.one_of(st.just(0), st.integers(min_value=1, max_value=10**6))
PRICE_EXPONENTS = st.integers(min_value=-4, max_value=0)
SIZE_EXPONENTS = st.integers(min_value=-8, max_value=0)

Levels = list[tuple[int, int]]


def levels(max_size: int = 30) -> st.SearchStrategy[Levels]:
    """Return (price, size) mantissas, prices in any order and repeated at times."""
    return st.lists(st.tuples(PRICES, SIZES), max_size=max_size)


@st.composite
def book_records(draw: st.DrawFn, /, *, is_snapshot: bool, **fields: Any) -> BookDelta:
    """Return a snapshot or a delta of any precision."""
    bids, asks = draw(levels()), draw(levels())
    return BookDelta(
        symbol="S",
        is_snapshot=is_snapshot,
        price_exponent=draw(PRICE_EXPONENTS),
        size_exponent=draw(SIZE_EXPONENTS),
        bid_prices=[p for p, _ in bids],
        bid_sizes=[s for _, s in bids],
        ask_prices=[p for p, _ in asks],
        ask_sizes=[s for _, s in asks],
        **fields,
    )


def snapshots() -> st.SearchStrategy[BookDelta]:
    """Return snapshots; they may be empty, or cross."""
    return book_records(is_snapshot=True)


def deltas(max_size: int = 12) -> st.SearchStrategy[list[BookDelta]]:
    """Return runs of deltas, not numbered."""
    return st.lists(book_records(is_snapshot=False), max_size=max_size)
