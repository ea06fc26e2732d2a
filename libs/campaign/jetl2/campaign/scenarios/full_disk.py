"""The broker's disk runs full under flow until it gives up; then there is room, and it is started."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from jetl2.campaign import raw
from jetl2.campaign.merging import line
from jetl2.campaign.trial import Trial
from jetl2.devstack import brokers
from jetl2.devstack.errors import StackError
from jetl2.devstack.process import Process, wait_until

FAULTS = {"F9": "the broker's disk is full until the broker shuts itself down; enlarged, started"}
IN_SLICE = 10.0

MB = 1024 * 1024
FIRST_MB = 160
# What is left to the flow when the rest is taken by somebody else
LEFT_MB = 4
GROWS_MB = 120
FULL_S = 90.0


class SmallDisk:
    """A file system in memory, in a mount namespace of its own: gone with the last who sees it."""

    def __init__(self, folder: Path) -> None:
        """Mount it.

        Raises:
            StackError: This machine does not let us; says what is missing.
        """
        self.place = folder / "disk"
        self.place.mkdir()
        self.size_mb = FIRST_MB
        log = folder / "disk.log"
        mount = f"mount -t tmpfs -o size={FIRST_MB}m tmpfs {self.place} && echo mounted"
        # As root of our own user namespace where that is allowed, else as who we are
        tried = []
        for unshare in (["unshare", "-rm"], ["unshare", "-m"]):
            if not shutil.which("unshare") or not shutil.which("nsenter"):
                break
            script = f"{mount} && exec sleep infinity"
            self._holder = Process("disk", [*unshare, "sh", "-c", script], log=log)
            while self._holder.exit_code() is None:
                if "mounted" in log.read_text():
                    self._user = "-r" in unshare[1]
                    return
                time.sleep(0.05)
            self._holder.stop()
            tried.append(" ".join(unshare))
        told = log.read_text().strip().splitlines()[-1:] if log.exists() else []
        message = (
            "no small disk can be made here: mounting a tmpfs needs util-linux (unshare, nsenter) "
            f"and user namespaces, or root with CAP_SYS_ADMIN; tried {tried or 'nothing'}: {told}"
        )
        raise StackError(message)

    @property
    def prefix(self) -> list[str]:
        """The command that lets what follows it see the disk."""
        guard = self._holder.pid
        # The first child of the guard has unshared itself
        inside = Path(f"/proc/{guard}/task/{guard}/children").read_text().split()[0]
        user = ["-U", "--preserve-credentials"] if self._user else []
        return ["nsenter", "-t", inside, *user, "-m"]

    def fill(self, left_mb: int) -> None:
        """Take all of it but a rest."""
        free = self._free_mb() - left_mb
        if free > 0:
            self._inside("dd", "if=/dev/zero", f"of={self.place}/ballast", "bs=1M", f"count={free}")

    def enlarge(self, by_mb: int) -> None:
        """Make room."""
        self.size_mb += by_mb
        self._inside("rm", "-f", f"{self.place}/ballast")
        self._inside("mount", "-o", f"remount,size={self.size_mb}m", str(self.place))

    def close(self) -> None:
        """Let it go; it is gone when the broker is, too."""
        self._holder.stop()

    def _free_mb(self) -> int:
        shown = self._inside("df", "-B1M", "--output=avail", str(self.place))
        return int(shown.split()[-1])

    def _inside(self, *command: str) -> str:
        done = subprocess.run(  # noqa: S603 - our own commands
            [*self.prefix, *command], capture_output=True, text=True, check=False, timeout=60
        )
        if done.returncode:
            message = f"{' '.join(command)}: {done.stderr.strip()}"
            raise StackError(message)
        return done.stdout


@contextmanager
def small_disk(folder: Path) -> Iterator[SmallDisk]:
    """Have a small disk for the length of the block."""
    disk = SmallDisk(folder)
    try:
        yield disk
    finally:
        disk.close()
        if os.path.ismount(disk.place):  # never, unless the namespaces were no such thing
            message = f"{disk.place} is still mounted; umount it"
            raise StackError(message)


def run(trial: Trial) -> None:
    """Fill it again and again, each time it is larger."""
    with (
        small_disk(trial.folder) as disk,
        brokers.one(trial.folder / "kafka", data=disk.place / "data", prefix=disk.prefix) as broker,
    ):
        with line(trial, broker.bootstrap_servers) as at:
            for _ in trial.strikes():
                disk.fill(LEFT_MB)
                with trial.timed("full until the broker gave up"):
                    wait_until(
                        lambda: broker.process.exit_code() is not None,
                        "the broker gives up on a full disk",
                        timeout_s=FULL_S,
                    )
                trial.did("disk full")
                since = at.now()
                disk.enlarge(GROWS_MB)
                broker.start()
                broker.wait()
                at.recovered("broker back on a larger disk", since)
        for problem in raw.recount(broker.bootstrap_servers, at.feed):
            trial.problem(problem)
