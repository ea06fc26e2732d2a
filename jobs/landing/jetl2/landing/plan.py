"""Which offsets a run lands: pure, from what Kafka says of each partition.

A plan is written into the metadata of the group's committed offsets before any object is, so that
whoever comes after a crash repeats exactly that range. After the range has landed, the metadata
tells where it began, which names its manifest. There is no other state.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jetl2.landing.errors import ConflictError, RetentionError

# What objects of a range look like: columns, order, split, encoding. Raised with each change of
# those, because an interrupted range must be finished by the code that began it.
LAYOUT = 1


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Range:
    """Offsets [start, end) of a partition, landed as one.

    Args:
        plan: Id of the run that planned it.
        max_rows: Where its objects are split.
        previous: Start of the range that landed before it; None when there was none.
        committed: What the group's offset says meanwhile; below `start` where records were lost.
        repeated: Whether an earlier run planned it and did not finish.
    """

    topic: str
    partition: int
    start: int
    end: int
    plan: str
    max_rows: int
    previous: int | None = None
    committed: int
    repeated: bool = False

    def __str__(self) -> str:
        """Return how logs and errors name it."""
        return f"{self.topic}-{self.partition} [{self.start}, {self.end})"

    def name(self) -> str:
        """Return how the lake names it: part of keys, ordered as the offsets are."""
        return f"{self.topic}/{self.partition:04d}/{self.start:012d}-{self.end:012d}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """What Kafka says of a partition.

    Args:
        committed: The group's offset; None when it has none.
        metadata: What was committed with it.
        low: First offset that is still there.
        stable: First offset that `read_committed` cannot read yet.
    """

    committed: int | None
    metadata: str
    low: int
    stable: int


# By (topic, partition); commits are offset and metadata
Positions = Mapping[tuple[str, int], Position]
Commits = Mapping[tuple[str, int], tuple[int, str]]


def ranges(
    positions: Positions, *, plan: str, max_offsets: int, max_rows: int, accept_lost: bool = False
) -> list[Range]:
    """Return what to land now, ordered; partitions without news are left out.

    Args:
        positions: By (topic, partition).
        plan: Id for ranges that nobody planned before.

    Raises:
        RetentionError: Records that were never landed are gone.
        ConflictError: The committed offsets are not ours, or of another topic.
    """
    found = []
    for (topic, partition), position in sorted(positions.items()):
        where = f"{topic}-{partition}"
        begun = _begun(topic, partition, position)
        if begun is not None:
            _still_there(where, position, begun.start, begun.end)
            found.append(begun)
            continue
        start = position.committed or 0
        previous = _previous(where, position)
        accepted = _accepted(where, position, accept_lost=accept_lost)
        if accepted > start:
            start, previous = accepted, None
        _still_there(where, position, start, start)
        end = min(position.stable, start + max_offsets)
        if end > start:
            found.append(
                Range(
                    topic=topic,
                    partition=partition,
                    start=start,
                    end=end,
                    plan=plan,
                    max_rows=max_rows,
                    previous=previous,
                    committed=position.committed or 0,
                )
            )
    return found


def unmoved(positions: Positions, *, accept_lost: bool = False) -> Commits:
    """Return what is committed anew of partitions without news: what stands there already.

    A loss that a person accepts is noted with it: where all was lost, no manifest can say so yet.
    """
    commits = {}
    for (topic, partition), position in positions.items():
        where = f"{topic}-{partition}"
        committed = position.committed or 0
        accepted = _accepted(where, position, accept_lost=accept_lost)
        if accepted > committed:
            fields = {"layout": LAYOUT, "landed": _previous(where, position), "accepted": accepted}
            commits[topic, partition] = (committed, json.dumps(fields, separators=(",", ":")))
        elif position.committed is not None:
            commits[topic, partition] = (committed, position.metadata)
    return commits


def planned(of: Range) -> str:
    """Return the metadata that makes whoever comes next repeat this range."""
    fields = {
        "layout": LAYOUT,
        "plan": of.plan,
        "start": of.start,
        "end": of.end,
        "max_rows": of.max_rows,
        "previous": of.previous,
    }
    return json.dumps(fields, separators=(",", ":"))


def landed(of: Range) -> str:
    """Return the metadata that goes with the offset behind a landed range."""
    return json.dumps({"layout": LAYOUT, "landed": of.start}, separators=(",", ":"))


def _begun(topic: str, partition: int, position: Position) -> Range | None:
    fields = _fields(f"{topic}-{partition}", position)
    if "plan" not in fields:
        return None
    if fields["layout"] != LAYOUT:
        message = (
            f"{topic}-{partition}: the range from {fields['start']} was begun by a release with "
            f"layout {fields['layout']}, this one has {LAYOUT}: finish it with that release"
        )
        raise ConflictError(message)
    return Range(
        topic=topic,
        partition=partition,
        start=fields["start"],
        end=fields["end"],
        plan=fields["plan"],
        max_rows=fields["max_rows"],
        previous=fields["previous"],
        committed=position.committed or 0,
        repeated=True,
    )


def _previous(where: str, position: Position) -> int | None:
    landed_start: int | None = _fields(where, position).get("landed")
    return landed_start


def _accepted(where: str, position: Position, *, accept_lost: bool) -> int:
    """Return the first offset before which it is accepted that records are lost; 0: none is."""
    noted: int = _fields(where, position).get("accepted", 0)
    return max(noted, position.low) if accept_lost else noted


def _fields(where: str, position: Position) -> dict[str, Any]:
    if position.committed is None:
        return {}
    try:
        fields = json.loads(position.metadata)
        if fields["layout"] and ("plan" in fields or "landed" in fields):
            return dict(fields)
    except (ValueError, KeyError, TypeError):
        pass
    message = (
        f"{where}: the committed offset {position.committed} carries {position.metadata!r}, not our "
        "metadata: something else commits for this group"
    )
    raise ConflictError(message)


def _still_there(where: str, position: Position, start: int, end: int) -> None:
    if position.low > start:
        message = (
            f"{where}: offsets [{start}, {position.low}) were deleted by retention before they "
            "were landed; nothing was written"
        )
        raise RetentionError(message)
    if position.stable < max(start, end):
        message = (
            f"{where}: the group stands at {max(start, end)}, but the partition ends at "
            f"{position.stable}: the topic was made anew"
        )
        raise ConflictError(message)
