"""Records made from a book: the whole of it, and what fell out of its depth."""

from typing import Any

from jetl2.orderbook.book import Book, columns
from jetl2.schemas import decimals
from jetl2.schemas.records import BookDelta


def whole(book: Book, **fields: Any) -> BookDelta:
    """Return the whole book as a snapshot record, best first.

    Raises:
        DecimalError: A level fits no int64 at the precision that the others need.
    """
    bids, asks = book.top(book.depth)
    cut = len(bids)
    prices, sizes = columns([*bids, *asks])
    prices, price_exponent = _fit(prices, book.price_exponent)
    sizes, size_exponent = _fit(sizes, book.size_exponent)
    return BookDelta(
        is_snapshot=True,
        price_exponent=price_exponent,
        size_exponent=size_exponent,
        bid_prices=prices[:cut],
        bid_sizes=sizes[:cut],
        ask_prices=prices[cut:],
        ask_sizes=sizes[cut:],
        **fields,
    )


def remove(record: BookDelta, book: Book, bids: list[int], asks: list[int]) -> None:
    """Say in a delta that levels fell out of the book's depth: the exchange does not.

    Who rebuilds the book from our records knows of no depth.

    Args:
        bids, asks: Their prices, as the book holds them.
    """
    if not bids and not asks:
        return
    exponent = book.price_exponent
    for prices, sizes, gone in (
        (record.bid_prices, record.bid_sizes, bids),
        (record.ask_prices, record.ask_sizes, asks),
    ):
        prices[:] = [*decimals.rescale(prices, record.price_exponent, exponent), *gone]
        sizes.extend([0] * len(gone))
    record.price_exponent = exponent


def _fit(mantissas: list[int], exponent: int) -> tuple[list[int], int]:
    """Give up precision that none of the numbers uses until all fit int64."""
    while max(mantissas, default=0) > decimals.MAX_MANTISSA:
        if any(m % 10 for m in mantissas):
            message = (
                f"{max(mantissas)}e{exponent} does not fit into 64 bits with the others' digits"
            )
            raise decimals.DecimalError(message)
        mantissas, exponent = [m // 10 for m in mantissas], exponent + 1
    return mantissas, exponent
