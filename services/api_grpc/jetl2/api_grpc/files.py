"""The files of exports: which exist already, what they are, and which are getting old."""

import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from jetl2.api_grpc.documents import Plan, Sidecar, Unit, decode
from jetl2.api_grpc.plan import sidecar_key
from jetl2.api_grpc.store import Store

_CACHED = 100_000
# Of its life: afterwards a file is made anew for new exports, so that theirs last
_FRESH = 0.75


class File(NamedTuple):
    """A finished file."""

    unit: Unit
    sidecar: Sidecar
    modified_ts: int


class Files:
    """Finished files by unit; what is finished never changes, so it is remembered."""

    def __init__(self, store: Store, keep_days: int) -> None:
        self._store = store
        self.keep_ns = keep_days * 86_400 * 1_000_000_000
        self._finished: dict[str, tuple[Sidecar, int]] = {}
        self._pool = ThreadPoolExecutor(16, thread_name_prefix="files")

    def finished(self, units: Sequence[Unit]) -> list[File]:
        """Return those of the units that are finished, in their order."""
        found = self._pool.map(self._get, units)
        return [File(u, *f) for u, f in zip(units, found, strict=True) if f]

    def missing(self, plan: Plan) -> list[Unit]:
        """Return the units of a plan that are not finished."""
        finished = {file.unit.key for file in self.finished(plan.units)}
        return [unit for unit in plan.units if unit.key not in finished]

    def retire(self, files: Iterable[File]) -> None:
        """Forget files that would go soon, so that the job makes them anew, byte for byte."""
        oldest = time.time_ns() - int(self.keep_ns * _FRESH)
        for file in files:
            if file.modified_ts < oldest:
                self._store.delete(sidecar_key(file.unit))
                self._finished.pop(file.unit.key, None)

    def fresh_until(self, expire_ts: int) -> int:
        """Return until when files that go at `expire_ts` may be handed out for a new request."""
        return expire_ts - int(self.keep_ns * (1 - _FRESH))

    def close(self) -> None:
        """End the threads."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _get(self, unit: Unit) -> tuple[Sidecar, int] | None:
        if known := self._finished.get(unit.key):
            return known
        stored = self._store.get(sidecar_key(unit))
        if stored is None:
            return None
        if len(self._finished) >= _CACHED:
            self._finished.clear()
        modified_ts = int(stored.modified.timestamp()) * 1_000_000_000
        self._finished[unit.key] = decode(stored.body, Sidecar), modified_ts
        return self._finished[unit.key]
