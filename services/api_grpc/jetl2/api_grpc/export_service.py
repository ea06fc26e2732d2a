"""ExportService: requests checked, exports asked for and described, files handed out."""

# ruff: noqa: ARG002, N802 - names and parameters are the protos'

import json
from functools import lru_cache
from typing import Any

import grpc
from google.longrunning import operations_pb2
from google.protobuf.timestamp_pb2 import Timestamp

from jetl2.api_grpc import answers, auth, documents, requests
from jetl2.api_grpc.documents import Export, Query
from jetl2.api_grpc.errors import ApiError, wrong_field
from jetl2.api_grpc.exports import Exports, manifest_key
from jetl2.api_grpc.objects import Gone, again
from jetl2.api_grpc.progress import Watcher
from jetl2.api_grpc.store import Store
from jetl2.schemas.pb import errors_pb2, export_pb2, export_pb2_grpc

_R = errors_pb2.ErrorReason
_URLS = 500
_HOUR_S = 3600
Context = grpc.ServicerContext


class ExportService(export_pb2_grpc.ExportServiceServicer):
    """Plain functions, run on threads by `calls`.

    Args:
        public: The downloads as clients reach them; what URLs are made for.
    """

    def __init__(self, exports: Exports, watcher: Watcher, public: Store) -> None:
        self._exports = exports
        self._watcher = watcher
        self._public = public
        self._manifest = lru_cache(maxsize=32)(self._read_manifest)

    def CreateExport(
        self, request: export_pb2.CreateExportRequest, context: Context
    ) -> operations_pb2.Operation:
        """Return the operation of a new export, or of an equal one."""
        query = requests.query(request.query)
        if request.validate_only:
            self._exports.estimate(query)
            return operations_pb2.Operation(done=True)
        export, deduplicated = self._exports.create(
            query,
            auth.principal.get(),
            requests.request_id(request.request_id),
            requests.digest(request),
        )
        return answers.operation(*self._watcher.look(export), deduplicated=deduplicated)

    def EstimateExport(
        self, request: export_pb2.EstimateExportRequest, context: Context
    ) -> export_pb2.EstimateExportResponse:
        """Return what an export would take."""
        query = requests.query(request.query)
        return again(lambda: self._estimate(query))

    def _estimate(self, query: Query) -> export_pb2.EstimateExportResponse:
        plan, files, shared = self._exports.estimate(query)
        there = {file.unit.key for file in files}
        objects = {
            key
            for unit in plan.units
            if unit.key not in there
            for key in (*unit.objects, *unit.gap_objects)
        }
        folders = {key.rpartition("/")[0] + "/" for key in objects}
        sizes = self._exports.catalog.sizes(sorted(folders))
        if gone := objects - sizes.keys():
            raise Gone(min(gone))
        return export_pb2.EstimateExportResponse(
            files=len(plan.units),
            files_reused=len(files),
            source_objects=len(objects),
            source_bytes=sum(sizes[key] for key in objects),
            missing=map(answers.missing, plan.missing),
            dataset_version=plan.dataset_version,
            export=f"exports/{shared.id}" if shared else "",
        )

    def GetExport(
        self, request: export_pb2.GetExportRequest, context: Context
    ) -> export_pb2.GetExportResponse:
        """Return an export."""
        export = self._exports.get(requests.export_id("name", request.name))
        return export_pb2.GetExportResponse(export=answers.export(*self._watcher.look(export)))

    def ListExports(
        self, request: export_pb2.ListExportsRequest, context: Context
    ) -> export_pb2.ListExportsResponse:
        """Return exports, newest first."""
        page = requests.page(request.page_size, request.page_token, 50, 200, "exports")
        exports, after = self._exports.page(page.after, page.size)
        return export_pb2.ListExportsResponse(
            exports=[answers.export(*self._watcher.look(export)) for export in exports],
            next_page_token=requests.token(after, "exports"),
        )

    def DeleteExport(
        self, request: export_pb2.DeleteExportRequest, context: Context
    ) -> export_pb2.DeleteExportResponse:
        """Cancel and forget an export."""
        self._exports.delete(requests.export_id("name", request.name))
        return export_pb2.DeleteExportResponse()

    def ListExportFiles(
        self, request: export_pb2.ListExportFilesRequest, context: Context
    ) -> export_pb2.ListExportFilesResponse:
        """Return files of an export that has succeeded, in the manifest's order."""
        bound = ("files", request.name)
        page = requests.page(request.page_size, request.page_token, 200, 1000, *bound)
        export, files = self._files(request.name)
        first = int(page.after) + 1 if page.after else 0
        shown = files[first : first + page.size]
        last = first + len(shown) - 1
        return export_pb2.ListExportFilesResponse(
            files=[_file(export, file) for file in shown],
            next_page_token=requests.token(str(last), *bound) if last + 1 < len(files) else "",
        )

    def CreateDownloadUrls(
        self, request: export_pb2.CreateDownloadUrlsRequest, context: Context
    ) -> export_pb2.CreateDownloadUrlsResponse:
        """Return URLs of the named files and of the manifest; nothing is stored."""
        if len(request.files) > _URLS:
            raise wrong_field("files", f"{len(request.files)} given", f"at most {_URLS}")
        given = request.lifetime if request.HasField("lifetime") else None
        lifetime_s = requests.lifetime(given, _HOUR_S, 12 * _HOUR_S)
        export, files = self._files(request.name)
        by_name = {f"exports/{export.id}/files/{file['file']}": file for file in files}
        expire = Timestamp()
        expire.GetCurrentTime()
        expire.seconds += lifetime_s
        response = export_pb2.CreateDownloadUrlsResponse(expire_time=expire)
        for name in request.files:
            if name not in by_name:
                message = f"files: exports/{export.id} has no {name[:200]!r}"
                raise ApiError(_R.ERROR_REASON_FILE_NOT_FOUND, message, file=name[:200])
            file = by_name[name]
            url = self._public.presign(file["key"], file["name"], lifetime_s)
            response.files.add(file=name, file_name=file["name"], url=url)
        manifest_name = f"jetl2-manifest-{export.id}.json"
        response.manifest.file_name = manifest_name
        response.manifest.url = self._public.presign(
            manifest_key(export.id), manifest_name, lifetime_s
        )
        return response

    def _files(self, name: str) -> tuple[Export, list[dict[str, Any]]]:
        export = self._exports.get(requests.export_id("name", name))
        export, progress = self._watcher.look(export)
        if progress.state == documents.EXPIRED:
            message = f"{name}: its files are gone; ask for the export again"
            raise ApiError(_R.ERROR_REASON_EXPORT_EXPIRED, message, export=name)
        if progress.state != documents.SUCCEEDED:
            message = f"{name} is {progress.state}, expected {documents.SUCCEEDED}"
            raise ApiError(
                _R.ERROR_REASON_EXPORT_NOT_READY, message, export=name, state=progress.state
            )
        return export, self._manifest(export.id)

    def _read_manifest(self, export_id: str) -> list[dict[str, Any]]:
        stored = self._exports.store.get(manifest_key(export_id))
        if stored is None:
            message = f"exports/{export_id}: its manifest is gone; ask for the export again"
            raise ApiError(_R.ERROR_REASON_EXPORT_EXPIRED, message)
        files: list[dict[str, Any]] = json.loads(stored.body)["files"]
        return files


def _file(export: Export, file: dict[str, Any]) -> export_pb2.ExportFile:
    made = export_pb2.ExportFile(
        name=f"exports/{export.id}/files/{file['file']}",
        file_name=file["name"],
        exchange=file["exchange"],
        data_type=file["data_type"],
        symbol=file["symbol"],
        date=file["date"],
        size_bytes=file["size"],
        sha256=file["sha256"],
        rows=file["rows"],
        gaps=len(file["gaps"]),
    )
    if file["first_time"]:
        made.first_time.FromJsonString(file["first_time"])
        made.last_time.FromJsonString(file["last_time"])
    return made
