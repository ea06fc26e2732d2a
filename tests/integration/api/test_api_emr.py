"""The API with jobs on EMR Serverless: started once, followed, ended, refused, and really run."""

import gzip
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jetl2.api_grpc import emr_serverless
from jetl2.api_grpc.documents import Job, Spec, decode, encode
from jetl2.api_grpc.emr_request import Target
from jetl2.api_grpc.emr_serverless import EmrServerless
from jetl2.api_grpc.launcher import JobState
from jetl2.client.client import Client
from jetl2.client.errors import ApiError
from jetl2.client.messages import metadata
from jetl2.devstack import emr, folders, spark
from jetl2.devstack.process import Process, wait_until
from jetl2.devstack.s3 import S3, create_bucket
from jetl2.landing import layout
from jetl2.schemas import lake
from jetl2.schemas.pb import export_pb2
from jetl2.testkit import making

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

DAY = 1_795_305_600 * 1_000_000_000  # 2026-11-22
BTC = [("binance", "BTCUSDT")]
ROLE = "arn:aws:iam::123456789012:role/export"

Replica = Callable[..., Client]


@pytest.fixture
def target(local_emr: Any) -> Target:
    return Target(
        application=local_emr.application,
        role=ROLE,
        folder="s3://artifacts/export/0.1.0",
        logs="/jetl2/export",
        timeout_minutes=60,
    )


@pytest.fixture
def replica(stage: Any, target: Target, serve: Any) -> Replica:
    """Give a function that starts one more API and returns a client of it."""

    def start(**changes: Any) -> Client:
        fields = {name: getattr(target, name) for name in target.__slots__}
        jobs = EmrServerless(
            emr_serverless.client(), stage.downloads, Target(**(fields | changes)), 1
        )
        client: Client = serve(launcher=jobs)
        return client

    return start


def ask(client: Client, hours: int = 24) -> Any:
    return client.create_export(BTC, ["trades"], DAY, DAY + hours * 3600 * 10**9)


def started(local_emr: Any, count: int = 1) -> Any:
    """Wait for a run, and return the last one."""
    wait_until(lambda: len(local_emr.runs) >= count, "a job run", timeout_s=20)
    assert len(local_emr.runs) == count
    return local_emr.runs[-1]


def make(stage: Any, run: Any) -> None:
    """Write the files of a job run, as the job does."""
    url = run.job_driver["sparkSubmit"]["entryPointArguments"][1]
    stored = stage.downloads.get(url.removeprefix(stage.downloads.url() + "/"))
    for unit in decode(stored.body, Spec).units:
        stage.launcher._make(unit)


def test_an_export_is_made_by_a_job_run(stage: Any, local_emr: Any, replica: Replica) -> None:
    client = replica()
    operation = ask(client)
    run = started(local_emr)
    job = operation.name.removeprefix("operations/")

    make(stage, run)
    local_emr.end()
    export = client.wait(operation.name, timeout_s=20)

    assert export.file_count == 1
    assert (run.name, run.client_token) == (f"jetl2-export-{job}", f"{job}-1")
    assert (run.release_label, run.execution_role_arn) == ("emr-spark-8.0.0", ROLE)
    assert run.execution_timeout_minutes == 60
    wait_until(lambda: stage.objects("active/") == {}, "the export is settled", timeout_s=20)


def test_a_failed_run_fails_the_export_with_its_reason_and_log(
    local_emr: Any, replica: Replica
) -> None:
    client = replica()
    operation = ask(client)
    run = started(local_emr)
    local_emr.end("FAILED", "Job failed. Driver exited with code 1")

    with pytest.raises(ApiError) as caught:
        client.wait(operation.name, timeout_s=20)

    told = str(caught.value)
    assert "the job ended without making all files" in told
    assert "FAILED: Job failed. Driver exited with code 1; log: CloudWatch log group" in told
    assert f"/jobs/{run.id}/SPARK_DRIVER" in told


@pytest.mark.parametrize(
    "changes, code",
    [
        # moto: of another account
        ({"role": "arn:aws:iam::999999999999:role/export"}, "AccessDeniedException"),
        ({"application": "00gone"}, "ResourceNotFoundException"),
        # moto: as EMR
        ({"timeout_minutes": 1}, "ValidationException"),
    ],
)
def test_a_refused_job_fails_the_export_at_once(
    replica: Replica, changes: dict[str, Any], code: str
) -> None:
    client = replica(**changes)

    with pytest.raises(ApiError) as caught:
        client.wait(ask(client).name, timeout_s=20)

    assert caught.value.reason == "EXPORT_FAILED"
    assert f"EMR Serverless refuses the job ({code})" in str(caught.value)
    assert "9999" not in str(caught.value)


def test_a_cancelled_export_ends_its_run(local_emr: Any, replica: Replica) -> None:
    client = replica()
    operation = ask(client)
    run = started(local_emr)

    client.cancel(operation.name)

    wait_until(lambda: run.state == "CANCELLED", "the run is cancelled", timeout_s=20)


def test_a_run_goes_on_without_the_api_and_is_found_again(
    stage: Any, local_emr: Any, target: Target
) -> None:
    def api() -> EmrServerless:
        return EmrServerless(emr_serverless.client(), stage.downloads, target, 1)

    with stage.serve(api()) as address, Client(address) as client:
        operation = ask(client)
        run = started(local_emr)
        wait_until(lambda: noted(stage).get("starts") == 1, "it is noted", timeout_s=20)
    # Left at once, with the start that it outlives
    assert noted(stage) | {"beat": 0, "start_ts": 0} == {
        "owner": "",
        "beat": 0,
        "starts": 1,
        "start_ts": 0,
    }
    assert run.state == "RUNNING"

    with stage.serve(api()) as address, Client(address) as client:
        wait_until(lambda: bool(noted(stage).get("owner")), "it is adopted", timeout_s=20)
        make(stage, run)
        local_emr.end()
        assert client.wait(operation.name, timeout_s=20).file_count == 1
    assert len(local_emr.runs) == 1


def test_a_replica_that_finds_its_job_taken_does_not_end_the_run(
    stage: Any, local_emr: Any, target: Target
) -> None:
    class Overtaken(EmrServerless):
        """Loses the job to another replica while it looks at it, once there is a run."""

        def state(self, job: str) -> JobState | None:
            found = super().state(job)
            if found:
                note = noted(stage)
                stage.downloads.put(f"active/{job}.json", encode(Job(beat=note["beat"] + 100)))
            return found

        def let_go(self, job: str) -> None:
            super().let_go(job)
            # Looked at here: as the other replica does nothing, this one soon takes the job again
            if self.free():
                left.set()

    left = threading.Event()
    jobs = Overtaken(emr_serverless.client(), stage.downloads, target, 1)
    with stage.serve(jobs, lease_s=0.03) as address, Client(address) as client:
        ask(client)
        run = started(local_emr)
        assert left.wait(30)

    assert (run.state, len(local_emr.runs)) == ("RUNNING", 1)


def test_while_emr_is_away_exports_wait_and_no_start_is_counted(
    stage: Any, local_emr: Any, replica: Replica, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_EMR_SERVERLESS", "http://127.0.0.1:9")
    client = replica()
    operation = ask(client)
    # It is tried more often than a job may die
    wait_until(lambda: noted(stage).get("beat", 0) > 4, "it is tried again", timeout_s=100)
    assert not client.get_operation(operation.name).done
    assert noted(stage)["starts"] <= 1

    monkeypatch.setenv("AWS_ENDPOINT_URL_EMR_SERVERLESS", local_emr.endpoint)
    later = replica()
    make(stage, started(local_emr))
    local_emr.end()

    assert later.wait(operation.name, timeout_s=60).file_count == 1


def test_no_more_runs_than_allowed_are_started(
    stage: Any, local_emr: Any, replica: Replica
) -> None:
    client = replica()
    first = ask(client)
    make(stage, started(local_emr))
    second = ask(client, hours=1)
    assert client.get_operation(second.name).done is False

    client.wait(first.name, timeout_s=20)
    states = {metadata(client.get_operation(second.name)).state for _ in range(5)}
    assert states == {export_pb2.EXPORT_STATE_QUEUED}
    assert len(local_emr.runs) == 1

    local_emr.end()
    make(stage, started(local_emr, 2))
    assert client.wait(second.name, timeout_s=20).file_count == 1


def noted(stage: Any) -> dict[str, Any]:
    """Return the note of the one unfinished export."""
    notes = list(stage.objects("active/").values())
    return notes[0] if notes else {}


@pytest.mark.timeout(1200)
def test_the_archive_of_a_release_makes_files_as_emr_runs_it(
    stage: Any, s3: S3, local_emr: Any, replica: Replica, tmp_path: Path
) -> None:
    folder = _release(s3)
    records = making.numbered([making.trade(n, f"id{n}") for n in range(1, 6)])
    for offset, record in enumerate(records):
        record.source_offset = offset
    rows = layout.table("trade", [(r.local_ts, r.seq, r) for r in records], 0)
    date = lake.date(making.START_TS)
    place = lake.folder("trade", making.EXCHANGE, date, making.SYMBOL)
    stage.lake.put(place + lake.object_name("market.example", 0, 0, 5), layout.parquet(rows))
    client = replica(folder=folder)

    day = making.START_TS // 86_400_000_000_000 * 86_400_000_000_000
    operation = client.create_export(
        [(making.EXCHANGE, making.SYMBOL)], ["trades"], day, day + 86_400_000_000_000
    )
    run = started(local_emr)
    code, log = _run(run, tmp_path, s3)
    assert code == 0, log
    assert f"Running Spark version {spark.version()}" in log
    local_emr.end()
    export = client.wait(operation.name, timeout_s=20)

    assert (export.file_count, export.rows) == (1, 5)
    files = client.download(export.name, tmp_path / "data")
    lines = gzip.decompress(files[0].read_bytes()).decode().splitlines()
    assert [line.split(",")[4] for line in lines[1:]] == [f"id{n}" for n in range(1, 6)]


def _release(s3: S3) -> str:
    """Put what a release of the job consists of onto S3; return its folder."""
    archive = folders.binary("export").with_name("export-job.tar.gz")
    if not archive.exists():
        pytest.skip(f"{archive} is not built: make package")
    create_bucket(s3, "artifacts")
    for path in (archive, folders.root() / "jobs" / "export" / "main.py"):
        s3.client().upload_file(str(path), "artifacts", f"export/0.1.0/{path.name}")
    return "s3://artifacts/export/0.1.0"


def _run(run: Any, work: Path, s3: S3) -> tuple[int, str]:
    """Run what a job run was asked for; return its exit code and log."""
    log = work / "export.log"
    request = {
        "name": run.name,
        "jobDriver": run.job_driver,
        "configurationOverrides": run.configuration_overrides,
    }
    process: Process = emr.submit(request, work=work / "run", log=log, env=s3.env())
    try:
        code = process.wait(900)
    finally:
        process.stop()
    return code, log.read_text(errors="replace")


@pytest.mark.parametrize(
    "changes, told",
    [
        ({"EMR_APPLICATION": "00gone"}, "EMR_APPLICATION='00gone': there is no such application"),
        ({"EMR_APPLICATION": ""}, "LAUNCHER=emr-serverless needs JETL2_API_GRPC_EMR_APPLICATION"),
        ({"EMR_ROLE": "export"}, "EMR_ROLE='export': expected the ARN of an IAM role"),
    ],
)
def test_a_wrong_setting_is_one_line_and_code_2(
    stage: Any, local_emr: Any, changes: dict[str, str], told: str
) -> None:
    values = {
        "LAKE": stage.lake.url(),
        "DOWNLOADS": stage.downloads.url(),
        "PORT": "0",
        "LAUNCHER": "emr-serverless",
        "EMR_APPLICATION": local_emr.application,
        "EMR_ROLE": ROLE,
        "EMR_JOB": "s3://artifacts/export/0.1.0",
        "EMR_LOGS": "/jetl2/export",
    }

    answer = subprocess.run(
        [sys.executable, "-m", "jetl2.api_grpc"],
        env=os.environ
        | {"PYTHONPATH": ":".join(p for p in sys.path if p), "AWS_DEFAULT_REGION": "us-east-1"}
        | {f"JETL2_API_GRPC_{k}": v for k, v in (values | changes).items()},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    lines = [line for line in answer.stderr.splitlines() if not line.startswith('{"')]
    assert (answer.returncode, len(lines)) == (2, 1), answer.stderr
    assert told in lines[0]
