"""Wires the parts together, serves until told to stop, and drains."""

import asyncio
import os
import secrets
import socket
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Self

import grpc
from google.longrunning import operations_proto_pb2
from grpc import aio
from grpc_health.v1 import health as grpc_health
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from jetl2.api_grpc import auth, catalog_service, operations_service, store
from jetl2.api_grpc.book import Books
from jetl2.api_grpc.calls import Calls
from jetl2.api_grpc.catalog import Catalog
from jetl2.api_grpc.coverage import Coverage
from jetl2.api_grpc.errors import ApiError
from jetl2.api_grpc.export_service import ExportService
from jetl2.api_grpc.exports import Exports
from jetl2.api_grpc.files import Files
from jetl2.api_grpc.jobs import Supervisor
from jetl2.api_grpc.launcher import Launcher
from jetl2.api_grpc.operations_service import Operations
from jetl2.api_grpc.progress import Watcher
from jetl2.api_grpc.settings import Settings
from jetl2.runtime import log
from jetl2.runtime.health import Health
from jetl2.schemas.pb import book_pb2_grpc, catalog_pb2_grpc, coverage_pb2_grpc, export_pb2_grpc

SERVICES = tuple(auth.scope_by_service)
_MESSAGE_BYTES = 4 * 1024 * 1024
_REQUEST_BYTES = 1024 * 1024
_THREADS = 32
_PROBE_S = 5.0
_log = log.get()

_OPTIONS: Sequence[tuple[str, int]] = (
    ("grpc.max_receive_message_length", _REQUEST_BYTES),
    ("grpc.max_send_message_length", _MESSAGE_BYTES),
    # Two servers on one port would share its calls; the second one must fail instead
    ("grpc.so_reuseport", 0),
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.http2.min_ping_interval_without_data_ms", 30_000),
)


class Api:
    """One replica: `async with Api(...) as api` serves at `api.port`.

    Raises:
        RuntimeError: The port is taken.
    """

    def __init__(
        self, settings: Settings, launcher: Launcher, keys: dict[str, auth.Key] | None = None
    ) -> None:
        self._settings = settings
        s3 = store.client()
        self._lake = store.store(s3, settings.lake)
        self._downloads = store.store(s3, settings.downloads)
        public = self._downloads
        if settings.public_s3_endpoint:
            public = store.store(store.client(settings.public_s3_endpoint), settings.downloads)
        self._catalog = Catalog(self._lake, settings.catalog_s)
        coverage = Coverage(self._lake)
        self._files = Files(self._downloads, settings.keep_days)
        self._stop, self._wake = threading.Event(), threading.Event()
        self.exports = exports = Exports(
            self._downloads,
            self._catalog,
            self._files,
            coverage,
            settings.max_files,
            self._wake.set,
        )
        watcher = Watcher(exports)
        replica = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
        supervisor = Supervisor(exports, launcher, self._lake.url(), replica, settings.lease_s)
        self._jobs = threading.Thread(
            target=supervisor.run, args=(self._stop, self._wake, settings.poll_s), name="jobs"
        )
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="call")
        self._server = aio.server(interceptors=[Calls(keys, self._pool)], options=_OPTIONS)
        self._health = grpc_health.aio.HealthServicer()
        self._register(ExportService(exports, watcher, public), Operations(exports, watcher))
        books = catalog_service.BookService(Books(self._lake, self._catalog), self._catalog)
        add_books = book_pb2_grpc.add_BookServiceServicer_to_server
        add_books(books, self._server)
        covered = catalog_service.CoverageService(coverage, self._catalog)
        coverage_pb2_grpc.add_CoverageServiceServicer_to_server(covered, self._server)
        self.port = 0
        self.health = Health()

    def _register(self, exports: ExportService, operations: Operations) -> None:
        export_pb2_grpc.add_ExportServiceServicer_to_server(exports, self._server)
        catalog = catalog_service.CatalogService(self._catalog)
        catalog_pb2_grpc.add_CatalogServiceServicer_to_server(catalog, self._server)
        operations_service.register(self._server, operations)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        names = (*SERVICES, health_pb2.DESCRIPTOR.services_by_name["Health"].full_name)
        reflection.enable_server_reflection((*names, reflection.SERVICE_NAME), self._server)

    async def __aenter__(self) -> Self:
        """Begin to serve."""
        settings = self._settings
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        address = f"{host}:{settings.port}"
        if settings.tls_certificate and settings.tls_key:
            pair = settings.tls_key.read_bytes(), settings.tls_certificate.read_bytes()
            credentials = grpc.ssl_server_credentials([pair])
            self.port = self._server.add_secure_port(address, credentials)
        else:
            self.port = self._server.add_insecure_port(address)
        await self._say("starting")
        await self._server.start()
        self._jobs.start()
        self._probing = asyncio.create_task(self._probe())
        _log.info("grpc_listening", host=settings.host, port=self.port)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Refuse new calls, let those in flight end, and leave the jobs to others."""
        self._probing.cancel()
        await self._health.enter_graceful_shutdown()
        await self._server.stop(self._settings.drain_s)
        self._stop.set()
        self._wake.set()
        await asyncio.to_thread(self._jobs.join)
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._catalog.close()
        self._files.close()

    async def _probe(self) -> None:
        """Say whether S3 answers, and that the loop turns, every few seconds."""
        while True:
            await self._say(await asyncio.to_thread(self._problem))
            self.health.beat()
            await asyncio.sleep(_PROBE_S)

    async def _say(self, problem: str) -> None:
        """Answer health checks with a problem; "" is none."""
        answer = health_pb2.HealthCheckResponse
        status = answer.NOT_SERVING if problem else answer.SERVING
        for service in ("", *SERVICES):
            await self._health.set(service, status)
        if problem:
            self.health.not_ready("s3", problem)
        else:
            self.health.ready("s3")
            self.health.ready()

    def _problem(self) -> str:
        try:
            self._lake.check()
            self._downloads.check()
        except ApiError as error:
            return str(error)
        return ""


# Reflection finds the operations' descriptor only when it is loaded
assert operations_proto_pb2.DESCRIPTOR
