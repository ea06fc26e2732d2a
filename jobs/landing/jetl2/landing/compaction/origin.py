"""What a compacted object was made of, as its own Parquet footer says; pure.

It goes with the rows in one PUT: there is no other record of it that could be lost, or differ.
"""

import json
from dataclasses import dataclass
from typing import Any, NamedTuple

from jetl2.schemas import lake

_KEY = lake.COMPACTED_FROM.encode()


class Source(NamedTuple):
    """One object; the name is that in its folder."""

    name: str
    rows: int
    size: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """What an object stands for.

    Args:
        rows: How many there must be.
        sum: Of all of them, by `rows.RowSum`.
        sources: All objects whose rows it holds: those that landing wrote, and compacted ones that
            were put together with more later.
    """

    rows: int
    sum: str
    sources: tuple[Source, ...]

    def landed(self) -> set[tuple[str, str]]:
        """Return name and sha256 of those that landing wrote."""
        parts = ((s, lake.parse_object(s.name)) for s in self.sources)
        return {(s.name, s.sha256) for s, part in parts if part and not part.compacted}

    def holds(self, source: Source, its: "Origin | None") -> bool:
        """Whether the rows of an object are among these.

        Args:
            its: What it was made of itself, if it is a compacted one.
        """
        known = any((s.name, s.sha256) == (source.name, source.sha256) for s in self.sources)
        return known or (its is not None and its.landed() <= self.landed())


def dump(origin: Origin) -> dict[str, str]:
    """Return what is added to the footer."""
    fields = {"rows": origin.rows, "sum": origin.sum, "sources": origin.sources}
    return {lake.COMPACTED_FROM: json.dumps(fields, separators=(",", ":"))}


def load(metadata: dict[bytes, bytes] | None) -> Origin | None:
    """Return what the key-value pairs of a footer say; None for an object that landing wrote."""
    if not metadata or _KEY not in metadata:
        return None
    fields: dict[str, Any] = json.loads(metadata[_KEY])
    sources = tuple(Source(*of) for of in fields["sources"])
    return Origin(rows=fields["rows"], sum=fields["sum"], sources=sources)
