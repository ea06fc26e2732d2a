"""Checks what comes over the wire, and brings it into the one form that equal requests share."""

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Sequence
from typing import NamedTuple

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from jetl2.api_grpc.documents import Query
from jetl2.api_grpc.errors import invalid, wrong_field
from jetl2.formats import tardis
from jetl2.schemas.pb import errors_pb2, export_pb2

_R = errors_pb2.ErrorReason
_MAX_INSTRUMENTS = 2000
_MAX_TEXT = 128
_NS = 1_000_000_000
# The last second whose nanoseconds fit into int64
_MAX_SECONDS = (2**63 - 1) // _NS - 1
_ID = r"[0-9a-f]{24}"


class Page(NamedTuple):
    """Which part of a list is wanted: `size` items after the one called `after`."""

    size: int
    after: str


def query(wanted: export_pb2.ExportQuery) -> Query:
    """Return what is asked for, sorted and without repetitions.

    Raises:
        ApiError: A field is missing or wrong; names it and what it accepts.
    """
    if not 0 < len(wanted.instruments) <= _MAX_INSTRUMENTS:
        accepted = f"1 to {_MAX_INSTRUMENTS} instruments"
        raise wrong_field("query.instruments", f"{len(wanted.instruments)} given", accepted)
    for instrument in wanted.instruments:
        text("query.instruments.exchange", instrument.exchange)
        text("query.instruments.symbol", instrument.symbol)
    for data_type in wanted.data_types:
        known_data_type("query.data_types", data_type)
    if not wanted.data_types:
        raise wrong_field("query.data_types", "none given", ", ".join(tardis.DATA_TYPES))
    has_start, has_end = wanted.HasField("start_time"), wanted.HasField("end_time")
    start_ts, end_ts = time_range(
        wanted.start_time if has_start else None, wanted.end_time if has_end else None, "query."
    )
    return Query(
        instruments=tuple(sorted({(i.exchange, i.symbol) for i in wanted.instruments})),
        data_types=tuple(sorted(set(wanted.data_types))),
        start_ts=start_ts,
        end_ts=end_ts,
    )


def known_data_type(field: str, name: str) -> str:
    """Return the name of a data type that can be exported.

    Raises:
        ApiError: UNKNOWN_DATA_TYPE, naming those there are.
    """
    if name not in tardis.DATA_TYPES:
        accepted = ", ".join(tardis.DATA_TYPES)
        raise invalid(_R.ERROR_REASON_UNKNOWN_DATA_TYPE, field, f"unknown {name[:80]!r}", accepted)
    return name


def time_range(start: Timestamp | None, end: Timestamp | None, prefix: str = "") -> tuple[int, int]:
    """Return [start, end) in ns.

    Raises:
        ApiError: INVALID_RANGE, it is incomplete, empty or reversed.
    """
    start_ts = _time(f"{prefix}start_time", start)
    end_ts = _time(f"{prefix}end_time", end)
    if start_ts >= end_ts:
        how = "empty" if start_ts == end_ts else "reversed"
        raise invalid(
            _R.ERROR_REASON_INVALID_RANGE,
            f"{prefix}end_time",
            f"the range is {how}: {_shown(start)} to {_shown(end)}",
            "a time after start_time (the range is start_time <= t < end_time)",
        )
    return start_ts, end_ts


def instant(field: str, time: Timestamp | None) -> int:
    """Return a time in ns.

    Raises:
        ApiError: INVALID_RANGE, it is not given or out of bounds.
    """
    return _time(field, time)


def text(field: str, value: str) -> str:
    """Return a required text of bearable length without control characters."""
    if not 0 < len(value) <= _MAX_TEXT or not value.isprintable():
        found = f"{len(value)} characters" if value else "not given"
        raise wrong_field(field, found, f"1 to {_MAX_TEXT} printable characters")
    return value


def request_id(value: str) -> str:
    """Return a retry key, "" when none was given."""
    return text("request_id", value) if value else ""


def digest(request: export_pb2.CreateExportRequest) -> str:
    """Return what two requests under one request_id must have in common."""
    body = export_pb2.CreateExportRequest()
    body.CopyFrom(request)
    body.request_id = ""
    return hashlib.sha256(body.SerializeToString(deterministic=True)).hexdigest()


def page(size: int, token: str, default: int, most: int, *bound_to: str) -> Page:
    """Return which part of a list is wanted.

    Args:
        bound_to: What the list depends on; a token serves only the same list.

    Raises:
        ApiError: The size is negative, or the token is not one of this list's.
    """
    if size < 0:
        raise wrong_field("page_size", str(size), f"0 (the default, {default}) to {most}")
    after = ""
    if token:
        try:
            found, after = json.loads(base64.urlsafe_b64decode(token.encode()))
        except (ValueError, TypeError, binascii.Error):
            found = ""
        if found != _bound(bound_to) or not isinstance(after, str):
            raise invalid(
                _R.ERROR_REASON_INVALID_PAGE_TOKEN,
                "page_token",
                "not a token of this list",
                "next_page_token of the answer before, with the same other fields",
            )
    return Page(min(size or default, most), after)


def token(after: str, *bound_to: str) -> str:
    """Return the token of the page that begins after an item; "" when there is no such item."""
    if not after:
        return ""
    return base64.urlsafe_b64encode(json.dumps([_bound(bound_to), after]).encode()).decode()


def cut(items: Sequence[str], wanted: Page, *bound_to: str) -> tuple[list[str], str]:
    """Return one page of a sorted list of texts, and the token of the next."""
    rest = [item for item in items if item > wanted.after]
    shown = rest[: wanted.size]
    return shown, token(shown[-1], *bound_to) if len(rest) > len(shown) else ""


def export_id(field: str, name: str, kind: str = "exports") -> str:
    """Return the id in exports/{export} or operations/{operation}."""
    if not (found := re.fullmatch(rf"{kind}/({_ID})", name)):
        raise wrong_field(field, repr(name[:80]), f"{kind}/<24 hex digits>, as given by the API")
    return found[1]


def lifetime(duration: Duration | None, default_s: int, most_s: int) -> int:
    """Return how long download URLs shall be good, in seconds."""
    if duration is None:
        return default_s
    if not 0 < duration.seconds <= most_s:
        raise wrong_field("lifetime", f"{duration.seconds} s", f"1 to {most_s} s")
    return duration.seconds


def _time(field: str, time: Timestamp | None) -> int:
    if time is None:
        raise invalid(_R.ERROR_REASON_INVALID_RANGE, field, "not given", "a time, UTC")
    if not 0 <= time.seconds <= _MAX_SECONDS or not 0 <= time.nanos < _NS:
        found = f"{time.seconds} s {time.nanos} ns"
        raise invalid(_R.ERROR_REASON_INVALID_RANGE, field, found, "years 1970 to 2261")
    return time.seconds * _NS + time.nanos


def _shown(time: Timestamp | None) -> str:
    return time.ToJsonString() if time else ""


def _bound(parts: Sequence[str]) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:12]
