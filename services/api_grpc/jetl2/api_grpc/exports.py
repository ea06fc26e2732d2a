"""Exports as objects in S3: asked for once, found again by content, ended once.

Objects, all below the downloads' prefix (documents.py says what is in them):
  requests/<principal>/<digest>.json  what a request_id was used for
  keys/<content>.json                 which export stands for a content key
  plans/<content>.json                the files of that content
  exports/<id>.json                   the export; ids sort newest first
  active/<id>.json                    it is not finished yet, and who cares for it
  manifests/<id>.json                 its files, once all are there
  jobs/<id>/spec.json                 what its job is asked to make; errors/ beside it is the job's
  jobs/<id>/run.json                  which run on EMR Serverless that is (emr_serverless.py)
"""

import secrets
import time
from collections.abc import Callable
from functools import lru_cache

import msgspec

from jetl2.api_grpc import documents, manifest, plan
from jetl2.api_grpc.catalog import Catalog
from jetl2.api_grpc.coverage import Coverage
from jetl2.api_grpc.documents import Export, Job, Outcome, Plan, Query, Request, decode, encode
from jetl2.api_grpc.errors import ApiError
from jetl2.api_grpc.files import File, Files
from jetl2.api_grpc.store import Store, Stored
from jetl2.schemas.pb import errors_pb2

_ATTEMPTS = 8
_ID_TOP = 2**63


class Exports:
    """Asks for, finds, ends and forgets exports; any number of replicas may do so at once.

    Args:
        max_files: Of one export.
        wake: Called when there may be a job to start.
    """

    def __init__(
        self,
        store: Store,
        catalog: Catalog,
        files: Files,
        coverage: Coverage,
        max_files: int,
        wake: Callable[[], None] = lambda: None,
    ) -> None:
        self.store = store
        self.catalog = catalog
        self.files = files
        self.coverage = coverage
        self.wake = wake
        self._max_files = max_files
        self.plan = lru_cache(maxsize=256)(self._read_plan)

    def estimate(self, query: Query) -> tuple[Plan, list[File], Export | None]:
        """Return the plan of a query, the files of it that exist, and the export to be shared."""
        made = plan.make(query, self.catalog, self._max_files)
        stored = self.store.get(_key(made.content))
        holder = self._current(decode(stored.body, Export)) if stored else None
        shared = holder if holder and self._usable(holder) else None
        return made, self.files.finished(made.units), shared

    def create(
        self, query: Query, principal: str, request_id: str = "", body: str = ""
    ) -> tuple[Export, bool]:
        """Return the export of a query, and whether it was there before.

        Args:
            request_id: Retry key; the same one gives the same export.
            body: Digest of the request, by which a reused key is noticed.

        Raises:
            ApiError: The query is wrong, or the key was used for another request.
        """
        if request_id and (known := self._remembered(principal, request_id, body)) and known.export:
            return self.read(known.export), True
        made = plan.make(query, self.catalog, self._max_files)
        self.store.create(_plan_key(made.content), encode(made))
        files = self.files.finished(made.units)
        candidate = Export(
            id=f"{_ID_TOP - time.time_ns():016x}{secrets.token_hex(4)}",
            query=query,
            dataset_version=made.dataset_version,
            content=made.content,
            files=len(made.units),
            reused=len(files),
            missing=made.missing,
            created_ts=time.time_ns(),
            principal=principal,
        )
        if request_id:
            first = encode(Request(body, candidate))
            if not self.store.create(_request_key(principal, request_id), first):
                known = self._remembered(principal, request_id, body)
                candidate = known.candidate if known else candidate
        export, fresh = self._claim(candidate)
        if request_id:
            export = self._remember(principal, request_id, export)
        if fresh and export.outcome is None:
            self.files.retire(files)
        return self.awaken(self.settle(export)), not fresh

    def get(self, export_id: str) -> Export:
        """Return an export.

        Raises:
            ApiError: EXPORT_NOT_FOUND, there is none or it was deleted.
        """
        export = self.read(export_id)
        if export.deleted:
            raise _not_found(export_id)
        return self.awaken(export)

    def read(self, export_id: str) -> Export:
        """Return an export, even one that was deleted."""
        return self._read(export_id)[0]

    def page(self, after: str, size: int) -> tuple[list[Export], str]:
        """Return exports, newest first, and the id after which the next page begins, "" at the end.

        Deleted ones are passed over, so a page may be short.
        """
        keys = [e.key for e in self.store.entries("exports/", after and _export_key(after), size)]
        stored = [self.store.get(key) for key in keys]
        exports = [decode(s.body, Export) for s in stored if s]
        last = keys[-1].removeprefix("exports/").removesuffix(".json") if len(keys) == size else ""
        return [e for e in exports if not e.deleted], last

    def cancel(self, export_id: str) -> Export:
        """End an export that has not ended; one that has stays as it is."""
        outcome = Outcome(documents.CANCELLED, time.time_ns(), "cancelled on request")
        export = self._change(export_id, lambda e: _ended(e, outcome))
        self.wake()
        return export

    def delete(self, export_id: str) -> None:
        """Cancel and forget an export; its files stay for others."""
        self.get(export_id)
        self.cancel(export_id)
        self._change(export_id, lambda e: msgspec.structs.replace(e, deleted=True))

    def forget(self, export_id: str) -> None:
        """Forget the operation of an export; the export stays."""
        self._change(export_id, lambda e: msgspec.structs.replace(e, forgotten=True))

    def end(self, export_id: str, outcome: Outcome) -> Export:
        """Write how an export ended, unless it had ended before."""
        return self._change(export_id, lambda e: _ended(e, outcome))

    def settle(self, export: Export) -> Export:
        """End an export whose files are all there, the manifest first; else return it as it is."""
        if export.outcome is not None:
            return export
        made = self.plan(export.content)
        files = self.files.finished(made.units)
        if len(files) < len(made.units):
            return export
        self.store.create(manifest_key(export.id), manifest.make(export, files, self.coverage))
        outcome = Outcome(
            documents.SUCCEEDED,
            time.time_ns(),
            rows=sum(f.sidecar.rows for f in files),
            size=sum(f.sidecar.size for f in files),
            expire_ts=min(f.modified_ts for f in files) + self.files.keep_ns,
        )
        return self.end(export.id, outcome)

    def awaken(self, export: Export) -> Export:
        """Make sure that an unfinished export is seen by whoever starts jobs."""
        # A replica may have died between writing the export and saying that it waits
        if export.outcome is None and self.store.create(active_key(export.id), encode(Job())):
            self.wake()
        return export

    def _claim(self, candidate: Export) -> tuple[Export, bool]:
        """Return the export that stands for the candidate's content, and whether it is new."""
        key = _key(candidate.content)
        for _ in range(_ATTEMPTS):
            stored = self.store.get(key)
            if stored is None:
                won = self.store.create(key, encode(candidate))
            else:
                holder = self._current(decode(stored.body, Export))
                if holder.id == candidate.id:
                    return holder, True
                if self._usable(holder):
                    return holder, False
                won = self.store.replace(key, encode(candidate), stored.etag)
            if won:
                return self._current(candidate), True
        raise _conflict(key)

    def _current(self, holder: Export) -> Export:
        """Return an export as it is now, written first where its maker did not come to it."""
        self.store.create(_export_key(holder.id), encode(holder))
        return self.read(holder.id)

    def _usable(self, export: Export) -> bool:
        if export.deleted:
            return False
        if export.outcome is None:
            return True
        until = self.files.fresh_until(export.outcome.expire_ts)
        return export.outcome.state == documents.SUCCEEDED and time.time_ns() < until

    def _remembered(self, principal: str, request_id: str, body: str) -> Request | None:
        stored = self.store.get(_request_key(principal, request_id))
        request = decode(stored.body, Request) if stored else None
        if request and request.body != body:
            raise ApiError(
                errors_pb2.ERROR_REASON_REQUEST_ID_REUSED,
                f"request_id {request_id!r} was used for another request before",
                request_id=request_id,
            )
        return request

    def _remember(self, principal: str, request_id: str, export: Export) -> Export:
        """Note which export a request got, and return the one noted first."""
        key = _request_key(principal, request_id)
        for _ in range(_ATTEMPTS):
            stored = self.store.get(key)
            request = decode(stored.body, Request) if stored else None
            if stored is None or request is None:
                return export
            if request.export:
                return self.read(request.export)
            noted = msgspec.structs.replace(request, export=export.id)
            if self.store.replace(key, encode(noted), stored.etag):
                return export
        raise _conflict(key)

    def _change(self, export_id: str, change: Callable[[Export], Export]) -> Export:
        for _ in range(_ATTEMPTS):
            export, stored = self._read(export_id)
            changed = change(export)
            if changed == export or self.store.replace(
                _export_key(export_id), encode(changed), stored.etag
            ):
                return changed
        raise _conflict(_export_key(export_id))

    def _read(self, export_id: str) -> tuple[Export, Stored]:
        stored = self.store.get(_export_key(export_id))
        if stored is None:
            raise _not_found(export_id)
        return decode(stored.body, Export), stored

    def _read_plan(self, content: str) -> Plan:
        stored = self.store.get(_plan_key(content))
        if stored is None:
            message = f"plan of {content} is gone"
            raise ApiError(errors_pb2.ERROR_REASON_EXPORT_EXPIRED, message)
        return decode(stored.body, Plan)


def active_key(export_id: str) -> str:
    """Return the key of the note that an export is not finished."""
    return f"active/{export_id}.json"


def manifest_key(export_id: str) -> str:
    """Return the key of an export's manifest."""
    return f"manifests/{export_id}.json"


def _ended(export: Export, outcome: Outcome) -> Export:
    return export if export.outcome else msgspec.structs.replace(export, outcome=outcome)


def _export_key(export_id: str) -> str:
    return f"exports/{export_id}.json"


def _key(content: str) -> str:
    return f"keys/{content}.json"


def _plan_key(content: str) -> str:
    return f"plans/{content}.json"


def _request_key(principal: str, request_id: str) -> str:
    return f"requests/{plan.digest([principal])}/{plan.digest([request_id])}.json"


def _not_found(export_id: str) -> ApiError:
    name = f"exports/{export_id}"
    message = f"{name} does not exist, or was deleted"
    return ApiError(errors_pb2.ERROR_REASON_EXPORT_NOT_FOUND, message, export=name)


def _conflict(key: str) -> ApiError:
    message = f"{key} was changed by others {_ATTEMPTS} times in a row"
    return ApiError(errors_pb2.ERROR_REASON_CONFLICT, message)
