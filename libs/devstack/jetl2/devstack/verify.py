"""Compares books rebuilt from exported files with what they must be, exactly."""

import csv
import gzip
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from jetl2.devstack.errors import StackError
from jetl2.devstack.market import Levels
from jetl2.testkit import reference

Side = dict[Decimal, Decimal]

# A reference takes whole books: every seventh message is quick even for books of 40,000 levels
_SAMPLE_EVERY = 7


class MismatchError(StackError):
    """A rebuilt book is not the one that it must be; the message names the first difference."""


class Expected(NamedTuple):
    """What a symbol's book must be.

    Args:
        bids, asks: At the end.
        samples: Fingerprints of the whole book at some instants, in order.
    """

    bids: Side
    asks: Side
    samples: list[int]


class Verdict(NamedTuple):
    """What was found equal.

    Args:
        levels: In the final book, both sides.
        instants: Whole books compared before it.
        missed: Of the expected instants, those that the files do not show (before the first
            snapshot joined, or in a gap).
    """

    levels: int
    instants: int
    missed: int


def check(name: str, files: Sequence[Path], expected: Expected) -> Verdict:
    """Rebuild a book from incremental_book_L2 files, and compare.

    Args:
        name: For the message.
        files: Of one symbol, in order of their days.

    Raises:
        MismatchError: The final book differs.
    """
    bids: Side = {}
    asks: Side = {}
    seen = set(_rebuild(files, bids, asks))
    for side, found, wanted in (("bid", bids, expected.bids), ("ask", asks, expected.asks)):
        for price in sorted(found.keys() | wanted.keys()):
            if found.get(price) != wanted.get(price):
                message = (
                    f"{name}: the {side} at {price} is {found.get(price)} in the exported files "
                    f"and must be {wanted.get(price)}"
                )
                raise MismatchError(message)
    equal = sum(mark in seen for mark in expected.samples)
    return Verdict(len(bids) + len(asks), equal, len(expected.samples) - equal)


def recorded(path: Path, exchange: str) -> dict[str, Expected]:
    """Return what the books of a recorded session must be, by a rebuild that shares no code."""
    samples: dict[str, list[int]] = {}
    books: dict[str, reference.Book] = {}
    counts: dict[str, int] = {}
    for instant in reference.instants(path, exchange):
        symbol, book = instant.symbol, instant.book
        counts[symbol] = counts.get(symbol, 0) + 1
        books[symbol] = book
        if counts[symbol] % _SAMPLE_EVERY == 0:
            samples.setdefault(symbol, []).append(fingerprint(book.bids, book.asks))
    return {s: Expected(b.bids, b.asks, samples.get(s, [])) for s, b in books.items()}


def simulated(
    final: tuple[Levels, Levels],
    samples: Iterable[tuple[Levels, Levels]],
    depth: int | None = None,
) -> Expected:
    """Return what a simulated book must be.

    Args:
        depth: Levels a side that are subscribed; None: all.
    """
    bids, asks = (_side(levels[:depth]) for levels in final)
    marks = [fingerprint(_side(b[:depth]), _side(a[:depth])) for b, a in samples]
    return Expected(bids, asks, marks)


def fingerprint(bids: Mapping[Decimal, Decimal], asks: Mapping[Decimal, Decimal]) -> int:
    """Return a number that two books share only when they are equal, whatever the order."""
    mark = 0
    for name, side in (("bid", bids), ("ask", asks)):
        for price, size in side.items():
            mark ^= hash((name, price, size))
    return mark


def _side(levels: Levels) -> Side:
    return {Decimal(price): Decimal(size) for price, size in levels}


def _rebuild(files: Sequence[Path], bids: Side, asks: Side) -> Iterator[int]:
    """Apply each message of the files; yield the book's fingerprint after it."""
    sides = {"bid": bids, "ask": asks}
    mark, in_snapshot = 0, False
    for (_, snapshot), rows in groupby(_rows(files), key=lambda row: (row[3], row[4])):
        if snapshot == "true" and not in_snapshot:
            bids.clear()
            asks.clear()
            mark = 0
        in_snapshot = snapshot == "true"
        for _, _, _, _, _, name, price_text, size_text in rows:
            side, price, size = sides[name], Decimal(price_text), Decimal(size_text)
            if (old := side.pop(price, None)) is not None:
                mark ^= hash((name, price, old))
            if size:
                side[price] = size
                mark ^= hash((name, price, size))
        yield mark


def _rows(files: Sequence[Path]) -> Iterator[list[str]]:
    for path in files:
        with gzip.open(path, "rt", newline="") as file:
            reader = csv.reader(file)
            next(reader)
            yield from reader
