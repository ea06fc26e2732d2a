"""Exact decimals: every digit that was sent comes back, what does not fit is refused by name."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jetl2.schemas import decimals
from jetl2.schemas.decimals import DecimalError

MANTISSAS = st.integers(-decimals.MAX_MANTISSA, decimals.MAX_MANTISSA)
EXPONENTS = st.integers(decimals.MIN_EXPONENT, 0)


@st.composite
def plain_texts(draw: st.DrawFn) -> str:
    """Return a decimal as exchanges write it, surplus zeros included."""
    sign = draw(st.sampled_from(["", "-"]))
    whole = draw(st.text("0123456789", min_size=1, max_size=9))
    part = draw(st.text("0123456789", max_size=9))
    return f"{sign}{whole}.{part}" if part else f"{sign}{whole}"


def exact(mantissa: int, exponent: int) -> Decimal:
    return Decimal(mantissa).scaleb(exponent)


@given(MANTISSAS, EXPONENTS)
def test_a_value_survives_its_text(mantissa: int, exponent: int) -> None:
    text = decimals.render(mantissa, exponent)

    assert exact(*decimals.parse(text)) == exact(mantissa, exponent)


@given(MANTISSAS, EXPONENTS)
def test_a_text_is_plain_and_as_short_as_can_be(mantissa: int, exponent: int) -> None:
    text = decimals.render(mantissa, exponent)

    assert "E" not in text
    assert "." not in text or text[-1] not in "0."
    assert text != "-0"


@given(plain_texts())
def test_every_digit_sent_is_kept(text: str) -> None:
    mantissa, exponent = decimals.parse(text)

    assert exact(mantissa, exponent) == Decimal(text)
    assert exponent == -len(text.partition(".")[2])


@given(st.lists(plain_texts(), max_size=20))
def test_many_texts_share_the_finest_exponent(texts: list[str]) -> None:
    mantissas, exponent = decimals.parse_all(texts)

    assert [exact(m, exponent) for m in mantissas] == [Decimal(t) for t in texts]
    assert exponent == min((-len(t.partition(".")[2]) for t in texts), default=0)


@given(st.lists(st.integers(-(10**6), 10**6), max_size=5), st.integers(-9, 0), st.integers(-9, 0))
def test_rescaling_loses_nothing_or_is_refused(mantissas: list[int], old: int, new: int) -> None:
    if new > old:
        with pytest.raises(DecimalError, match="coarser"):
            decimals.rescale(mantissas, old, new)
        return

    rescaled = decimals.rescale(mantissas, old, new)

    assert [exact(m, new) for m in rescaled] == [exact(m, old) for m in mantissas]


@pytest.mark.parametrize(
    "text,expected",
    [
        ("0", (0, 0)),
        ("0.00000000", (0, -8)),
        ("1.50", (150, -2)),
        ("-0.5", (-5, -1)),
        ("1e-8", (1, -8)),
        ("1E+3", (1000, 0)),
        ("2.5e3", (2500, 0)),
        ("0.000000000000000001", (1, -18)),
        ("9223372036854775807", (2**63 - 1, 0)),
    ],
)
def test_forms_that_exchanges_send(text: str, expected: tuple[int, int]) -> None:
    assert decimals.parse(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "abc",
        "1,5",
        "1_000",
        " 1",
        "1 ",
        "1.2.3",
        "--1",
        "NaN",
        "Infinity",
        "-",
        "٣",
        "0x10",
    ],
)
def test_what_is_no_number_is_refused_by_its_text(text: str) -> None:
    with pytest.raises(DecimalError) as caught:
        decimals.parse(text)

    assert repr(text) in str(caught.value)


@pytest.mark.parametrize(
    "text", ["9223372036854775808", "-9223372036854775808", "1e19", "0.1234567890123456789"]
)
def test_what_does_not_fit_is_refused_by_its_text(text: str) -> None:
    with pytest.raises(DecimalError) as caught:
        decimals.parse(text)

    assert repr(text) in str(caught.value)


def test_one_text_too_fine_for_the_others_is_refused() -> None:
    with pytest.raises(DecimalError):
        decimals.parse_all(["9000000000000", "0.000000000000000001"])


def test_no_text_is_no_mantissa() -> None:
    assert decimals.parse_all([]) == ([], 0)
