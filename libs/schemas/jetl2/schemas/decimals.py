"""Exact decimals as integer mantissas: text in, mantissa and exponent out, and back."""

from collections.abc import Sequence
from decimal import Decimal, InvalidOperation

# What the lake's DECIMAL(38, 18) columns and Avro's long can both hold
MIN_EXPONENT = -18
MAX_EXPONENT = 18
MAX_MANTISSA = 2**63 - 1

_POWERS = [10**n for n in range(-MIN_EXPONENT + 1)]


class DecimalError(ValueError):
    """A text is no decimal number, or has more digits than int64 and 18 decimals hold."""


def parse(text: str) -> tuple[int, int]:
    """Return (mantissa, exponent) of one decimal text, every digit sent kept: "1.50" is (150, -2).

    Raises:
        DecimalError: Not a finite plain or scientific decimal, or out of range.
    """
    mantissas, exponent = parse_all([text])
    return mantissas[0], exponent


def parse_all(texts: Sequence[str]) -> tuple[list[int], int]:
    """Return the mantissas of many texts at one common exponent, the finest among them.

    Exchanges usually send one number of decimals throughout a message, so that case is quick.

    Raises:
        DecimalError: Names the text that does not fit.
    """
    if not texts:
        return [], 0
    joined = ",".join(texts)
    mantissas: list[int]
    # the way of most messages, as few steps for each text as can be: this is the hottest spot
    if joined.count(".") == len(texts):
        first = texts[0]
        places = len(first) - first.find(".") - 1
        digits = joined.replace(".", "")
        at = -places - 1
        try:
            if {t[at] for t in texts} == {"."} and _plain(digits.replace(",", "")):
                mantissas = list(map(int, digits.split(",")))
                if len(mantissas) == len(texts) and places <= -MIN_EXPONENT:
                    _check(mantissas, texts)
                    return mantissas, -places
        except (IndexError, ValueError) as error:
            if isinstance(error, DecimalError):
                raise
    return _parse_mixed(texts)


def render(mantissa: int, exponent: int) -> str:
    """Return the shortest plain decimal text of a value: no exponent, no trailing zeros."""
    if exponent >= 0:
        return str(mantissa * 10**exponent)
    sign = "-" if mantissa < 0 else ""
    digits = str(abs(mantissa)).rjust(1 - exponent, "0")
    whole, part = digits[:exponent], digits[exponent:].rstrip("0")
    return f"{sign}{whole}.{part}" if part else f"{sign if mantissa else ''}{whole}"


def rescale(mantissas: Sequence[int], exponent: int, to: int) -> list[int]:
    """Return the mantissas at the finer exponent `to`.

    Raises:
        DecimalError: `to` is coarser than `exponent`; digits would be lost.
    """
    if to == exponent:
        return list(mantissas)
    if to > exponent:
        message = f"cannot rescale from exponent {exponent} to the coarser {to}"
        raise DecimalError(message)
    factor = 10 ** (exponent - to)
    return [m * factor for m in mantissas]


def _parse_mixed(texts: Sequence[str]) -> tuple[list[int], int]:
    """Parse texts of different numbers of decimals, or with signs."""
    if not _plain("".join(texts).replace(".", "").replace("-", "")):
        return _parse_slowly(texts)
    parts = [t.partition(".") for t in texts]
    places = max([len(part) for _, _, part in parts])
    if places > -MIN_EXPONENT:
        return _parse_slowly(texts)
    scale = _POWERS[places::-1]
    try:
        mantissas = [int(whole + part) * scale[len(part)] for whole, _, part in parts]
    except ValueError:
        return _parse_slowly(texts)
    _check(mantissas, texts)
    return mantissas, -places


def _plain(digits: str) -> bool:
    # int() also takes "1_000", " 1", "+1" and other scripts' digits, which no exchange may send
    return digits.encode("ascii", "replace").isdigit()


def _check(mantissas: Sequence[int], texts: Sequence[str]) -> None:
    if max(mantissas) > MAX_MANTISSA or min(mantissas) < -MAX_MANTISSA:
        message = f"{max(texts, key=len)!r} does not fit into 64 bits with the others' decimals"
        raise DecimalError(message)


def _parse_slowly(texts: Sequence[str]) -> tuple[list[int], int]:
    """Parse what the quick ways do not take: scientific notation, surplus zeros, errors."""
    values: list[tuple[int, int]] = []
    for t in texts:
        try:
            number = Decimal(t)
        except (InvalidOperation, TypeError, ValueError):
            message = f"{t!r} is not a decimal number"
            raise DecimalError(message) from None
        sign, digits, exponent = number.as_tuple()
        if not isinstance(exponent, int) or not t.isascii() or "_" in t or t != t.strip():
            message = f"{t!r} is not a finite decimal number"
            raise DecimalError(message)
        mantissa = int("".join(map(str, digits)) or "0") * (-1 if sign else 1)
        while exponent < MIN_EXPONENT and mantissa % 10 == 0:
            if mantissa == 0:
                exponent = 0
                break
            mantissa, exponent = mantissa // 10, exponent + 1
        if not MIN_EXPONENT <= exponent <= MAX_EXPONENT:
            message = f"{t!r} has more than {-MIN_EXPONENT} decimals"
            raise DecimalError(message)
        values.append((mantissa * 10 ** max(exponent, 0), min(exponent, 0)))
    finest = min(exponent for _, exponent in values)
    mantissas = [m * 10 ** (exponent - finest) for m, exponent in values]
    _check(mantissas, texts)
    return mantissas, finest
