"""google.longrunning.Operations over exports: each export is the resource of one operation."""

# ruff: noqa: ARG002, N802 - names and parameters are the protos'

import asyncio
import time
from collections.abc import Callable

import grpc
from google.longrunning import operations_pb2, operations_pb2_grpc
from google.protobuf.empty_pb2 import Empty

from jetl2.api_grpc import answers, requests
from jetl2.api_grpc.documents import Export
from jetl2.api_grpc.errors import ApiError, wrong_field
from jetl2.api_grpc.exports import Exports
from jetl2.api_grpc.progress import Watcher
from jetl2.schemas.pb import errors_pb2

_R = errors_pb2.ErrorReason
# Under the idle limits of proxies; a client asks again
_WAIT_S = 50.0
_LOOK_S = 0.25
Context = grpc.ServicerContext


class Operations(operations_pb2_grpc.OperationsServicer):  # type: ignore[misc] # has no types
    """Get, list, wait for, cancel and forget the operations of exports."""

    def __init__(self, exports: Exports, watcher: Watcher) -> None:
        self._exports = exports
        self._watcher = watcher

    def GetOperation(
        self, request: operations_pb2.GetOperationRequest, context: Context
    ) -> operations_pb2.Operation:
        """Return an operation."""
        return answers.operation(*self._watcher.look(self._export(request.name)))

    def ListOperations(
        self, request: operations_pb2.ListOperationsRequest, context: Context
    ) -> operations_pb2.ListOperationsResponse:
        """Return operations, newest first."""
        if request.filter:
            raise wrong_field("filter", repr(request.filter[:80]), "nothing; filters are unknown")
        if request.name not in ("", "operations"):
            raise wrong_field("name", repr(request.name[:80]), "operations")
        page = requests.page(request.page_size, request.page_token, 50, 200, "operations")
        exports, after = self._exports.page(page.after, page.size)
        return operations_pb2.ListOperationsResponse(
            operations=[
                answers.operation(*self._watcher.look(e)) for e in exports if not e.forgotten
            ],
            next_page_token=requests.token(after, "operations"),
        )

    def CancelOperation(
        self, request: operations_pb2.CancelOperationRequest, context: Context
    ) -> Empty:
        """Cancel an export; one that has ended stays as it is."""
        self._exports.cancel(self._export(request.name).id)
        return Empty()

    def DeleteOperation(
        self, request: operations_pb2.DeleteOperationRequest, context: Context
    ) -> Empty:
        """Forget an operation; its export stays."""
        self._exports.forget(self._export(request.name).id)
        return Empty()

    async def WaitOperation(
        self,
        request: operations_pb2.WaitOperationRequest,
        context: "grpc.aio.ServicerContext[operations_pb2.WaitOperationRequest, object]",
    ) -> operations_pb2.Operation:
        """Return an operation when it is done, or as it is after the timeout."""
        wait_s = _WAIT_S
        if request.HasField("timeout"):
            wait_s = min(_WAIT_S, request.timeout.seconds + request.timeout.nanos / 1e9)
        # Answered before the caller's own deadline, so that it learns how far things are
        left_s = context.time_remaining()
        if left_s is not None:
            wait_s = min(wait_s, max(0.0, left_s - 2 * _LOOK_S))
        until = time.monotonic() + wait_s
        while True:
            export = await asyncio.to_thread(self._export, request.name)
            export, progress = await asyncio.to_thread(self._watcher.look, export)
            if export.outcome is not None or time.monotonic() >= until:
                return answers.operation(export, progress)
            await asyncio.sleep(min(_LOOK_S, max(0.0, until - time.monotonic())))

    def _export(self, name: str) -> Export:
        export_id = requests.export_id("name", name, "operations")
        try:
            export = self._exports.get(export_id)
        except ApiError as error:
            if error.reason != _R.ERROR_REASON_EXPORT_NOT_FOUND:
                raise
            raise _not_found(name) from error
        if export.forgotten:
            raise _not_found(name)
        return export


def register(server: grpc.aio.Server, operations: Operations) -> None:
    """Add the service to a server."""
    add: Callable[[Operations, grpc.aio.Server], None] = (
        operations_pb2_grpc.add_OperationsServicer_to_server
    )
    add(operations, server)


def _not_found(name: str) -> ApiError:
    message = f"{name} does not exist, or was deleted"
    return ApiError(_R.ERROR_REASON_OPERATION_NOT_FOUND, message, operation=name)
