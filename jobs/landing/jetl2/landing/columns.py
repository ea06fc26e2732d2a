"""Exact decimal columns from integer mantissas, without a Python object for each value."""

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any

import pyarrow as pa

from jetl2.schemas import decimals

SCALE = -decimals.MIN_EXPONENT
DECIMAL = pa.decimal128(38, SCALE)


def decimal_column(
    mantissas: Sequence[int | None], exponents: Iterable[tuple[int, int]]
) -> "pa.Array[Any]":
    """Return mantissa * 10 ** exponent of each value; None stays null.

    Args:
        exponents: (exponent, number of values that have it), in the order of the values.

    Raises:
        pa.ArrowInvalid: An exponent outside what the column holds.
    """
    chunks = []
    start = 0
    for exponent, run in groupby(exponents, key=lambda pair: pair[0]):
        count = sum(n for _, n in run)
        chunks.append(_at(mantissas[start : start + count], exponent))
        start += count
    return pa.concat_arrays(chunks) if chunks else pa.array([], DECIMAL)


def _at(mantissas: Sequence[int | None], exponent: int) -> "pa.Array[Any]":
    if not decimals.MIN_EXPONENT <= exponent <= 0:
        message = f"exponent {exponent} does not fit into {DECIMAL}"
        raise pa.ArrowInvalid(message)
    # int64 as 128-bit integers; the same bytes at scale -exponent are the exact value
    whole = pa.array(mantissas, pa.int64()).cast(pa.decimal128(19, 0))
    scaled = pa.Array.from_buffers(
        pa.decimal128(38, -exponent), len(whole), whole.buffers(), whole.null_count
    )
    return scaled.cast(DECIMAL)
