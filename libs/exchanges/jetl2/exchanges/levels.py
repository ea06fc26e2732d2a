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

    Raises:
        DecimalError: A price fits no int64 at the precision that the others need.
    """
    if not bids and not asks:
        return
    factor = 10 ** (record.price_exponent - book.price_exponent)
    bid_prices = [*(price * factor for price in record.bid_prices), *bids]
    ask_prices = [*(price * factor for price in record.ask_prices), *asks]
    prices, record.price_exponent = _fit([*bid_prices, *ask_prices], book.price_exponent)
    cut = len(bid_prices)
    record.bid_prices, record.ask_prices = prices[:cut], prices[cut:]
    record.bid_sizes.extend([0] * len(bids))
    record.ask_sizes.extend([0] * len(asks))


def _fit(mantissas: list[int], exponent: int) -> tuple[list[int], int]:
    """Give up precision that none of the numbers uses until all fit int64."""
    while max(map(abs, mantissas), default=0) > decimals.MAX_MANTISSA:
        if any(m % 10 for m in mantissas):
            message = f"{max(mantissas, key=abs)}e{exponent} does not fit into 64 bits with the others' digits"
            raise decimals.DecimalError(message)
        mantissas, exponent = [m // 10 for m in mantissas], exponent + 1
    return mantissas, exponent
