"""What a Spark task tells the driver about the range it wrote; travels as JSON."""

import dataclasses
import json
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """One object in the lake."""

    key: str
    rows: int
    size: int
    sha256: str


@dataclass(slots=True, kw_only=True)
class Report:
    """What one range held.

    Args:
        first_offset: Of the first record read; offsets of markers and aborted records are skipped.
        rows: By data type; coverage is not counted.
        first_seqs: First own number of each symbol, in offset order; empty for raw events.
        last_seqs: Last own number of each symbol.
    """

    topic: str
    partition: int
    records: int = 0
    first_offset: int = 0
    last_offset: int = 0
    min_local_ts: int = 0
    max_local_ts: int = 0
    rows: dict[str, int] = field(default_factory=dict)
    first_seqs: dict[str, int] = field(default_factory=dict)
    last_seqs: dict[str, int] = field(default_factory=dict)
    objects: list[Written] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a task wrote no report: kind is the name of a class in `errors`."""

    kind: str
    message: str


def dump(outcome: Report | Failure) -> str:
    """Return the JSON text of what a task has to say."""
    return json.dumps(dataclasses.asdict(outcome))


def load(text: str) -> Report | Failure:
    """Return what `dump` was given."""
    fields: dict[str, Any] = json.loads(text)
    if "kind" in fields:
        return Failure(**fields)
    fields["objects"] = [Written(**o) for o in fields["objects"]]
    return Report(**fields)
