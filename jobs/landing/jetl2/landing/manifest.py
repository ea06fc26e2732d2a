"""What a landed range consists of, as an object in the lake that is written once and never again.

Keys: `_manifest/<topic>/<partition>/<start>-<end>.json`. Its existence means that all objects of
the range are there; the manifests of a partition follow each other without a seam.
"""

import dataclasses
import json
from collections.abc import Mapping
from typing import Any, Protocol

from jetl2.landing.errors import ConflictError
from jetl2.landing.plan import LAYOUT, Range
from jetl2.landing.report import Report

_FOLDER = "_manifest"


class Store(Protocol):
    """Where manifests are kept: `sink.Lake`."""

    def get(self, key: str) -> bytes | None:
        """Return an object, None when there is none."""

    def put_new(self, key: str, body: bytes) -> bool:
        """Write an object unless there is one; return whether it was written."""

    def keys(self, prefix: str) -> list[str]:
        """Return the keys that begin so."""


def key(topic: str, partition: int, start: int, end: int) -> str:
    """Return where the manifest of a range lies."""
    return f"{_folder(topic, partition)}{start:012d}-{end:012d}.json"


def make(of: Range, report: Report, seqs: Mapping[str, int]) -> bytes:
    """Return the manifest of a range: the same range gives the same bytes.

    Args:
        seqs: Last own number of every symbol of the partition so far.
    """
    fields = {
        **dataclasses.asdict(report),
        "layout": LAYOUT,
        "plan": of.plan,
        "start": of.start,
        "end": of.end,
        "previous": of.previous,
        "lost": [of.committed, of.start] if of.start > of.committed else None,
        "seqs": dict(seqs),
    }
    return (json.dumps(fields, sort_keys=True, separators=(",", ":")) + "\n").encode()


def find(store: Store, of: Range) -> dict[str, Any] | None:
    """Return the manifest that a crashed run of the same plan left; None when there is none.

    Raises:
        ConflictError: The lake holds a range with this start that another plan landed.
    """
    prefix = f"{_folder(of.topic, of.partition)}{of.start:012d}-"
    for found in store.keys(prefix):
        body = store.get(found)
        fields: dict[str, Any] = json.loads(body or b"{}")
        if found == key(of.topic, of.partition, of.start, of.end) and fields["plan"] == of.plan:
            return fields
        message = (
            f"{of}: the lake already holds {found} of another plan: the group's offsets were lost "
            "or set back, or the topic was made anew; land into another lake or another prefix"
        )
        raise ConflictError(message)
    return None


def seqs_before(store: Store, of: Range) -> dict[str, int]:
    """Return the last own number of every symbol before a range; empty at the very beginning.

    Raises:
        ConflictError: The manifest of the range before is not in this lake.
    """
    if of.previous is None:
        return {}
    before = key(of.topic, of.partition, of.previous, of.start)
    body = store.get(before)
    if body is None:
        message = (
            f"{of}: {before} is missing: the range before was landed into another lake, or its "
            "manifest was deleted"
        )
        raise ConflictError(message)
    seqs: dict[str, int] = json.loads(body)["seqs"]
    return seqs


def put(store: Store, of: Range, body: bytes) -> None:
    """Write a manifest; one that is there with the same bytes is as good.

    Raises:
        ConflictError: There is one with other bytes.
    """
    where = key(of.topic, of.partition, of.start, of.end)
    if not store.put_new(where, body) and store.get(where) != body:
        message = f"{of}: {where} is there with different content"
        raise ConflictError(message)


def _folder(topic: str, partition: int) -> str:
    return f"{_FOLDER}/{topic}/{partition:04d}/"
