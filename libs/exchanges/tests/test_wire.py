"""Texts of exchanges to exact numbers and times."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jetl2.exchanges import wire
from jetl2.schemas.decimals import DecimalError

NS_OF_2026 = 1_767_225_600 * 10**9


@pytest.mark.parametrize(
    "text,expected",
    [
        ("2026-01-01T00:00:00Z", NS_OF_2026),
        ("2026-01-01T00:00:00.5Z", NS_OF_2026 + 500_000_000),
        ("2026-01-01T00:00:00.123456Z", NS_OF_2026 + 123_456_000),
        ("2026-01-01T00:00:00.123456789Z", NS_OF_2026 + 123_456_789),
        ("1970-01-01T00:00:00Z", 0),
    ],
)
def test_rfc_3339_is_read_to_the_nanosecond(text: str, expected: int) -> None:
    assert wire.ns_from_iso(text) == expected


@pytest.mark.parametrize("text", ["2026-01-01T00:00:00", "2026-01-01T00:00:00+01:00", "", "Z"])
def test_a_time_that_is_not_utc_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"UTC|isoformat"):
        wire.ns_from_iso(text)


@pytest.mark.parametrize("number", [1767225600123, "1767225600123"])
def test_milliseconds_are_known_by_their_size(number: int | str) -> None:
    assert wire.ns_from_epoch(number) == NS_OF_2026 + 123_000_000


def test_microseconds_are_known_by_their_size() -> None:
    assert wire.ns_from_epoch(1767225600123456) == NS_OF_2026 + 123_456_000


@given(
    st.lists(st.tuples(st.integers(1, 10**9), st.integers(0, 10**12)), max_size=20),
    st.integers(0, 8),
)
def test_a_book_holds_the_levels_as_sent(levels: list[tuple[int, int]], cut: int) -> None:
    texts = [(f"{p // 100}.{p % 100:02d}", f"{s // 10**4}.{s % 10**4:04d}") for p, s in levels]
    record = wire.book(texts[:cut], texts[cut:], symbol="S")

    bids = list(zip(record.bid_prices, record.bid_sizes, strict=True))
    asks = list(zip(record.ask_prices, record.ask_sizes, strict=True))
    assert bids + asks == levels
    assert len(bids) == min(cut, len(levels))


def test_a_size_below_zero_is_refused() -> None:
    with pytest.raises(DecimalError, match="below zero"):
        wire.book([("1", "-2")], [], symbol="S")


def test_a_sides_price_without_a_size_is_no_side() -> None:
    record = wire.ticker(("", ""), ("1.5", "2"), symbol="S")

    assert (record.bid_price, record.bid_size) == (None, None)
    assert (record.ask_price, record.ask_size) == (15, 2)
    assert record.price_exponent == -1


def test_a_size_of_zero_is_an_empty_side() -> None:
    record = wire.ticker(("0", "0"), ("0.0", "0.00"), symbol="S")

    assert [record.bid_price, record.bid_size, record.ask_price, record.ask_size] == [None] * 4


@pytest.mark.parametrize(
    "number,text",
    [
        (None, ""),
        ("", ""),
        (5, "5"),
        ("0.10", "0.10"),
        ("2.2e3", "2200"),
        ("-1.5E-7", "-0.00000015"),
        # computed ones have more digits than a record's number holds
        ("12345.1234567890123456789", "12345.1234567890123"),
        ("-4.123456789012345678e-6", "-0.000004123456789012"),
        ("1.5e-30", "0.000000000000000000"),
        ("2.500000000000000000000000", "2.50000000000000000"),
    ],
)
def test_a_number_becomes_plain_text(number: int | str | None, text: str) -> None:
    assert wire.plain(number) == text


@pytest.mark.parametrize("number", ["none", "NaN", "Infinity", "1e9999999"])
def test_what_is_no_number_becomes_no_text(number: str) -> None:
    with pytest.raises(DecimalError):
        wire.plain(number)
