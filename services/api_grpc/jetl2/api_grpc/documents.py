"""The JSON documents that the API keeps in S3; each is written whole, most of them once."""

from typing import Any, TypeVar

import msgspec

QUEUED = "queued"
RUNNING = "running"
SUCCEEDED = "succeeded"
FAILED = "failed"
CANCELLED = "cancelled"
EXPIRED = "expired"

T = TypeVar("T")


class Query(msgspec.Struct, frozen=True):
    """What is asked for, in the one form that equal requests share: sorted, no repetitions."""

    instruments: tuple[tuple[str, str], ...]  # (exchange, symbol)
    data_types: tuple[str, ...]
    start_ts: int
    end_ts: int
    format: str = "csv.gz"


class Unit(msgspec.Struct, frozen=True):
    """One file to make: also the form in which the job reads it.

    Attributes:
        start_ts, end_ts: Rows with start_ts <= local_ts < end_ts; whole days for most units.
        key: Of the file, below the downloads; says by its version what the file is made from.
        objects: Keys below the lake to read.
        gap_objects: The same of the symbol's gap records.
    """

    exchange: str
    data_type: str
    symbol: str
    date: str
    format: str
    start_ts: int
    end_ts: int
    key: str
    objects: tuple[str, ...]
    gap_objects: tuple[str, ...] = ()


class Missing(msgspec.Struct, frozen=True):
    """A day of which nothing was recorded."""

    exchange: str
    data_type: str
    symbol: str
    date: str


class Plan(msgspec.Struct, frozen=True):
    """What an export consists of: a pure function of the query and the lake's object names."""

    query: Query
    dataset_version: str
    content: str
    units: tuple[Unit, ...]
    missing: tuple[Missing, ...]


class Outcome(msgspec.Struct, frozen=True):
    """How an export ended; written once.

    Attributes:
        failures: (file name, error) of files that could not be made.
        expire_ts: When the first of its files goes; 0 when it made none.
    """

    state: str
    end_ts: int
    message: str = ""
    failures: tuple[tuple[str, str], ...] = ()
    rows: int = 0
    size: int = 0
    expire_ts: int = 0


class Export(msgspec.Struct, frozen=True):
    """One export; the only document that changes, by conditional writes.

    Attributes:
        reused: Files that existed when it was asked for.
        deleted: Forgotten on request; kept so that nobody makes it anew by mistake.
        forgotten: Only its operation is.
    """

    id: str
    query: Query
    dataset_version: str
    content: str
    files: int
    reused: int
    missing: tuple[Missing, ...]
    created_ts: int
    principal: str
    outcome: Outcome | None = None
    deleted: bool = False
    forgotten: bool = False


class Request(msgspec.Struct, frozen=True):
    """What a request_id was used for.

    Attributes:
        body: Digest of the request, to notice another one under the same id.
        candidate: The export that this request proposed.
        export: The export that it got: the candidate, or an equal one; "" until that is known.
    """

    body: str
    candidate: Export
    export: str = ""


class Job(msgspec.Struct, frozen=True):
    """An export that is not finished, and which replica cares for it.

    Attributes:
        owner: Replica; "" when the job waits for one.
        beat: Changes while the owner lives.
        starts: How often it was launched.
        start_ts: First launch.
    """

    owner: str = ""
    beat: int = 0
    starts: int = 0
    start_ts: int = 0


class Run(msgspec.Struct, frozen=True):
    """The job run of an export on EMR Serverless.

    Attributes:
        attempt: Counts the runs of the export; part of the token that makes each start one run.
        run: Id of the run; "" until EMR has told it.
    """

    attempt: int
    run: str = ""


class Sidecar(msgspec.Struct, frozen=True):
    """What the job says of a finished file, in an object beside it."""

    size: int
    sha256: str
    rows: int
    first_ts: int
    last_ts: int
    key: str = ""
    gaps: tuple[dict[str, Any], ...] = ()


class UnitError(msgspec.Struct, frozen=True):
    """What the job says of a file that it could not make."""

    unit: Unit
    error: str


class Spec(msgspec.Struct, frozen=True):
    """What the job is asked to make; see jobs/export."""

    job: str
    lake: str
    downloads: str
    units: tuple[Unit, ...]


def encode(document: msgspec.Struct) -> bytes:
    """Return a document as JSON, the same bytes for equal documents."""
    return msgspec.json.encode(document)


def decode(body: bytes, kind: type[T]) -> T:
    """Return a document from its JSON; fields that we do not know are passed over."""
    return msgspec.json.decode(body, type=kind)
