"""Export jobs by spark-submit on this machine."""

import importlib.util
import os
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from jetl2.api_grpc.launcher import JobState, LaunchError

_GRACE_S = 5
_TAIL_BYTES = 2000
_SCRUBBED = ("PYTHON", "PEX_", "SPARK_")


class SparkSubmit:
    """Runs jobs by spark-submit on this machine.

    Args:
        command: spark-submit with its options, and main.py.
        env: Environment of the job.
        folder: One folder a job, with its log and process id, so that a restarted API finds it.
        max_jobs: At the same time.
    """

    def __init__(
        self, command: Sequence[str], env: Mapping[str, str], folder: Path, max_jobs: int
    ) -> None:
        self._command = list(command)
        self._env = dict(env)
        self._folder = folder
        self._max_jobs = max_jobs
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, job: str, spec: str) -> None:
        """See Launcher."""
        if (state := self.state(job)) and state.running:
            return
        folder = self._folder / job
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "log").open("ab") as log:
            try:
                process = subprocess.Popen(  # noqa: S603 - our own settings
                    [*self._command, "--spec", spec],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env=self._env,
                    start_new_session=True,
                )
            except OSError as error:
                message = f"cannot start {self._command[0]}: {error}"
                raise LaunchError(message) from error
        self._processes[job] = process
        (folder / "pid").write_text(_identity(process.pid))

    def state(self, job: str) -> JobState | None:
        """See Launcher."""
        if process := self._processes.get(job):
            code = process.poll()
            if code is None:
                return JobState(running=True)
            return JobState(running=False, detail=f"exit code {code}: {self._tail(job)}")
        return JobState(running=True) if self._adopted(job) else None

    def cancel(self, job: str) -> None:
        """See Launcher."""
        pid = self._processes[job].pid if job in self._processes else self._adopted(job)
        if not pid:
            return
        # The job is a session of its own: spark-submit, the JVM and its Python stand in one group
        with suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGTERM)
            if process := self._processes.get(job):
                with suppress(subprocess.TimeoutExpired):
                    process.wait(_GRACE_S)
            os.killpg(pid, signal.SIGKILL)
        if process := self._processes.pop(job, None):
            process.wait()

    def let_go(self, job: str) -> None:
        """See Launcher."""
        self.cancel(job)

    def free(self) -> bool:
        """See Launcher."""
        return sum(p.poll() is None for p in self._processes.values()) < self._max_jobs

    def close(self) -> None:
        """See Launcher."""
        for job in list(self._processes):
            self.cancel(job)

    def _adopted(self, job: str) -> int:
        """Return the process id of a job that an API before us started and that still runs, or 0."""
        try:
            identity = (self._folder / job / "pid").read_text()
            pid = int(identity.split()[0])
        except (OSError, ValueError, IndexError):
            return 0
        return pid if _identity(pid) == identity else 0

    def _tail(self, job: str) -> str:
        log = (self._folder / job / "log").read_bytes()[-_TAIL_BYTES:]
        lines = log.decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else "no output"


def find(setting: str) -> str:
    """Return the spark-submit to use: the one set, of SPARK_HOME, of pyspark, or on PATH.

    Raises:
        LaunchError: There is none.
    """
    if setting:
        return setting
    homes = [Path(os.environ["SPARK_HOME"])] if os.environ.get("SPARK_HOME") else []
    spec = importlib.util.find_spec("pyspark")
    if spec and spec.origin:
        homes.append(Path(spec.origin).parent)
    for home in homes:
        if (home / "bin" / "spark-submit").exists():
            return str(home / "bin" / "spark-submit")
    if found := shutil.which("spark-submit"):
        return found
    message = "no spark-submit: set JETL2_API_GRPC_SPARK_SUBMIT or SPARK_HOME"
    raise LaunchError(message)


def environment(pex: Path | None) -> dict[str, str]:
    """Return the environment of jobs: ours without our own Python's, and the job's PEX as Python."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(_SCRUBBED)}
    if pex:
        env |= {"PYSPARK_PYTHON": str(pex), "PYSPARK_DRIVER_PYTHON": str(pex)}
    else:
        kept = ("PYSPARK_PYTHON", "PYSPARK_DRIVER_PYTHON", "PYTHONPATH")
        env |= {k: os.environ[k] for k in kept if k in os.environ}
    if "SPARK_LOCAL_IP" in os.environ:
        env["SPARK_LOCAL_IP"] = os.environ["SPARK_LOCAL_IP"]
    return env


def _identity(pid: int) -> str:
    """Return the process id with its start time, so that a reused id is no match."""
    try:
        # The command name may hold spaces and brackets: the fields begin after the last ")"
        stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return str(pid) if _exists(pid) else ""
    return f"{pid} {stat[19]}" if stat[0] != "Z" else ""


def _exists(pid: int) -> bool:
    if Path("/proc/self").exists():
        return False
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True
