"""What a caller of the API can meet, by cure."""

# ruff: noqa: PLC0415 - imported when needed, so that help is quick

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import grpc

EXIT_FAILED = 1
EXIT_INVALID = 2
_DETAILS = "grpc-status-details-bin"


class ClientError(Exception):
    """Base of this package's errors; the message is one line for a person.

    Attributes:
        exit_code: Of the command that meets it.
    """

    exit_code = EXIT_FAILED


class Invalid(ClientError):  # noqa: N818 - reads best so
    """What was given is wrong; found before anything was asked."""

    exit_code = EXIT_INVALID


class ApiError(ClientError):
    """The API refused a call, or an export failed.

    Attributes:
        code: gRPC status code, such as "INVALID_ARGUMENT".
        reason: What programs switch on, such as "UNKNOWN_SYMBOL"; "" when the API itself was not
            reached.
        fields: Wrong fields of the request, with what they accept.
    """

    def __init__(self, code: str, reason: str, message: str, fields: dict[str, str]) -> None:
        super().__init__(f"{reason or code}: {message}")
        self.code = code
        self.reason = reason
        self.fields = fields
        if code == "INVALID_ARGUMENT":
            self.exit_code = EXIT_INVALID


class DownloadFailed(ClientError):  # noqa: N818
    """A file could not be fetched; what was fetched is kept, and a new try goes on from there."""


class ChecksumMismatch(DownloadFailed):
    """A file came complete, and is not what the manifest says; it was removed."""


def from_rpc(error: "grpc.RpcError", address: str) -> ApiError:
    """Return our error for one of gRPC's."""
    from google.rpc import status_pb2

    # Every error of a call also is a Call, which its type does not say
    call: Any = error
    code = call.code().name
    for name, value in call.trailing_metadata() or ():
        if name == _DETAILS:
            return from_status(status_pb2.Status.FromString(value), code)
    return ApiError(code, "", f"{call.details()} (API at {address})", {})


def from_status(status: Any, code: str = "") -> ApiError:
    """Return our error for a google.rpc.Status, as operations carry it."""
    from google.rpc import code_pb2, error_details_pb2

    reason = ""
    fields: dict[str, str] = {}
    info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    for detail in status.details:
        if detail.Unpack(info):
            reason = info.reason
        elif detail.Unpack(bad):
            fields |= {v.field: v.description for v in bad.field_violations}
    return ApiError(code or code_pb2.Code.Name(status.code), reason, status.message, fields)
