"""Which connection takes which symbols, to which address; pure."""

import hashlib
import random
from collections.abc import Iterable, Sequence
from typing import NamedTuple
from urllib.parse import urlsplit, urlunsplit

from jetl2.exchanges.exchange import Exchange

# Of the lifetime: renewed before the exchange cuts, not all connections at once
RENEW_FROM, RENEW_TO = 0.85, 0.95


def shards(symbols: Sequence[str], most: int) -> list[list[str]]:
    """Return the symbols in as few connections as fit, evenly, in the order given."""
    count = -(-len(symbols) // most)
    return [list(symbols[i::count]) for i in range(count)]


class Group(NamedTuple):
    """Symbols and data types that one websocket gives."""

    url: str
    data_types: tuple[str, ...]
    symbols: list[str]


def groups(exchange: Exchange, symbols: Sequence[str], data_types: Sequence[str]) -> list[Group]:
    """Return what is to be taken from which websocket of an exchange, in the order given."""
    if exchange.route is None:
        return [Group(exchange.url, tuple(data_types), list(symbols))]
    found: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for symbol in symbols:
        by_url: dict[str, list[str]] = {}
        for data_type in data_types:
            by_url.setdefault(exchange.route(symbol, data_type), []).append(data_type)
        for url, types in by_url.items():
            found.setdefault((url, tuple(types)), []).append(symbol)
    return [Group(url, types, members) for (url, types), members in found.items()]


def own(exchange: str, symbols: Iterable[str], shard: int, shards: int) -> list[str]:
    """Return those of the symbols that one of several replicas takes, in the order given.

    Each symbol belongs to the replica with the highest hash of both: with one replica more, only
    what the new one takes moves.
    """

    def weight(symbol: str, number: int) -> bytes:
        return hashlib.sha256(f"{exchange}\0{symbol}\0{number}".encode()).digest()

    numbers = range(shards)
    return [s for s in symbols if max(numbers, key=lambda n: weight(s, n)) == shard]


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
