"""What of a connection's subscriptions was refused or has not shown itself, and when to ask again."""

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from jetl2.exchanges.exchange import Address, Exchange

# Between two attempts: doubles from the first to the second
FIRST_S, MOST_S = 5.0, 300.0
# A book is asked for as long as it takes. Of other channels nobody knows whether they are only quiet,
# and an exchange may refuse what is subscribed already: no more than so many attempts
ATTEMPTS = 6


class Asked(NamedTuple):
    """Requests to send, and the symbols whose snapshot is to be fetched by REST."""

    texts: list[str]
    fetch: list[str]
    symbols: list[str]


class Retries:
    """Asks again, with growing pauses, for the symbols and channels that may be missing; only those."""

    def __init__(
        self,
        exchange: Exchange,
        symbols: Sequence[str],
        data_types: Sequence[str],
        *,
        first_s: float = FIRST_S,
    ) -> None:
        """Wait for every symbol on every channel."""
        self._types = {exchange.channels[t]: t for t in reversed(data_types)}
        self.unheard = {Address(s, channel) for s in symbols for channel in self._types}
        self.attempt = 0
        self._exchange = exchange
        self._symbols = list(symbols)
        self._data_types = tuple(data_types)
        self._first_s = first_s
        self._due_s: float | None = None

    def heard(self, addresses: Iterable[Address]) -> None:
        """Take note that a symbol's channel has spoken, be it an acknowledgement."""
        self.unheard.difference_update(addresses)

    def refused(self, now_s: float) -> None:
        """Take note that the exchange refused something; which, it often does not say."""
        if self._due_s is None and self.attempt < ATTEMPTS:
            self._due_s = now_s + self._wait_s()

    def late(self, now_s: float) -> None:
        """Take note that a book has not come in the time it should."""
        self._due_s = now_s

    def due(self, now_s: float, missing: Collection[str]) -> Asked | None:
        """Return what is to be asked for again now, None when nothing is.

        Args:
            missing: Symbols whose book has not come.
        """
        if self._due_s is None or now_s < self._due_s:
            return None
        self._due_s = None
        asked = self._ask(missing)
        self.attempt += 1
        if missing:
            self._due_s = now_s + self._wait_s()
        return asked if asked.texts or asked.fetch else None

    def _wait_s(self) -> float:
        return min(self._first_s * 2.0 ** min(self.attempt, 30), MOST_S)

    def _ask(self, missing: Collection[str]) -> Asked:
        exchange = self._exchange
        by_rest = exchange.rule.snapshot == "rest"
        # Deltas that are subscribed apart from the snapshot can be refused apart from it
        apart = by_rest or exchange.rule.snapshot == "request"
        if exchange.resubscribe is None and not by_rest:
            # A request may stand for all that is wanted of the connection, not for something more
            texts = exchange.subscribe(self._symbols, self._data_types) if missing else []
            return Asked(texts, [], sorted(missing))
        asked = Asked([], [], [])
        for symbol in self._symbols:
            # Each symbol by itself: one that is refused takes none with it
            types = self._silent(symbol, book=apart, missing=symbol in missing)
            texts = exchange.subscribe([symbol], types) if types else []
            if symbol in missing and by_rest:
                asked.fetch.append(symbol)
            elif symbol in missing and exchange.resubscribe and "book_delta" not in types:
                texts += exchange.resubscribe(symbol)
            asked.texts.extend(texts)
            if texts or symbol in missing:
                asked.symbols.append(symbol)
        return asked

    def _silent(self, symbol: str, *, book: bool, missing: bool) -> list[str]:
        """Return the data types of a symbol to subscribe again, that of its book only if `book`."""
        return [
            data_type
            for channel, data_type in self._types.items()
            if Address(symbol, channel) in self.unheard
            and (
                book and (missing or self.attempt < ATTEMPTS)
                if data_type == "book_delta"
                else self.attempt < ATTEMPTS
            )
        ]
