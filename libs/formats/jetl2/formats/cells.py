"""Cells of one row behind the columns that all types share: pure text."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import zip_longest

from jetl2.orderbook.book import Book
from jetl2.schemas import decimals
from jetl2.schemas.records import BookDelta, BookTicker, DerivativeTicker, Liquidation, Trade

Pair = tuple[int, int]
# (book, best bids, best asks) -> cells
TopRow = Callable[[Book, Sequence[Pair], Sequence[Pair]], str]

# Prices come back all the time
_text = lru_cache(maxsize=1 << 16)(decimals.render)


def text(value: str) -> str:
    """Return text as a cell; none seen needs quotes, but no text may break the columns."""
    if any(c in value for c in ',"\r\n'):
        return '"' + value.replace('"', '""') + '"'
    return value


def trade(record: Trade | Liquidation) -> str:
    """Return `id,side,price,amount`; the side is the aggressor's: who bought closed a short."""
    price = _text(record.price, record.price_exponent)
    size = _text(record.size, record.size_exponent)
    return f"{text(record.trade_id)},{record.aggressor},{price},{size}"


def ticker(record: BookTicker) -> str:
    """Return `ask_amount,ask_price,bid_price,bid_amount`; a side that is missing is empty."""
    price, size = record.price_exponent, record.size_exponent
    ask = f"{_optional(record.ask_size, size)},{_optional(record.ask_price, price)}"
    return f"{ask},{_optional(record.bid_price, price)},{_optional(record.bid_size, size)}"


def derivative(record: DerivativeTicker) -> str:
    """Return `funding_timestamp,funding_rate,...,mark_price`; what is not known is empty.

    The time of funding in us.
    """
    time = str(record.funding_ts // 1000) if record.funding_ts else ""
    numbers = (
        record.funding_rate,
        record.predicted_funding_rate,
        record.open_interest,
        record.last_price,
        record.index_price,
        record.mark_price,
    )
    return ",".join([time, *(_text(*decimals.parse(n)) if n else "" for n in numbers)])


def levels(record: BookDelta) -> list[str]:
    """Return `is_snapshot,side,price,amount` of each level of a delta, bids first, as sent."""
    price, size = record.price_exponent, record.size_exponent
    bids = zip(record.bid_prices, record.bid_sizes, strict=True)
    asks = zip(record.ask_prices, record.ask_sizes, strict=True)
    rows = [f"false,bid,{_text(p, price)},{_text(s, size)}" for p, s in bids]
    rows += [f"false,ask,{_text(p, price)},{_text(s, size)}" for p, s in asks]
    return rows


def snapshot(book: Book) -> list[str]:
    """Return the same of each level of a whole book, both sides, best first, no price twice.

    hftbacktest clears up to the price of each side's last row, so the order is part of the format.
    """
    price, size = book.price_exponent, book.size_exponent
    bids, asks = book.top(book.depth)
    rows = [f"true,bid,{_text(p, price)},{_text(s, size)}" for p, s in bids]
    rows += [f"true,ask,{_text(p, price)},{_text(s, size)}" for p, s in asks]
    return rows


def changes(before: Book, after: Book) -> list[str]:
    """Return the same for what makes one book of another: changed levels, and 0 for those gone."""
    price = min(before.price_exponent, after.price_exponent)
    size = min(before.size_exponent, after.size_exponent)
    rows = []
    for book in (before, after):
        book.refine(price, size)
    sides = zip(before.top(before.depth), after.top(after.depth), strict=True)
    for side, (old, new) in zip(("bid", "ask"), sides, strict=True):
        known, wanted = dict(old), dict(new)
        gone = [(p, 0) for p in known if p not in wanted]
        changed = [(p, s) for p, s in wanted.items() if known.get(p) != s]
        rows += [f"false,{side},{_text(p, price)},{_text(s, size)}" for p, s in gone + changed]
    return rows


def removals(book: Book) -> list[str]:
    """Return the same for removing each level of a book: the only way to say that it is empty."""
    bids, asks = book.top(book.depth)
    rows = [f"false,bid,{_text(p, book.price_exponent)},0" for p, _ in bids]
    rows += [f"false,ask,{_text(p, book.price_exponent)},0" for p, _ in asks]
    return rows


def top_row(depth: int) -> TopRow:
    """Return what makes `asks[i].price,asks[i].amount,bids[i].price,bids[i].amount` for `depth`."""

    def row(book: Book, bids: Sequence[Pair], asks: Sequence[Pair]) -> str:
        price, size = book.price_exponent, book.size_exponent
        cells = [
            f"{_level(ask, price, size)},{_level(bid, price, size)}"
            for ask, bid in zip_longest(asks, bids)
        ]
        return ",".join(cells + [",,,"] * (depth - len(cells)))

    return row


def quote(book: Book, bids: Sequence[Pair], asks: Sequence[Pair]) -> str:
    """Return `ask_amount,ask_price,bid_price,bid_amount` of the best levels."""
    price, size = book.price_exponent, book.size_exponent
    ask = f"{_text(asks[0][1], size)},{_text(asks[0][0], price)}" if asks else ","
    return f"{ask},{_level(bids[0] if bids else None, price, size)}"


def _level(level: Pair | None, price: int, size: int) -> str:
    return f"{_text(level[0], price)},{_text(level[1], size)}" if level else ","


def _optional(mantissa: int | None, exponent: int) -> str:
    return "" if mantissa is None else _text(mantissa, exponent)
