"""Which books have begun on a new connection, and which are still to come."""

from collections.abc import Iterator, Sequence

from jetl2.exchanges.errors import UnexpectedFrame
from jetl2.exchanges.exchange import Address, Exchange, read
from jetl2.schemas.records import BookDelta

# A frame of a book's channel of this size is a snapshot; smaller ones are parsed to know
LARGE_BYTES = 64 * 1024


class FirstBooks:
    """Follows the subscribed books of one connection until each has begun."""

    def __init__(
        self, exchange: Exchange, symbols: Sequence[str], data_types: Sequence[str], *, renews: bool
    ) -> None:
        """Wait for the books of all symbols, for none if books are not subscribed.

        Args:
            renews: The books go on from another connection: no REST snapshot is to come.
        """
        # Symbols without a book frame yet; those whose book is still unknown
        self.unseen = set(symbols) if "book_delta" in data_types else set[str]()
        self.missing = set(self.unseen)
        self._exchange = exchange
        self._channel = exchange.channels.get("book_delta", "")
        self._fetched = exchange.snapshot is not None and not renews
        self._asked = set[str]()

    def seen(self, addresses: Sequence[Address], payload: bytes) -> Iterator[str]:
        """Yield the symbols whose book begins with this frame and is not asked for yet."""
        for symbol, channel in addresses:
            if symbol in self.unseen and channel == self._channel and self._is_book(payload):
                self.unseen.discard(symbol)
                if not self._fetched:
                    self.missing.discard(symbol)
                if symbol not in self._asked:
                    yield symbol

    def quiet(self) -> list[str]:
        """Return, once, the symbols without a frame: unchanged books, to be asked for all the same."""
        if self._asked:
            return []
        self._asked = set(self.unseen)
        return sorted(self._asked)

    def joined(self, symbol: str) -> None:
        """Take note that a snapshot has come."""
        self.missing.discard(symbol)

    def _is_book(self, payload: bytes) -> bool:
        # An acknowledgement may be addressed as the book's channel too
        if len(payload) > LARGE_BYTES:
            return True
        try:
            _, found = read(self._exchange, payload)
        except UnexpectedFrame:
            return False
        any_delta = self._exchange.snapshot is not None
        return any(isinstance(r, BookDelta) and (r.is_snapshot or any_delta) for r in found)
