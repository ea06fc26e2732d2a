"""The merge engine of one exchange, without I/O: raw events in, records and resyncs out."""

from jetl2.exchanges.exchange import Exchange
from jetl2.orderbook.book import Book
from jetl2.schemas.records import DeadLetter, MarketRecord, RawEvent, Resync

EMPTY, BUFFERING, SYNCED, GAP = "empty", "buffering", "synced", "gap"


class Session:
    """Skeleton: the form that the merger and the replay are written against."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange

    def feed(self, raw: RawEvent) -> list[MarketRecord | Resync | DeadLetter]:
        """Take one raw event; return what follows from it, in output order. Never raises."""
        raise NotImplementedError

    def dump(self, symbol: str) -> bytes:
        """Return the whole state of one symbol."""
        raise NotImplementedError

    def load(self, symbol: str, state: bytes) -> None:
        """Take the state of one symbol as `dump` gave it."""
        raise NotImplementedError

    def symbols(self) -> list[str]:
        """Return the symbols that have a state."""
        raise NotImplementedError

    def book(self, symbol: str) -> Book:
        """Return the book of a symbol, not to be changed."""
        raise NotImplementedError

    def state(self, symbol: str) -> str:
        """Return where the book of a symbol is in its life: EMPTY, BUFFERING, SYNCED or GAP."""
        raise NotImplementedError

    def counters(self, symbol: str) -> dict[str, int]:
        """Return what was counted for a symbol since the beginning (or since `load`'s origin)."""
        raise NotImplementedError
