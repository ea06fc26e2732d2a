"""Which connection takes which symbols, to which address; pure."""

import difflib
import random
from collections.abc import Iterable, Sequence
from typing import NamedTuple
from urllib.parse import urlsplit, urlunsplit

# Of the lifetime: renewed before the exchange cuts, not all connections at once
RENEW_FROM, RENEW_TO = 0.85, 0.95


class Listing(NamedTuple):
    """What of the wanted symbols is listed; by missing symbol, what may have been meant."""

    listed: list[str]
    missing: dict[str, list[str]]


def shards(symbols: Sequence[str], most: int) -> list[list[str]]:
    """Return the symbols in as few connections as fit, evenly, in the order given."""
    count = -(-len(symbols) // most)
    return [list(symbols[i::count]) for i in range(count)]


def listing(wanted: Sequence[str], listed: Iterable[str]) -> Listing:
    """Return which symbols the exchange lists, and close matches of those it does not."""
    known = set(listed)
    by_plain = {_plain(symbol): symbol for symbol in known}
    missing: dict[str, list[str]] = {}
    for symbol in wanted:
        if symbol not in known:
            close = difflib.get_close_matches(_plain(symbol), sorted(by_plain), n=3, cutoff=0.6)
            missing[symbol] = [by_plain[plain] for plain in close]
    return Listing([symbol for symbol in wanted if symbol in known], missing)


def at(url: str, host: str) -> str:
    """Return the URL with scheme, host and port of `host`, which may be empty."""
    if not host:
        return url
    given = urlsplit(host)
    return urlunsplit(urlsplit(url)._replace(scheme=given.scheme, netloc=given.netloc))


def backoff_s(attempt: int, first_s: float, most_s: float, chance: random.Random) -> float:
    """Return how long to wait before an attempt, from 0: doubling, jittered down to its half."""
    return min(most_s, first_s * 2.0 ** min(attempt, 30)) * chance.uniform(0.5, 1)


def renew_after_s(lifetime_s: float, chance: random.Random) -> float | None:
    """Return after which time a connection is replaced; None where the exchange never cuts."""
    return lifetime_s * chance.uniform(RENEW_FROM, RENEW_TO) if lifetime_s else None


def _plain(symbol: str) -> str:
    # BTC-USD, BTC/USD and btcusd are near each other
    return "".join(c for c in symbol.casefold() if c.isalnum())
