"""Objects of the lake as they are read: in parts, and anew when they were compacted meanwhile."""

import io
from collections.abc import Callable
from typing import TypeVar

from jetl2.api_grpc.errors import ApiError
from jetl2.api_grpc.store import Store
from jetl2.schemas.pb import errors_pb2

T = TypeVar("T")

_ATTEMPTS = 5
# A request takes about as long as this much more of its answer
_WHOLE = 4 * 1024 * 1024


class Gone(Exception):  # noqa: N818 - what happened to it
    """An object that was listed is not there any more: what it held lies in another one now."""


def again(read: Callable[[], T]) -> T:
    """Return what a function reads that lists first, called anew while objects vanish under it.

    Raises:
        ApiError: They vanished each time.
    """
    key = ""
    for _ in range(_ATTEMPTS):
        try:
            return read()
        except Gone as error:
            key = str(error)
    message = f"{key} and others before it vanished while they were read"
    raise ApiError(errors_pb2.ERROR_REASON_STORAGE_UNAVAILABLE, message)


class ObjectFile(io.RawIOBase):
    """An object as a file: a small one is read whole, of a large one what is asked for."""

    def __init__(self, store: Store, key: str) -> None:
        """Ask for its size.

        Raises:
            Gone: It is not there.
        """
        super().__init__()
        self._store = store
        self._key = key
        self._at = 0
        size = store.size(key)
        if size is None:
            raise Gone(key)
        self._size = size
        self._body = self._part(0, size) if size <= _WHOLE else None

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return where the next read begins."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Set where the next read begins."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = base + offset
        return self._at

    def read(self, size: int | None = -1) -> bytes:
        """Return so many bytes, fewer only at the end.

        Raises:
            Gone: It is not there any more.
        """
        left = max(self._size - self._at, 0)
        count = left if size is None or size < 0 else min(size, left)
        start, self._at = self._at, self._at + count
        if self._body is not None:
            return self._body[start : self._at]
        return self._part(start, self._at)

    def _part(self, start: int, end: int) -> bytes:
        if start == end:
            return b""
        found = self._store.get(self._key, (start, end))
        if found is None:
            raise Gone(self._key)
        return found.body
