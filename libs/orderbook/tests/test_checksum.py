"""Checksums: published examples, and against sums made the slow way from text."""

import zlib
from decimal import Decimal

import pytest
from hypothesis import given

from jetl2.orderbook import checksum
from jetl2.orderbook.book import Book
from jetl2.schemas import decimals
from jetl2.schemas.records import BookDelta
from jetl2.testkit import reference, strategies

# The worked example of Kraken's guide to its v2 book checksum
ASKS = (
    "45285.2 0.00100000, 45286.4 1.54571953, 45286.6 1.54571109, 45289.6 1.54560911, "
    "45290.2 0.15890660, 45291.8 1.54553491, 45294.7 0.04454749, 45296.1 0.35380000, "
    "45297.5 0.09945542, 45299.5 0.18772827"
)
BIDS = (
    "45283.5 0.10000000, 45283.4 1.54582015, 45282.1 0.10000000, 45281.0 0.10000000, "
    "45280.3 1.54592586, 45279.0 0.07990000, 45277.6 0.03310103, 45277.5 0.30000000, "
    "45277.3 1.54602737, 45276.6 0.15445238"
)


def snapshot(bids: str, asks: str) -> BookDelta:
    sides = [[level.split() for level in side.split(", ") if level] for side in (bids, asks)]
    prices, price_exponent = decimals.parse_all([p for side in sides for p, _ in side])
    sizes, size_exponent = decimals.parse_all([s for side in sides for _, s in side])
    cut = len(sides[0])
    return BookDelta(
        symbol="S",
        is_snapshot=True,
        price_exponent=price_exponent,
        size_exponent=size_exponent,
        bid_prices=prices[:cut],
        bid_sizes=sizes[:cut],
        ask_prices=prices[cut:],
        ask_sizes=sizes[cut:],
    )


def test_krakens_published_example_gives_its_published_sum() -> None:
    record = snapshot(BIDS, ASKS)
    book = Book()
    book.replace(record)

    assert checksum.kraken(book, record) == 3310070434


def test_only_ten_levels_count() -> None:
    record = snapshot(BIDS + ", 45276.5 1.00000000", ASKS + ", 45299.6 1.00000000")
    book = Book()
    book.replace(record)

    assert checksum.kraken(book, record) == 3310070434


@given(strategies.snapshots())
def test_krakens_sum_equals_the_slow_one(record: BookDelta) -> None:
    book = Book()
    book.replace(record)
    bids, asks = _values(book)

    expected = reference.kraken_checksum(bids, asks, -book.price_exponent, -book.size_exponent)
    assert checksum.kraken(book, record) == expected


@given(strategies.snapshots())
def test_okx_sum_equals_the_slow_one(record: BookDelta) -> None:
    book = Book()
    book.replace(record)
    bids, asks = ([(_short(p), _short(s)) for p, s in side] for side in _values(book))

    assert checksum.okx(book, record) == reference.okx_checksum(bids, asks)


def test_okx_goes_on_with_one_side_when_the_other_ends() -> None:
    record = snapshot("3366.1 7", "3366.8 9, 3368 8, 3372 8")
    book = Book()
    book.replace(record)

    # 3366.1:7:3366.8:9:3368:8:3372:8
    assert checksum.okx(book, record) == 831078360


@pytest.mark.parametrize(
    "text,written",
    [
        ("0", "0"),
        ("12300", "12300"),
        ("-0.0500", "-0.05"),
        ("0.000001", "0.000001"),
        ("0.0000010", "0.000001"),
        ("0.00000123", "0.00000123"),
        ("0.0000001", "1e-7"),
        ("-0.00000045", "-4.5e-7"),
        ("0.00000051200", "5.12e-7"),
        ("0.00000000000000001", "1e-17"),
    ],
)
def test_numbers_are_written_as_javascript_writes_them(text: str, written: str) -> None:
    assert checksum.javascript(*decimals.parse(text)) == written


@given(strategies.snapshots())
def test_bitfinex_sum_equals_the_slow_one(record: BookDelta) -> None:
    book = Book()
    book.replace(record)
    bids, asks = _values(book)
    negative = [(price, -size) for price, size in asks]
    texts = ([(_javascript(p), _javascript(s)) for p, s in side] for side in (bids, negative))

    # the rule is OKX's, over other texts
    assert checksum.bitfinex(book, record) == reference.okx_checksum(*texts)


def test_bitfinex_asks_are_negative_and_tiny_sizes_have_an_exponent() -> None:
    record = snapshot("2000 1.5, 1999.5 0.25", "2000.5 2, 2001 7.75, 2003.25 0.00000045")
    book = Book()
    book.replace(record)

    text = b"2000:1.5:2000.5:-2:1999.5:0.25:2001:-7.75:2003.25:-4.5e-7"
    unsigned = checksum.bitfinex(book, record) % 2**32
    assert unsigned == zlib.crc32(text)


def _values(book: Book) -> tuple[reference.Levels, reference.Levels]:
    bids, asks = book.top(30)
    return (
        [
            (Decimal(p).scaleb(book.price_exponent), Decimal(s).scaleb(book.size_exponent))
            for p, s in bids
        ],
        [
            (Decimal(p).scaleb(book.price_exponent), Decimal(s).scaleb(book.size_exponent))
            for p, s in asks
        ],
    )


def _short(value: Decimal) -> str:
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _javascript(value: Decimal) -> str:
    if not value or abs(value) >= Decimal("0.000001"):
        return _short(value)
    digits, _, exponent = f"{value.normalize():e}".partition("e")
    return f"{digits}e{int(exponent)}"


@pytest.mark.parametrize(
    "bids,asks,expected",
    [
        ("43231.1 4, 43231 6", "43232.8 9, 43232.9 8", -1504501796),
        ("3366.1 7", "3366.8 9, 3368 8, 3372 8", 831078360),
    ],
)
def test_bitgets_documented_texts_give_their_sums(bids: str, asks: str, expected: int) -> None:
    book, record = Book(), snapshot(bids, asks)
    book.replace(record)
    record.checksum = expected

    assert checksum.bitget(book, record) == expected


def test_bitget_sums_numbers_with_all_their_decimals_too() -> None:
    book, record = Book(), snapshot("9.50 1.000, 9.00 0.250", "10.00 12.500")
    book.replace(record)
    record.checksum = reference.okx_checksum(
        [("9.50", "1.000"), ("9.00", "0.250")], [("10.00", "12.500")]
    )
    assert checksum.bitget(book, record) == record.checksum

    record.checksum += 1
    assert checksum.bitget(book, record) != record.checksum
