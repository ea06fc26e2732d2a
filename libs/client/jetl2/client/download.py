"""Files by HTTP: in parallel ranges, gone on with after a break, checked, renamed when right."""

import hashlib
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

from jetl2.client.errors import ChecksumMismatch, DownloadFailed

CHUNK = 8 * 1024 * 1024
_CONNECTIONS = 6
_FILES = 3
_ATTEMPTS = 6
_BACKOFF_S = 0.2
_BLOCK = 1 << 18
# Expired or wrongly signed: a new URL helps. Anything else in the 400s is for good
_RENEW = (400, 401, 403)
_LATER = (408, 429)

OnBytes = Callable[[int], None]


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A file to fetch.

    Args:
        renew: Gives another URL when `url` is refused.
    """

    path: Path
    size: int
    sha256: str
    url: str
    renew: Callable[[], str]


@dataclass
class _Part:
    """What is on disk of a file that is not whole: the bytes, and which chunks of them came."""

    wanted: Wanted
    done: set[int] = field(default_factory=set)
    lock: threading.Lock = field(default_factory=threading.Lock)
    url: str = ""

    @property
    def path(self) -> Path:
        return self.wanted.path.with_name(self.wanted.path.name + ".part")

    @property
    def notes(self) -> Path:
        return self.wanted.path.with_name(self.wanted.path.name + ".part.json")

    def open(self) -> None:
        """Find what an earlier try left, or begin."""
        self.url = self.wanted.url
        try:
            notes = json.loads(self.notes.read_text())
            same = notes["sha256"] == self.wanted.sha256 and notes["chunk"] == CHUNK
            if same and self.path.stat().st_size == self.wanted.size:
                self.done = set(notes["done"])
                return
        except (OSError, ValueError, KeyError, TypeError):
            pass
        with self.path.open("wb") as file:
            file.truncate(self.wanted.size)
        self.save()

    def save(self) -> None:
        notes = {"sha256": self.wanted.sha256, "chunk": CHUNK, "done": sorted(self.done)}
        fresh = self.notes.with_name(self.notes.name + ".new")
        fresh.write_text(json.dumps(notes))
        fresh.replace(self.notes)

    def discard(self) -> None:
        self.path.unlink(missing_ok=True)
        self.notes.unlink(missing_ok=True)


class Downloader:
    """Fetches files on a few connections; to be used in a with block.

    Args:
        on_bytes: Called from several threads with how many more bytes are here.
    """

    def __init__(self, on_bytes: OnBytes | None = None) -> None:
        self._on_bytes = on_bytes or (lambda _: None)
        self._http = client()
        self._chunks = ThreadPoolExecutor(_CONNECTIONS, thread_name_prefix="chunk")
        self._files = ThreadPoolExecutor(_FILES, thread_name_prefix="file")
        self._futures: list[Future[Path]] = []
        self._stop = threading.Event()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop what is under way; what has come is kept for the next try."""
        self._stop.set()
        for pool in (self._files, self._chunks):
            pool.shutdown(wait=True, cancel_futures=True)
        self._http.close()

    def add(self, wanted: Wanted) -> None:
        """Fetch a file as soon as there is a place."""
        self._futures.append(self._files.submit(self._file, wanted))

    def finish(self) -> list[Path]:
        """Return the files when all are whole and right, in the order in which they were added.

        Raises:
            DownloadFailed: One could not be fetched.
        """
        return [future.result() for future in self._futures]

    def _file(self, wanted: Wanted) -> Path:
        if _is(wanted.path, wanted):
            self._on_bytes(wanted.size)
            return wanted.path
        part = _Part(wanted)
        part.open()
        numbers = range(-(-wanted.size // CHUNK))
        self._on_bytes(sum(_length(wanted, n) for n in numbers if n in part.done))
        left = [n for n in numbers if n not in part.done]
        for future in [self._chunks.submit(self._chunk, part, n) for n in left]:
            future.result()
        if not _is(part.path, wanted):
            part.discard()
            raise ChecksumMismatch(
                f"{wanted.path.name}: expected {wanted.size} bytes with sha256 {wanted.sha256}; "
                "what came differs and was removed"
            )
        part.path.replace(wanted.path)
        part.notes.unlink(missing_ok=True)
        return wanted.path

    def _chunk(self, part: _Part, number: int) -> None:
        problem = ""
        for attempt in range(_ATTEMPTS):
            if self._stop.is_set():
                break
            if attempt:
                time.sleep(_BACKOFF_S * 2 ** (attempt - 1))
            came, url = 0, part.url
            try:
                with part.path.open("r+b") as file:
                    file.seek(number * CHUNK)
                    for block in self._range(part, url, number):
                        file.write(block)
                        came += len(block)
                        self._on_bytes(len(block))
                if came == _length(part.wanted, number):
                    with part.lock:
                        part.done.add(number)
                        part.save()
                    return
                problem = f"{came} of {_length(part.wanted, number)} bytes came"
            except httpx.HTTPError as error:
                problem = f"{type(error).__name__}: {error}"
            except _Refused as error:
                problem = str(error)
                if not error.renew:
                    raise DownloadFailed(f"{part.wanted.path.name}: {problem}") from error
                self._renew(part, url)
            # Blocks that must come again are not counted twice
            self._on_bytes(-came)
        raise DownloadFailed(
            f"{part.wanted.path.name}: {problem or 'stopped'}, after {_ATTEMPTS} attempts"
        )

    def _range(self, part: _Part, url: str, number: int) -> Iterator[bytes]:
        start = number * CHUNK
        end = start + _length(part.wanted, number) - 1
        with self._http.stream("GET", url, headers={"Range": f"bytes={start}-{end}"}) as answer:
            status = answer.status_code
            # A server may send a file that is a single chunk as a whole
            whole = status == httpx.codes.OK and end - start + 1 == part.wanted.size
            if status >= httpx.codes.INTERNAL_SERVER_ERROR or status in _LATER:
                raise httpx.TransportError(f"HTTP status {status}")
            if status != httpx.codes.PARTIAL_CONTENT and not whole:
                raise _Refused(status)
            yield from answer.iter_raw(_BLOCK)

    def _renew(self, part: _Part, refused: str) -> None:
        with part.lock:
            # Another chunk may have got a new one meanwhile
            if part.url == refused:
                part.url = part.wanted.renew()


class _Refused(Exception):  # noqa: N818 - not an error yet: another URL may help
    """The server answered for good, with something else than the bytes."""

    def __init__(self, status: int) -> None:
        super().__init__(f"HTTP status {status}")
        self.renew = status in _RENEW


def client() -> httpx.Client:
    """Return an HTTP client that takes the machine's proxy, but not to this machine itself."""
    direct = {f"all://{host}": None for host in ("localhost", "127.0.0.1", "[::1]")}
    timeout = httpx.Timeout(30, connect=10)
    return httpx.Client(timeout=timeout, follow_redirects=False, mounts=direct)


def fetch(url: str, path: Path) -> None:
    """Fetch a small file whole, in place of one that is there.

    Raises:
        DownloadFailed: It could not be fetched.
    """
    try:
        with client() as http:
            answer = http.get(url).raise_for_status()
    except httpx.HTTPError as error:
        raise DownloadFailed(f"{path.name}: {error}") from error
    fresh = path.with_name(f"{path.name}.{os.getpid()}.part")
    fresh.write_bytes(answer.content)
    fresh.replace(path)


def sha256(path: Path) -> str:
    """Return the checksum of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _length(wanted: Wanted, number: int) -> int:
    return min(CHUNK, wanted.size - number * CHUNK)


def _is(path: Path, wanted: Wanted) -> bool:
    return path.is_file() and path.stat().st_size == wanted.size and sha256(path) == wanted.sha256
