"""What lies in the lake: exchanges, symbols, days and objects, as listed, believed for a moment."""

import difflib
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from jetl2.api_grpc.errors import invalid, listed
from jetl2.api_grpc.store import Store
from jetl2.formats import tardis
from jetl2.schemas import lake
from jetl2.schemas.pb import errors_pb2

# The lake's data types that files are made from
_SERVED = tuple(dict.fromkeys(tardis.lake_type_by_data_type.values()))
_CLOSE = 8
_CACHED = 10_000

# (lake data type, exchange, day, symbol)
Folder = tuple[str, str, str, str]


class _Listing(NamedTuple):
    read: float
    names: list[str]


class Catalog:
    """The lake's folders, read by listing them; shared by all threads of the process.

    Each method raises ApiError (STORAGE_UNAVAILABLE) when S3 does not answer.
    """

    def __init__(
        self, store: Store, believed_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._store = store
        self._believed_s = believed_s
        self._clock = clock
        self._listings: dict[str, _Listing] = {}
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(16, thread_name_prefix="catalog")

    def exchanges(self) -> list[str]:
        """Return the exchanges of which something was landed, sorted."""
        folders = (self._folders(f"data_type={t}/") for t in _SERVED)
        return sorted({name for names in folders for name in names})

    def symbols(self, exchange: str) -> list[str]:
        """Return the symbols of an exchange of which something was landed, sorted."""
        prefixes = [
            f"{_exchange(t, exchange)}date={day}/"
            for t in _SERVED
            for day in self._folders(_exchange(t, exchange))
        ]
        return sorted({name for names in self._pool.map(self._folders, prefixes) for name in names})

    def dates(self, lake_type: str, exchange: str, symbol: str) -> list[str]:
        """Return the days on which a symbol has objects of a data type, sorted."""
        days = self._folders(_exchange(lake_type, exchange))
        prefixes = [f"{_exchange(lake_type, exchange)}date={day}/" for day in days]
        names = self._pool.map(self._folders, prefixes)
        return sorted(day for day, found in zip(days, names, strict=True) if symbol in found)

    def objects(self, folders: Iterable[Folder]) -> dict[Folder, list[str]]:
        """Return the keys of the objects to read in each folder, never from memory."""
        unique = list(dict.fromkeys(folders))
        return dict(zip(unique, self._pool.map(self._objects, unique), strict=True))

    def sizes(self, folders: Iterable[str]) -> dict[str, int]:
        """Return the size of each object in folders given as prefixes, by key."""
        entries = self._pool.map(lambda prefix: list(self._store.entries(prefix)), folders)
        return {entry.key: entry.size for found in entries for entry in found}

    def check_exchange(self, exchange: str, field: str) -> None:
        """Raise UNKNOWN_EXCHANGE, naming the field and the exchanges there are, unless it is one."""
        if exchange in self.exchanges():
            return
        with self._lock:
            self._listings.clear()
        # Perhaps it was landed a moment ago
        known = self.exchanges()
        if exchange not in known:
            raise invalid(
                errors_pb2.ERROR_REASON_UNKNOWN_EXCHANGE,
                field,
                f"unknown exchange {exchange!r}",
                listed(known),
            )

    def check_symbol(self, exchange: str, symbol: str, field: str) -> None:
        """Raise UNKNOWN_SYMBOL, naming the field and symbols like it, unless it is one."""
        known = self.symbols(exchange)
        if symbol in known:
            return
        by_upper = {name.upper(): name for name in known}
        close = difflib.get_close_matches(symbol.upper(), by_upper, n=_CLOSE, cutoff=0.5)
        shown = [by_upper[name] for name in close] or known
        raise invalid(
            errors_pb2.ERROR_REASON_UNKNOWN_SYMBOL,
            field,
            f"unknown symbol {symbol!r} of {exchange}",
            listed(shown) + (f" (closest of {len(known)})" if close else ""),
        )

    def close(self) -> None:
        """End the threads."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _objects(self, folder: Folder) -> list[str]:
        return lake.current(
            entry.key
            for entry in self._store.entries(lake.folder(*folder))
            if entry.key.endswith(".parquet")
        )

    def _folders(self, prefix: str) -> list[str]:
        """Return the values of the folders right below a prefix, perhaps from memory."""
        now = self._clock()
        with self._lock:
            listing = self._listings.get(prefix)
        if listing and now - listing.read < self._believed_s:
            return listing.names
        folders = self._store.folders(prefix)
        names = [value for name in folders for value in lake.parse_folder(name).values() if value]
        with self._lock:
            if len(self._listings) >= _CACHED:
                self._listings.clear()
            self._listings[prefix] = _Listing(now, names)
        return names


def _exchange(lake_type: str, exchange: str) -> str:
    return f"data_type={lake_type}/exchange={exchange}/"
