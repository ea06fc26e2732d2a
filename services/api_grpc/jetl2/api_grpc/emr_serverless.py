"""Export jobs on EMR Serverless: job runs that outlive the API and that any replica can follow."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from jetl2.api_grpc import emr_request
from jetl2.api_grpc.documents import Run, decode, encode
from jetl2.api_grpc.emr_request import Target
from jetl2.api_grpc.launcher import JobState, LaunchError, LauncherUnavailable
from jetl2.api_grpc.store import Store

if TYPE_CHECKING:
    from mypy_boto3_emr_serverless import EMRServerlessClient

# All others, also those that may come, are on their way
ENDED = frozenset({"SUCCESS", "FAILED", "CANCELLED"})
_NOT_FOUND = "ResourceNotFoundException"
_WRONG = "ValidationException"
# What asking again does not change; the rest, such as throttling that outlasts botocore's retries,
# credentials that were just renewed and what AWS may think of, is tried again
_REFUSED = frozenset({_NOT_FOUND, _WRONG, "AccessDeniedException", "ConflictException"})
_ATTEMPTS = 8
# The API is limited to a few calls a second for the whole account
_FRESH_S = 3.0


class _Live(NamedTuple):
    """A job run that was seen to run, and until when we believe it."""

    run: str
    until: float


class EmrServerless:
    """Runs jobs on an EMR Serverless application.

    Which run a job has is an object beside its spec. It is written before the run is asked for, with
    the attempt that the run's token is made of: whoever finds it without a run, after a crash at any
    point or at the same time, asks for the same one.

    Args:
        store: The downloads.
        max_jobs: At the same time, of this replica.
    """

    def __init__(
        self,
        emr: "EMRServerlessClient",
        store: Store,
        target: Target,
        max_jobs: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._emr = emr
        self._store = store
        self._target = target
        self._max_jobs = max_jobs
        self._clock = clock
        self._live: dict[str, _Live] = {}

    def check(self) -> None:
        """See whether the application is one that can run our jobs.

        Raises:
            LaunchError: It is not; says why.
            LauncherUnavailable: That cannot be known now.
        """
        region = self._emr.meta.region_name
        try:
            found = self._emr.get_application(applicationId=self._target.application)
        except ClientError as error:
            if _code(error) == _NOT_FOUND:
                message = f"there is no such application in {region}"
                raise LaunchError(message) from error
            if _code(error) in _REFUSED:
                message = f"EMR Serverless in {region} says {error}"
                raise LaunchError(message) from error
            raise _unavailable(error) from error
        except BotoCoreError as error:
            raise _unavailable(error) from error
        application = found["application"]
        if application["type"].casefold() != "spark":
            message = f"it is an application for {application['type']}, expected Spark"
            raise LaunchError(message)
        if application["state"] == "TERMINATED":
            message = "the application was deleted"
            raise LaunchError(message)

    def start(self, job: str, spec: str) -> None:
        """See Launcher."""
        key = _key(job)
        self._store.create(key, encode(Run(attempt=1)))
        for _ in range(_ATTEMPTS):
            stored = self._store.get(key)
            if stored is None:
                break
            noted = decode(stored.body, Run)
            if not noted.run:
                run = self._submit(job, noted.attempt, spec)
                # Refused only where another replica got the same answer and wrote it first
                self._store.replace(key, encode(Run(noted.attempt, run)), stored.etag)
                self._live[job] = _Live(run, self._clock() + _FRESH_S)
                return
            state = self._look(job, noted.run)
            if state and state.running:
                return
            self._store.replace(key, encode(Run(noted.attempt + 1)), stored.etag)
        message = f"{key} is changed by others again and again"
        raise LauncherUnavailable(message)

    def state(self, job: str) -> JobState | None:
        """See Launcher."""
        live = self._live.get(job)
        if live and self._clock() < live.until:
            return JobState(running=True)
        run = live.run if live else self._noted(job)
        return self._look(job, run) if run else None

    def cancel(self, job: str) -> None:
        """See Launcher."""
        live = self._live.get(job)
        run = live.run if live else self._noted(job)
        if not run:
            return
        try:
            self._emr.cancel_job_run(applicationId=self._target.application, jobRunId=run)
        except ClientError as error:
            # It has ended before, or so long ago that EMR forgot it
            if _code(error) not in (_WRONG, _NOT_FOUND):
                raise _unavailable(error) from error
        except BotoCoreError as error:
            raise _unavailable(error) from error
        if live:
            # It takes up its place until it has ended
            self._live[job] = _Live(run, self._clock())

    def let_go(self, job: str) -> None:
        """See Launcher."""
        self._live.pop(job, None)

    def free(self) -> bool:
        """See Launcher."""
        states = [self.state(job) for job in list(self._live)]
        return sum(state is not None and state.running for state in states) < self._max_jobs

    def close(self) -> None:
        """See Launcher; job runs go on without us."""

    def _submit(self, job: str, attempt: int, spec: str) -> str:
        request = emr_request.start(self._target, job, attempt, ["--spec", spec])
        try:
            return self._emr.start_job_run(**request)["jobRunId"]
        except ClientError as error:
            if _code(error) in _REFUSED:
                # What it says more is about our account
                message = f"EMR Serverless refuses the job ({_code(error)}); the API's log says why"
                raise LaunchError(message) from error
            raise _unavailable(error) from error
        except BotoCoreError as error:
            raise _unavailable(error) from error

    def _look(self, job: str, run: str) -> JobState | None:
        try:
            found = self._emr.get_job_run(applicationId=self._target.application, jobRunId=run)
        except ClientError as error:
            if _code(error) != _NOT_FOUND:
                raise _unavailable(error) from error
            self._live.pop(job, None)
            return None
        except BotoCoreError as error:
            raise _unavailable(error) from error
        state = found["jobRun"]["state"]
        if state not in ENDED:
            self._live[job] = _Live(run, self._clock() + _FRESH_S)
            return JobState(running=True)
        self._live.pop(job, None)
        told = " ".join((found["jobRun"].get("stateDetails") or "").split())
        how = f"{state}: {told}" if told else state
        return JobState(running=False, detail=f"{how}; log: {emr_request.log(self._target, run)}")

    def _noted(self, job: str) -> str:
        """Return the run of a job's last attempt, "" where none is known."""
        stored = self._store.get(_key(job))
        return decode(stored.body, Run).run if stored else ""


def client() -> "EMRServerlessClient":
    """Return a client that finds its region, server and credentials in the standard AWS variables.

    Raises:
        BotoCoreError: No region is set.
    """
    # The waits between attempts grow to 1, 2 and 4 s at most, so that a turn stays within a lease
    config = Config(
        connect_timeout=3, read_timeout=20, retries={"mode": "standard", "total_max_attempts": 4}
    )
    return boto3.client("emr-serverless", config=config)


def _key(job: str) -> str:
    return f"jobs/{job}/run.json"


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _unavailable(error: Exception) -> LauncherUnavailable:
    return LauncherUnavailable(f"EMR Serverless: {error}")
