"""Around every call: who asks, what is logged and counted, and how an error is answered."""

import asyncio
import inspect
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

import grpc
from grpc import aio
from grpc_status import rpc_status

from jetl2.api_grpc import auth
from jetl2.api_grpc.errors import ApiError, reason_name, status
from jetl2.runtime import log, metrics
from jetl2.schemas.pb import errors_pb2

_REQUEST_ID = "x-request-id"
_log = log.get()
_seconds = metrics.histogram("jetl2_api_grpc_call_seconds", "Time to answer", ["method", "code"])

Handler = Callable[[Any, Any], Any]
# The types are generic only in the stubs
if TYPE_CHECKING:
    RpcHandler = grpc.RpcMethodHandler[Any, Any]
    Context = aio.ServicerContext[Any, Any]
else:
    RpcHandler = Context = object


class Calls(aio.ServerInterceptor):
    """Runs the plain functions of our services on threads, and coroutines as they are.

    Args:
        keys: By hash; None: every caller is welcome.
    """

    def __init__(self, keys: Mapping[str, auth.Key] | None, pool: ThreadPoolExecutor) -> None:
        self._keys = keys
        self._pool = pool

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[RpcHandler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> RpcHandler | None:
        """Wrap the methods of our own services; health and reflection stay as they are."""
        handler = await continuation(handler_call_details)
        method = str(handler_call_details.method)
        service = method.split("/")[1] if method.count("/") > 1 else ""
        if handler is None or not handler.unary_unary or service not in auth.scope_by_service:
            return handler
        sent = {str(name): value for name, value in handler_call_details.invocation_metadata or ()}
        return grpc.unary_unary_rpc_method_handler(
            self._around(handler.unary_unary, method, service, sent),
            request_deserializer=handler.request_deserializer,
            response_serializer=handler.response_serializer,
        )

    def _around(
        self, handler: Handler, method: str, service: str, sent: Mapping[str, Any]
    ) -> Callable[[Any, Context], Awaitable[Any]]:
        async def call(request: Any, context: Context) -> Any:
            begun = time.monotonic()
            request_id = str(sent.get(_REQUEST_ID, "") or uuid.uuid4())[:128]
            context.set_trailing_metadata(((_REQUEST_ID, request_id),))
            caller, code, problem = "", "CANCELLED", ""
            try:
                caller = auth.check(self._keys, str(sent.get("authorization", "")), service)
                auth.principal.set(caller)
                answer = await self._run(handler, request, context)
            except ApiError as error:
                code, problem = error.code.name, f"{reason_name(error.reason)}: {error}"
                if error.__cause__:
                    problem += f" ({error.__cause__})"
                await context.abort_with_status(rpc_status.to_status(status(error)))
            except Exception:  # noqa: BLE001 - the last place that can say what happened
                code = grpc.StatusCode.INTERNAL.name
                _log.exception("call_broke", method=method, request_id=request_id)
                unknown = ApiError(
                    errors_pb2.ERROR_REASON_INTERNAL,
                    f"a mistake of ours, logged as request {request_id}",
                    request_id=request_id,
                )
                await context.abort_with_status(rpc_status.to_status(status(unknown)))
            else:
                code = "OK"
                return answer
            finally:
                seconds = time.monotonic() - begun
                _seconds.labels(method, code).observe(seconds)
                _log.info(
                    "call",
                    method=method,
                    principal=caller,
                    code=code,
                    problem=problem,
                    ms=round(seconds * 1000, 1),
                    request_id=request_id,
                    peer=context.peer(),
                )

        return call

    async def _run(self, handler: Handler, request: Any, context: Any) -> Any:
        if inspect.iscoroutinefunction(handler):
            return await handler(request, context)
        run = copy_context().run
        return await asyncio.get_running_loop().run_in_executor(
            self._pool, run, handler, request, context
        )
