"""A proxy between S3 clients and a server that refuses, delays, cuts, and loses answers.

Requests are signed over the Host header, so that one is handed on as the client sent it.
"""

import http.client
import random
import threading
import time
from collections import Counter
from collections.abc import Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import ClassVar, Self
from urllib.parse import urlsplit

# What may happen to a request: the server does not see it and the client is refused, ...
SLOW_DOWN = "slow down"
INTERNAL = "internal error"
DENIED = "denied"
# ... the server sees half of it, or the client half of the answer, ...
CUT = "cut"
# ... the server carries it out and the client is not told, ...
LOST = "answer lost"
# ... or all is well, later
DELAYED = "delayed"

_REFUSALS = {
    SLOW_DOWN: (503, "SlowDown", "Please reduce your request rate."),
    INTERNAL: (500, "InternalError", "We encountered an internal error. Please try again."),
    DENIED: (403, "AccessDenied", "Access Denied"),
}
# Of one connection, not of the whole way
_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "expect", "content-length"}
_TIMEOUT_S = 60.0


class S3Proxy:
    """Listens on a free port of loopback for the length of a `with` block."""

    def __init__(self, endpoint: str, chance: random.Random, faults: Mapping[str, float]) -> None:
        """Listen; nothing is served before the block.

        Args:
            endpoint: Of the server, http://host:port.
            chance: Decides what happens to each request.
            faults: Share of the requests that each of the above happens to.
        """
        self.faults = dict(faults)
        self.done: Counter[str] = Counter()
        self.requests = 0
        self._chance = chance
        self._lock = threading.Lock()
        upstream = str(urlsplit(endpoint).netloc)
        handler = type("Handler", (_Handler,), {"proxy": self, "upstream": upstream})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self.endpoint = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        """Serve."""
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def heal(self) -> None:
        """Let all requests pass from now on."""
        self.faults = {}

    def draw(self) -> str:
        """Return what happens to the next request, and count it; "": nothing."""
        with self._lock:
            self.requests += 1
            at = self._chance.random()
            for fault, share in self.faults.items():
                at -= share
                if at < 0:
                    self.done[fault] += 1
                    return fault
        return ""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = _TIMEOUT_S
    proxy: ClassVar[S3Proxy]
    upstream: ClassVar[str]

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fault = self.proxy.draw()
        if fault in _REFUSALS:
            self._refuse(*_REFUSALS[fault])
            return
        if fault == DELAYED:
            time.sleep(0.5)
        cut_upload = fault == CUT and len(body) > 1
        connection = http.client.HTTPConnection(self.upstream, timeout=_TIMEOUT_S)
        try:
            self._send(connection, body, half=cut_upload)
            if cut_upload:
                self.close_connection = True
                return
            answer = connection.getresponse()
            content = answer.read()
        except OSError:
            # The server is gone or has had enough: the client sees the same
            self.close_connection = True
            return
        finally:
            connection.close()
        if fault == LOST:
            self.close_connection = True
            return
        self._answer(answer, content, half=fault == CUT)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _serve  # noqa: N815 - as the base class calls them

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class' name
        """Say nothing."""

    def _send(self, connection: http.client.HTTPConnection, body: bytes, *, half: bool) -> None:
        connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            if name.lower() not in _HOP_BY_HOP:
                connection.putheader(name, value)
        connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body[: len(body) // 2] if half else body)

    def _refuse(self, status: int, code: str, message: str) -> None:
        text = (
            f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{message}</Message></Error>"
        )
        content = b"" if self.command == "HEAD" else text.encode()
        self.send_response_only(status, HTTPStatus(status).phrase)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _answer(self, answer: http.client.HTTPResponse, content: bytes, *, half: bool) -> None:
        self.send_response_only(answer.status, answer.reason)
        for name, value in answer.getheaders():
            if name.lower() not in _HOP_BY_HOP:
                self.send_header(name, value)
        length = answer.getheader("Content-Length") if self.command == "HEAD" else len(content)
        self.send_header("Content-Length", str(length or 0))
        self.end_headers()
        self.wfile.write(content[: len(content) // 2] if half else content)
        self.close_connection = self.close_connection or half
