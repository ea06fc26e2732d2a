"""What a Spark task does: the objects of one folder and partition become one, then are taken away.

Nothing is taken away before the object that stands for it was read again from S3, and has the rows.
"""

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from jetl2.landing import crash, layout
from jetl2.landing.compaction import merge, origin
from jetl2.landing.compaction.origin import Origin, Source
from jetl2.landing.compaction.plan import Work
from jetl2.landing.compaction.rows import RowSum
from jetl2.landing.errors import ConflictError, DifferenceError, RecordError
from jetl2.schemas import lake

# One PUT takes 5 GiB, and what is put together is no larger than its sources but for a little
MAX_BYTES = 4 * 1024**3
# Rows held until a row group is written; raw payloads may be large
ROW_GROUP_BYTES = 256 * 1024 * 1024

# Why a folder was left as it is
OVERTAKEN = "another run was there"
COLUMNS = "its objects have different columns"
TOO_LARGE = "more than one PUT takes"


class Store(Protocol):
    """The lake: `shelf.Shelf`, where the errors are described."""

    def sizes(self, prefix: str, after: str = "") -> dict[str, int]:
        """Return the size of each object below a prefix."""

    def download(self, key: str, to: Path) -> str | None:
        """Write an object into a file and return its sha256; None when there is none."""

    def put_new_file(self, key: str, path: Path) -> bool:
        """Write an object from a file unless there is one; return whether it was written."""

    def remove(self, keys: Sequence[str]) -> None:
        """Take objects away."""


@dataclass(slots=True, kw_only=True)
class Done:
    """What became of one work.

    Args:
        replaced: Objects that became one; 0 when none did.
        removed: Objects taken away, with those that a run which died left.
        skipped: Why nothing was put together; "" when it was, or there was nothing to.
    """

    replaced: int = 0
    rows: int = 0
    size_before: int = 0
    size: int = 0
    removed: int = 0
    skipped: str = ""


@dataclass(slots=True)
class _Lake:
    """The store, and what this task has seen of it.

    Attributes:
        seen: Objects read whole, by key.
        proven: Compacted objects that were read again from S3 and have their rows.
    """

    store: Store
    scratch: Path
    seen: dict[str, Source] = field(default_factory=dict)
    origins: dict[str, Origin] = field(default_factory=dict)
    proven: dict[str, Origin] = field(default_factory=dict)

    def read(self, key: str) -> Path | None:
        """Return a file with an object's bytes; None when it is gone.

        Raises:
            RecordError: It is no Parquet.
        """
        path = self.scratch / f"{len(self.seen)}.parquet"
        sha256 = self.store.download(key, path)
        if sha256 is None:
            return None
        try:
            metadata = pq.read_metadata(path)
        except pa.ArrowInvalid as error:
            message = f"{key} cannot be read: {error}"
            raise RecordError(message) from error
        name = key.rpartition("/")[2]
        self.seen[key] = Source(name, metadata.num_rows, path.stat().st_size, sha256)
        if made_of := origin.load(metadata.metadata):
            self.origins[key] = made_of
        return path


def compact(work: Work, store: Store) -> Done:
    """Put the sources of a folder together, and take away what the result stands for.

    Raises:
        LandingError: Nothing was taken away; see `errors` for each kind.
    """
    done = Done()
    with TemporaryDirectory(prefix="jetl2-compact-") as scratch:
        seen = _Lake(store, Path(scratch))
        try:
            if len(work.sources) > 1:
                done.skipped = _put_together(work, seen, done)
            # Also what a run that died, or that goes on beside this one, has left
            done.removed = _take_away(work, seen)
        except (pa.ArrowException, OSError, TypeError) as error:
            # A broken page, a full disk
            message = f"{work}: {error}"
            raise RecordError(message) from error
    return done


def _put_together(work: Work, seen: _Lake, done: Done) -> str:
    """Make one object of the sources; return why not, "" when it is there and has their rows."""
    if work.size > MAX_BYTES:
        return TOO_LARGE
    parts = _parts(work)
    key = work.folder + lake.compacted_name(
        work.topic, work.partition, parts[0].start, parts[-1].end
    )
    files = []
    for source in work.sources:
        file = seen.read(source)
        if file is None:
            return OVERTAKEN
        files.append(file)
    schemas = [pq.read_schema(file).remove_metadata() for file in files]
    if any(schema != schemas[0] for schema in schemas):
        return COLUMNS
    by = merge.keys(lake.parse_folder(work.folder)["data_type"], schemas[0])
    path = seen.scratch / "made.parquet"
    made_of = _write(path, files, by, [seen.seen[k] for k in work.sources], seen.origins)
    _check(str(work), path, by, made_of)
    crash.point("merged")
    for file in files:
        file.unlink()
    seen.store.put_new_file(key, path)
    crash.point("published")
    size = path.stat().st_size
    path.unlink()
    again = seen.read(key)
    if again is None:
        return OVERTAKEN
    # Perhaps another run has made it, but of the same rows
    _check(key, again, by, made_of)
    again.unlink()
    seen.proven[key] = seen.origins.get(key, made_of)
    crash.point("compared")
    done.replaced, done.rows, done.size = len(files), made_of.rows, size
    done.size_before = work.size
    return ""


def _parts(work: Work) -> list[lake.Part]:
    parts = [part for key in work.sources if (part := lake.parse_object(key))]
    for one, other in itertools.pairwise(parts):
        if other.start < one.end:
            message = (
                f"{work}: objects of offsets [{one.start}, {one.end}) and "
                f"[{other.start}, {other.end}) lie side by side: nothing is put together"
            )
            raise ConflictError(message)
    return parts


def _write(
    path: Path,
    files: Sequence[Path],
    by: Sequence[str],
    sources: Sequence[Source],
    origins: Mapping[str, Origin],
) -> Origin:
    """Write the rows of files, sorted, into one; return what it was made of, as its footer says."""
    total = RowSum()
    schema = pq.read_schema(files[0]).remove_metadata()
    for file in files:
        # Read apart from the merge, so that what it loses or repeats is noticed
        for batch in _batches(file):
            total.add(batch)
    earlier = [source for made_of in origins.values() for source in made_of.sources]
    made_of = Origin(
        rows=total.rows, sum=total.digest(), sources=tuple(sorted({*earlier, *sources}))
    )
    with layout.writer(path, schema) as writer:
        held: list[pa.Table] = []
        for table in merge.merged(files, by):
            held.append(table)
            held = _write_groups(writer, held, whole=False)
        _write_groups(writer, held, whole=True)
        writer.add_key_value_metadata(origin.dump(made_of))
    return made_of


def _write_groups(writer: pq.ParquetWriter, held: list[pa.Table], *, whole: bool) -> list[pa.Table]:
    """Write row groups as large as landing's, and what is left too if told; return what is left."""
    rows = sum(map(len, held))
    large = sum(table.nbytes for table in held) >= ROW_GROUP_BYTES
    while rows >= layout.ROW_GROUP_ROWS or (rows and (whole or large)):
        table = pa.concat_tables(held)
        writer.write_table(table.slice(0, layout.ROW_GROUP_ROWS), layout.ROW_GROUP_ROWS)
        rest = table.slice(layout.ROW_GROUP_ROWS)
        held, rows = ([rest] if len(rest) else []), len(rest)
        large = rest.nbytes >= ROW_GROUP_BYTES
    return held


def _batches(file: Path) -> Any:
    with pq.ParquetFile(file) as parquet:
        yield from parquet.iter_batches(merge.BATCH_ROWS, use_threads=False)


def _check(what: str, file: Path, by: Sequence[str], made_of: Origin) -> None:
    """Raise DifferenceError unless a file holds the rows that it was made of, sorted."""
    found, order = RowSum(), merge.Order(by)
    for batch in _batches(file):
        found.add(batch)
        if not order.add(batch):
            message = f"{what}: the rows of the compacted object are not sorted by {', '.join(by)}"
            raise DifferenceError(message)
    if (found.rows, found.digest()) != (made_of.rows, made_of.sum):
        message = (
            f"{what}: the compacted object holds {found.rows} rows with sum {found.digest()}, its "
            f"sources {made_of.rows} with {made_of.sum}: all is left as it is"
        )
        raise DifferenceError(message)


def _take_away(work: Work, seen: _Lake) -> int:
    """Take away what compacted objects stand for, and return how many that were."""
    prefix = f"{work.folder}{work.topic}-{work.partition:04d}-"
    keys = sorted(seen.store.sizes(prefix))
    current = set(lake.current(keys))
    removed = 0
    for key in sorted(current):
        cover = lake.parse_object(key)
        if not cover or not cover.compacted:
            continue
        parts = ((k, lake.parse_object(k)) for k in keys if k not in current)
        within = [k for k, part in parts if part and cover.covers(part)]
        if not within:
            continue
        stands_for = _proven(work, key, seen)
        if stands_for is None:
            # Another run has put it together with more since; that one takes away
            continue
        gone = [k for k in within if _held(k, key, stands_for, seen)]
        seen.store.remove(gone)
        removed += len(gone)
        crash.point("removed")
    return removed


def _proven(work: Work, key: str, seen: _Lake) -> Origin | None:
    """Return what an object stands for, when it has those rows; None when it is gone.

    Raises:
        ConflictError: It does not say what it was made of.
        DifferenceError: It has other rows.
    """
    if key not in seen.proven:
        file = seen.read(key)
        if file is None:
            return None
        made_of = seen.origins.get(key)
        if made_of is None:
            message = f"{key} does not say what it was made of: nothing is taken away"
            raise ConflictError(message)
        by = merge.keys(
            lake.parse_folder(work.folder)["data_type"], pq.read_schema(file).remove_metadata()
        )
        _check(key, file, by, made_of)
        file.unlink()
        seen.proven[key] = made_of
    return seen.proven[key]


def _held(key: str, by: str, stands_for: Origin, seen: _Lake) -> bool:
    """Whether an object that is still there may go; one that has gone need not.

    Raises:
        ConflictError: Its rows are not in what stands for it.
    """
    if key not in seen.seen:
        file = seen.read(key)
        if file is None:
            return False
        file.unlink()
    if stands_for.holds(seen.seen[key], seen.origins.get(key)):
        return True
    message = f"{key} lies within {by}, which was not made of it: nothing is taken away"
    raise ConflictError(message)


def dump(work: Work) -> str:
    """Return the JSON text of a work, for its way to a task."""
    return json.dumps(asdict(work))


def load(text: str) -> Work:
    """Return what `dump` was given."""
    fields: dict[str, Any] = json.loads(text)
    for name in ("sources", "replaced"):
        fields[name] = tuple(fields[name])
    return Work(**fields)
