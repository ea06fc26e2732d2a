"""How the simulated exchanges write times and JSON."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from jetl2.devstack.market import Listing

_MS = 1_000_000
_json = msgspec.json.Encoder()


def dumps(document: Any) -> str:
    """Return compact JSON."""
    return _json.encode(document).decode()


def ms(ts: int) -> int:
    """Return ns as whole milliseconds."""
    return ts // _MS


def iso(ts: int) -> str:
    """Return ns as RFC 3339 with microseconds, UTC."""
    return datetime.fromtimestamp(ts // _MS / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def levels(listing: Listing, side: Mapping[int, int] | list[tuple[int, int]]) -> list[list[str]]:
    """Return levels as [price, size] texts, in the order given."""
    pairs = side.items() if isinstance(side, Mapping) else side
    return [[listing.price_text(p), listing.size_text(s)] for p, s in pairs]


def increment(places: int) -> str:
    """Return the smallest step of a number with so many decimals, as text."""
    return f"0.{'1'.rjust(places, '0')}" if places else "1"
