"""How far an export is, from the objects that there are."""

import threading
import time
from typing import NamedTuple

from jetl2.api_grpc import documents
from jetl2.api_grpc.documents import Export, Job, decode
from jetl2.api_grpc.exports import Exports, active_key
from jetl2.api_grpc.jobs import failed

# Many may wait for one export: it is looked at this often at most, large ones less often
_FRESH_S = 0.5
_PER_FILE_S = 0.002
_KEPT = 1000


class Progress(NamedTuple):
    """How far an export is.

    Attributes:
        files, rows, size: Finished so far; size in bytes.
        starts: Of its job.
        failures: (file name, error).
    """

    state: str
    stage: str
    files: int = 0
    rows: int = 0
    size: int = 0
    starts: int = 0
    start_ts: int = 0
    update_ts: int = 0
    failures: tuple[tuple[str, str], ...] = ()


class Watcher:
    """Looks at unfinished exports for all who ask, and ends those whose files are all there."""

    def __init__(self, exports: Exports) -> None:
        self._exports = exports
        self._seen: dict[str, tuple[float, Progress]] = {}
        self._lock = threading.Lock()

    def look(self, export: Export) -> tuple[Export, Progress]:
        """Return an export as it is now, and how far it is."""
        if export.outcome is None:
            with self._lock:
                until, progress = self._seen.get(export.id, (0.0, None))
            if progress and time.monotonic() < until:
                return export, progress
            export = self._exports.settle(export)
        if export.outcome is not None:
            return export, _ended(export)
        stored = self._exports.store.get(active_key(export.id))
        if stored is None:
            # The note is gone once the export has ended, which may have been just now
            export = self._exports.read(export.id)
            if export.outcome is not None:
                return export, _ended(export)
        progress = self._running(export, decode(stored.body, Job) if stored else Job())
        wait_s = _FRESH_S + _PER_FILE_S * (export.files - progress.files)
        with self._lock:
            if len(self._seen) > _KEPT:
                self._seen.clear()
            self._seen[export.id] = time.monotonic() + wait_s, progress
        return export, progress

    def _running(self, export: Export, job: Job) -> Progress:
        files = self._exports.files.finished(self._exports.plan(export.content).units)
        state = documents.RUNNING if job.owner else documents.QUEUED
        return Progress(
            state=state,
            stage="making files" if job.owner else "waiting for a free place",
            files=len(files),
            rows=sum(f.sidecar.rows for f in files),
            size=sum(f.sidecar.size for f in files),
            starts=job.starts,
            start_ts=job.start_ts,
            update_ts=time.time_ns(),
            failures=tuple(failed(self._exports, export)),
        )


def _ended(export: Export) -> Progress:
    outcome = export.outcome
    assert outcome is not None
    state = outcome.state
    if state == documents.SUCCEEDED and time.time_ns() >= outcome.expire_ts:
        state = documents.EXPIRED
    return Progress(
        state=state,
        stage=state,
        files=export.files if outcome.state == documents.SUCCEEDED else 0,
        rows=outcome.rows,
        size=outcome.size,
        update_ts=outcome.end_ts,
        failures=outcome.failures,
    )
