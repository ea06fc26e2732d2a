"""The API served in this process over a real S3, with a launcher of the test's own or a local EMR."""

import asyncio
import gzip
import hashlib
import json
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Any

import boto3
import pytest
from moto.emrserverless import models as emr_models
from moto.server import ThreadedMotoServer

from jetl2.api_grpc import auth, documents, store
from jetl2.api_grpc.documents import Sidecar, Spec, Unit, decode, encode
from jetl2.api_grpc.launcher import JobState
from jetl2.api_grpc.server import Api
from jetl2.api_grpc.settings import Settings
from jetl2.api_grpc.store import Store
from jetl2.client.client import Client
from jetl2.devstack.s3 import S3, create_bucket
from jetl2.formats import tardis
from jetl2.schemas import lake

DAY_NS = 86_400 * 1_000_000_000
DAY = 1_795_305_600 * 1_000_000_000  # 2026-11-22
DATES = ("2026-11-22", "2026-11-23", "2026-11-24")
TOPIC = "market.x"


class StubLauncher:
    """Runs jobs as threads that write what the export job writes.

    Attributes:
        go: Jobs wait for it before each file.
        failing: Symbols whose files cannot be made.
        dying: Jobs end at once, having made nothing.
        lost: Jobs that are not known any more, as after a crash of the process.
    """

    def __init__(self, downloads: Store) -> None:
        self.downloads = downloads
        self.go = threading.Event()
        self.go.set()
        self.failing: set[str] = set()
        self.dying = False
        self.specs: list[Spec] = []
        self.made: list[str] = []
        self.cancelled: list[str] = []
        self._stopped: set[str] = set()
        self._pool = ThreadPoolExecutor(8)
        self._jobs: dict[str, Any] = {}

    def start(self, job: str, spec: str) -> None:
        body = self.downloads.get(spec.removeprefix(self.downloads.url() + "/"))
        assert body is not None
        document = decode(body.body, Spec)
        self.specs.append(document)
        self._jobs[job] = self._pool.submit(self._run, document)

    def state(self, job: str) -> JobState | None:
        if job not in self._jobs:
            return None
        return JobState(running=not self._jobs[job].done(), detail="exit code 1: the stub's log")

    def cancel(self, job: str) -> None:
        if job in self._jobs:
            self.cancelled.append(job)
            self._stopped.add(job)

    def let_go(self, job: str) -> None:
        self.cancel(job)

    def free(self) -> bool:
        return True

    def close(self) -> None:
        for job in self._jobs:
            self._stopped.add(job)

    def _run(self, spec: Spec) -> None:
        for number, unit in enumerate(() if self.dying else spec.units):
            while not self.go.wait(0.02):
                if spec.job in self._stopped:
                    return
            if unit.symbol in self.failing:
                error = documents.UnitError(unit, "the stub was told to fail")
                self.downloads.put(f"jobs/{spec.job}/errors/{number}.json", encode(error))
            else:
                self._make(unit)

    def _make(self, unit: Unit) -> None:
        body = content(unit)
        self.downloads.put(unit.key, body)
        sidecar = Sidecar(
            key=unit.key,
            size=len(body),
            sha256=hashlib.sha256(body).hexdigest(),
            rows=2,
            first_ts=unit.start_ts,
            last_ts=unit.end_ts - 1,
        )
        self.downloads.put(f"{unit.key}.json", encode(sidecar))
        self.made.append(unit.key)


def content(unit: Unit) -> bytes:
    """Return the bytes that the stub makes for a unit."""
    header = tardis.header(unit.data_type)
    text = f"{header}\n" + "".join(f"{name}\n" for name in unit.objects)
    return gzip.compress(text.encode(), mtime=0)


class Stage:
    """A lake, a place for downloads, and any number of API replicas over them.

    Attributes:
        api: The replica started last.
    """

    api: Api

    def __init__(self, bucket: str, prefix: str) -> None:
        self.lake = Store(store.client(), bucket, f"{prefix}/lake/")
        self.downloads = Store(store.client(), bucket, f"{prefix}/downloads/")
        self.launcher = StubLauncher(self.downloads)
        self.offset = 0

    def settings(self, **changes: Any) -> Settings:
        values: dict[str, Any] = {
            "port": 0,
            "lake": self.lake.url(),
            "downloads": self.downloads.url(),
            "poll_s": 0.05,
            "lease_s": 0.6,
            "catalog_s": 0,
            "drain_s": 0.2,
        }
        return Settings(**(values | changes))

    def land(
        self,
        exchange: str = "binance",
        symbol: str = "BTCUSDT",
        dates: Sequence[str] = DATES[:1],
        data_types: Sequence[str] = ("trade", "book_delta"),
        body: bytes = b"rows",
    ) -> None:
        """Add an object to each folder; what is in it does not matter to most of the API."""
        for date in dates:
            for data_type in data_types:
                name = lake.object_name(TOPIC, 0, self.offset, self.offset + 10)
                self.lake.put(lake.folder(data_type, exchange, date, symbol) + name, body)
                self.offset += 10

    @contextmanager
    def serve(
        self,
        launcher: StubLauncher | None = None,
        keys: dict[str, auth.Key] | None = None,
        **changes: Any,
    ) -> Iterator[str]:
        """Run one replica for the length of a block; gives its address."""
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever)
        thread.start()

        async def begin() -> Api:
            return await Api(self.settings(**changes), launcher or self.launcher, keys).__aenter__()

        try:
            api = asyncio.run_coroutine_threadsafe(begin(), loop).result(30)
            self.api = api
            try:
                yield f"127.0.0.1:{api.port}"
            finally:
                end = api.__aexit__(None, None, None)
                asyncio.run_coroutine_threadsafe(end, loop).result(30)
        finally:
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()

    def objects(self, prefix: str = "") -> dict[str, Any]:
        """Return the JSON documents below a prefix of the downloads."""
        keys = [e.key for e in self.downloads.entries(prefix)]
        found = {key: self.downloads.get(key) for key in keys if key.endswith(".json")}
        return {key: json.loads(stored.body) for key, stored in found.items() if stored}


@pytest.fixture
def stage(s3: S3, unique: str, monkeypatch: pytest.MonkeyPatch) -> Stage:
    """Give a lake with a day of trades and books of one symbol."""
    for name, value in s3.env().items():
        monkeypatch.setenv(name, value)
    # One bucket for all: each costs the server volumes
    create_bucket(s3, "api-tests")
    made = Stage("api-tests", unique)
    made.land()
    return made


class LocalEmr:
    """EMR Serverless as moto plays it, with what moto leaves out: Spark 4, time, tokens.

    Attributes:
        application: Id of one for Spark, with the release that production has.
        runs: Every job run, as moto keeps it: what it was asked for, and its state to be changed.
    """

    def __init__(self) -> None:
        self._server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        self._server.start()
        host, self.port = self._server.get_host_and_port()
        self.endpoint = f"http://{host}:{self.port}"
        made = self.client().create_application(
            name="export", releaseLabel="emr-7.13.0", type="SPARK", clientToken="export"
        )
        self.application = made["applicationId"]
        backend = emr_models.emrserverless_backends["123456789012"]["us-east-1"]
        # moto takes no label of EMR's Spark releases
        backend.applications[self.application].release_label = "emr-spark-8.0.0"
        self._runs = backend.job_runs

    def client(self) -> Any:
        return boto3.client(
            "emr-serverless",
            region_name="us-east-1",
            endpoint_url=self.endpoint,
            aws_access_key_id="testing",
            aws_secret_access_key="testing",
        )

    @property
    def runs(self) -> list[emr_models.JobRun]:
        return self._runs.get(self.application, [])

    def end(self, state: str = "SUCCESS", details: str = "-") -> None:
        """End the run that was started last."""
        self.runs[-1].state, self.runs[-1].state_details = state, details

    def stop(self) -> None:
        self._server.stop()


@pytest.fixture
def local_emr(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalEmr]:
    """Give a local EMR Serverless, whose runs go on until a test ends them."""
    start = emr_models.EMRServerlessBackend.start_job_run
    lock = threading.Lock()

    def started(backend: emr_models.EMRServerlessBackend, **asked: Any) -> emr_models.JobRun:
        with lock:
            for run in backend.job_runs.get(asked["application_id"], []):
                if run.client_token == asked["client_token"]:
                    return run
            run = start(backend, **asked)
            run.state = "RUNNING"
            return run

    monkeypatch.setattr(emr_models.EMRServerlessBackend, "start_job_run", started)
    emr = LocalEmr()
    monkeypatch.setenv("AWS_ENDPOINT_URL_EMR_SERVERLESS", emr.endpoint)
    yield emr
    emr.stop()


@pytest.fixture
def client(stage: Stage) -> Iterator[Client]:
    """Give a client of one replica."""
    with stage.serve() as address, Client(address) as connected:
        yield connected


@pytest.fixture
def serve(stage: Stage) -> Iterator[Callable[..., Client]]:
    """Give a function that starts one more replica and returns a client of it."""
    with ExitStack() as stack:

        def start(**arguments: Any) -> Client:
            address = stack.enter_context(stage.serve(**arguments))
            return stack.enter_context(Client(address))

        yield start
