"""One message into one held book: does it follow, does its sum agree, what did it change."""

from typing import NamedTuple

from jetl2.exchanges import levels
from jetl2.exchanges.exchange import BookRows, Exchange
from jetl2.exchanges.symbol_state import Held, SymbolState
from jetl2.orderbook import sequence
from jetl2.orderbook.errors import UnknownRow
from jetl2.orderbook.rows import Rows
from jetl2.orderbook.sequence import Rule
from jetl2.schemas import decimals, records
from jetl2.schemas.records import BookDelta


class Problem(NamedTuple):
    """Why a book is not in step any more."""

    reason: str
    detail: str


class Known(NamedTuple):
    """A message whose content is in the book already."""


KNOWN = Known()


class Steps:
    """The steps of one symbol's books at the time of one raw event."""

    __slots__ = ("_exchange", "_local_ts", "_rule", "_state")

    def __init__(self, exchange: Exchange, rule: Rule, state: SymbolState, local_ts: int) -> None:
        self._exchange = exchange
        self._rule = rule
        self._state = state
        self._local_ts = local_ts

    def begin(self, held: Held, message: BookDelta | BookRows) -> BookDelta | Problem:
        """Let a snapshot be the whole of a held book; return it as levels."""
        state = self._state
        if isinstance(message, BookRows):
            held.rows = Rows()
            record = held.rows.replace(message.book, message.rows)
        else:
            record = message
        depth = max(len(record.bid_prices), len(record.ask_prices))
        depths = self._exchange.depths
        if depths and depth > state.depth:
            # not acknowledged in what we saw: the smallest depth that holds what came
            state.depth = next((d for d in depths if d >= depth), depth)
        held.book.replace(record)
        held.book.refine(state.price_exponent, state.size_exponent)
        held.numbering.replace(record)
        held.exchange_ts = record.exchange_ts
        held.applied_ts = self._local_ts
        found = self._sum(held, record)
        if found not in (None, record.checksum):
            return Problem("checksum", f"expected the sum {record.checksum}, found {found}")
        record.verified = self.verified(held, found)
        return record

    def advance(self, held: Held, message: BookDelta | BookRows) -> BookDelta | Known | Problem:
        """Apply a delta to a held book if it follows; return it as levels."""
        fields = message if isinstance(message, BookDelta) else message.book
        verdict = sequence.check(self._rule, held.numbering, fields)
        if verdict == sequence.DROP:
            return KNOWN
        if verdict == sequence.GAP:
            return Problem(
                "sequence",
                f"expected what follows {held.numbering.last}, found "
                f"{fields.first_seq} to {fields.last_seq} after {fields.prev_seq}",
            )
        record, book = fields, held.book
        if isinstance(message, BookRows):
            try:
                held.rows = held.rows or Rows()
                record = held.rows.apply(fields, message.rows, strict=message.strict)
            except UnknownRow as error:
                return Problem("row", str(error))
        book.apply(record)
        if self._state.depth:
            try:
                levels.remove(record, book, *book.truncate(self._state.depth))
            except decimals.DecimalError as error:
                return Problem("unreadable", str(error))
        found = self._sum(held, record)
        if found not in (None, record.checksum):
            return Problem("checksum", f"expected the sum {record.checksum}, found {found}")
        held.numbering.advance(record)
        held.applied_ts = self._local_ts
        held.exchange_ts = record.exchange_ts
        if self._rule.crossed == "gap" and book.crossed:
            return Problem("crossed", "the best bid is not below the best ask")
        record.verified = self.verified(held, found)
        return record

    def verified(self, held: Held, found: int | None) -> str:
        """Say what is known of a held book whose sum was compared and right (None: was not)."""
        if found is not None:
            return records.PASSED
        rule, state = self._rule, self._state
        if rule.connection_counter:
            connection = state.connections.get(state.bound)
            numbered = connection is not None and connection.offset is not None
        else:
            numbered = rule.snapshot == "every" or (rule.follows and held.numbering.last != 0)
        return records.UNCHECKED if numbered else records.UNPROVEN

    def _sum(self, held: Held, record: BookDelta) -> int | None:
        """Return the sum of our book where the exchange sent one, and count the comparison."""
        if record.checksum is None or self._exchange.checksum is None:
            return None
        found = self._exchange.checksum(held.book, record)
        passed = found == record.checksum
        self._state.counters["checksums_passed" if passed else "checksums_failed"] += 1
        return found


def same(one: Held, other: Held) -> bool:
    """Whether two books hold the same levels."""
    price = min(one.book.price_exponent, other.book.price_exponent)
    size = min(one.book.size_exponent, other.book.size_exponent)
    for held in (one, other):
        held.book.refine(price, size)
    depth = max(one.book.depth, other.book.depth)
    return one.book.top(depth) == other.book.top(depth)
