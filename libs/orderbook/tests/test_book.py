"""The book against a slow, obvious one, and what it promises beyond that."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jetl2.orderbook.book import Book, columns
from jetl2.orderbook.errors import NotASnapshot
from jetl2.schemas.records import BookDelta
from jetl2.testkit import reference, strategies


def snapshot(
    bids: strategies.Levels, asks: strategies.Levels, *, price: int = 0, size: int = 0
) -> BookDelta:
    record = delta(bids, asks, price=price, size=size)
    record.is_snapshot = True
    return record


def delta(
    bids: strategies.Levels, asks: strategies.Levels, *, price: int = 0, size: int = 0
) -> BookDelta:
    bid_prices, bid_sizes = columns(bids)
    ask_prices, ask_sizes = columns(asks)
    return BookDelta(
        symbol="S",
        price_exponent=price,
        size_exponent=size,
        bid_prices=bid_prices,
        bid_sizes=bid_sizes,
        ask_prices=ask_prices,
        ask_sizes=ask_sizes,
    )


def values(book: Book, depth: int = 10**6) -> tuple[reference.Levels, reference.Levels]:
    bids, asks = book.top(depth)
    price, size = book.price_exponent, book.size_exponent
    return (
        [(Decimal(p).scaleb(price), Decimal(s).scaleb(size)) for p, s in bids],
        [(Decimal(p).scaleb(price), Decimal(s).scaleb(size)) for p, s in asks],
    )


def take_slowly(slow: reference.Book, record: BookDelta) -> None:
    if record.is_snapshot:
        slow.bids, slow.asks = {}, {}
    price, size = record.price_exponent, record.size_exponent
    for side, prices, sizes in (
        ("bid", record.bid_prices, record.bid_sizes),
        ("ask", record.ask_prices, record.ask_sizes),
    ):
        for p, s in zip(prices, sizes, strict=True):
            slow.change(side, str(Decimal(p).scaleb(price)), str(Decimal(s).scaleb(size)))


@given(st.lists(st.tuples(strategies.snapshots(), strategies.deltas()), max_size=3))
def test_any_run_of_snapshots_and_deltas_gives_the_slow_books_levels(
    runs: list[tuple[BookDelta, list[BookDelta]]],
) -> None:
    book, slow = Book(), reference.Book()
    for start, changes in runs:
        book.replace(start)
        take_slowly(slow, start)
        for change in changes:
            book.apply(change)
            take_slowly(slow, change)

            assert values(book) == slow.everything()
            assert book.levels == len(slow.bids) + len(slow.asks)
            assert book.depth == max(len(slow.bids), len(slow.asks))
            best = slow.top(1)
            assert book.crossed == bool(best[0] and best[1] and best[0][0][0] >= best[1][0][0])


@given(strategies.snapshots(), strategies.deltas(), st.integers(min_value=1, max_value=20))
def test_a_truncated_book_equals_the_slow_one_cut(
    start: BookDelta, changes: list[BookDelta], depth: int
) -> None:
    book, slow = Book(), reference.Book(depth=depth)
    for record in (start, *changes):
        (book.replace if record.is_snapshot else book.apply)(record)
        book.truncate(depth)
        take_slowly(slow, record)
        slow.cut()

        assert values(book) == slow.everything()


@given(strategies.snapshots(), strategies.deltas())
def test_precision_only_gets_finer(start: BookDelta, changes: list[BookDelta]) -> None:
    book = Book()
    finest_price = finest_size = 0
    for record in (start, *changes, start):
        (book.replace if record.is_snapshot else book.apply)(record)
        finest_price = min(finest_price, record.price_exponent)
        finest_size = min(finest_size, record.size_exponent)

        assert (book.price_exponent, book.size_exponent) == (finest_price, finest_size)


@given(strategies.snapshots(), strategies.book_records(is_snapshot=False))
def test_a_delta_applied_twice_changes_nothing_more(start: BookDelta, change: BookDelta) -> None:
    book = Book()
    book.replace(start)
    book.apply(change)
    once = values(book)

    book.apply(change)

    assert values(book) == once


def test_the_best_levels_come_first() -> None:
    book = Book()
    book.replace(snapshot([(99, 1), (101, 2), (100, 3)], [(105, 4), (103, 5), (104, 6)]))

    assert book.top(2) == ([(101, 2), (100, 3)], [(103, 5), (104, 6)])
    assert book.top(0) == ([], [])


def test_the_same_price_twice_in_one_message_counts_in_the_order_sent() -> None:
    book = Book()
    book.replace(snapshot([], []))
    book.apply(delta([(10, 5), (10, 0), (10, 7)], [(20, 1), (20, 0)]))

    assert book.top(5) == ([(10, 7)], [])


def test_removing_an_unknown_level_is_harmless() -> None:
    book = Book()
    book.replace(snapshot([(10, 1)], [(11, 1)]))
    book.apply(delta([(9, 0)], [(12, 0)]))

    assert book.top(5) == ([(10, 1)], [(11, 1)])


def test_negative_prices_have_their_order() -> None:
    book = Book()
    book.replace(snapshot([(-5, 1), (-3, 1)], [(-2, 1), (1, 1)]))

    assert book.top(1) == ([(-3, 1)], [(-2, 1)])
    assert not book.crossed


def test_a_book_is_crossed_when_the_best_bid_reaches_the_best_ask() -> None:
    book = Book()
    book.replace(snapshot([(10, 1)], [(10, 1)]))
    assert book.crossed

    book.apply(delta([(10, 0)], []))
    assert not book.crossed


def test_clearing_keeps_the_precision() -> None:
    book = Book()
    book.replace(snapshot([(10, 1)], [(11, 1)], price=-2, size=-8))
    book.clear()

    assert book.levels == 0
    assert (book.price_exponent, book.size_exponent) == (-2, -8)


def test_refining_keeps_values() -> None:
    book = Book()
    book.replace(snapshot([(10, 1)], [(11, 2)]))
    before = values(book)
    book.refine(-2, -3)

    assert values(book) == before
    assert book.top(1) == ([(1000, 1000)], [(1100, 2000)])


def test_a_delta_is_no_snapshot_and_a_snapshot_no_delta() -> None:
    book = Book()

    with pytest.raises(NotASnapshot, match="found a delta"):
        book.replace(delta([], []))
    with pytest.raises(NotASnapshot, match="found a snapshot"):
        book.apply(snapshot([], []))
