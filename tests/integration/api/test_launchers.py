"""What every launcher promises the API: spark-submit on this machine, and EMR Serverless."""

import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol

import pytest

from jetl2.api_grpc import emr_serverless, store
from jetl2.api_grpc.emr_request import Target
from jetl2.api_grpc.emr_serverless import EmrServerless
from jetl2.api_grpc.launcher import JobState, Launcher
from jetl2.api_grpc.spark_submit import SparkSubmit
from jetl2.api_grpc.store import Store
from jetl2.devstack.process import wait_until
from jetl2.devstack.s3 import S3

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]


class Place(Protocol):
    """Where jobs run, and a hand on them."""

    def launcher(self, max_jobs: int = 2) -> Launcher:
        """Return the launcher of one more API: a replica's, or that of a restarted one."""

    def end(self, job: str) -> None:
        """Let the last run of a job fail."""

    def started(self, job: str) -> int:
        """Return how often a job was started."""


# Says that it runs, and fails when it is told to
JOB = """
import sys, time
from pathlib import Path
spec = Path(sys.argv[-1])
with spec.with_suffix(".started").open("a") as started:
    started.write("x")
end = spec.with_suffix(".end")
while not end.exists():
    time.sleep(0.02)
end.unlink()
sys.exit("no heap left")
"""


class Here:
    """spark-submit, for which a plain Python stands in."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._made: list[SparkSubmit] = []

    def launcher(self, max_jobs: int = 2) -> Launcher:
        command = [sys.executable, "-c", JOB]
        jobs = SparkSubmit(command, dict(os.environ), self.folder / "jobs", max_jobs)
        self._made.append(jobs)
        return jobs

    def end(self, job: str) -> None:
        (self.folder / f"{job}.end").touch()

    def started(self, job: str) -> int:
        marks = self.folder / f"{job}.started"
        return len(marks.read_text()) if marks.exists() else 0

    def close(self) -> None:
        for jobs in self._made:
            jobs.close()


class Emr:
    """EMR Serverless, for which moto stands in."""

    def __init__(self, emr: Any, downloads: Store) -> None:
        self._emr = emr
        self._downloads = downloads

    def launcher(self, max_jobs: int = 2) -> Launcher:
        target = Target(
            application=self._emr.application,
            role="arn:aws:iam::123456789012:role/export",
            folder="s3://artifacts/export/0.1.0",
            logs="/jetl2/export",
            timeout_minutes=60,
        )
        # A clock that runs fast: what is believed for seconds is asked for each time
        ticks = iter(range(0, 10**9, 10))
        client = emr_serverless.client()
        return EmrServerless(client, self._downloads, target, max_jobs, lambda: next(ticks))

    def end(self, job: str) -> None:
        run = next(r for r in reversed(self._emr.runs) if job in str(r.name))
        run.state, run.state_details = "FAILED", "no heap left"

    def started(self, job: str) -> int:
        return sum(job in str(run.name) for run in self._emr.runs)


@pytest.fixture(params=["spark-submit", "emr-serverless"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    if request.param == "emr-serverless":
        yield request.getfixturevalue("emr_place")
        return
    here = Here(tmp_path)
    yield here
    here.close()


@pytest.fixture
def emr_place(local_emr: Any, s3: S3, bucket: str, monkeypatch: pytest.MonkeyPatch) -> Emr:
    for name, value in s3.env().items():
        monkeypatch.setenv(name, value)
    return Emr(local_emr, Store(store.client(), bucket, "downloads/"))


@pytest.fixture
def start(place: Place, tmp_path: Path) -> Callable[[Launcher, str], None]:
    """Give a function that starts a job and sees it run."""

    def started(jobs: Launcher, job: str) -> None:
        before = place.started(job)
        jobs.start(job, str(tmp_path / job))
        wait_until(lambda: place.started(job) > before, "the job runs", timeout_s=20)

    return started


Start = Callable[[Launcher, str], None]


def ended(jobs: Launcher, job: str) -> bool:
    state = jobs.state(job)
    return state is None or not state.running


def test_a_job_that_nobody_started_is_unknown(place: Place) -> None:
    jobs = place.launcher()

    jobs.cancel("j")
    jobs.let_go("j")

    assert jobs.state("j") is None
    assert jobs.free()


def test_a_job_runs_until_it_ends_and_says_how(place: Place, start: Start) -> None:
    jobs = place.launcher()
    start(jobs, "j")
    assert jobs.state("j") == JobState(running=True)

    place.end("j")
    wait_until(lambda: ended(jobs, "j"), "the job has ended", timeout_s=20)

    state = jobs.state("j")
    assert state is not None
    assert "no heap left" in state.detail


def test_starting_a_running_job_starts_nothing(place: Place, start: Start, tmp_path: Path) -> None:
    jobs = place.launcher()
    start(jobs, "j")

    jobs.start("j", str(tmp_path / "j"))
    place.launcher().start("j", str(tmp_path / "j"))

    assert place.started("j") == 1


def test_the_next_api_finds_a_running_job_and_sees_it_end(place: Place, start: Start) -> None:
    start(place.launcher(), "j")
    later = place.launcher()
    assert later.state("j") == JobState(running=True)

    place.end("j")

    wait_until(lambda: ended(later, "j"), "the job has ended", timeout_s=20)


def test_the_next_api_ends_a_running_job(place: Place, start: Start) -> None:
    first = place.launcher()
    start(first, "j")
    later = place.launcher()

    later.cancel("j")
    later.cancel("j")

    wait_until(lambda: ended(first, "j") and ended(later, "j"), "it has ended", timeout_s=20)


def test_no_more_jobs_than_allowed_run_at_once(place: Place, start: Start) -> None:
    jobs = place.launcher(max_jobs=2)
    free = [jobs.free()]
    for job in ("a", "b"):
        start(jobs, job)
        free.append(jobs.free())

    assert free == [True, True, False]
    place.end("a")
    wait_until(jobs.free, "a job's place is free again", timeout_s=20)
    start(jobs, "c")
    assert not jobs.free()
    jobs.cancel("b")
    wait_until(jobs.free, "a cancelled job's place is free again", timeout_s=20)


def test_a_job_that_has_ended_is_started_anew(place: Place, start: Start) -> None:
    jobs = place.launcher()
    start(jobs, "j")
    place.end("j")
    wait_until(lambda: ended(jobs, "j"), "the job has ended", timeout_s=20)

    start(jobs, "j")

    assert jobs.state("j") == JobState(running=True)
    assert place.started("j") == 2


def test_closing_twice_is_harmless(place: Place, start: Start) -> None:
    jobs = place.launcher()
    start(jobs, "j")

    jobs.close()
    jobs.close()


def test_any_number_of_replicas_make_one_run_of_a_job(emr_place: Emr) -> None:
    replicas = [emr_place.launcher() for _ in range(8)]

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda jobs: jobs.start("j", "s3://downloads/spec.json"), replicas))

    assert emr_place.started("j") == 1
    assert [jobs.state("j") for jobs in replicas] == [JobState(running=True)] * 8
    emr_place.end("j")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda jobs: jobs.start("j", "s3://downloads/spec.json"), replicas))
    assert emr_place.started("j") == 2


def test_a_run_outlives_the_api_that_started_it_or_let_it_go(emr_place: Emr) -> None:
    jobs = emr_place.launcher(max_jobs=1)
    jobs.start("j", "s3://downloads/spec.json")
    assert not jobs.free()

    jobs.let_go("j")
    assert jobs.free()
    jobs.close()

    assert emr_place.launcher().state("j") == JobState(running=True)
