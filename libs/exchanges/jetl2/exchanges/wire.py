"""What exchanges' messages are made of, read exactly: levels, trades, tickers and times."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

from jetl2.schemas import decimals
from jetl2.schemas.records import BookDelta, BookTicker, Liquidation, Trade

SECOND = 1_000_000_000
MILLISECOND = 1_000_000
MICROSECOND = 1_000

# Of an epoch time: below it is in milliseconds (until the year 5138), from it on in microseconds
_MICROSECONDS_FROM = 10**14

# Before or behind the point: more is no quantity of anything
_DIGITS = 40
# What a record's number can hold in all, and behind the point; only computed numbers have more
_HELD = 18


def mantissas(texts: Sequence[str]) -> tuple[list[int], int]:
    """Return mantissas and their common exponent; surplus zeros are given up where needed to fit.

    Raises:
        DecimalError: Names the text that is no number, or has more digits than fit.
    """
    try:
        return decimals.parse_all(texts)
    except decimals.DecimalError:
        return decimals.parse_all([t.rstrip("0").rstrip(".") if "." in t else t for t in texts])


def book(bids: Sequence[Sequence[Any]], asks: Sequence[Sequence[Any]], **fields: Any) -> BookDelta:
    """Return a BookDelta of levels given as sequences that begin with price and size texts."""
    levels = [*bids, *asks]
    if not levels:
        return BookDelta(**fields)
    price_texts, size_texts, *_ = zip(*levels, strict=True)
    prices, price_exponent = mantissas(price_texts)
    sizes, size_exponent = mantissas(size_texts)
    if min(sizes) < 0:
        message = f"a size of {min(sizes)}e{size_exponent} is below zero"
        raise decimals.DecimalError(message)
    cut = len(bids)
    return BookDelta(
        price_exponent=price_exponent,
        size_exponent=size_exponent,
        bid_prices=prices[:cut],
        bid_sizes=sizes[:cut],
        ask_prices=prices[cut:],
        ask_sizes=sizes[cut:],
        **fields,
    )


def trade(price: str, size: str, **fields: Any) -> Trade:
    """Return a Trade of a price and a size text."""
    (price_mantissa,), price_exponent = mantissas([price])
    (size_mantissa,), size_exponent = mantissas([size])
    return Trade(
        price=price_mantissa,
        price_exponent=price_exponent,
        size=size_mantissa,
        size_exponent=size_exponent,
        **fields,
    )


def liquidation(price: str, size: str, **fields: Any) -> Liquidation:
    """Return a Liquidation of a price and a size text."""
    (price_mantissa,), price_exponent = mantissas([price])
    (size_mantissa,), size_exponent = mantissas([size])
    return Liquidation(
        price=price_mantissa,
        price_exponent=price_exponent,
        size=size_mantissa,
        size_exponent=size_exponent,
        **fields,
    )


def ticker(bid: tuple[str, str] | None, ask: tuple[str, str] | None, **fields: Any) -> BookTicker:
    """Return a BookTicker of (price, size) texts; a side without price or without size is empty."""
    sides = [side if side and side[0] and side[1] else None for side in (bid, ask)]
    present = [side for side in sides if side]
    prices, price_exponent = mantissas([price for price, _ in present])
    sizes, size_exponent = mantissas([size for _, size in present])
    known = iter(zip(prices, sizes, strict=True))
    (bid_price, bid_size), (ask_price, ask_size) = (
        next(known) if side else (None, None) for side in sides
    )
    if bid_size == 0:
        bid_price = bid_size = None
    if ask_size == 0:
        ask_price = ask_size = None
    return BookTicker(
        price_exponent=price_exponent,
        size_exponent=size_exponent,
        bid_price=bid_price,
        bid_size=bid_size,
        ask_price=ask_price,
        ask_size=ask_size,
        **fields,
    )


def ns_from_epoch(number: int | str) -> int:
    """Return ns of an epoch time in milliseconds or microseconds; the unit shows by its size."""
    value = int(number)
    return value * (MILLISECOND if value < _MICROSECONDS_FROM else MICROSECOND)


def ns_from_iso(text: str) -> int:
    """Return ns of an RFC 3339 time in UTC with up to nine decimals, "2026-01-02T03:04:05.678Z"."""
    if not text.endswith("Z"):
        message = f"expected a time in UTC that ends in Z, found {text!r}"
        raise ValueError(message)
    whole, _, part = text[:-1].partition(".")
    return _ns_from_second(whole) + int(part[:9].ljust(9, "0"))


@lru_cache(maxsize=64)
def _ns_from_second(text: str) -> int:
    return int(datetime.fromisoformat(text + "+00:00").timestamp()) * SECOND


def plain(number: int | str | None) -> str:
    """Return a number as plain decimal text; "" for null or what is not there.

    Every digit is kept, up to 18 of them: means and rates that somebody computed are rounded.

    Raises:
        DecimalError: It is no number that a price or a rate can be.
    """
    if number is None or number == "":
        return ""
    text = str(number)
    try:
        value = Decimal(text)
    except ArithmeticError:
        value = Decimal("NaN")
    if not value.is_finite() or abs(value.adjusted()) > _DIGITS:
        message = f"{text!r:.100} is not a decimal number"
        raise decimals.DecimalError(message)
    # of 18 digits, those that are left for behind the point
    places = _HELD - max(value.adjusted() + 1, 0)
    exponent = value.as_tuple().exponent
    if isinstance(exponent, int) and 0 <= places < -exponent:
        return f"{value.quantize(Decimal(1).scaleb(-places)):f}"
    return f"{value:f}" if "e" in text or "E" in text else text
