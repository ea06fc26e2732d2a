"""How export jobs are started: what spark_submit.py and emr_serverless.py both are."""

from typing import NamedTuple, Protocol


class LaunchError(Exception):
    """A job cannot be started at all; the message says why, without what only we may know."""


class LauncherUnavailable(Exception):  # noqa: N818 - a state, not a mistake
    """What starts jobs does not answer; the same call may work later."""


class JobState(NamedTuple):
    """What a launcher knows of a job; `detail` says how it ended, for a person."""

    running: bool
    detail: str = ""


class Launcher(Protocol):
    """Starts jobs somewhere; told only by the job's id, so that any replica may ask.

    Each method raises LauncherUnavailable when nothing can be known now.
    """

    def start(self, job: str, spec: str) -> None:
        """Start a job with the URL of its spec; nothing when it runs already.

        Raises:
            LaunchError: It can never be started.
        """

    def state(self, job: str) -> JobState | None:
        """Return the state of a job, None when this launcher knows nothing of it."""

    def cancel(self, job: str) -> None:
        """End a job; harmless when there is none."""

    def let_go(self, job: str) -> None:
        """Leave a job to the replica that took it; one that can live only with us is ended."""

    def free(self) -> bool:
        """Return whether this replica may start one more job now."""

    def close(self) -> None:
        """Let go of everything; jobs that can live only with us are ended."""
