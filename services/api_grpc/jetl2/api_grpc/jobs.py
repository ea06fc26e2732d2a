"""Cares for unfinished exports: starts their jobs, sees them end, takes over from dead replicas."""

import threading
import time
from collections.abc import Callable

import msgspec

from jetl2.api_grpc import documents
from jetl2.api_grpc.documents import Export, Job, Outcome, Spec, UnitError, decode, encode
from jetl2.api_grpc.errors import ApiError
from jetl2.api_grpc.exports import Exports, active_key
from jetl2.api_grpc.launcher import Launcher, LaunchError, LauncherUnavailable
from jetl2.api_grpc.plan import file_name
from jetl2.api_grpc.store import Stored
from jetl2.runtime import log, metrics

# A job that died with its replica this often is given up
_STARTS = 3
_LISTED = 100
_log = log.get()

_started = metrics.counter("jetl2_api_grpc_jobs_started", "Export jobs started")
_ended = metrics.counter("jetl2_api_grpc_jobs_ended", "Exports ended, by how", ["state"])
_waiting = metrics.gauge("jetl2_api_grpc_exports_active", "Exports that are not finished")


class Supervisor:
    """One loop a replica over the notes of unfinished exports.

    A note belongs to a replica while it changes; one that has not changed for `lease_s`, by our own
    clock, may be taken. So no clock is compared with another, and nothing needs to be elected.

    Args:
        lake: URL of the lake.
        replica: Unique name of this process.
    """

    def __init__(
        self,
        exports: Exports,
        launcher: Launcher,
        lake: str,
        replica: str,
        lease_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._exports = exports
        self._launcher = launcher
        self._lake = lake
        self._replica = replica
        self._lease_s = lease_s
        self._clock = clock
        self._seen: dict[str, tuple[str, float]] = {}
        self._beaten: dict[str, float] = {}

    def run(self, stop: threading.Event, wake: threading.Event, poll_s: float) -> None:
        """Look at the jobs until told to stop, then let go of them."""
        while not stop.is_set():
            try:
                self.turn()
            except ApiError as error:
                _log.warning("storage_unavailable", error=str(error), cause=str(error.__cause__))
            except LauncherUnavailable as error:
                _log.warning("launcher_unavailable", error=str(error))
            except Exception:  # noqa: BLE001
                # One export that cannot be cared for must not stop the others for good
                _log.exception("jobs_not_looked_at")
            wake.wait(poll_s)
            wake.clear()
        self.release()

    def turn(self) -> None:
        """Look at each unfinished export once."""
        store = self._exports.store
        keys = [entry.key for entry in store.entries("active/")]
        ids = [key.removeprefix("active/").removesuffix(".json") for key in keys]
        _waiting.set(len(ids))
        # Ids sort newest first; the oldest is served first
        for export_id in reversed(ids):
            stored = store.get(active_key(export_id))
            if stored is None:
                continue
            job = decode(stored.body, Job)
            if job.owner == self._replica:
                self._care(export_id, job, stored)
            elif not job.owner or self._silent(export_id, stored.etag):
                self._take(export_id, job, stored)
        self._seen = {i: seen for i, seen in self._seen.items() if i in ids}

    def release(self) -> None:
        """End what can live only with us, and leave the exports to others at once."""
        self._launcher.close()
        for export_id in list(self._beaten):
            try:
                state = self._launcher.state(export_id)
                self._leave(export_id, runs=state is not None and state.running)
            except (ApiError, LauncherUnavailable) as error:
                _log.warning("job_not_released", export=export_id, error=str(error))

    def _leave(self, export_id: str, *, runs: bool) -> None:
        """Leave an export to whoever comes first; a start that it did not outlive does not count."""
        store = self._exports.store
        stored = store.get(active_key(export_id))
        if stored and (job := decode(stored.body, Job)).owner == self._replica:
            left = msgspec.structs.replace(job, owner="", starts=job.starts - (not runs))
            store.replace(active_key(export_id), encode(left), stored.etag)

    def _silent(self, export_id: str, etag: str) -> bool:
        now = self._clock()
        known, since = self._seen.get(export_id, ("", now))
        if known != etag:
            self._seen[export_id] = etag, now
            return False
        return now - since >= self._lease_s

    def _take(self, export_id: str, job: Job, stored: Stored) -> None:
        state = self._launcher.state(export_id)
        adopted = state is not None and state.running
        if not adopted and not self._launcher.free():
            return
        export = self._exports.settle(self._exports.read(export_id))
        if export.outcome is not None:
            self._clear(export)
            return
        if job.starts >= _STARTS and not adopted:
            self._fail(export, f"the job was started {job.starts} times and died each time")
            return
        mine = Job(
            owner=self._replica,
            beat=job.beat + 1,
            starts=job.starts + (not adopted),
            start_ts=job.start_ts or time.time_ns(),
        )
        if not self._exports.store.replace(active_key(export_id), encode(mine), stored.etag):
            return
        self._beaten[export_id] = self._clock()
        if not adopted:
            self._launch(export)

    def _launch(self, export: Export) -> None:
        store = self._exports.store
        for entry in store.entries(f"jobs/{export.id}/errors/"):
            store.delete(entry.key)
        plan = self._exports.plan(export.content)
        units = tuple(self._exports.files.missing(plan))
        spec = Spec(export.id, self._lake, store.url(), units)
        key = f"jobs/{export.id}/spec.json"
        store.put(key, encode(spec))
        try:
            self._launcher.start(export.id, store.url(key))
        except LaunchError as error:
            _log.error(
                "job_refused", export=export.id, error=str(error), cause=str(error.__cause__)
            )
            self._fail(export, str(error))
            return
        except LauncherUnavailable:
            # Not the job's fault
            self._leave(export.id, runs=False)
            raise
        _started.inc()
        _log.info("job_started", export=export.id, files=len(units))

    def _care(self, export_id: str, job: Job, stored: Stored) -> None:
        state = self._launcher.state(export_id)
        export = self._exports.read(export_id)
        # While it runs, only who waits for the export looks for its files: there may be thousands
        if state is not None and not state.running:
            export = self._exports.settle(export)
        if export.outcome is not None:
            self._clear(export)
        elif state is None:
            # We took it and failed before it was started
            free = msgspec.structs.replace(job, owner="")
            self._exports.store.replace(active_key(export_id), encode(free), stored.etag)
        elif not state.running:
            self._fail(export, f"the job ended without making all files ({state.detail})")
        elif self._clock() - self._beaten.get(export_id, 0) >= self._lease_s / 3:
            beaten = msgspec.structs.replace(job, beat=job.beat + 1)
            if self._exports.store.replace(active_key(export_id), encode(beaten), stored.etag):
                self._beaten[export_id] = self._clock()
            else:
                _log.warning("job_lost_to_another_replica", export=export_id)
                self._launcher.let_go(export_id)
                self._beaten.pop(export_id, None)

    def _clear(self, export: Export) -> None:
        """Remove the note of an export that has ended, and its job if that is not wanted."""
        state = export.outcome.state if export.outcome else ""
        if state == documents.CANCELLED:
            self._launcher.cancel(export.id)
        self._exports.store.delete(active_key(export.id))
        self._beaten.pop(export.id, None)
        _ended.labels(state).inc()
        _log.info("export_ended", export=export.id, state=state)

    def _fail(self, export: Export, message: str) -> None:
        failures = failed(self._exports, export)
        if failures:
            name, error = failures[0]
            message = f"{len(failures)} of {export.files} files could not be made: {name}: {error}"
        outcome = Outcome(documents.FAILED, time.time_ns(), message, tuple(failures[:_LISTED]))
        _log.warning("export_failed", export=export.id, message=message)
        self._clear(self._exports.end(export.id, outcome))


def failed(exports: Exports, export: Export) -> list[tuple[str, str]]:
    """Return (file name, error) of the files that the job could not make and that are not there."""
    entries = exports.store.entries(f"jobs/{export.id}/errors/", limit=_LISTED)
    found = (exports.store.get(entry.key) for entry in entries)
    errors = [decode(stored.body, UnitError) for stored in found if stored]
    there = {f.unit.key for f in exports.files.finished([e.unit for e in errors])}
    return [(file_name(e.unit), e.error) for e in errors if e.unit.key not in there]
