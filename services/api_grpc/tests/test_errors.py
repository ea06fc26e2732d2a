"""One table from reasons to codes, and statuses as the conventions ask for them."""

from google.rpc import error_details_pb2

from jetl2.api_grpc import errors
from jetl2.schemas.pb import errors_pb2

_R = errors_pb2.ErrorReason


def test_every_published_reason_has_a_code() -> None:
    assert set(errors.code_by_reason) == set(_R.values()) - {_R.ERROR_REASON_UNSPECIFIED}
    assert all(len(errors.reason_name(reason)) <= 63 for reason in errors.code_by_reason)  # type: ignore[arg-type]


def test_a_wrong_field_is_told_to_programs_and_to_people() -> None:
    error = errors.invalid(_R.ERROR_REASON_UNKNOWN_SYMBOL, "query.symbol", "unknown 'X'", "A, B")
    status = errors.status(error)
    info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()

    assert status.details[0].Unpack(info)
    assert status.details[1].Unpack(bad)
    assert (info.reason, info.domain, info.metadata["field"]) == (
        "UNKNOWN_SYMBOL",
        "jetl2",
        "query.symbol",
    )
    assert bad.field_violations[0].description == "unknown 'X'; accepted: A, B"
    assert status.message == "query.symbol: unknown 'X'; accepted: A, B"


def test_what_may_be_tried_again_says_when() -> None:
    status = errors.status(errors.ApiError(_R.ERROR_REASON_STORAGE_UNAVAILABLE, "away"))
    retry = error_details_pb2.RetryInfo()

    assert status.details[1].Unpack(retry)
    assert retry.retry_delay.seconds == errors.RETRY_S


def test_a_list_in_a_message_stays_readable() -> None:
    assert errors.listed([]) == "none"
    assert errors.listed(["a", "b"]) == "a, b"
    assert errors.listed([str(n) for n in range(100)]).endswith("18, 19 and 80 more")
