"""Our errors as gRPC statuses: one class, one ErrorInfo each, reasons from the proto's list."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import grpc
from google.protobuf import any_pb2
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from jetl2.schemas.pb import errors_pb2

DOMAIN = "jetl2"
RETRY_S = 2
_PREFIX = "ERROR_REASON_"
# A list of accepted values in a message stays readable
_SHOWN = 20

_R = errors_pb2.ErrorReason
_C = grpc.StatusCode

code_by_reason: Mapping[int, grpc.StatusCode] = {
    _R.ERROR_REASON_UNKNOWN_EXCHANGE: _C.INVALID_ARGUMENT,
    _R.ERROR_REASON_UNKNOWN_SYMBOL: _C.INVALID_ARGUMENT,
    _R.ERROR_REASON_UNKNOWN_DATA_TYPE: _C.INVALID_ARGUMENT,
    _R.ERROR_REASON_INVALID_RANGE: _C.INVALID_ARGUMENT,
    _R.ERROR_REASON_INVALID_FIELD: _C.INVALID_ARGUMENT,
    _R.ERROR_REASON_INVALID_PAGE_TOKEN: _C.INVALID_ARGUMENT,
    _R.ERROR_REASON_TOO_MANY_FILES: _C.INVALID_ARGUMENT,
    _R.ERROR_REASON_REQUEST_ID_REUSED: _C.ALREADY_EXISTS,
    _R.ERROR_REASON_NO_DATA: _C.OUT_OF_RANGE,
    _R.ERROR_REASON_BOOK_UNKNOWN: _C.FAILED_PRECONDITION,
    _R.ERROR_REASON_EXPORT_NOT_FOUND: _C.NOT_FOUND,
    _R.ERROR_REASON_OPERATION_NOT_FOUND: _C.NOT_FOUND,
    _R.ERROR_REASON_FILE_NOT_FOUND: _C.NOT_FOUND,
    _R.ERROR_REASON_EXPORT_NOT_READY: _C.FAILED_PRECONDITION,
    _R.ERROR_REASON_EXPORT_EXPIRED: _C.FAILED_PRECONDITION,
    _R.ERROR_REASON_API_KEY_MISSING: _C.UNAUTHENTICATED,
    _R.ERROR_REASON_API_KEY_INVALID: _C.UNAUTHENTICATED,
    _R.ERROR_REASON_SCOPE_MISSING: _C.PERMISSION_DENIED,
    _R.ERROR_REASON_STORAGE_UNAVAILABLE: _C.UNAVAILABLE,
    _R.ERROR_REASON_CONFLICT: _C.UNAVAILABLE,
    _R.ERROR_REASON_EXPORT_FAILED: _C.ABORTED,
    _R.ERROR_REASON_EXPORT_CANCELLED: _C.CANCELLED,
    _R.ERROR_REASON_INTERNAL: _C.INTERNAL,
}


class Violation(NamedTuple):
    """One field of a request that is not right, and what it accepts."""

    field: str
    description: str


class ApiError(Exception):
    """A call that cannot be answered.

    Args:
        reason: Of `ErrorReason`; decides the status code.
        message: For a person: what was expected and what was found.
        violations: Fields that are wrong, for INVALID_ARGUMENT.
        metadata: Ids and values for programs.
    """

    def __init__(
        self,
        reason: "errors_pb2.ErrorReason.ValueType",
        message: str,
        violations: Sequence[Violation] = (),
        **metadata: str,
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.code = code_by_reason[reason]
        self.violations = violations
        self.metadata = metadata


def invalid(
    reason: "errors_pb2.ErrorReason.ValueType", field: str, problem: str, accepted: str
) -> ApiError:
    """Return the error for one wrong field: names it, what is wrong, and what it accepts."""
    text = f"{problem}; accepted: {accepted}"
    return ApiError(reason, f"{field}: {text}", [Violation(field, text)], field=field)


def wrong_field(field: str, problem: str, accepted: str) -> ApiError:
    """Return the error for a field that is missing, malformed or out of bounds."""
    return invalid(_R.ERROR_REASON_INVALID_FIELD, field, problem, accepted)


def listed(values: Sequence[str]) -> str:
    """Return values as text, the first few of many."""
    more = len(values) - _SHOWN
    text = ", ".join(values[:_SHOWN]) or "none"
    return f"{text} and {more} more" if more > 0 else text


def status(error: ApiError) -> status_pb2.Status:
    """Return the google.rpc.Status of an error, with exactly one ErrorInfo in its details."""
    details: list[Message] = [
        error_details_pb2.ErrorInfo(
            reason=reason_name(error.reason), domain=DOMAIN, metadata=error.metadata
        )
    ]
    if error.violations:
        bad = error_details_pb2.BadRequest()
        for violation in error.violations:
            bad.field_violations.add(field=violation.field, description=violation.description)
        details.append(bad)
    if error.code is _C.UNAVAILABLE:
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.seconds = RETRY_S
        details.append(retry)
    result = status_pb2.Status(code=error.code.value[0], message=str(error))
    for detail in details:
        packed = any_pb2.Any()
        packed.Pack(detail)
        result.details.append(packed)
    return result


def reason_name(reason: "errors_pb2.ErrorReason.ValueType") -> str:
    """Return a reason as ErrorInfo carries it: UNKNOWN_SYMBOL."""
    return _R.Name(reason).removeprefix(_PREFIX)
