"""The merge engine of one exchange, without I/O: raw events in, records and resyncs out.

Output is a function of the input alone: time is the events' local_ts. Each symbol is apart from all
others, so that any split of the symbols over sessions gives the same records.
"""

from jetl2.exchanges import fix, life, symbol_state
from jetl2.exchanges.errors import UNREADABLE, UnexpectedFrame, reason
from jetl2.exchanges.exchange import (
    DERIVATIVE_NUMBERS,
    Address,
    BookRows,
    Exchange,
    Frame,
    check,
    decode_json,
    read,
)
from jetl2.exchanges.exchange import Book as Depth
from jetl2.exchanges.life import Output
from jetl2.exchanges.symbol_state import Connection, SymbolState
from jetl2.orderbook.book import Book
from jetl2.orderbook.errors import BookError
from jetl2.schemas import records
from jetl2.schemas.decimals import DecimalError
from jetl2.schemas.records import (
    BookDelta,
    DeadLetter,
    DerivativeTicker,
    Liquidation,
    MarketRecord,
    RawEvent,
    Trade,
)

EMPTY, BUFFERING, SYNCED, GAP = (
    symbol_state.EMPTY,
    symbol_state.BUFFERING,
    symbol_state.SYNCED,
    symbol_state.GAP,
)

HOUR_NS = 3600 * 10**9

# Two connections that overlap at a renewal, or two recorders, are seconds apart, not more trades
TRADE_IDS_KEPT = 512
# The best bid and ask, and what else has no id, are taken from one connection until it was silent for this
# long while another one told something
TICKER_SILENCE_NS = 10 * 10**9
# Connections of one symbol at a time are one or two; whose end was never written are forgotten
CONNECTIONS_KEPT = 8


class Session:
    """All books of one exchange, or those of some of its symbols."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self._symbols: dict[str, SymbolState] = {}
        # channels whose loss leaves the book as it is
        self._apart = {c for t, c in exchange.channels.items() if t != "book_delta"}

    def feed(self, raw: RawEvent) -> list[Output]:
        """Take one raw event; return what follows from it, in output order.

        Never raises for what an exchange or a recorder may have sent: what cannot be read comes
        back as a DeadLetter. Only records of `raw.symbol` are returned.
        """
        state = self._symbols.get(raw.symbol)
        if state is None:
            state = self._symbols[raw.symbol] = SymbolState()
        rule = self.exchange.rule
        if self.exchange.fix is not None and _over_fix(state, raw):
            rule = self.exchange.fix.rule
        book = life.Life(self.exchange, rule, state, raw)
        hour = raw.local_ts // HOUR_NS
        if hour > state.hour:
            if state.hour >= 0 and state.status == SYNCED:
                book.periodic()
            state.hour = hour
        if raw.kind == records.FRAME:
            state.counters["messages"] += 1
            self._frame(state, book, raw)
        elif raw.kind == records.SNAPSHOT:
            state.counters["messages"] += 1
            self._rest_snapshot(state, book, raw)
        else:
            self._note(state, book, raw)
        return book.out

    def dump(self, symbol: str) -> bytes:
        """Return the whole state of one symbol as JSON."""
        return symbol_state.dump(self._symbols[symbol])

    def load(self, symbol: str, saved: bytes) -> None:
        """Take the state of one symbol as `dump` gave it, in place of what there is.

        Raises:
            ValueError: Not such bytes, or of another version.
        """
        self._symbols[symbol] = symbol_state.load(saved)

    def symbols(self) -> list[str]:
        """Return the symbols that have a state; connection-level frames ("") are none."""
        return [symbol for symbol in self._symbols if symbol]

    def book(self, symbol: str) -> Book:
        """Return the book of a symbol, to look at only; without a level until SYNCED."""
        return self._symbols[symbol].live.book

    def state(self, symbol: str) -> symbol_state.Status:
        """Return where the book of a symbol is in its life."""
        state = self._symbols.get(symbol)
        return state.status if state else EMPTY

    def sequence(self, symbol: str) -> int:
        """Return the exchange's number of the last message in the book, 0 without numbers."""
        return max(self._symbols[symbol].live.numbering.last, 0)

    def counters(self, symbol: str) -> dict[str, int]:
        """Return what was counted for a symbol, "" for connection-level frames, all its life."""
        state = self._symbols.get(symbol)
        return dict(state.counters if state else dict.fromkeys(symbol_state.COUNTERS, 0))

    def _note(self, state: SymbolState, book: life.Life, raw: RawEvent) -> None:
        """Take what the ingestor says of a connection."""
        if raw.kind == records.CONNECTED:
            self._seen(state, raw)
        elif raw.kind == records.DISCONNECTED:
            book.disconnected()
        elif raw.channel in self._apart:
            return  # lost on a connection that carries no books
        elif raw.kind == records.LOST:
            book.lost(records.LOST, raw.payload.decode(errors="replace"))
        elif raw.kind == records.UNREADABLE:
            book.maybe_lost("a frame that names no symbol could not be read")

    def _frame(self, state: SymbolState, book: life.Life, raw: RawEvent) -> None:
        connection = self._seen(state, raw) if raw.symbol else None
        try:
            address = Address(raw.symbol, raw.channel)
            frame, found = read(self.exchange, raw.payload, address)
            number = self.exchange.number(frame)
        except UnexpectedFrame as error:
            self._unreadable(state, book, raw, error)
            return
        missed = False
        if connection and number is not None:
            missed = self._count_through(connection, book, raw, frame, number)
        for record in found:
            if record.symbol != raw.symbol:
                continue
            if isinstance(record, BookDelta | BookRows):
                self._book(state, book, raw, record, missed=missed)
            elif isinstance(record, Depth):
                book.depth(record)
            elif _known(state, raw, record):
                state.counters["duplicates"] += 1
            elif not isinstance(record, DerivativeTicker) or _news(state, record):
                book.emit(record)

    def _count_through(
        self, connection: Connection, book: life.Life, raw: RawEvent, frame: Frame, number: int
    ) -> bool:
        """Compare the exchange's count of the connection's frames with our own; whether one is missing."""
        before = connection.offset
        connection.offset, missed = self.exchange.ahead(frame, number - raw.counter, before)
        if missed:
            assert before is not None
            detail = f"expected number {raw.counter + before}, found {number}"
            book.lost("connection_sequence", detail)
        return missed

    def _book(
        self,
        state: SymbolState,
        book: life.Life,
        raw: RawEvent,
        record: BookDelta | BookRows | None,
        *,
        missed: bool,
    ) -> None:
        try:
            if isinstance(record, BookRows) and record.book.is_snapshot:
                record = book.joined(record, missed=missed)
            if record is not None:
                book.take(record)
        except (BookError, DecimalError) as error:
            # What only shows when rows become levels
            self._unreadable(state, book, raw, error)

    def _seen(self, state: SymbolState, raw: RawEvent) -> Connection:
        connection = state.connections.get(raw.connection_id)
        if connection is None:
            connection = Connection(raw.local_ts, raw.local_ts)
            connection.over_fix = _over_fix(state, raw)
            state.connections[raw.connection_id] = connection
            if len(state.connections) > CONNECTIONS_KEPT:
                kept = (raw.connection_id, state.bound, *state.standbys)
                others = [c for c in state.connections if c not in kept]
                if others:
                    del state.connections[min(others, key=lambda c: state.connections[c].last_ts)]
        connection.last_ts = raw.local_ts
        connection.books = connection.books or raw.channel not in self._apart
        return connection

    def _rest_snapshot(self, state: SymbolState, book: life.Life, raw: RawEvent) -> None:
        body: Frame = None
        try:
            if self.exchange.snapshot is None:
                message = f"{self.exchange.name}: expected no REST snapshot, it has none"
                raise UnexpectedFrame(message)
            body = decode_json(raw.payload)
            record = self.exchange.snapshot.parse(raw.symbol, body)
            check(record)
        except UNREADABLE as error:
            _dead(state, book, raw, reason(error, body))
            return
        book.join(record)

    def _unreadable(
        self, state: SymbolState, book: life.Life, raw: RawEvent, error: Exception
    ) -> None:
        _dead(state, book, raw, reason(error))
        if raw.symbol and raw.channel not in self._apart:
            book.lost("unreadable", str(error))


def _dead(state: SymbolState, book: life.Life, raw: RawEvent, why: str) -> None:
    state.counters["unparsed"] += 1
    book.out.append(
        DeadLetter(
            exchange=raw.exchange,
            symbol=raw.symbol,
            channel=raw.channel,
            local_ts=raw.local_ts,
            connection_id=raw.connection_id,
            counter=raw.counter,
            kind=raw.kind,
            payload=raw.payload,
            error=why,
        )
    )


def _over_fix(state: SymbolState, raw: RawEvent) -> bool:
    """Whether an event is of a FIX session; what is no frame is of the kind that its frames were."""
    if raw.kind == records.FRAME:
        return raw.payload.startswith(fix.START)
    if raw.kind == records.CONNECTED:
        return raw.payload.startswith(fix.SCHEME)
    connection = state.connections.get(raw.connection_id)
    return connection is not None and connection.over_fix


def _known(state: SymbolState, raw: RawEvent, record: MarketRecord) -> bool:
    """Whether another connection gave this already, or gives what has no id of its own."""
    if isinstance(record, Trade | Liquidation) and record.trade_id:
        return _known_trade(state, record)
    return _elsewhere(state, raw, type(record).__name__)


def _news(state: SymbolState, record: DerivativeTicker) -> bool:
    """Complete a ticker by what was last known; return whether it says anything new."""
    known, news = state.derivative, False
    if record.funding_ts and known.get("funding_ts") != str(record.funding_ts):
        known["funding_ts"], news = str(record.funding_ts), True
    record.funding_ts = int(known.get("funding_ts", 0))
    for name in DERIVATIVE_NUMBERS:
        value = getattr(record, name)
        if value and known.get(name) != value:
            known[name], news = value, True
        setattr(record, name, known.get(name, ""))
    return news


def _known_trade(state: SymbolState, record: Trade | Liquidation) -> bool:
    # a trade may be told a second time as the liquidation that it was
    key = record.trade_id if isinstance(record, Trade) else f"liquidation {record.trade_id}"
    if key in state.trade_ids:
        return True
    state.trade_ids[key] = None
    if len(state.trade_ids) > TRADE_IDS_KEPT:
        del state.trade_ids[next(iter(state.trade_ids))]
    return False


def _elsewhere(state: SymbolState, raw: RawEvent, kind: str) -> bool:
    current = state.told_by.get(kind)
    if current and current != raw.connection_id and current in state.connections:
        # By the clock of the one that tells: another recorder's may be wrong
        since = state.told_ts[kind]
        if not since or raw.local_ts < since:
            state.told_ts[kind] = raw.local_ts
            return True
        if raw.local_ts - since < TICKER_SILENCE_NS:
            return True
    state.told_by[kind], state.told_ts[kind] = raw.connection_id, 0
    return False
