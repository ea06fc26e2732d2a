"""Which symbols are meant by names, patterns and conditions, of what an exchange lists; pure."""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import NamedTuple

from jetl2.exchanges.exchange import Instrument
from jetl2.ingestor.subscription import Entry, Selection

PATTERN = frozenset("*?[")


class Problem(NamedTuple):
    """An entry that gives no symbol: why, and what may have been meant."""

    entry: str
    problem: str
    close: list[str]


class Chosen(NamedTuple):
    """The symbols to take, each once, in the order of the entries; and what is amiss.

    `resting` are named exactly and listed, but not traded now; they are among `symbols`.
    """

    symbols: list[str]
    problems: list[Problem]
    resting: list[str]


def choose(
    entries: Sequence[Entry],
    listed: Sequence[Instrument],
    volumes: Mapping[str, float] | None = None,
) -> Chosen:
    """Return what the entries mean.

    Args:
        volumes: Symbol -> volume of the last 24 h; None: not known. What it lacks had none.
    """
    by_symbol = {instrument.symbol: instrument for instrument in listed}
    symbols: dict[str, None] = {}
    problems: list[Problem] = []
    resting: list[str] = []
    for entry in entries:
        if isinstance(entry, str) and entry in by_symbol:
            symbols[entry] = None
            if not by_symbol[entry].active:
                resting.append(entry)
            continue
        if isinstance(entry, str) and PATTERN.isdisjoint(entry):
            problems.append(Problem(entry, "is not listed", near(entry, by_symbol)))
            continue
        wanted = Selection(match=entry) if isinstance(entry, str) else entry
        found = [i for i in listed if i.active and _meets(wanted, i)]
        if not found:
            problems.append(Problem(str(entry), *_why(wanted, listed)))
        elif wanted.top and volumes is None:
            problems.append(Problem(str(entry), "volumes are not known now", []))
        else:
            symbols.update(dict.fromkeys(i.symbol for i in _ranked(found, wanted.top, volumes)))
    return Chosen(list(symbols), problems, resting)


def unlisted(entries: Sequence[Entry]) -> Chosen:
    """Return what can be taken while the list of instruments is not known: exact names."""
    names = [e for e in entries if isinstance(e, str) and PATTERN.isdisjoint(e)]
    others = [str(e) for e in entries if e not in names]
    why = "the list of instruments is not known now"
    return Chosen(names, [Problem(entry, why, []) for entry in others], [])


def near(symbol: str, known: Iterable[str]) -> list[str]:
    """Return up to three names that may have been meant, the likeliest first."""
    by_plain = {_plain(name): name for name in known}
    close = difflib.get_close_matches(_plain(symbol), sorted(by_plain), n=3, cutoff=0.6)
    return [by_plain[plain] for plain in close]


def _meets(wanted: Selection, instrument: Instrument) -> bool:
    return all(_holds(wanted, name, instrument) for name in ("match", "kind", "base", "quote"))


def _holds(wanted: Selection, name: str, instrument: Instrument) -> bool:
    value: str = getattr(wanted, name)
    if name == "match":
        return not value or fnmatchcase(instrument.symbol, value)
    found: str = getattr(instrument, name)
    return not value or value.casefold() == found.casefold()


def _ranked(
    found: list[Instrument], top: int, volumes: Mapping[str, float] | None
) -> list[Instrument]:
    if not top:
        return found
    known = volumes or {}
    return sorted(found, key=lambda i: (-known.get(i.symbol, 0), i.symbol))[:top]


def _why(wanted: Selection, listed: Sequence[Instrument]) -> tuple[str, list[str]]:
    """Return which condition nothing meets, and what comes near it."""
    for name in ("kind", "base", "quote"):
        value: str = getattr(wanted, name)
        if not any(_holds(wanted, name, instrument) for instrument in listed):
            there = {str(getattr(instrument, name)) for instrument in listed}
            close = sorted(there) if name == "kind" else near(value, there)
            return f"no instrument has the {name} {value!r}", close
    if not any(_holds(wanted, "match", instrument) for instrument in listed):
        return f"no symbol matches {wanted.match!r}", near(wanted.match, (i.symbol for i in listed))
    if any(_meets(wanted, instrument) for instrument in listed):
        return "none of what it matches is traded now", []
    return "no instrument meets all of it", []


def _plain(symbol: str) -> str:
    # BTC-USD, BTC/USD and btcusd are near each other
    return "".join(c for c in symbol.casefold() if c.isalnum())
