"""Every way to be refused: status, one ErrorInfo, the field and what it accepts."""

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import grpc
import pytest
from google.longrunning import operations_pb2
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc import error_details_pb2, status_pb2

from jetl2.api_grpc import auth
from jetl2.api_grpc.errors import code_by_reason, reason_name
from jetl2.api_grpc.store import Store
from jetl2.client.client import Client
from jetl2.client.errors import ApiError
from jetl2.client.messages import query, timestamp
from jetl2.schemas.pb import book_pb2, catalog_pb2, coverage_pb2, errors_pb2, export_pb2

pytestmark = [pytest.mark.integration, pytest.mark.timeout(60)]

DAY = 1_795_305_600 * 1_000_000_000  # 2026-11-22
DAY_NS = 86_400 * 1_000_000_000
BTC = [("binance", "BTCUSDT")]
UNKNOWN = "0123456789abcdef01234567"

Scenario = Callable[[Any, Client], Any]


def create(client: Client, **changes: Any) -> Any:
    wanted = query(BTC, ["trades"], DAY, DAY + DAY_NS)
    for name, value in changes.items():
        wanted.ClearField(name)  # type: ignore[arg-type]
        if isinstance(value, list):
            getattr(wanted, name).extend(value)
        elif value is not None:
            getattr(wanted, name).CopyFrom(value)
    return client._call(client._exports.CreateExport, export_pb2.CreateExportRequest(query=wanted))


def instrument(exchange: str, symbol: str) -> list[export_pb2.Instrument]:
    return [export_pb2.Instrument(exchange=exchange, symbol=symbol)]


@dataclass
class Bad:
    """A request that is wrong in one field."""

    send: Callable[[Client], Any]
    reason: str
    field: str
    accepted: str


_R = errors_pb2.ErrorReason
BAD = {
    "unknown exchange": Bad(
        lambda c: create(c, instruments=instrument("binanse", "BTCUSDT")),
        "UNKNOWN_EXCHANGE",
        "query.instruments.exchange",
        "binance",
    ),
    "exchange in another case": Bad(
        lambda c: create(c, instruments=instrument("Binance", "BTCUSDT")),
        "UNKNOWN_EXCHANGE",
        "query.instruments.exchange",
        "binance",
    ),
    "path for an exchange": Bad(
        lambda c: create(c, instruments=instrument("../binance/", "BTCUSDT")),
        "UNKNOWN_EXCHANGE",
        "query.instruments.exchange",
        "binance",
    ),
    "unknown symbol": Bad(
        lambda c: create(c, instruments=instrument("binance", "BTC-USDT")),
        "UNKNOWN_SYMBOL",
        "query.instruments.symbol",
        "BTCUSDT",
    ),
    "no exchange": Bad(
        lambda c: create(c, instruments=instrument("", "BTCUSDT")),
        "INVALID_FIELD",
        "query.instruments.exchange",
        "1 to 128",
    ),
    "endless symbol": Bad(
        lambda c: create(c, instruments=instrument("binance", "B" * 200)),
        "INVALID_FIELD",
        "query.instruments.symbol",
        "1 to 128",
    ),
    "no instruments": Bad(
        lambda c: create(c, instruments=[]), "INVALID_FIELD", "query.instruments", "1 to 2000"
    ),
    "too many instruments": Bad(
        lambda c: create(c, instruments=instrument("binance", "BTCUSDT") * 2001),
        "INVALID_FIELD",
        "query.instruments",
        "1 to 2000",
    ),
    "unknown data type": Bad(
        lambda c: create(c, data_types=["trades", "candles"]),
        "UNKNOWN_DATA_TYPE",
        "query.data_types",
        "incremental_book_L2",
    ),
    "no data type": Bad(
        lambda c: create(c, data_types=[]), "INVALID_FIELD", "query.data_types", "trades"
    ),
    "empty range": Bad(
        lambda c: create(c, end_time=timestamp(DAY)),
        "INVALID_RANGE",
        "query.end_time",
        "after start_time",
    ),
    "reversed range": Bad(
        lambda c: create(c, end_time=timestamp(DAY - 1)),
        "INVALID_RANGE",
        "query.end_time",
        "after start_time",
    ),
    "no start": Bad(
        lambda c: create(c, start_time=None), "INVALID_RANGE", "query.start_time", "a time"
    ),
    "time before 1970": Bad(
        lambda c: create(c, start_time=Timestamp(seconds=-5)),
        "INVALID_RANGE",
        "query.start_time",
        "1970",
    ),
    "time beyond int64": Bad(
        lambda c: create(c, end_time=Timestamp(seconds=2**60)),
        "INVALID_RANGE",
        "query.end_time",
        "2261",
    ),
    "too many files": Bad(
        lambda c: create(c, start_time=timestamp(DAY - 5000 * DAY_NS)),
        "TOO_MANY_FILES",
        "query",
        "at most 4000",
    ),
    "endless request id": Bad(
        lambda c: c.create_export(BTC, ["trades"], DAY, DAY + 1, request_id="x" * 200),
        "INVALID_FIELD",
        "request_id",
        "1 to 128",
    ),
    "malformed export": Bad(
        lambda c: c.get_export("exports/../requests"), "INVALID_FIELD", "name", "24 hex digits"
    ),
    "malformed operation": Bad(
        lambda c: c.get_operation("exports/" + UNKNOWN), "INVALID_FIELD", "name", "operations/"
    ),
    "negative page size": Bad(
        lambda c: c._call(c._exports.ListExports, export_pb2.ListExportsRequest(page_size=-1)),
        "INVALID_FIELD",
        "page_size",
        "0 (the default, 50) to 200",
    ),
    "foreign page token": Bad(
        lambda c: c._call(c._exports.ListExports, export_pb2.ListExportsRequest(page_token="?")),
        "INVALID_PAGE_TOKEN",
        "page_token",
        "next_page_token",
    ),
    "filter": Bad(
        lambda c: c._call(
            c._operations.ListOperations, operations_pb2.ListOperationsRequest(filter="done")
        ),
        "INVALID_FIELD",
        "filter",
        "nothing",
    ),
    "lifetime of a month": Bad(
        lambda c: c._call(
            c._exports.CreateDownloadUrls,
            export_pb2.CreateDownloadUrlsRequest(
                name=f"exports/{UNKNOWN}", lifetime=Duration(seconds=2_592_000)
            ),
        ),
        "INVALID_FIELD",
        "lifetime",
        "43200 s",
    ),
    "too many files at once": Bad(
        lambda c: c.download_urls(f"exports/{UNKNOWN}", ["x"] * 501),
        "INVALID_FIELD",
        "files",
        "at most 500",
    ),
    "symbols of an unknown exchange": Bad(
        lambda c: list(c.symbols("nowhere")), "UNKNOWN_EXCHANGE", "exchange", "binance"
    ),
    "dates of an unknown symbol": Bad(
        lambda c: list(c.dates("binance", "XXX", "trades")), "UNKNOWN_SYMBOL", "symbol", "BTCUSDT"
    ),
    "dates of an unknown data type": Bad(
        lambda c: list(c.dates("binance", "BTCUSDT", "x")),
        "UNKNOWN_DATA_TYPE",
        "data_type",
        "quotes",
    ),
    "coverage of an unknown symbol": Bad(
        lambda c: list(c.coverage("binance", ["XXX"], DAY, DAY + 1)),
        "UNKNOWN_SYMBOL",
        "symbols",
        "BTCUSDT",
    ),
    "coverage of ten years": Bad(
        lambda c: list(c.coverage("binance", [], DAY - 3653 * DAY_NS, DAY)),
        "INVALID_FIELD",
        "end_time",
        "366 days",
    ),
    "coverage of an empty range": Bad(
        lambda c: c._call(
            c._coverage.ListCoverage,
            coverage_pb2.ListCoverageRequest(exchange="binance", start_time=timestamp(DAY)),
        ),
        "INVALID_RANGE",
        "end_time",
        "a time",
    ),
    "book at no time": Bad(
        lambda c: c._call(
            c._books.GetBook, book_pb2.GetBookRequest(exchange="binance", symbol="BTCUSDT")
        ),
        "INVALID_RANGE",
        "time",
        "a time",
    ),
    "book of negative depth": Bad(
        lambda c: c.book("binance", "BTCUSDT", DAY, -1), "INVALID_FIELD", "depth", "5000"
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_a_wrong_field_is_named_with_what_it_accepts(name: str, client: Client) -> None:
    bad = BAD[name]
    with pytest.raises(ApiError) as caught:
        bad.send(client)

    error = caught.value
    assert (error.code, error.reason) == ("INVALID_ARGUMENT", bad.reason)
    assert list(error.fields) == [bad.field]
    assert bad.accepted in error.fields[bad.field]
    # One line on a terminal tells all that a program gets
    assert bad.field in str(error)
    assert bad.accepted in str(error)
    assert_one_error_info(error.__cause__)


def test_a_symbol_like_the_wanted_is_proposed_among_thousands(stage: Any, client: Client) -> None:
    for number in range(40):
        stage.land(symbol=f"A{number:02d}USDT", data_types=["trade"])

    with pytest.raises(ApiError) as caught:
        create(client, instruments=instrument("binance", "btcusd"))

    accepted = caught.value.fields["query.instruments.symbol"]
    assert "accepted: BTCUSDT" in accepted
    assert len(accepted) < 500


def _finished(client: Client) -> Any:
    return client.wait(client.create_export(BTC, ["trades"], DAY, DAY + DAY_NS).name)


def _expired(stage: Any, client: Client) -> None:
    export = _finished(client)
    ((key, document),) = stage.objects("exports/").items()
    document["outcome"]["expire_ts"] = 1
    stage.downloads.put(key, json.dumps(document).encode())
    list(client.files(export.name))


def _unready(stage: Any, client: Client) -> None:
    stage.launcher.go.clear()
    operation = client.create_export(BTC, ["trades"], DAY, DAY + DAY_NS)
    try:
        list(client.files(operation.name.replace("operations", "exports")))
    finally:
        stage.launcher.go.set()


def _cancelled(stage: Any, client: Client) -> None:
    stage.launcher.go.clear()
    operation = client.create_export(BTC, ["trades"], DAY, DAY + DAY_NS)
    client.cancel(operation.name)
    stage.launcher.go.set()
    client.wait(operation.name)


def _failed(stage: Any, client: Client) -> None:
    stage.launcher.failing = {"BTCUSDT"}
    _finished(client)


def _reused(_: Any, client: Client) -> None:
    for end in (1, 2):
        client.create_export(BTC, ["trades"], DAY, DAY + end, request_id="one")


def _broken(stage: Any, client: Client) -> None:
    stage.downloads.put(f"exports/{UNKNOWN}.json", b"not JSON")
    client.get_export(f"exports/{UNKNOWN}")


class Losing(Store):
    """Objects that somebody else changes whenever we want to."""

    def replace(self, key: str, body: bytes, etag: str) -> bool:  # noqa: ARG002
        return False


def _contended(stage: Any, client: Client) -> None:
    export = _finished(client)
    store = stage.downloads
    stage.api.exports.store = Losing(store.s3, store.bucket, store.prefix)
    client.delete_export(export.name)


KEY = "a key as random as any"
KEYS = {
    hashlib.sha256(KEY.encode()).hexdigest(): auth.Key(
        name="tester", sha256=hashlib.sha256(KEY.encode()).hexdigest(), scopes=("catalog",)
    )
}


def _with_key(stage: Any, key: str) -> None:
    with stage.serve(keys=KEYS) as address, Client(address, key=key) as client:
        list(client.exchanges())
        list(client.exports())


def _without_storage(stage: Any, _: Client) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1")
        with stage.serve() as address, Client(address) as client:
            list(client.exchanges())


REASONS: dict[str, Scenario] = {
    **{bad.reason: lambda _, c, b=bad: b.send(c) for bad in BAD.values()},  # type: ignore[misc]
    "REQUEST_ID_REUSED": _reused,
    "NO_DATA": lambda _, c: c.create_export(BTC, ["book_ticker"], DAY, DAY + DAY_NS),
    "BOOK_UNKNOWN": lambda _, c: c.book("binance", "BTCUSDT", DAY - 2 * DAY_NS),
    "EXPORT_NOT_FOUND": lambda _, c: c.get_export(f"exports/{UNKNOWN}"),
    "OPERATION_NOT_FOUND": lambda _, c: c.cancel(f"operations/{UNKNOWN}"),
    "FILE_NOT_FOUND": lambda _, c: c.download_urls(_finished(c).name, ["exports/x/files/9"]),
    "EXPORT_NOT_READY": _unready,
    "EXPORT_EXPIRED": _expired,
    "API_KEY_MISSING": lambda s, _: _with_key(s, ""),
    "API_KEY_INVALID": lambda s, _: _with_key(s, "guessed"),
    "SCOPE_MISSING": lambda s, _: _with_key(s, KEY),
    "STORAGE_UNAVAILABLE": _without_storage,
    "CONFLICT": _contended,
    "EXPORT_FAILED": _failed,
    "EXPORT_CANCELLED": _cancelled,
    "INTERNAL": _broken,
}


def published() -> Iterator[int]:
    for reason in errors_pb2.ErrorReason.values():
        if reason != errors_pb2.ERROR_REASON_UNSPECIFIED:
            yield reason


@pytest.mark.parametrize("reason", [pytest.param(r, id=reason_name(r)) for r in published()])  # type: ignore[arg-type]
def test_each_published_reason_is_reached(reason: Any, stage: Any, client: Client) -> None:
    with pytest.raises(ApiError) as caught:
        REASONS[reason_name(reason)](stage, client)

    error = caught.value
    assert (error.reason, error.code) == (reason_name(reason), code_by_reason[reason].name)
    if error.__cause__ is not None:
        assert_one_error_info(error.__cause__)


def test_messages_beyond_the_bound_are_refused(client: Client) -> None:
    with pytest.raises(ApiError, match="RESOURCE_EXHAUSTED"):
        create(client, instruments=instrument("binance", "B" * 2_000_000))


def test_a_call_ends_with_its_deadline(stage: Any, client: Client) -> None:
    stage.launcher.go.clear()
    operation = client.create_export(BTC, ["trades"], DAY, DAY + DAY_NS)
    request = operations_pb2.WaitOperationRequest(name=operation.name)

    # Answered before the deadline, not cut off by it
    found = client._operations.WaitOperation(request, timeout=1.5)

    assert not found.done
    stage.launcher.go.set()


def test_the_answer_carries_the_callers_request_id(client: Client) -> None:
    request = catalog_pb2.ListDataTypesRequest()
    _, call = client._catalog.ListDataTypes.with_call(request, metadata=(("x-request-id", "mine"),))

    assert dict(call.trailing_metadata())["x-request-id"] == "mine"


def assert_one_error_info(error: BaseException | None) -> None:
    assert isinstance(error, grpc.RpcError)
    call: Any = error
    sent = dict(call.trailing_metadata())["grpc-status-details-bin"]
    status = status_pb2.Status.FromString(sent)
    infos = [d for d in status.details if d.Is(error_details_pb2.ErrorInfo.DESCRIPTOR)]
    info = error_details_pb2.ErrorInfo()
    assert len(infos) == 1
    assert infos[0].Unpack(info)
    assert info.domain == "jetl2"
    assert status.message == call.details()
