"""Local jobs: found, told apart, killed whole, found again by the next process."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from jetl2.api_grpc import spark_submit
from jetl2.api_grpc.launcher import JobState, LaunchError
from jetl2.api_grpc.spark_submit import SparkSubmit

Make = Callable[..., SparkSubmit]

# Says that it runs, starts a child of its own, and waits to be killed
WAITING = (
    "import subprocess, sys, time, pathlib;"
    "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']);"
    "pathlib.Path(sys.argv[-1]).write_text(str(child.pid));"
    "time.sleep(60)"
)


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    made = []

    def build(code: str, max_jobs: int = 2) -> SparkSubmit:
        command = [sys.executable, "-c", code]
        made.append(SparkSubmit(command, dict(os.environ), tmp_path / "jobs", max_jobs))
        return made[-1]

    yield build
    for each in made:
        each.close()


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def state(jobs: SparkSubmit, job: str) -> JobState:
    found = jobs.state(job)
    assert found is not None
    return found


def test_a_job_gets_its_spec_and_leaves_its_last_line(make: Make) -> None:
    jobs = make("import sys; print('spec is', sys.argv[-1]); sys.exit(3)")

    jobs.start("j", "s3://downloads/spec.json")
    until(lambda: not state(jobs, "j").running)

    assert state(jobs, "j").detail == "exit code 3: spec is s3://downloads/spec.json"


def test_starting_a_running_job_does_nothing(make: Make, tmp_path: Path) -> None:
    jobs = make("import sys, time; print('one'); sys.stdout.flush(); time.sleep(60)")
    jobs.start("j", "spec")
    log = tmp_path / "jobs" / "j" / "log"
    until(lambda: log.read_text() != "")

    jobs.start("j", "spec")

    assert log.read_text() == "one\n"


def test_no_more_jobs_than_allowed_run_at_once(make: Make) -> None:
    jobs = make("import time; time.sleep(60)")
    free = [jobs.free()]
    for job in "ab":
        jobs.start(job, "spec")
        free.append(jobs.free())
    jobs.cancel("a")

    assert [*free, jobs.free()] == [True, True, False, True]


def test_a_cancelled_job_dies_with_all_that_it_started(make: Make, tmp_path: Path) -> None:
    jobs = make(WAITING)
    child = tmp_path / "child"
    jobs.start("j", str(child))
    until(lambda: child.exists() and child.read_text() != "")

    jobs.cancel("j")
    jobs.cancel("j")

    until(lambda: spark_submit._identity(int(child.read_text())) == "")
    assert jobs.state("j") is None


def test_the_next_process_finds_a_running_job_and_can_end_it(make: Make) -> None:
    first, second = make("import time; time.sleep(60)"), make("raise SystemExit")
    first.start("j", "spec")

    assert second.state("j") == JobState(running=True)
    second.start("j", "spec")
    second.cancel("j")

    until(lambda: not state(first, "j").running)
    assert second.state("j") is None


def test_the_id_of_a_process_that_began_at_another_time_is_no_job_of_ours(
    make: Make, tmp_path: Path
) -> None:
    folder = tmp_path / "jobs" / "j"
    folder.mkdir(parents=True)
    (folder / "pid").write_text(f"{os.getpid()} 1")

    assert make("raise SystemExit").state("j") is None


def test_what_cannot_be_started_is_told(tmp_path: Path) -> None:
    jobs = SparkSubmit([str(tmp_path / "no-spark-submit")], {}, tmp_path, 1)

    with pytest.raises(LaunchError, match="no-spark-submit"):
        jobs.start("j", "spec")


def test_spark_submit_is_that_of_spark_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "spark-submit").touch()
    monkeypatch.setenv("SPARK_HOME", str(tmp_path))

    assert spark_submit.find("") == str(tmp_path / "bin" / "spark-submit")
    assert spark_submit.find("/mine") == "/mine"


def test_jobs_run_on_the_pex_and_without_our_own_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "/ours")
    monkeypatch.setenv("PEX_ROOT", "/ours")
    monkeypatch.setenv("AWS_REGION", "eu-central-1")

    env = spark_submit.environment(Path("/x/export.pex"))

    assert env["PYSPARK_PYTHON"] == env["PYSPARK_DRIVER_PYTHON"] == "/x/export.pex"
    assert env["AWS_REGION"] == "eu-central-1"
    assert not {"PYTHONPATH", "PEX_ROOT"} & set(env)
