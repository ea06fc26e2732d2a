"""The jetl2 command against the API, and the API as a process with the real launcher."""

import gzip
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from jetl2.client.client import Client
from jetl2.client.errors import ApiError
from jetl2.devstack.process import free_ports, wait_until

pytestmark = [pytest.mark.integration, pytest.mark.timeout(90)]

SPAN = ["--from", "2026-11-22"]


def jetl2(api: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "jetl2.client", *words],
        env=os.environ | {"PYTHONPATH": ":".join(p for p in sys.path if p), "JETL2_API": api},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_one_command_asks_waits_fetches_and_prints_the_files(stage: Any, tmp_path: Path) -> None:
    out = tmp_path / "data"
    with stage.serve() as api:
        answer = jetl2(api, "export", "run", "binance:BTCUSDT", *SPAN, "--out", str(out))

    assert answer.returncode == 0
    names = [Path(line).name for line in answer.stdout.splitlines()]
    assert names[:2] == [
        "binance_incremental_book_L2_2026-11-22_BTCUSDT.csv.gz",
        "binance_trades_2026-11-22_BTCUSDT.csv.gz",
    ]
    assert sorted(names) == sorted(p.name for p in out.iterdir())
    assert gzip.decompress((out / names[0]).read_bytes()).startswith(b"exchange,symbol")
    assert "2 files, 4 rows" in answer.stderr


def test_each_step_is_a_command_too(stage: Any, tmp_path: Path) -> None:
    with stage.serve() as api:
        created = jetl2(api, "export", "create", "binance:BTCUSDT", "-t", "trades", *SPAN)
        name = created.stdout.strip()
        waited = jetl2(api, "export", "wait", name)
        again = jetl2(api, "export", "create", "binance:BTCUSDT", "-t", "trades", *SPAN)
        listed = jetl2(api, "export", "list")
        got = jetl2(api, "export", "get", name, "--json")
        fetched = jetl2(api, "export", "download", name, "-o", str(tmp_path))
        deleted = jetl2(api, "export", "delete", name)
        gone = jetl2(api, "export", "get", name)

    assert name.startswith("exports/")
    assert (waited.returncode, fetched.returncode, deleted.returncode) == (0, 0, 0)
    assert (again.stdout.strip(), again.stderr) == (name, "an equal export was there already\n")
    assert listed.stdout.splitlines()[1].startswith(f"{name}\tsucceeded\t")
    assert json.loads(got.stdout)["file_count"] == 1
    assert gone.returncode == 1
    assert gone.stderr == f"jetl2: EXPORT_NOT_FOUND: {name} does not exist, or was deleted\n"


def test_the_catalog_is_printed_a_name_a_line(stage: Any) -> None:
    with stage.serve() as api:
        words = (["exchanges"], ["symbols", "binance"], ["dates", "binance", "BTCUSDT"], ["types"])
        answers = [jetl2(api, "catalog", *w).stdout.splitlines() for w in words]
        covered = jetl2(api, "coverage", "binance", *SPAN)

    assert answers[:3] == [["binance"], ["BTCUSDT"], ["2026-11-22"]]
    assert answers[3][1] == "trades\tevery trade, side = aggressor"
    assert covered.stdout.startswith("symbol\tdata_type\thour\t")


@pytest.mark.parametrize(
    "words, told",
    [
        (["binanze:BTCUSDT"], "UNKNOWN_EXCHANGE: query.instruments.exchange: unknown exchange"),
        (["binance:BTC-USDT"], "accepted: BTCUSDT"),
        (["binance:BTCUSDT", "-t", "candles"], "query.data_types: unknown 'candles'"),
        (["binance:BTCUSDT", "--to", "2026-11-22"], "the range is empty"),
        (["binance:BTCUSDT", "--to", "2026-11-21"], "the range is reversed"),
    ],
)
def test_a_bad_request_is_one_line_with_code_2(stage: Any, words: list[str], told: str) -> None:
    with stage.serve() as api:
        answer = jetl2(api, "export", "create", *words, *SPAN)

    assert answer.returncode == 2
    assert answer.stderr.count("\n") == 1
    assert told in answer.stderr


def test_a_failed_export_ends_with_code_1_and_its_reason(stage: Any) -> None:
    stage.launcher.failing = {"BTCUSDT"}
    with stage.serve() as api:
        answer = jetl2(api, "export", "run", "binance:BTCUSDT", "-t", "trades", *SPAN)

    assert answer.returncode == 1
    assert "EXPORT_FAILED: 1 of 1 files could not be made" in answer.stderr
    assert "the stub was told to fail" in answer.stderr
    assert "Traceback" not in answer.stderr


# Stands in for spark-submit: makes each file as the stub in conftest does
SUBMIT = """#!{python}
import gzip, hashlib, json, os, sys, time
import boto3
from urllib.parse import urlsplit
s3 = boto3.client("s3")
url = urlsplit(sys.argv[sys.argv.index("--spec") + 1])
spec = json.loads(s3.get_object(Bucket=url.netloc, Key=url.path[1:])["Body"].read())
print("python is", os.environ.get("PYSPARK_PYTHON"), flush=True)
if os.path.exists({hold!r}):
    open({hold!r} + ".started", "a").write("x")
while os.path.exists({hold!r}):
    time.sleep(0.02)
base = urlsplit(spec["downloads"]).path[1:] + "/"
for unit in spec["units"]:
    if unit["symbol"] == "FAIL":
        sys.exit("no heap left")
    body = gzip.compress(b"exchange,symbol\\n", mtime=0)
    put = lambda key, data: s3.put_object(Bucket=url.netloc, Key=base + key, Body=data)
    put(unit["key"], body)
    put(unit["key"] + ".json", json.dumps({{"key": unit["key"], "size": len(body), "rows": 0,
        "sha256": hashlib.sha256(body).hexdigest(), "first_ts": 0, "last_ts": 0, "gaps": []}}))
"""


class Service:
    """The API as a process."""

    def __init__(self, stage: Any, folder: Path) -> None:
        self.hold = folder / "hold"
        self.submit = folder / "spark-submit"
        self.submit.write_text(SUBMIT.format(python=sys.executable, hold=str(self.hold)))
        self.submit.chmod(0o755)
        self.port, self.http_port = free_ports(2)
        pex = folder / "export.pex"
        pex.write_text("")
        self.env = {
            **{k: v for k, v in os.environ.items() if not k.startswith("JETL2_")},
            "PYTHONPATH": ":".join(p for p in sys.path if p),
            "JETL2_API_GRPC_PORT": str(self.port),
            "JETL2_API_GRPC_HTTP_PORT": str(self.http_port),
            "JETL2_API_GRPC_LAKE": stage.lake.url(),
            "JETL2_API_GRPC_DOWNLOADS": stage.downloads.url(),
            "JETL2_API_GRPC_SPARK_SUBMIT": str(self.submit),
            "JETL2_API_GRPC_SPARK_ARGS": '["--master", "local[1]"]',
            "JETL2_API_GRPC_EXPORT_PEX": str(pex),
            "JETL2_API_GRPC_JOBS_FOLDER": str(folder / "jobs"),
            "JETL2_API_GRPC_POLL_S": "0.1",
            "JETL2_API_GRPC_LEASE_S": "1",
            "JETL2_API_GRPC_CATALOG_S": "0",
        }

    @contextmanager
    def running(self, expected: int | None = 0) -> Iterator[subprocess.Popen[str]]:
        command = [sys.executable, "-m", "jetl2.api_grpc"]
        process = subprocess.Popen(command, env=self.env, stderr=subprocess.PIPE, text=True)
        try:
            wait_until(lambda: self.page("readyz")[0] == 200, "the API is ready", timeout_s=30)
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            _, log = process.communicate(timeout=30)
        if expected is not None:
            assert process.returncode == expected, log

    def page(self, name: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.http_port}/{name}") as answer:
                return answer.status, answer.read().decode()
        except OSError:
            return 0, ""


def create(client: Client, symbol: str = "BTCUSDT") -> Any:
    from_ts = 1_795_305_600 * 10**9
    return client.create_export([("binance", symbol)], ["trades"], from_ts, from_ts + 10**9)


def test_the_service_runs_jobs_by_spark_submit_and_drains(stage: Any, tmp_path: Path) -> None:
    stage.land(symbol="FAIL")
    service = Service(stage, tmp_path)
    with service.running(), Client(f"127.0.0.1:{service.port}") as client:
        operation = create(client)
        export = client.wait(operation.name, timeout_s=30)
        failed = create(client, "FAIL")
        with pytest.raises(ApiError, match=r"exit code 1: no heap left"):
            client.wait(failed.name, timeout_s=30)
        metrics = service.page("metrics")[1]

    assert export.file_count == 1
    log = tmp_path / "jobs" / operation.name.removeprefix("operations/") / "log"
    assert f"python is {tmp_path / 'export.pex'}" in log.read_text()
    assert 'jetl2_api_grpc_jobs_ended_total{state="succeeded"} 1.0' in metrics
    assert "jetl2_api_grpc_call_seconds_count" in metrics


def test_a_cancelled_job_is_killed(stage: Any, tmp_path: Path) -> None:
    service = Service(stage, tmp_path)
    service.hold.touch()
    with service.running(), Client(f"127.0.0.1:{service.port}") as client:
        operation = create(client)
        pid = running_job(service, operation)
        client.cancel(operation.name)
        wait_until(lambda: not alive(pid), "the job is gone", timeout_s=20)


def test_a_stopped_api_ends_its_jobs_and_the_next_one_makes_them(
    stage: Any, tmp_path: Path
) -> None:
    service = Service(stage, tmp_path)
    service.hold.touch()
    with service.running(), Client(f"127.0.0.1:{service.port}") as client:
        operation = create(client)
        pid = running_job(service, operation)
    assert not alive(pid)

    service.hold.unlink()
    with service.running(), Client(f"127.0.0.1:{service.port}") as client:
        assert client.wait(operation.name, timeout_s=30).file_count == 1


def test_a_killed_api_finds_its_running_job_again(stage: Any, tmp_path: Path) -> None:
    service = Service(stage, tmp_path)
    service.hold.touch()
    with service.running(expected=None) as process:
        with Client(f"127.0.0.1:{service.port}") as client:
            operation = create(client)
            pid = running_job(service, operation)
        process.kill()
        process.wait()
    assert alive(pid)

    with service.running(), Client(f"127.0.0.1:{service.port}") as client:
        time_to_adopt = time.monotonic() + 20
        while time.monotonic() < time_to_adopt and not adopted(stage, operation):
            time.sleep(0.05)
        service.hold.unlink()
        assert client.wait(operation.name, timeout_s=30).file_count == 1
    # Adopted, not started a second time
    assert (tmp_path / "hold.started").read_text() == "x"
    assert not alive(pid)


def test_a_wrong_setting_is_one_line_and_code_2(stage: Any, tmp_path: Path) -> None:
    env = Service(stage, tmp_path).env
    taken = socket.create_server(("127.0.0.1", 0))
    port = str(taken.getsockname()[1])
    for changes, told in (
        ({"JETL2_API_GRPC_LAKE": "file:///lake"}, "JETL2_API_GRPC_LAKE='file:///lake': "),
        ({"JETL2_API_GRPC_HOST": "0.0.0.0"}, "JETL2_API_GRPC_KEYS must name a key file"),
        ({"JETL2_API_GRPC_KEYS": "/nowhere"}, "JETL2_API_GRPC_KEYS='/nowhere': "),
        ({"JETL2_API_GRPC_EXPORT_PEX": "/nowhere"}, "JETL2_API_GRPC_EXPORT_PEX='/nowhere': "),
        ({"JETL2_API_GRPC_TLS_KEY": "/nowhere"}, "must be set together"),
        ({"JETL2_API_GRPC_PORT": port}, f"JETL2_API_GRPC_PORT='{port}': "),
        ({"JETL2_API_GRPC_HTTP_PORT": port}, f"JETL2_API_GRPC_HTTP_PORT='{port}': "),
    ):
        answer = subprocess.run(
            [sys.executable, "-m", "jetl2.api_grpc"],
            env=env | changes,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        lines = [line for line in answer.stderr.splitlines() if not line.startswith('{"')]
        assert (answer.returncode, len(lines)) == (2, 1), answer.stderr
        assert told in lines[0]
    taken.close()


def running_job(service: Service, operation: Any) -> int:
    job = operation.name.removeprefix("operations/")
    path = Path(service.env["JETL2_API_GRPC_JOBS_FOLDER"]) / job / "pid"
    started = service.hold.with_name("hold.started")
    wait_until(lambda: path.exists() and started.exists(), "the job runs", timeout_s=20)
    return int(path.read_text().split()[0])


def adopted(stage: Any, operation: Any) -> bool:
    job = operation.name.removeprefix("operations/")
    note = stage.objects("active/").get(f"active/{job}.json", {})
    return bool(note.get("beat", 0) > 1 and note.get("starts") == 1)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
