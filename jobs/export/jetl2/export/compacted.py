"""What to read in place of objects that were put together after the specification was written."""

import io
import json
from collections.abc import Collection, Sequence

import pyarrow.parquet as pq

from jetl2.export.store import Folder
from jetl2.schemas import lake
from jetl2.schemas.lake import Part

# The end of a Parquet file: the length of its footer, and a mark
_END = 8
_TAIL = 64 * 1024


def resolved(lake_folder: Folder, names: Sequence[str], gone: Collection[str]) -> tuple[str, ...]:
    """Return the objects to read for these: where some are gone, what holds exactly their rows.

    Args:
        names: Objects of a specification, of which those stay that nothing stands for.
        gone: What is not there any more, of these and others.
    """
    left = list(names)
    for folder in sorted({name.rpartition("/")[0] for name in names if name in gone}):
        for key in lake.current(lake_folder.keys(folder + "/")):
            cover = lake.parse_object(key)
            if not cover or not cover.compacted or key in left:
                continue
            within = [name for name in left if _covered(name, folder, cover)]
            if set(gone).intersection(within) and _stands_for(lake_folder, key, within):
                left = [name for name in left if name not in within] + [key]
    return tuple(left)


def _covered(name: str, folder: str, cover: Part) -> bool:
    part = lake.parse_object(name)
    return part is not None and name.rpartition("/")[0] == folder and cover.covers(part)


def _stands_for(lake_folder: Folder, key: str, names: Collection[str]) -> bool:
    """Whether all that a compacted object was made of is in the objects named.

    More may have landed, late, since these were listed: a file made of that would not be the one
    that was asked for.
    """
    landed = [part for part in map(lake.parse_object, _made_of(lake_folder, key)) if part]
    named = [part for part in map(lake.parse_object, names) if part]
    return bool(landed) and all(
        any(by.covers(part) for by in named) for part in landed if not part.compacted
    )


def _made_of(lake_folder: Folder, key: str) -> list[str]:
    """Return the names of the objects that one was made of; none when it does not say so."""
    tail = lake_folder.tail(key, _TAIL)
    if tail is not None and len(tail) >= _END:
        size = int.from_bytes(tail[-_END : -_END // 2], "little") + _END
        if size > len(tail):
            tail = lake_folder.tail(key, size)
    if tail is None:
        return []
    # The footer alone says all of this; what comes before it need not be there
    pairs = pq.read_metadata(io.BytesIO(tail)).metadata or {}
    fields = json.loads(pairs.get(lake.COMPACTED_FROM.encode(), b"{}"))
    return [name for name, *_ in fields.get("sources", [])]
