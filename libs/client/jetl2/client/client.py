"""The Python client of the API: calls as plain functions, errors as exceptions."""

import json
import os
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import grpc
from google.longrunning import operations_pb2, operations_pb2_grpc

from jetl2.client import download, errors
from jetl2.client.messages import duration, metadata, query, result, timestamp
from jetl2.schemas.pb import (
    book_pb2,
    book_pb2_grpc,
    catalog_pb2,
    catalog_pb2_grpc,
    coverage_pb2,
    coverage_pb2_grpc,
    export_pb2,
    export_pb2_grpc,
)

ADDRESS = "localhost:50051"
_CALL_S = 60.0
_WAIT_S = 20
_URLS = 100
_LOOPBACK = ("localhost", "127.0.0.1", "[::1]")

# A plain retry is right only for UNAVAILABLE; creating is safe to retry because of its request_id
_SERVICE_CONFIG = json.dumps(
    {
        "methodConfig": [
            {
                "name": [{}],
                "retryPolicy": {
                    "maxAttempts": 4,
                    "initialBackoff": "0.2s",
                    "maxBackoff": "3s",
                    "backoffMultiplier": 2,
                    "retryableStatusCodes": ["UNAVAILABLE"],
                },
            }
        ]
    }
)

R = TypeVar("R")
OnMetadata = Callable[[export_pb2.ExportMetadata], None]


class Client:
    """A connection to the API; every method raises ApiError when the API refuses.

    Args:
        address: host:port, or https://host:port for TLS. Default: JETL2_API, else localhost:50051.
        key: API key. Default: JETL2_API_KEY.
        ca: PEM file of the authorities to trust, for TLS. Default: JETL2_API_CA, else the system's.
    """

    def __init__(self, address: str = "", key: str = "", ca: str = "") -> None:
        address = address or os.environ.get("JETL2_API", "") or ADDRESS
        key = key or os.environ.get("JETL2_API_KEY", "")
        ca = ca or os.environ.get("JETL2_API_CA", "")
        self._metadata = (("authorization", f"Bearer {key}"),) if key else ()
        self.address = address.removeprefix("https://").removeprefix("http://").rstrip("/")
        options = [("grpc.service_config", _SERVICE_CONFIG), ("grpc.enable_retries", 1)]
        if self.address.rpartition(":")[0] in _LOOPBACK:
            # A proxy of this machine does not lead back to it
            options.append(("grpc.enable_http_proxy", 0))
        if address.startswith("https://"):
            trusted = Path(ca).read_bytes() if ca else None
            credentials = grpc.ssl_channel_credentials(trusted)
            self._channel = grpc.secure_channel(self.address, credentials, options)
        else:
            self._channel = grpc.insecure_channel(self.address, options)
        self._exports = export_pb2_grpc.ExportServiceStub(self._channel)
        self._operations: Any = operations_pb2_grpc.OperationsStub(self._channel)
        self._catalog = catalog_pb2_grpc.CatalogServiceStub(self._channel)
        self._coverage = coverage_pb2_grpc.CoverageServiceStub(self._channel)
        self._books = book_pb2_grpc.BookServiceStub(self._channel)

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the connection."""
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._channel.close()

    def create_export(
        self,
        instruments: Sequence[tuple[str, str]],
        data_types: Sequence[str],
        start_ts: int,
        end_ts: int,
        *,
        request_id: str = "",
    ) -> operations_pb2.Operation:
        """Ask for an export.

        Args:
            instruments: (exchange, symbol), symbols as the exchange writes them.
            start_ts, end_ts: Rows with start_ts <= local_ts < end_ts, ns.
            request_id: Retry key; made here when it is not given.
        """
        request = export_pb2.CreateExportRequest(
            query=query(instruments, data_types, start_ts, end_ts),
            request_id=request_id or str(uuid.uuid4()),
        )
        made: operations_pb2.Operation = self._call(self._exports.CreateExport, request)
        return made

    def estimate_export(
        self,
        instruments: Sequence[tuple[str, str]],
        data_types: Sequence[str],
        start_ts: int,
        end_ts: int,
    ) -> export_pb2.EstimateExportResponse:
        """Return what an export would take; arguments as `create_export`."""
        wanted = query(instruments, data_types, start_ts, end_ts)
        request = export_pb2.EstimateExportRequest(query=wanted)
        return self._call(self._exports.EstimateExport, request)

    def wait(
        self, operation: str, on_metadata: OnMetadata | None = None, timeout_s: float | None = None
    ) -> export_pb2.Export:
        """Return the export of an operation when it has succeeded.

        Args:
            operation: Its name.
            on_metadata: Called about twice a second with how far it is.

        Raises:
            ApiError: It failed or was cancelled.
            TimeoutError: `timeout_s` passed; the export goes on.
        """
        until = time.monotonic() + timeout_s if timeout_s is not None else None
        while True:
            left_s = until - time.monotonic() if until is not None else _WAIT_S
            step_s = max(0.0, min(0.5 if on_metadata else _WAIT_S, left_s))
            request = operations_pb2.WaitOperationRequest(name=operation)
            request.timeout.CopyFrom(duration(step_s))
            found: operations_pb2.Operation = self._call(self._operations.WaitOperation, request)
            if on_metadata:
                on_metadata(metadata(found))
            if found.done:
                return result(found)
            if until is not None and time.monotonic() >= until:
                raise TimeoutError(f"{operation} was not done after {timeout_s:g} s")

    def get_operation(self, operation: str) -> operations_pb2.Operation:
        """Return an operation as it is now."""
        request = operations_pb2.GetOperationRequest(name=operation)
        found: operations_pb2.Operation = self._call(self._operations.GetOperation, request)
        return found

    def cancel(self, operation: str) -> None:
        """Cancel an export by its operation; one that has ended stays as it is."""
        request = operations_pb2.CancelOperationRequest(name=operation)
        self._call(self._operations.CancelOperation, request)

    def get_export(self, name: str) -> export_pb2.Export:
        """Return an export by its name, exports/..."""
        request = export_pb2.GetExportRequest(name=name)
        return self._call(self._exports.GetExport, request).export

    def exports(self) -> Iterator[export_pb2.Export]:
        """Yield all exports, newest first."""
        request = export_pb2.ListExportsRequest()
        for page in self._pages(self._exports.ListExports, request):
            yield from page.exports

    def delete_export(self, name: str) -> None:
        """Cancel and forget an export."""
        self._call(self._exports.DeleteExport, export_pb2.DeleteExportRequest(name=name))

    def files(self, name: str) -> Iterator[export_pb2.ExportFile]:
        """Yield the files of an export that has succeeded."""
        request = export_pb2.ListExportFilesRequest(name=name)
        for page in self._pages(self._exports.ListExportFiles, request):
            yield from page.files

    def download_urls(
        self, name: str, files: Sequence[str]
    ) -> export_pb2.CreateDownloadUrlsResponse:
        """Return URLs of the named files of an export and of its manifest."""
        request = export_pb2.CreateDownloadUrlsRequest(name=name, files=files)
        return self._call(self._exports.CreateDownloadUrls, request)

    def download(
        self, name: str, out: Path, on_bytes: download.OnBytes | None = None
    ) -> list[Path]:
        """Fetch all files of an export and its manifest into a folder, checked by their sha256.

        Files that are there already are kept; ones begun are gone on with. A file appears under its
        name when it is whole and right.

        Args:
            on_bytes: Called with the bytes that came; those found on disk count too.

        Returns:
            The files, and the manifest last.

        Raises:
            DownloadFailed: A file could not be fetched.
        """
        files = list(self.files(name))
        out.mkdir(parents=True, exist_ok=True)
        with download.Downloader(on_bytes) as downloader:
            for first in range(0, len(files), _URLS):
                part = files[first : first + _URLS]
                answer = self.download_urls(name, [file.name for file in part])
                for file, url in zip(part, answer.files, strict=True):
                    downloader.add(
                        download.Wanted(
                            path=out / Path(file.file_name).name,
                            size=file.size_bytes,
                            sha256=file.sha256,
                            url=url.url,
                            renew=partial(self._url, name, file.name),
                        )
                    )
            paths = downloader.finish()
        manifest = self.download_urls(name, []).manifest
        path = out / Path(manifest.file_name).name
        download.fetch(manifest.url, path)
        return [*paths, path]

    def exchanges(self) -> Iterator[str]:
        """Yield the exchanges that there is data of."""
        request = catalog_pb2.ListExchangesRequest()
        for page in self._pages(self._catalog.ListExchanges, request):
            yield from page.exchanges

    def symbols(self, exchange: str, contains: str = "") -> Iterator[str]:
        """Yield the symbols of an exchange that there is data of."""
        request = catalog_pb2.ListSymbolsRequest(exchange=exchange, contains=contains)
        for page in self._pages(self._catalog.ListSymbols, request):
            yield from page.symbols

    def data_types(self) -> list[tuple[str, str]]:
        """Return (name, description) of what can be exported."""
        request = catalog_pb2.ListDataTypesRequest()
        answer = self._call(self._catalog.ListDataTypes, request)
        return [(t.name, t.description) for t in answer.data_types]

    def dates(self, exchange: str, symbol: str, data_type: str) -> Iterator[str]:
        """Yield the days of which there is data."""
        request = catalog_pb2.ListDatesRequest(
            exchange=exchange, symbol=symbol, data_type=data_type
        )
        for page in self._pages(self._catalog.ListDates, request):
            yield from page.dates

    def coverage(
        self, exchange: str, symbols: Sequence[str], start_ts: int, end_ts: int
    ) -> Iterator[coverage_pb2.CoverageHour]:
        """Yield how complete the recording is, hour by hour; no symbols: all."""
        request = coverage_pb2.ListCoverageRequest(
            exchange=exchange,
            symbols=symbols,
            start_time=timestamp(start_ts),
            end_time=timestamp(end_ts),
        )
        for page in self._pages(self._coverage.ListCoverage, request):
            yield from page.hours

    def book(self, exchange: str, symbol: str, ts: int, depth: int = 0) -> book_pb2.GetBookResponse:
        """Return a book as it stood at an instant."""
        request = book_pb2.GetBookRequest(
            exchange=exchange, symbol=symbol, time=timestamp(ts), depth=depth
        )
        return self._call(self._books.GetBook, request)

    def _url(self, name: str, file: str) -> str:
        return self.download_urls(name, [file]).files[0].url

    def _pages(self, method: Any, request: Any) -> Iterator[Any]:
        while True:
            page = self._call(method, request)
            yield page
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    def _call(self, method: Callable[..., R], request: Any) -> R:
        try:
            return method(request, timeout=_CALL_S, metadata=self._metadata)
        except grpc.RpcError as error:
            raise errors.from_rpc(error, self.address) from error
