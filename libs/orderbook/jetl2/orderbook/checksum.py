"""Checksums that exchanges send over the top of a book, computed from integer levels."""

import zlib
from collections.abc import Callable, Iterable
from itertools import zip_longest

from jetl2.orderbook.book import Book
from jetl2.schemas.decimals import render
from jetl2.schemas.records import BookDelta

# The sum that the exchange must have sent with this record, whose levels the book already holds
Checksum = Callable[[Book, BookDelta], int]

KRAKEN_DEPTH = 10
OKX_DEPTH = 25
BITFINEX_DEPTH = 25
BITGET_DEPTH = 25


def kraken(book: Book, record: BookDelta) -> int:  # noqa: ARG001 - the form of every checksum
    """CRC-32 of ten asks, then ten bids; each number without its dot and its leading zeros.

    A number at the precision of its pair is then just its mantissa.

    Source: https://docs.kraken.com/api/docs/guides/spot-ws-book-v2 (read 2026-11-22).
    """
    bids, asks = book.top(KRAKEN_DEPTH)
    text = "".join([f"{price}{size}" for price, size in asks + bids])
    return zlib.crc32(text.encode())


def okx(book: Book, record: BookDelta) -> int:  # noqa: ARG001
    """Signed CRC-32 of 25 levels, bid and ask by turns, "price:size" joined by colons.

    The numbers as sent; OKX sends the shortest form (shown by every sum of the recorded sessions).

    Source: OKX v5 "books" channel as it was until June 2026 (read 2026-11-22).
    """
    bids, asks = book.top(OKX_DEPTH)
    price_exponent, size_exponent = book.price_exponent, book.size_exponent
    return _signed_sum(
        f"{render(level[0], price_exponent)}:{render(level[1], size_exponent)}"
        for pair in zip_longest(bids, asks)
        for level in pair
        if level is not None
    )


def bitfinex(book: Book, record: BookDelta) -> int:  # noqa: ARG001
    """Signed CRC-32 of 25 levels, bid and ask by turns, "price:size" joined by colons, asks negative.

    The numbers as JavaScript writes them, which is how Bitfinex sends them.

    Source: https://docs.bitfinex.com/docs/ws-websocket-checksum (read 2026-11-22).
    """
    bids, asks = book.top(BITFINEX_DEPTH)
    price_exponent, size_exponent = book.price_exponent, book.size_exponent
    negative = [(price, -size) for price, size in asks]
    return _signed_sum(
        f"{javascript(level[0], price_exponent)}:{javascript(level[1], size_exponent)}"
        for pair in zip_longest(bids, negative)
        for level in pair
        if level is not None
    )


def bitget(book: Book, record: BookDelta) -> int:
    """Signed CRC-32 of 25 levels, bid and ask by turns, "price:size" joined by colons.

    The numbers as sent: with all decimals of the instrument until 2024, later in the shortest form.
    No message says which, so that both are tried.

    Source: https://www.bitget.com/api-doc/spot/websocket/public/Depth-Channel (read 2026-11-22).
    """
    bids, asks = book.top(BITGET_DEPTH)
    found = 0
    for write in (render, plain):
        found = _signed_sum(
            f"{write(level[0], book.price_exponent)}:{write(level[1], book.size_exponent)}"
            for pair in zip_longest(bids, asks)
            for level in pair
            if level is not None
        )
        if found == record.checksum:
            break
    return found


def plain(mantissa: int, exponent: int) -> str:
    """Return a number's text with all its decimals: trailing zeros stay."""
    digits = str(mantissa).rjust(1 - exponent, "0")
    return f"{digits[:exponent]}.{digits[exponent:]}" if exponent else digits


def javascript(mantissa: int, exponent: int) -> str:
    """Return a number's text as JavaScript writes it: below 0.000001 as 1e-7 or 1.5e-7.

    Source: ECMA-262, Number::toString. From 1e21 on, which no book holds, it differs too.
    """
    digits = str(abs(mantissa))
    # where the point stands, counted from the first digit
    point = len(digits) + exponent
    if not mantissa or point > _EXPONENT_BELOW:
        return render(mantissa, exponent)
    first, rest = digits[0], digits[1:].rstrip("0")
    return f"{'-' if mantissa < 0 else ''}{first}{'.' if rest else ''}{rest}e{point - 1}"


_EXPONENT_BELOW = -6


def _signed_sum(parts: Iterable[str]) -> int:
    unsigned = zlib.crc32(":".join(parts).encode())
    return unsigned - (1 << 32) if unsigned >= 1 << 31 else unsigned
