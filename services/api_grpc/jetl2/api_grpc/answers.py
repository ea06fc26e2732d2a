"""Our documents as the messages of the API."""

from collections.abc import Mapping

from google.longrunning import operations_pb2
from google.protobuf.timestamp_pb2 import Timestamp

from jetl2.api_grpc import documents
from jetl2.api_grpc.documents import Export, Missing, Outcome, Query
from jetl2.api_grpc.errors import ApiError, status
from jetl2.api_grpc.progress import Progress
from jetl2.schemas.pb import errors_pb2, export_pb2

_S = export_pb2.ExportState
_R = errors_pb2.ErrorReason
_state: Mapping[str, "export_pb2.ExportState.ValueType"] = {
    documents.QUEUED: _S.EXPORT_STATE_QUEUED,
    documents.RUNNING: _S.EXPORT_STATE_RUNNING,
    documents.SUCCEEDED: _S.EXPORT_STATE_SUCCEEDED,
    documents.FAILED: _S.EXPORT_STATE_FAILED,
    documents.CANCELLED: _S.EXPORT_STATE_CANCELLED,
    documents.EXPIRED: _S.EXPORT_STATE_EXPIRED,
}


def timestamp(ts: int) -> Timestamp | None:
    """Return a time in ns as a message; None for 0, not given."""
    return Timestamp(seconds=ts // 1_000_000_000, nanos=ts % 1_000_000_000) if ts else None


def query(asked: Query) -> export_pb2.ExportQuery:
    """Return a query as a message."""
    return export_pb2.ExportQuery(
        instruments=[
            export_pb2.Instrument(exchange=exchange, symbol=symbol)
            for exchange, symbol in asked.instruments
        ],
        data_types=asked.data_types,
        start_time=timestamp(asked.start_ts),
        end_time=timestamp(asked.end_ts),
        csv=export_pb2.CsvOptions(),
    )


def missing(day: Missing) -> export_pb2.MissingDay:
    """Return a missing day as a message."""
    return export_pb2.MissingDay(
        exchange=day.exchange, data_type=day.data_type, symbol=day.symbol, date=day.date
    )


def export(document: Export, progress: Progress) -> export_pb2.Export:
    """Return an export as a message."""
    outcome = document.outcome
    made = export_pb2.Export(
        name=f"exports/{document.id}",
        operation=f"operations/{document.id}",
        query=query(document.query),
        state=_state[progress.state],
        dataset_version=document.dataset_version,
        create_time=timestamp(document.created_ts),
        end_time=timestamp(outcome.end_ts) if outcome else None,
        expire_time=timestamp(outcome.expire_ts) if outcome else None,
        file_count=document.files,
        rows=progress.rows,
        size_bytes=progress.size,
        missing=map(missing, document.missing),
    )
    if outcome and (error := ended_badly(document, outcome)):
        made.error.CopyFrom(status(error))
    return made


def operation(
    document: Export, progress: Progress, *, deduplicated: bool = False
) -> operations_pb2.Operation:
    """Return the operation of an export."""
    outcome = document.outcome
    metadata = export_pb2.ExportMetadata(
        export=f"exports/{document.id}",
        state=_state[progress.state],
        stage=progress.stage,
        create_time=timestamp(document.created_ts),
        start_time=timestamp(progress.start_ts),
        update_time=timestamp(progress.update_ts),
        end_time=timestamp(outcome.end_ts) if outcome else None,
        files_total=document.files,
        files_done=progress.files,
        files_reused=document.reused,
        rows_done=progress.rows,
        bytes_done=progress.size,
        attempt=progress.starts,
        deduplicated=deduplicated,
    )
    for name, text in progress.failures:
        failure = ApiError(_R.ERROR_REASON_EXPORT_FAILED, f"{name}: {text}", file_name=name)
        metadata.partial_failures.append(status(failure))
    made = operations_pb2.Operation(name=f"operations/{document.id}", done=outcome is not None)
    made.metadata.Pack(metadata)
    if outcome:
        if error := ended_badly(document, outcome):
            made.error.CopyFrom(status(error))
        else:
            made.response.Pack(export(document, progress))
    return made


def ended_badly(document: Export, outcome: Outcome) -> ApiError | None:
    """Return the error of an export that failed or was cancelled."""
    name = f"exports/{document.id}"
    if outcome.state == documents.CANCELLED:
        return ApiError(_R.ERROR_REASON_EXPORT_CANCELLED, outcome.message, export=name)
    if outcome.state == documents.FAILED:
        return ApiError(_R.ERROR_REASON_EXPORT_FAILED, outcome.message, export=name)
    return None
