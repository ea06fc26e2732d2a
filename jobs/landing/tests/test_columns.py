"""Decimal columns hold exactly what the mantissas said."""

from decimal import Context, Decimal

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jetl2.landing.columns import DECIMAL, decimal_column
from jetl2.schemas import decimals

EXACT = Context(prec=60)
MANTISSAS = st.integers(-decimals.MAX_MANTISSA, decimals.MAX_MANTISSA)
EXPONENTS = st.integers(decimals.MIN_EXPONENT, 0)


@settings(deadline=None)
@given(st.lists(st.tuples(EXPONENTS, st.lists(st.none() | MANTISSAS, max_size=5)), max_size=20))
def test_every_value_comes_out_exact(messages: list[tuple[int, list[int | None]]]) -> None:
    values = [(m, exponent) for exponent, mantissas in messages for m in mantissas]

    column = decimal_column(
        [m for m, _ in values], [(exponent, len(mantissas)) for exponent, mantissas in messages]
    )

    assert column.type == DECIMAL
    assert column.to_pylist() == [
        None if m is None else Decimal(m).scaleb(exponent, EXACT) for m, exponent in values
    ]


@pytest.mark.parametrize("exponent", [-19, 1])
def test_an_exponent_that_the_column_cannot_hold_is_refused(exponent: int) -> None:
    with pytest.raises(pa.ArrowInvalid, match="does not fit"):
        decimal_column([1], [(exponent, 1)])
