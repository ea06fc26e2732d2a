"""The life of one book: EMPTY, BUFFERING, SYNCED, GAP, and what each message makes of it."""

from jetl2.exchanges import levels
from jetl2.exchanges.exchange import Exchange
from jetl2.exchanges.symbol_state import BUFFERING, EMPTY, GAP, SYNCED, SymbolState
from jetl2.orderbook import sequence
from jetl2.schemas import decimals, records
from jetl2.schemas.records import BookDelta, DeadLetter, Gap, MarketRecord, RawEvent, Resync

Output = MarketRecord | Resync | DeadLetter

# A snapshot that was asked for and did not come is asked for again after 10 s, 20 s, ... 300 s;
# one that came too old at once, then after 2 s, 4 s, ...
SILENCE_S = 10
REFUSED_S = 1
MOST_S = 300
SECOND_NS = 10**9

# Some minutes of deltas; older ones can join no snapshot that is still to come
BUFFERED = 10_000


class Life:
    """One raw event's effects on one symbol; `out` is what follows from it, in output order."""

    __slots__ = ("_exchange", "_index", "_raw", "_rule", "_state", "out")

    def __init__(self, exchange: Exchange, state: SymbolState, raw: RawEvent) -> None:
        self.out: list[Output] = []
        self._exchange = exchange
        self._rule = exchange.rule
        self._state = state
        self._raw = raw
        self._index = 0

    def emit(self, record: MarketRecord) -> None:
        """Number and stamp a record, and write it."""
        state, raw = self._state, self._raw
        state.seq += 1
        record.exchange = self._exchange.name
        record.symbol = raw.symbol
        record.local_ts = raw.local_ts
        record.seq = state.seq
        record.source_index = self._index
        self._index += 1
        self.out.append(record)

    def take(self, record: BookDelta) -> None:
        """Take a snapshot or a delta of the stream."""
        if record.is_snapshot:
            self._replace(record)
        elif self._rule.scope == "connection" and self._state.bound != self._raw.connection_id:
            self._wait_or_drop()
        elif self._state.status == SYNCED:
            self._follow(record)
        elif self._rule.snapshot == "rest":
            self._buffer(record)
        else:
            self._wait_or_drop()

    def join(self, record: BookDelta) -> None:
        """Take a REST snapshot: with the buffered deltas that are newer it is the book."""
        state = self._state
        if state.status == SYNCED:
            return  # proven in sequence: nothing to learn
        joined = sequence.State()
        joined.replace(record)
        newer: list[BookDelta] = []
        for delta in state.buffer:
            verdict = sequence.check(self._rule, joined, delta)
            if verdict == sequence.GAP:
                state.refused = True
                self._ask_if_due(f"snapshot {record.last_seq} is older than {delta.first_seq}")
                return
            if verdict == sequence.APPLY:
                joined.advance(delta)
                newer.append(delta)
        state.book.replace(record)
        for delta in newer:
            state.book.apply(delta)
        state.numbering = joined
        state.exchange_ts = newer[-1].exchange_ts if newer else record.exchange_ts
        self._synced()

    def periodic(self) -> None:
        """Write the whole book, so that a file of any hour stands alone."""
        self._write_whole(records.PERIODIC)

    def lost(self, reason: str, detail: str, missing: BookDelta | None = None) -> None:
        """Forget the book, and ask for a new one, for something that it needs is missing.

        Args:
            missing: The delta before which something is missing, where that is known.
        """
        state, raw = self._state, self._raw
        state.buffer.clear()
        # "" is an event that could not be read: it may have been of any connection
        if (
            self._rule.scope == "connection"
            and raw.connection_id
            and state.bound not in ("", raw.connection_id)
        ):
            return  # another connection's: the book does not live on it
        if state.status != SYNCED:
            if state.status == BUFFERING:
                state.status = GAP if state.begun else EMPTY
            return
        gap = Gap(symbol=raw.symbol, reason=reason, detail=detail, from_ts=state.applied_ts)
        if missing:
            gap.exchange_ts = missing.exchange_ts
            if self._rule.follow in ("range", "plus1"):
                gap.first_seq, gap.last_seq = state.numbering.last + 1, missing.first_seq - 1
            gap.prev_seq = state.numbering.last
        state.counters["gaps"] += 1
        state.status = GAP
        state.book.clear()
        state.numbering = sequence.State()
        self.emit(gap)
        self._ask(reason)

    def maybe_lost(self, detail: str) -> None:
        """Forget the book unless the next message will tell whether anything of it is missing.

        Numbers tell, a symbol's or a connection's; a checksum tells where it covers the whole book.
        """
        state, rule = self._state, self._rule
        numbered = rule.connection_counter or (rule.follow != "none" and state.numbering.last)
        summed = 0 < state.depth <= self._exchange.checksum_depth
        if state.status == SYNCED and not numbered and not summed:
            self.lost(records.UNREADABLE, detail)

    def disconnected(self) -> None:
        """End a connection; the book ends with it unless it can go on by another."""
        state, raw = self._state, self._raw
        ended = state.connections.pop(raw.connection_id, None)
        if self._rule.scope == "connection":
            if state.bound == raw.connection_id:
                self.lost(records.DISCONNECTED, raw.payload.decode(errors="replace"))
                state.bound = ""
            return
        began_ts = ended.first_ts if ended else 0
        # one that was last heard before this one began has ended without a word
        if not any(c.last_ts >= began_ts for c in state.connections.values()):
            self.lost(records.DISCONNECTED, raw.payload.decode(errors="replace"))

    def _replace(self, record: BookDelta) -> None:
        state = self._state
        depth = max(len(record.bid_prices), len(record.ask_prices))
        depths = self._exchange.depths
        if depths and depth > state.depth:
            # not acknowledged in what we saw: the smallest depth that holds what came
            state.depth = next((d for d in depths if d >= depth), depth)
        state.bound = self._raw.connection_id
        state.book.replace(record)
        state.numbering.replace(record)
        state.exchange_ts = record.exchange_ts
        found = self._sum(record)
        if found not in (None, record.checksum):
            self._refuse(record, found)
            return
        verified = records.UNCHECKED if found is None else records.PASSED
        self._synced(checksum=record.checksum, verified=verified)

    def _follow(self, record: BookDelta) -> None:
        state = self._state
        verdict = sequence.check(self._rule, state.numbering, record)
        if verdict == sequence.DROP:
            self._drop()
            return
        if verdict == sequence.GAP:
            detail = (
                f"expected what follows {state.numbering.last}, found "
                f"{record.first_seq} to {record.last_seq} after {record.prev_seq}"
            )
            self.lost("sequence", detail, record)
            if self._rule.snapshot == "rest":
                self._buffer(record)
            return
        book = state.book
        book.apply(record)
        if state.depth:
            try:
                levels.remove(record, book, *book.truncate(state.depth))
            except decimals.DecimalError as error:
                self.lost("unreadable", str(error), record)
                return
        found = self._sum(record)
        if found not in (None, record.checksum):
            self._refuse(record, found)
            return
        state.numbering.advance(record)
        state.applied_ts = self._raw.local_ts
        state.exchange_ts = record.exchange_ts
        if not record.bid_prices and not record.ask_prices:
            return
        if book.crossed:
            if self._rule.crossed == "gap":
                self.lost("crossed", "the best bid is not below the best ask", record)
                return
            record.crossed = True
            state.counters["crossed"] += 1
        record.verified = records.UNCHECKED if found is None else records.PASSED
        record.duplicates, state.dropped = state.dropped, 0
        self.emit(record)

    def _buffer(self, record: BookDelta) -> None:
        state = self._state
        state.status = BUFFERING
        if state.buffer:
            last = sequence.State(state.buffer[-1].last_seq, state.buffer[-1].prev_seq, joined=True)
            verdict = sequence.check(self._rule, last, record)
            if verdict == sequence.DROP:
                self._drop()
                return
            if verdict == sequence.GAP:
                # no snapshot can bridge it: only one newer than the hole will do
                state.buffer.clear()
        state.buffer.append(record)
        if len(state.buffer) > BUFFERED:
            del state.buffer[0]
        self._ask_if_due("no snapshot came")

    def _synced(self, *, checksum: int | None = None, verified: str = records.UNCHECKED) -> None:
        """Write the book that a snapshot gave, and go on from it."""
        state = self._state
        state.buffer.clear()
        state.status = SYNCED
        state.asked, state.asked_ts, state.refused = 0, 0, False
        state.applied_ts = self._raw.local_ts
        reason = records.RESYNC if state.begun else records.INITIAL
        state.begun = True
        self._write_whole(reason, checksum=checksum, verified=verified)

    def _write_whole(
        self, reason: str, *, checksum: int | None = None, verified: str = records.UNCHECKED
    ) -> None:
        state = self._state
        last = max(state.numbering.last, 0)
        try:
            record = levels.whole(
                state.book,
                symbol=self._raw.symbol,
                reason=reason,
                exchange_ts=state.exchange_ts,
                first_seq=last,
                last_seq=last,
                checksum=checksum,
                verified=verified,
            )
        except decimals.DecimalError as error:
            self.lost("unreadable", str(error))
            return
        if state.book.crossed:
            record.crossed = True
            state.counters["crossed"] += 1
        record.duplicates, state.dropped = state.dropped, 0
        self.emit(record)

    def _sum(self, record: BookDelta) -> int | None:
        """Return the sum of our book where the exchange sent one, and count the comparison."""
        if record.checksum is None or self._exchange.checksum is None:
            return None
        found = self._exchange.checksum(self._state.book, record)
        passed = found == record.checksum
        self._state.counters["checksums_passed" if passed else "checksums_failed"] += 1
        return found

    def _refuse(self, record: BookDelta, found: int | None) -> None:
        state = self._state
        detail = f"expected the sum {record.checksum}, found {found}"
        if state.status == SYNCED:
            self.lost("checksum", detail, record)
            return
        # a snapshot that contradicts itself
        state.book.clear()
        state.numbering = sequence.State()
        state.refused = True
        self._ask_if_due(f"checksum of the snapshot: {detail}")

    def _drop(self) -> None:
        self._state.dropped += 1
        self._state.counters["duplicates"] += 1

    def _wait_or_drop(self) -> None:
        if self._state.status == SYNCED:
            self._drop()
        else:
            self._ask_if_due("no snapshot came")

    def _ask_if_due(self, reason: str) -> None:
        state = self._state
        now = self._raw.local_ts
        if not state.asked_ts and not state.refused:
            # the ingestor asks by itself when it connects
            state.asked_ts = now
            return
        wait_s = min((REFUSED_S if state.refused else SILENCE_S) * 2**state.asked, MOST_S)
        if state.refused and not state.asked:
            wait_s = 0
        if now - state.asked_ts >= wait_s * SECOND_NS:
            self._ask(reason)

    def _ask(self, reason: str) -> None:
        state, raw = self._state, self._raw
        state.asked_ts = raw.local_ts
        state.asked = min(state.asked + 1, 16)
        state.refused = False
        state.counters["resyncs"] += 1
        self.out.append(
            Resync(
                exchange=self._exchange.name,
                symbol=raw.symbol,
                connection_id=raw.connection_id,
                reason=reason,
                local_ts=raw.local_ts,
            )
        )
