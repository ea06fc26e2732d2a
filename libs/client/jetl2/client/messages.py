"""Our values as the messages of the API, and back."""

from collections.abc import Sequence

from google.longrunning import operations_pb2
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from jetl2.client import errors
from jetl2.client.errors import ApiError
from jetl2.schemas.pb import export_pb2

_NS = 1_000_000_000


def query(
    instruments: Sequence[tuple[str, str]], data_types: Sequence[str], start_ts: int, end_ts: int
) -> export_pb2.ExportQuery:
    """Return a query as the API takes it."""
    return export_pb2.ExportQuery(
        instruments=[export_pb2.Instrument(exchange=e, symbol=s) for e, s in instruments],
        data_types=data_types,
        start_time=timestamp(start_ts),
        end_time=timestamp(end_ts),
    )


def metadata(operation: operations_pb2.Operation) -> export_pb2.ExportMetadata:
    """Return how far an operation is."""
    found = export_pb2.ExportMetadata()
    operation.metadata.Unpack(found)
    return found


def timestamp(ts: int) -> Timestamp:
    """Return a time in ns as a message."""
    return Timestamp(seconds=ts // _NS, nanos=ts % _NS)


def result(operation: operations_pb2.Operation) -> export_pb2.Export:
    """Return the export of an operation that is done.

    Raises:
        ApiError: It failed or was cancelled.
    """
    if operation.HasField("error"):
        error: ApiError = errors.from_status(operation.error)
        raise error
    export = export_pb2.Export()
    operation.response.Unpack(export)
    return export


def duration(seconds: float) -> Duration:
    """Return a span of time as a message."""
    return Duration(seconds=int(seconds), nanos=int(seconds % 1 * _NS))
