"""Which books have begun on a new connection, and which are still to come."""

from collections.abc import Iterator, Sequence

from jetl2.exchanges.errors import UnexpectedFrame
from jetl2.exchanges.exchange import Address, BookRows, Exchange, read
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
        # What answers a request may be addressed apart from the deltas
        self._anywhere = exchange.rule.snapshot == "request"
        # a module may read REST snapshots of older recordings only
        self._by_rest = exchange.rule.snapshot == "rest"
        self._fetched = self._by_rest and not renews
        self._asked = set[str]()

    def seen(self, addresses: Sequence[Address], payload: bytes) -> Iterator[str]:
        """Yield the symbols whose book begins with this frame and is not asked for yet."""
        for symbol, channel in addresses:
            address = Address(symbol, channel)
            if (
                symbol in self.unseen
                and (channel == self._channel or self._anywhere)
                and self._is_book(payload, address)
            ):
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

    def _is_book(self, payload: bytes, address: Address) -> bool:
        # An acknowledgement may be addressed as the book's channel too
        if len(payload) > LARGE_BYTES:
            return True
        try:
            _, found = read(self._exchange, payload, address)
        except UnexpectedFrame:
            return False
        books = (r.book if isinstance(r, BookRows) else r for r in found)
        return any(isinstance(b, BookDelta) and (b.is_snapshot or self._by_rest) for b in books)
