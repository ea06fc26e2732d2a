"""Exports over the wire: made once, shared, cancelled, failed, found again after a crash."""

import gzip
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from google.longrunning import operations_pb2

from jetl2.api_grpc.documents import Job, encode
from jetl2.client.client import Client
from jetl2.client.download import sha256
from jetl2.client.errors import ApiError
from jetl2.client.messages import metadata
from jetl2.client.messages import query as make_query
from jetl2.devstack.process import wait_until
from jetl2.schemas.pb import export_pb2

pytestmark = [pytest.mark.integration, pytest.mark.timeout(60)]

DAY = 1_795_305_600 * 1_000_000_000  # 2026-11-22
DAY_NS = 86_400 * 1_000_000_000
HOUR_NS = 3600 * 1_000_000_000
BTC = [("binance", "BTCUSDT")]

Serve = Callable[..., Client]


def ask(
    client: Client, instruments: Any = BTC, types: Any = ("trades",), days: int = 1, **other: Any
) -> Any:
    return client.create_export(instruments, types, DAY, DAY + days * DAY_NS, **other)


def done(client: Client, operation: Any) -> Any:
    return client.wait(operation.name, timeout_s=20)


def export_of(operation: Any) -> str:
    return metadata(operation).export


def test_an_export_is_made_downloaded_and_verified(client: Client, tmp_path: Path) -> None:
    export = done(client, ask(client, types=["trades", "quotes"]))
    paths = client.download(export.name, tmp_path / "new" / "folder")

    assert export.state == export_pb2.EXPORT_STATE_SUCCEEDED
    assert (export.file_count, export.rows) == (2, 4)
    assert [p.name for p in paths[:2]] == [
        "binance_quotes_2026-11-22_BTCUSDT.csv.gz",
        "binance_trades_2026-11-22_BTCUSDT.csv.gz",
    ]
    files = {f.file_name: f for f in client.files(export.name)}
    assert {p.name: sha256(p) for p in paths[:2]} == {n: f.sha256 for n, f in files.items()}
    assert b"exchange,symbol,timestamp" in gzip.decompress(paths[0].read_bytes())
    manifest = json.loads(paths[2].read_text())
    assert manifest["dataset_version"] == export.dataset_version
    assert manifest["request"]["data_types"] == ["quotes", "trades"]
    assert [f["sha256"] for f in manifest["files"]] == [f.sha256 for f in files.values()]
    # Not even a part of a file is left over
    assert sorted(p.name for p in paths[0].parent.iterdir()) == sorted(p.name for p in paths)


def test_the_job_is_told_what_to_read_and_where_to_write(stage: Any, client: Client) -> None:
    stage.land(data_types=["gap"])

    done(client, ask(client, types=["incremental_book_L2"]))

    spec = stage.launcher.specs[0]
    assert (spec.lake, spec.downloads) == (stage.lake.url(), stage.downloads.url())
    (unit,) = spec.units
    assert [k.partition("/")[0] for k in unit.objects] == ["data_type=book_delta"]
    assert [k.partition("/")[0] for k in unit.gap_objects] == ["data_type=gap"]
    assert (unit.start_ts, unit.end_ts) == (DAY, DAY + DAY_NS)
    assert unit.key.startswith("units/binance/incremental_book_L2/2026/11/22/")


def test_an_equal_request_shares_the_export(stage: Any, client: Client) -> None:
    stage.land("kraken", "BTC/USD")
    both = [*BTC, ("kraken", "BTC/USD")]
    first = ask(client, both, ["trades", "quotes"])
    running = ask(client, list(reversed(both)) * 2, ["quotes", "trades", "quotes"])
    done(client, first)
    finished = ask(client, both, ["trades", "quotes"])

    assert first.name == running.name == finished.name
    flags = [metadata(o).deduplicated for o in (first, running, finished)]
    assert flags == [False, True, True]
    assert len(stage.launcher.specs) == 1


def test_one_request_id_sent_many_times_at_once_gives_one_job(stage: Any, client: Client) -> None:
    with ThreadPoolExecutor(20) as pool:
        sent = [pool.submit(ask, client, request_id="the same") for _ in range(20)]
        names = {f.result().name for f in sent}
    done(client, ask(client, request_id="the same"))

    assert len(names) == 1
    assert len(stage.launcher.specs) == 1
    assert len(list(client.exports())) == 1


def test_two_replicas_asked_at_once_make_one_job(stage: Any, serve: Serve) -> None:
    clients = [serve(), serve()]
    with ThreadPoolExecutor(12) as pool:
        sent = [pool.submit(ask, clients[n % 2], types=["quotes"]) for n in range(12)]
        names = {f.result().name for f in sent}
    for client in clients:
        done(client, ask(client, types=["quotes"]))

    assert len(names) == 1
    assert len(stage.launcher.specs) == 1
    assert len(stage.launcher.made) == 1


def test_a_retry_key_keeps_its_operation_when_the_export_failed(stage: Any, client: Client) -> None:
    stage.launcher.dying = True
    failed = ask(client, request_id="mine")
    with pytest.raises(ApiError, match="EXPORT_FAILED"):
        done(client, failed)
    stage.launcher.dying = False

    assert ask(client, request_id="mine").name == failed.name
    again = ask(client, request_id="another")
    assert again.name != failed.name
    done(client, again)


def test_overlapping_requests_make_only_what_is_missing(stage: Any, client: Client) -> None:
    stage.land(dates=["2026-11-23", "2026-11-24"], data_types=["trade"])
    done(client, ask(client, days=2))
    before = list(stage.launcher.made)

    longer = ask(client, types=["trades", "quotes"], days=3)
    export = done(client, longer)

    assert export.file_count == 4
    assert metadata(client.get_operation(longer.name)).files_reused == 2
    fresh = stage.launcher.made[len(before) :]
    assert sorted(k.split("/")[2] + k.split("/")[5] for k in fresh) == ["quotes22", "trades24"]
    assert {(m.date, m.data_type) for m in export.missing} == {
        ("2026-11-23", "quotes"),
        ("2026-11-24", "quotes"),
    }


def test_an_export_whose_files_all_exist_starts_no_job(stage: Any, client: Client) -> None:
    stage.land("kraken", "BTC/USD")
    done(client, ask(client, [*BTC, ("kraken", "BTC/USD")]))

    operation = ask(client, BTC)

    assert operation.done
    assert not metadata(operation).deduplicated
    assert len(stage.launcher.specs) == 1


def test_newly_landed_data_gives_another_dataset_version_and_export(
    stage: Any, client: Client
) -> None:
    first = done(client, ask(client))
    stage.land()

    second = done(client, ask(client))

    assert second.name != first.name
    assert second.dataset_version != first.dataset_version
    assert len(stage.launcher.made) == 2


def test_a_part_of_a_day_is_a_file_of_its_own(stage: Any, client: Client) -> None:
    day = done(client, ask(client))
    start, end = DAY + HOUR_NS + 1, DAY + 2 * HOUR_NS
    hour = done(client, client.create_export(BTC, ["trades"], start, end))

    assert day.name != hour.name
    assert (stage.launcher.specs[1].units[0].start_ts, stage.launcher.specs[1].units[0].end_ts) == (
        start,
        end,
    )


def test_progress_is_told_while_the_job_runs(stage: Any, client: Client) -> None:
    stage.launcher.go.clear()
    stage.land("kraken", "BTC/USD")
    operation = ask(client, [*BTC, ("kraken", "BTC/USD")])
    seen: list[Any] = []

    def on_metadata(found: Any) -> None:
        seen.append(found)
        if found.state == export_pb2.EXPORT_STATE_RUNNING:
            stage.launcher.go.set()

    export = client.wait(operation.name, on_metadata, timeout_s=20)

    assert export.file_count == 2
    assert seen[0].files_total == 2
    assert not seen[0].files_done
    assert (seen[-1].files_done, seen[-1].rows_done) == (2, 4)
    assert seen[-1].bytes_done == export.size_bytes


def test_waiting_comes_back_after_its_timeout(stage: Any, client: Client) -> None:
    stage.launcher.go.clear()
    operation = ask(client)

    with pytest.raises(TimeoutError, match=operation.name):
        client.wait(operation.name, timeout_s=0.4)

    assert not client.get_operation(operation.name).done
    stage.launcher.go.set()


def test_a_cancelled_export_ends_its_job_and_can_be_asked_for_again(
    stage: Any, client: Client
) -> None:
    stage.launcher.go.clear()
    operation = ask(client)
    wait_for(client, operation, export_pb2.EXPORT_STATE_RUNNING)

    client.cancel(operation.name)

    with pytest.raises(ApiError, match="EXPORT_CANCELLED") as caught:
        done(client, operation)
    assert caught.value.code == "CANCELLED"
    until(lambda: stage.launcher.cancelled == [operation.name.removeprefix("operations/")])
    client.cancel(operation.name)
    stage.launcher.go.set()
    again = ask(client)
    assert again.name != operation.name
    assert done(client, again).state == export_pb2.EXPORT_STATE_SUCCEEDED


def test_an_export_that_has_ended_is_not_cancelled(client: Client) -> None:
    operation = ask(client)
    done(client, operation)

    client.cancel(operation.name)

    assert done(client, operation).state == export_pb2.EXPORT_STATE_SUCCEEDED


def test_a_deleted_export_is_gone_and_its_job_ended(stage: Any, client: Client) -> None:
    stage.launcher.go.clear()
    operation = ask(client)
    wait_for(client, operation, export_pb2.EXPORT_STATE_RUNNING)

    client.delete_export(export_of(operation))

    for call in (client.get_export, client.delete_export):
        with pytest.raises(ApiError, match="EXPORT_NOT_FOUND"):
            call(export_of(operation))
    assert list(client.exports()) == []
    until(lambda: stage.objects("active/") == {})
    assert stage.launcher.cancelled
    stage.launcher.go.set()
    done(client, ask(client))


def test_files_that_cannot_be_made_fail_the_export_and_the_others_are_kept(
    stage: Any, client: Client
) -> None:
    stage.land("kraken", "BTC/USD")
    stage.launcher.failing = {"BTC/USD"}
    both = [*BTC, ("kraken", "BTC/USD")]
    operation = ask(client, both)

    with pytest.raises(ApiError, match="1 of 2 files could not be made") as caught:
        done(client, operation)
    assert (caught.value.code, caught.value.reason) == ("ABORTED", "EXPORT_FAILED")
    (failure,) = metadata(client.get_operation(operation.name)).partial_failures
    assert "kraken_trades_2026-11-22_BTC-USD.csv.gz" in failure.message
    stage.launcher.failing = set()
    done(client, ask(client, both))
    assert [unit.symbol for unit in stage.launcher.specs[1].units] == ["BTC/USD"]


def test_a_job_that_ends_without_its_files_fails_the_export(stage: Any, client: Client) -> None:
    stage.launcher.dying = True

    with pytest.raises(ApiError, match="the stub's log"):
        done(client, ask(client))


def test_an_export_outlives_the_api(stage: Any) -> None:
    stage.launcher.go.clear()
    with stage.serve() as address, Client(address) as client:
        operation = ask(client, request_id="before")
        wait_for(client, operation, export_pb2.EXPORT_STATE_RUNNING)
    launcher = type(stage.launcher)(stage.downloads)

    with stage.serve(launcher) as address, Client(address) as client:
        assert ask(client, request_id="before").name == operation.name
        export = done(client, operation)

    assert export.state == export_pb2.EXPORT_STATE_SUCCEEDED
    assert len(launcher.specs) == 1
    # The first start was not the job's fault
    assert stage.objects("active/") == {}


def test_the_job_of_a_replica_that_died_is_taken_over(stage: Any, serve: Serve) -> None:
    client = serve()
    stage.launcher.go.clear()
    operation = ask(client)
    wait_for(client, operation, export_pb2.EXPORT_STATE_RUNNING)
    key = f"active/{operation.name.removeprefix('operations/')}.json"
    # As another replica left it that was killed: nobody changes the note any more
    stage.downloads.put(key, encode(Job(owner="dead", beat=7, starts=1)))

    stage.launcher.go.set()
    second = serve(launcher=type(stage.launcher)(stage.downloads))

    assert done(second, operation).state == export_pb2.EXPORT_STATE_SUCCEEDED


def test_a_job_that_dies_with_its_replica_again_and_again_is_given_up(
    stage: Any, serve: Serve
) -> None:
    stage.launcher.go.clear()
    with stage.serve() as address, Client(address) as client:
        operation = ask(client)
    key = f"active/{operation.name.removeprefix('operations/')}.json"
    stage.downloads.put(key, encode(Job(owner="dead", starts=3)))

    with pytest.raises(ApiError, match="was started 3 times and died each time"):
        done(serve(), operation)


def test_an_export_written_by_a_replica_that_died_at_once_is_started_by_the_next_who_asks(
    stage: Any, serve: Serve
) -> None:
    client = serve()
    stage.launcher.go.clear()
    operation = ask(client)
    # What is left when it dies between writing the key and the rest
    stage.downloads.delete(f"exports/{operation.name.removeprefix('operations/')}.json")
    stage.downloads.delete(f"active/{operation.name.removeprefix('operations/')}.json")
    stage.launcher.go.set()

    again = ask(client)

    assert again.name == operation.name
    assert done(client, again).state == export_pb2.EXPORT_STATE_SUCCEEDED


def test_files_about_to_expire_are_made_anew(stage: Any, client: Client, serve: Serve) -> None:
    export = done(client, ask(client))
    # To this replica everything there is seems to be about to go
    later = serve(keep_days=1)
    for key, document in stage.objects("exports/").items():
        document["outcome"]["expire_ts"] = 1
        stage.downloads.put(key, json.dumps(document).encode())

    assert later.get_export(export.name).state == export_pb2.EXPORT_STATE_EXPIRED
    again = ask(later)
    assert export_of(again) != export.name
    assert done(later, again).state == export_pb2.EXPORT_STATE_SUCCEEDED


def test_listing_neither_skips_nor_repeats_while_exports_are_added(client: Client) -> None:
    made = []
    for hour in range(7):
        start = DAY + hour * HOUR_NS
        made.append(client.create_export(BTC, ["trades"], start, start + HOUR_NS))
    request = export_pb2.ListExportsRequest(page_size=3)
    seen: list[str] = []
    while True:
        page = client._call(client._exports.ListExports, request)
        seen += [e.name for e in page.exports]
        if not page.next_page_token:
            break
        request.page_token = page.next_page_token
        client.create_export(BTC, ["trades"], DAY, DAY + len(seen))

    assert seen == [export_of(o) for o in reversed(made)]


def test_files_are_listed_in_pages(stage: Any, client: Client) -> None:
    for n in range(5):
        stage.land(symbol=f"S{n}", data_types=["trade"])
    export = done(client, ask(client, [("binance", f"S{n}") for n in range(5)]))
    request = export_pb2.ListExportFilesRequest(name=export.name, page_size=2)
    pages = list(client._pages(client._exports.ListExportFiles, request))

    assert [[f.symbol for f in p.files] for p in pages] == [["S0", "S1"], ["S2", "S3"], ["S4"]]


def test_operations_are_listed_and_forgotten_without_their_export(client: Client) -> None:
    operation = ask(client)
    export = done(client, operation)
    request = operations_pb2.ListOperationsRequest(name="operations")
    listed = client._call(client._operations.ListOperations, request).operations
    forget = operations_pb2.DeleteOperationRequest(name=operation.name)
    client._call(client._operations.DeleteOperation, forget)

    assert [o.name for o in listed] == [operation.name]
    assert listed[0].done
    with pytest.raises(ApiError, match="OPERATION_NOT_FOUND"):
        client.get_operation(operation.name)
    assert client.get_export(export.name).name == export.name


def test_an_estimate_makes_nothing(stage: Any, client: Client) -> None:
    stage.land(symbol="ETHUSDT", body=b"12345")
    both = [*BTC, ("binance", "ETHUSDT")]
    shared = done(client, ask(client))
    # The note that it is not finished goes a moment later
    until(lambda: stage.objects("active/") == {})
    before = stage.objects()

    found = client.estimate_export(both, ["trades", "quotes"], DAY, DAY + 2 * DAY_NS)
    known = client.estimate_export(BTC, ["trades"], DAY, DAY + DAY_NS)

    assert (found.files, found.files_reused) == (4, 1)
    assert (found.source_objects, found.source_bytes) == (3, 4 + 5 + 5)
    assert {m.date for m in found.missing} == {"2026-11-23"}
    assert (found.export, known.export) == ("", shared.name)
    assert stage.objects() == before


def test_validation_only_makes_nothing(stage: Any, client: Client) -> None:
    wanted = make_query(BTC, ["trades"], DAY, DAY + DAY_NS)
    request = export_pb2.CreateExportRequest(query=wanted, validate_only=True)

    operation = client._call(client._exports.CreateExport, request)

    assert operation.done
    assert stage.objects() == {}


def wait_for(client: Client, operation: Any, state: int) -> None:
    until(lambda: metadata(client.get_operation(operation.name)).state == state)


def until(condition: Callable[[], bool]) -> None:
    wait_until(condition, "the state waited for", timeout_s=20, interval_s=0.05)
