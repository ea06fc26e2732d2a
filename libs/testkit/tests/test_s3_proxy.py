"""The proxy before S3: what reaches the server, and what the client is told."""

import http.client
import random
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import pytest

from jetl2.testkit import s3_proxy
from jetl2.testkit.s3_proxy import S3Proxy

BODY = b"0123456789"


class Server(ThreadingHTTPServer):
    """Keeps what arrived: Host header and body of each request that came whole."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.arrived: list[tuple[str, bytes]] = []


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_PUT(self) -> None:
        length = int(self.headers["Content-Length"])
        body = self.rfile.read(length)
        if len(body) == length:
            self.server.arrived.append((self.headers["Host"], body))
        self.send_response(200)
        self.send_header("ETag", "whole")
        self.send_header("Content-Length", str(len(BODY)))
        self.end_headers()
        self.wfile.write(BODY)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class' name
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def _put(server: Server, fault: str, body: bytes = BODY) -> http.client.HTTPResponse:
    upstream = f"http://127.0.0.1:{server.server_address[1]}"
    with S3Proxy(upstream, random.Random(1), {fault: 1.0} if fault else {}) as proxy:
        connection = http.client.HTTPConnection(urlsplit(proxy.endpoint).netloc, timeout=20)
        try:
            connection.request("PUT", "/bucket/key", body, {"Host": "as-signed:1"})
            answer = connection.getresponse()
            answer.read()
        finally:
            connection.close()
            assert proxy.done[fault] == bool(fault)
            assert proxy.requests == 1
    return answer


@pytest.mark.parametrize("fault", ["", s3_proxy.DELAYED])
def test_a_request_arrives_under_the_host_that_was_signed(server: Server, fault: str) -> None:
    answer = _put(server, fault)

    assert (answer.status, answer.getheader("ETag")) == (200, "whole")
    assert server.arrived == [("as-signed:1", BODY)]


@pytest.mark.parametrize(
    "fault, status", [(s3_proxy.SLOW_DOWN, 503), (s3_proxy.INTERNAL, 500), (s3_proxy.DENIED, 403)]
)
def test_what_is_refused_does_not_arrive(server: Server, fault: str, status: int) -> None:
    assert _put(server, fault).status == status
    assert server.arrived == []


def test_half_a_request_is_no_request(server: Server) -> None:
    with pytest.raises((http.client.HTTPException, OSError)):
        _put(server, s3_proxy.CUT)

    assert server.arrived == []


def test_half_an_answer_is_seen_to_be_half(server: Server) -> None:
    with pytest.raises(http.client.IncompleteRead):
        _put(server, s3_proxy.CUT, body=b"")

    assert server.arrived == [("as-signed:1", b"")]


def test_a_lost_answer_is_of_a_request_that_was_carried_out(server: Server) -> None:
    with pytest.raises((http.client.HTTPException, OSError)):
        _put(server, s3_proxy.LOST)

    assert server.arrived == [("as-signed:1", BODY)]
