"""Downloads from a server that breaks off, refuses, lies, and is asked again."""

import hashlib
import re
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from jetl2.client import download
from jetl2.client.download import Downloader, Wanted
from jetl2.client.errors import ChecksumMismatch, DownloadFailed

CHUNK = 1000
BODY = bytes(i * 7 % 251 for i in range(4 * CHUNK + 123))

# What to do with the n-th request of a range: a status, how many bytes to send, or None: all
Fault = Callable[[str, int], int | None]


class Server:
    """Serves BODY by ranges, with faults on request."""

    def __init__(self) -> None:
        self.body = BODY
        self.ranges: list[str] = []
        self.fault: Fault = lambda _, __: None
        self.ignores_ranges = False
        self.lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.answer(self)

            def log_message(self, *_: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.http.serve_forever, args=(0.01,))
        self.thread.start()
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        wanted = request.headers.get("Range", "")
        with self.lock:
            self.ranges.append(wanted)
            count = self.ranges.count(wanted)
        todo = self.fault(wanted, count) if "renewed" not in request.path else None
        if todo is not None and todo >= 100:
            request.send_response(todo)
            request.send_header("Content-Length", "0")
            request.end_headers()
            return
        found = re.fullmatch(r"bytes=(\d+)-(\d+)", wanted)
        assert found
        part = self.body[int(found[1]) : int(found[2]) + 1]
        if self.ignores_ranges:
            part = self.body
        request.send_response(200 if self.ignores_ranges else 206)
        request.send_header("Content-Length", str(len(part)))
        request.end_headers()
        request.wfile.write(part if todo is None else part[:todo])

    def close(self) -> None:
        self.http.shutdown()
        self.http.server_close()
        self.thread.join()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(download, "CHUNK", CHUNK)
    monkeypatch.setattr(download, "_BACKOFF_S", 0.001)
    made = Server()
    yield made
    made.close()


def wanted(server: Server, path: Path, **changes: object) -> Wanted:
    values = {
        "path": path,
        "size": len(BODY),
        "sha256": hashlib.sha256(BODY).hexdigest(),
        "url": f"{server.url}/file",
        "renew": lambda: f"{server.url}/renewed",
    }
    return Wanted(**(values | changes))  # type: ignore[arg-type]


def fetch(*files: Wanted, on_bytes: download.OnBytes | None = None) -> list[Path]:
    with Downloader(on_bytes) as downloader:
        for file in files:
            downloader.add(file)
        return downloader.finish()


def test_files_come_in_ranges_side_by_side(server: Server, tmp_path: Path) -> None:
    came: list[int] = []
    paths = fetch(
        *(wanted(server, tmp_path / f"{n}.csv.gz") for n in range(3)), on_bytes=came.append
    )

    assert [p.read_bytes() for p in paths] == [BODY] * 3
    assert sorted(set(server.ranges)) == [
        f"bytes={n * CHUNK}-{min((n + 1) * CHUNK, len(BODY)) - 1}" for n in range(5)
    ]
    assert sum(came) == 3 * len(BODY)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["0.csv.gz", "1.csv.gz", "2.csv.gz"]


def test_a_range_that_breaks_off_is_fetched_again(server: Server, tmp_path: Path) -> None:
    server.fault = lambda _, count: 10 if count < 3 else None
    came: list[int] = []

    (path,) = fetch(wanted(server, tmp_path / "f"), on_bytes=came.append)

    assert path.read_bytes() == BODY
    assert sum(came) == len(BODY)


@pytest.mark.parametrize("status", [500, 503, 429, 408])
def test_a_busy_server_is_asked_again(server: Server, tmp_path: Path, status: int) -> None:
    server.fault = lambda _, count: status if count == 1 else None

    (path,) = fetch(wanted(server, tmp_path / "f"))

    assert path.read_bytes() == BODY


def test_an_expired_url_is_renewed(server: Server, tmp_path: Path) -> None:
    server.fault = lambda _, __: 403

    (path,) = fetch(wanted(server, tmp_path / "f"))

    assert path.read_bytes() == BODY


def test_what_is_gone_is_not_asked_for_again(server: Server, tmp_path: Path) -> None:
    server.fault = lambda _, __: 404

    with pytest.raises(DownloadFailed, match="f: HTTP status 404"):
        fetch(wanted(server, tmp_path / "f"))

    assert set(map(server.ranges.count, server.ranges)) == {1}


def test_a_broken_download_goes_on_where_it_was(server: Server, tmp_path: Path) -> None:
    last = f"bytes={4 * CHUNK}-{len(BODY) - 1}"
    server.fault = lambda wanted_range, _: 404 if wanted_range == last else None
    with pytest.raises(DownloadFailed):
        fetch(wanted(server, tmp_path / "f"))
    assert not (tmp_path / "f").exists()
    server.fault = lambda _, __: None
    before = len(server.ranges)

    fetch(wanted(server, tmp_path / "f"))

    assert server.ranges[before:] == [last]
    assert (tmp_path / "f").read_bytes() == BODY
    assert [p.name for p in tmp_path.iterdir()] == ["f"]


def test_the_rest_of_another_file_is_not_gone_on_with(server: Server, tmp_path: Path) -> None:
    server.fault = lambda wanted_range, _: 404 if "4000" in wanted_range else None
    with pytest.raises(DownloadFailed):
        fetch(wanted(server, tmp_path / "f"))
    server.fault = lambda _, __: None
    server.body = BODY[::-1]

    fetch(wanted(server, tmp_path / "f", sha256=hashlib.sha256(BODY[::-1]).hexdigest()))

    assert (tmp_path / "f").read_bytes() == BODY[::-1]


def test_bytes_that_differ_from_the_manifest_never_get_the_files_name(
    server: Server, tmp_path: Path
) -> None:
    (tmp_path / "f").write_bytes(b"an older export")
    server.body = BODY[::-1]

    with pytest.raises(ChecksumMismatch, match="expected 4123 bytes"):
        fetch(wanted(server, tmp_path / "f"))

    assert (tmp_path / "f").read_bytes() == b"an older export"
    assert [p.name for p in tmp_path.iterdir()] == ["f"]


def test_a_file_that_is_there_is_not_fetched(server: Server, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(BODY)

    fetch(wanted(server, tmp_path / "f"))

    assert server.ranges == []


def test_a_server_without_ranges_serves_files_of_one_range_only(
    server: Server, tmp_path: Path
) -> None:
    server.ignores_ranges = True
    server.body = BODY[:CHUNK]
    small = {"size": CHUNK, "sha256": hashlib.sha256(BODY[:CHUNK]).hexdigest()}

    fetch(wanted(server, tmp_path / "small", **small))

    assert (tmp_path / "small").read_bytes() == BODY[:CHUNK]
    with pytest.raises(DownloadFailed, match="HTTP status 200"):
        fetch(wanted(server, tmp_path / "large"))


def test_a_proxy_is_not_asked_for_this_machine(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)

    (path,) = fetch(wanted(server, tmp_path / "f"))

    assert path.read_bytes() == BODY
