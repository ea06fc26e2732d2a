"""The life of one book: EMPTY, BUFFERING, SYNCED, GAP, and what each message makes of it."""

from dataclasses import replace

from jetl2.exchanges import levels
from jetl2.exchanges.exchange import Book as Depth
from jetl2.exchanges.exchange import BookRows, Exchange
from jetl2.exchanges.steps import Known, Problem, Steps, same
from jetl2.exchanges.symbol_state import (
    BUFFERING,
    EMPTY,
    GAP,
    SYNCED,
    Held,
    Standby,
    SymbolState,
)
from jetl2.orderbook import sequence
from jetl2.orderbook.sequence import Rule
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

# A connection that has not told within this time what another one has is taken for dead
SILENT_NS = 2 * SECOND_NS

# Nothing but old numbers in so many messages and this time are new ones of another count
OLD_MESSAGES = 20
OLD_NS = 10 * SECOND_NS

# A whole book that is older than the one before it was overtaken; by more, that one's time was wrong
OVERTAKEN_NS = 60 * SECOND_NS


class Life:
    """One raw event's effects on one symbol; `out` is what follows from it, in output order."""

    __slots__ = ("_exchange", "_index", "_raw", "_rule", "_state", "_steps", "_ts", "out")

    def __init__(self, exchange: Exchange, rule: Rule, state: SymbolState, raw: RawEvent) -> None:
        self.out: list[Output] = []
        self._exchange = exchange
        self._rule = rule
        self._state = state
        self._raw = raw
        self._at(raw.local_ts)
        self._index = 0

    def _at(self, ts: int) -> None:
        """Let it be `ts`: recorders' clocks differ and may be set back, what is written keeps its order."""
        self._ts = max(ts, self._state.last_ts)
        self._steps = Steps(self._exchange, self._rule, self._state, self._ts)

    def emit(self, record: MarketRecord) -> None:
        """Number and stamp a record, and write it."""
        state, raw = self._state, self._raw
        state.seq += 1
        record.exchange = self._exchange.name
        record.symbol = raw.symbol
        record.local_ts = state.last_ts = self._ts
        record.seq = state.seq
        record.source_index = self._index
        self._index += 1
        self.out.append(record)

    def take(self, message: BookDelta | BookRows) -> None:
        """Take a snapshot or a delta of the stream."""
        state, rule = self._state, self._rule
        fields = message if isinstance(message, BookDelta) else message.book
        elsewhere = rule.scope == "connection" and state.bound != self._raw.connection_id
        if rule.snapshot == "every":
            self._take_whole(message, fields)
        elif fields.is_snapshot:
            if rule.snapshot == "request" and fields.last_seq:
                (self._replace if self._ahead(fields) else self.join)(fields)
            elif elsewhere and state.status == SYNCED:
                self._stand_by(message)
            elif rule.follows and not fields.last_seq:
                self._take_unnumbered(message)
            else:
                self._replace(message)
        elif elsewhere:
            self._follow_elsewhere(message)
        elif state.status == SYNCED:
            state.connections[self._raw.connection_id].deltas = True
            self._follow(message, fields)
        elif rule.snapshot in ("rest", "request"):
            state.connections[self._raw.connection_id].deltas = True
            self._buffer(fields)
        else:
            self._wait_or_drop()
        if state.ahead and state.status == SYNCED:
            self._go_on()

    def _ahead(self, snapshot: BookDelta) -> bool:
        """Whether a snapshot that nobody asked for is ahead of the book: the deltas go on from it.

        Links may lead past it, of another connection: its number need not be one that comes.
        """
        state = self._state
        newer = state.status == SYNCED and snapshot.last_seq > state.live.numbering.last
        return newer and self._rule.follow in ("plus1", "range")

    def join(self, record: BookDelta) -> None:
        """Take a snapshot that was asked for: with the buffered deltas that are newer it is the book."""
        state = self._state
        if state.status == SYNCED:
            if state.ahead:
                # of use if what is missing before it never comes
                self._keep(record)
            return  # proven in sequence: nothing to learn
        joined = sequence.State()
        joined.replace(record)
        newer: list[BookDelta] = []
        for delta in state.buffer:
            verdict = sequence.check(self._rule, joined, delta)
            if self._rule.first == "covered" and delta is state.buffer[0]:
                # What came before we listened must be in the snapshot
                verdict = sequence.GAP if verdict == sequence.APPLY else verdict
            if verdict == sequence.GAP:
                state.refused = True
                self._ask_if_due(f"snapshot {record.last_seq} is older than {delta.first_seq}")
                return
            if verdict == sequence.APPLY:
                joined.advance(delta)
                newer.append(delta)
        live = state.live
        live.book.replace(record)
        for delta in newer:
            live.book.apply(delta)
            if state.depth:
                live.book.truncate(state.depth)
        live.numbering = joined
        live.exchange_ts = newer[-1].exchange_ts if newer else record.exchange_ts
        self._synced()

    def depth(self, said: Depth) -> None:
        """Take what the exchange said of this book's depth and numbers, as far as it did."""
        state = self._state
        state.depth = said.depth or state.depth
        if said.price_exponent or said.size_exponent:
            state.price_exponent, state.size_exponent = said.price_exponent, said.size_exponent
            for held in (state.live, *(standby.held for standby in state.standbys.values())):
                held.book.refine(state.price_exponent, state.size_exponent)

    def joined(self, rows: BookRows, *, missed: bool) -> BookRows | None:
        """Return a snapshot of rows that may come in several messages; None while it goes on.

        Args:
            missed: Something was lost just before this message: a part of the snapshot, maybe.
        """
        parts, connection = self._state.parts, self._raw.connection_id
        known = parts.pop(connection, None if missed else [])
        if known is None:
            # A part is missing: its end is no book
            if rows.more:
                parts[connection] = None
            elif self._state.status != SYNCED:
                self._state.refused = True
                self._ask_if_due("a snapshot of several messages lacks one")
            return None
        if rows.more:
            parts[connection] = [*known, *rows.rows]
            return None
        return replace(rows, rows=[*known, *rows.rows]) if known else rows

    def periodic(self) -> None:
        """Write the whole book, so that a file of any hour stands alone."""
        if not self._state.written_until_ts:
            self._write_whole(records.PERIODIC)

    def lost(self, reason: str, detail: str, missing: BookDelta | None = None) -> None:
        """Forget the book of this event's connection, for something that it needs is missing.

        The book goes on by another connection that missed nothing; without one it is a gap, and a
        new book is asked for.

        Args:
            missing: The delta before which something is missing, where that is known.
        """
        state, raw = self._state, self._raw
        state.buffer.clear()
        state.ahead.clear()
        if raw.connection_id in state.parts:
            state.parts[raw.connection_id] = None
        # "" is an event that could not be read: it may have been of any connection
        if not raw.connection_id:
            state.standbys.clear()
        elif self._rule.scope == "connection" and state.bound not in ("", raw.connection_id):
            # The book does not live on it; what stood by does
            if state.standbys.pop(raw.connection_id, None):
                self._request(reason)
            return
        if state.status != SYNCED:
            if state.status == BUFFERING:
                state.status = GAP if state.begun else EMPTY
            return
        if state.standbys:
            self._hand_over(reason, detail)
            if reason != records.DISCONNECTED:
                self._request(reason)
            return
        self._gap(reason, detail, missing)
        state.status = GAP
        state.written_until_ts = 0
        state.live.book.clear()
        state.live.numbering = sequence.State()
        state.live.rows = None
        self._ask(reason)

    def maybe_lost(self, detail: str) -> None:
        """Forget the book unless the next message will tell whether anything of it is missing.

        Numbers tell, a symbol's or a connection's; a checksum tells where it covers the whole book.
        """
        state, rule = self._state, self._rule
        numbered = rule.connection_counter or (rule.follows and state.live.numbering.last)
        summed = 0 < state.depth <= self._exchange.checksum_depth
        whole = rule.snapshot == "every"
        if state.status == SYNCED and not numbered and not summed and not whole:
            self.lost(records.UNREADABLE, detail)

    def disconnected(self) -> None:
        """End a connection; the book ends with it unless it can go on by another."""
        state, raw = self._state, self._raw
        why = raw.payload.decode(errors="replace")
        ended = state.connections.get(raw.connection_id)
        others = [c for n, c in state.connections.items() if n != raw.connection_id and c.books]
        if self._rule.scope == "symbol":
            began_ts = ended.first_ts if ended else 0
            # one that was last heard before this one began has ended without a word
            alone = not any(c.last_ts >= began_ts for c in others)
            if alone and (ended is None or ended.books):
                self.lost(records.DISCONNECTED, why)
        elif state.bound != raw.connection_id:
            state.standbys.pop(raw.connection_id, None)
        else:
            # of whole books the next one will do, whose ever it is
            if self._rule.snapshot != "every" or not others:
                self.lost(records.DISCONNECTED, why)
            if state.bound == raw.connection_id:
                state.bound = ""
        state.connections.pop(raw.connection_id, None)
        state.parts.pop(raw.connection_id, None)

    def _take_unnumbered(self, message: BookDelta | BookRows) -> None:
        """Take a whole book without a number where books have numbers: recorded in their place."""
        state = self._state
        if state.buffer or (state.status == SYNCED and state.live.numbering.last):
            self._drop()
            return
        self._replace(message)

    def _take_whole(self, message: BookDelta | BookRows, fields: BookDelta) -> None:
        """Take a book of an exchange that sends nothing else, from one connection at a time."""
        state, raw = self._state, self._raw
        if state.status == SYNCED and state.bound not in ("", raw.connection_id):
            known = state.bound in state.connections
            if known and self._passed_ns(self._heard_ts(), fields) < SILENT_NS:
                self._drop()
                return
        if not fields.is_snapshot:
            self._wait_or_drop()
            return
        behind_ns = state.live.exchange_ts - fields.exchange_ts
        # of another connection the same time is the same book
        known_ns = 0 if state.bound == raw.connection_id else -1
        if state.status == SYNCED and fields.exchange_ts and known_ns < behind_ns < OVERTAKEN_NS:
            self._drop()
            return
        self._replace(message)

    def _stand_by(self, message: BookDelta | BookRows) -> None:
        """Begin a second book, of a connection on which the symbol's book does not live."""
        state, raw = self._state, self._raw
        standby = Standby(Held(), raw.local_ts)
        if isinstance(self._steps.begin(standby.held, message), Problem):
            state.standbys.pop(raw.connection_id, None)
            return
        state.standbys[raw.connection_id] = standby
        fields = message if isinstance(message, BookDelta) else message.book
        standby.exchange_ts = fields.exchange_ts
        standby.behind = raw.local_ts <= self._heard_ts() - SILENT_NS
        standby.seamless = same(standby.held, state.live)
        if not standby.seamless and self._passed_ns(self._heard_ts(), fields) >= SILENT_NS:
            self._hand_over(records.DISCONNECTED, "silent while another connection knows more")

    def _follow_elsewhere(self, message: BookDelta | BookRows) -> None:
        """Take a delta of a connection on which the symbol's book does not live."""
        state, raw = self._state, self._raw
        standby = state.standbys.get(raw.connection_id)
        if standby is None:
            self._wait_or_drop()
            if state.status == SYNCED:
                self._ask_to_stand_by()
            return
        found = self._steps.advance(standby.held, message)
        self._drop()
        if isinstance(found, Problem):
            del state.standbys[raw.connection_id]
            self._request(found.reason)
            return
        fields = message if isinstance(message, BookDelta) else message.book
        # A snapshot that does not say its time is no newer than what follows it
        standby.exchange_ts = standby.exchange_ts or fields.exchange_ts
        heard_ts = self._heard_ts()
        if standby.ahead_ts and standby.heard_ts == heard_ts:
            if raw.local_ts - standby.ahead_ts >= SILENT_NS:
                self._hand_over(records.DISCONNECTED, "silent while another connection is not")
            return
        silent = self._passed_ns(heard_ts, fields) >= SILENT_NS
        standby.ahead_ts, standby.heard_ts = (raw.local_ts, heard_ts) if silent else (0, 0)

    def _ask_to_stand_by(self) -> None:
        """Ask for the book of a connection that goes on without one: silent for long, it was left."""
        raw = self._raw
        connection = self._state.connections[raw.connection_id]
        since_ts = max(connection.first_ts, connection.asked_ts)
        if raw.local_ts - since_ts >= SILENCE_S * SECOND_NS:
            self._request("it goes on without a book")

    def _hand_over(self, reason: str, detail: str) -> None:
        """Go on by the connection that stands by and is furthest; by one that missed nothing, if any."""
        state = self._state
        seamless = [c for c, s in state.standbys.items() if s.seamless or self._overlap(s)]
        furthest = max(seamless or state.standbys, key=lambda c: state.standbys[c].held.applied_ts)
        standby = state.standbys.pop(furthest)
        if not seamless:
            self._gap(reason, detail, None)
        told_ts = max(state.live.exchange_ts, state.written_until_ts)
        state.live, state.bound = standby.held, furthest
        state.counters["handovers"] += 1
        if 0 < state.live.exchange_ts < told_ts and seamless:
            # It is late: what it tells until then was written already
            state.written_until_ts = told_ts
            return
        state.written_until_ts = 0
        self._write_whole(records.HANDOVER if seamless else records.RESYNC)

    def _overlap(self, standby: Standby) -> bool:
        """Whether the book was still told when the one that stood by began."""
        known_ts = self._state.live.exchange_ts
        if standby.behind:
            return known_ts > 0 and known_ts + SILENT_NS > standby.exchange_ts > 0
        return self._heard_ts() + SILENT_NS > standby.began_ts

    def _passed_ns(self, since_ts: int, message: BookDelta) -> int:
        """Return how long after something of another connection this message came.

        One that is stamped before it is late, or its recorder's clock is wrong. The exchange's own
        clock knows which: how much later is this than what the book holds?
        """
        passed = self._raw.local_ts - since_ts
        known_ts = self._state.live.exchange_ts
        if passed > -SILENT_NS or not known_ts or not message.exchange_ts:
            return passed
        return message.exchange_ts - known_ts

    def _heard_ts(self) -> int:
        """Return when the connection on which the book lives was last heard."""
        bound = self._state.connections.get(self._state.bound)
        return bound.last_ts if bound else 0

    def _gap(self, reason: str, detail: str, missing: BookDelta | None) -> None:
        state = self._state
        last = state.live.numbering.last
        gap = Gap(
            symbol=self._raw.symbol, reason=reason, detail=detail, from_ts=state.live.applied_ts
        )
        if missing:
            gap.exchange_ts = missing.exchange_ts
            if self._rule.follow in ("range", "plus1"):
                gap.first_seq, gap.last_seq = last + 1, missing.first_seq - 1
            gap.prev_seq = last
        state.counters["gaps"] += 1
        self.emit(gap)

    def _contradicts(self, message: BookDelta | BookRows) -> bool:
        """Whether a snapshot that came by itself differs from the book that it should be.

        Where nothing else proves a book this shows a loss, if late. Only a snapshot that ends with
        the very message that the book ends with can be compared.
        """
        live = self._state.live
        if self._rule.proven or not isinstance(message, BookDelta):
            return False
        if self._state.bound != self._raw.connection_id:
            return False
        if not message.last_seq or message.last_seq != live.numbering.last:
            return False
        theirs = Held()
        theirs.book.replace(message)
        return not same(theirs, live)

    def _replace(self, message: BookDelta | BookRows) -> None:
        state = self._state
        known = state.status == SYNCED
        if known and self._contradicts(message):
            self._gap("resnapshot", "the snapshot of the book's own number differs from it", None)
        state.bound = self._raw.connection_id
        state.standbys.pop(state.bound, None)
        state.live.numbering = sequence.State()
        found = self._steps.begin(state.live, message)
        if isinstance(found, Problem):
            self._refuse(found)
            return
        # without a number where books have numbers: each message is a whole one
        unnumbered = self._rule.follows and not state.live.numbering.last
        update = known and (self._rule.snapshot in ("every", "request") or unnumbered)
        self._synced(checksum=found.checksum, verified=found.verified, update=update)

    def _follow(self, message: BookDelta | BookRows, fields: BookDelta) -> None:
        state = self._state
        record = self._steps.advance(state.live, message)
        if isinstance(record, Known):
            self._caught_up()
            self._drop()
            silent = self._passed_ns(state.live.applied_ts, fields) >= OLD_NS
            if silent and state.dropped >= OLD_MESSAGES:
                # Numbers that began anew look like old ones: the book would stand still for ever
                self.lost("sequence", f"nothing but numbers up to {state.live.numbering.last}")
            return
        if isinstance(record, Problem):
            if record.reason == "sequence" and self._may_still_come():
                self._keep(fields)
                return
            if record.reason == "sequence" and state.ahead:
                self._go_on_without(fields)
                return
            self.lost(record.reason, record.detail, fields)
            told = record.reason in ("sequence", "crossed") and state.status != SYNCED
            if told and self._rule.snapshot in ("rest", "request"):
                self._buffer(fields)
            return
        self._caught_up()
        if state.written_until_ts:
            self._catch_up(record)
            return
        if not record.bid_prices and not record.ask_prices:
            return
        if state.live.book.crossed:
            record.crossed = True
            state.counters["crossed"] += 1
        record.duplicates, state.dropped = state.dropped, 0
        self.emit(record)

    def _may_still_come(self) -> bool:
        """Whether another connection may yet bring what is missing before this event's delta.

        Each connection's events keep their order in Kafka, but those of two recorders do not: one that
        has just begun may be written before what an older one received earlier.
        """
        state, raw = self._state, self._raw
        if self._rule.scope != "symbol":
            return False
        state.connections[raw.connection_id].ahead = True
        # By the clock of the one that tells: another recorder's may be wrong
        if not state.ahead_ts or raw.local_ts < state.ahead_ts:
            state.ahead_ts = raw.local_ts
        behind = [
            name
            for name, c in state.connections.items()
            if c.deltas and not c.ahead and state.live.applied_ts - c.last_ts < OLD_NS
        ]
        if raw.local_ts - state.ahead_ts >= SILENT_NS:
            for name in behind:
                # It is back with its next event
                del state.connections[name]
            return False
        return bool(behind) and len(state.ahead) < BUFFERED

    def _keep(self, message: BookDelta) -> None:
        """Let a message wait for what is missing before it."""
        message.local_ts = self._raw.local_ts
        self._state.ahead.append(message)

    def _caught_up(self) -> None:
        """Note that this event's connection is one that brings what others have run past."""
        state = self._state
        if state.ahead:
            state.ahead_ts = 0
            state.connections[self._raw.connection_id].ahead = False

    def _go_on(self) -> None:
        """Take what waited, as far as it follows now."""
        state = self._state
        if self._is_missing(state.ahead[0]):
            return
        waiting, state.ahead = state.ahead, []
        for index, message in enumerate(waiting):
            if state.status == SYNCED and self._is_missing(message):
                state.ahead = waiting[index:]
                return
            self._retake(message)
        self._none_ahead()

    def _go_on_without(self, latest: BookDelta) -> None:
        """Take what waited for something that comes no more: a gap, and what can be made of the rest."""
        state = self._state
        latest.local_ts = self._raw.local_ts
        waiting, state.ahead = [*state.ahead, latest], []
        first = waiting[0]
        self._at(first.local_ts)
        found = self._steps.advance(state.live, first)
        assert isinstance(found, Problem)
        self.lost(found.reason, found.detail, first)
        self._none_ahead()
        for message in waiting:
            self._retake(message)

    def _is_missing(self, message: BookDelta) -> bool:
        """Whether a delta that waited still lacks something before it."""
        if message.is_snapshot:
            return False
        return sequence.check(self._rule, self._state.live.numbering, message) == sequence.GAP

    def _retake(self, message: BookDelta) -> None:
        """Take a message that waited as of when it came; there is nothing more to wait for."""
        self._at(message.local_ts)
        if message.is_snapshot:
            self.join(message)
        elif self._state.status == SYNCED:
            self._follow(message, message)
        else:
            self._buffer(message)

    def _none_ahead(self) -> None:
        self._state.ahead_ts = 0
        for connection in self._state.connections.values():
            connection.ahead = False

    def _catch_up(self, record: BookDelta) -> None:
        """Go on writing when a connection that was late has told what is written."""
        state = self._state
        if record.exchange_ts < state.written_until_ts:
            self._drop()
            return
        state.written_until_ts = 0
        self._write_whole(records.HANDOVER, checksum=record.checksum, verified=record.verified)

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

    def _synced(
        self,
        *,
        checksum: int | None = None,
        verified: str | None = None,
        update: bool = False,
    ) -> None:
        """Write the book that a snapshot gave, and go on from it."""
        state = self._state
        state.buffer.clear()
        state.status = SYNCED
        state.asked, state.asked_ts, state.refused = 0, 0, False
        state.written_until_ts = 0
        state.live.applied_ts = self._ts
        reason = records.RESYNC if state.begun else records.INITIAL
        state.begun = True
        self._write_whole(
            records.UPDATE if update else reason, checksum=checksum, verified=verified
        )

    def _write_whole(
        self, reason: str, *, checksum: int | None = None, verified: str | None = None
    ) -> None:
        state, live = self._state, self._state.live
        last = max(live.numbering.last, 0)
        try:
            record = levels.whole(
                live.book,
                symbol=self._raw.symbol,
                reason=reason,
                exchange_ts=live.exchange_ts,
                first_seq=last,
                last_seq=last,
                checksum=checksum,
                verified=self._steps.verified(live, None) if verified is None else verified,
            )
        except decimals.DecimalError as error:
            self.lost("unreadable", str(error))
            return
        if live.book.crossed:
            record.crossed = True
            state.counters["crossed"] += 1
        record.duplicates, state.dropped = state.dropped, 0
        self.emit(record)

    def _refuse(self, problem: Problem) -> None:
        """Do without a snapshot that contradicts itself."""
        state = self._state
        if state.status == SYNCED:
            self.lost(problem.reason, problem.detail)
            return
        state.live.book.clear()
        state.live.numbering = sequence.State()
        state.refused = True
        self._ask_if_due(f"checksum of the snapshot: {problem.detail}")

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
        # A clock that was set back: the wait begins anew, and does not last as long as the step
        state.asked_ts = min(state.asked_ts, now)
        wait_s = min((REFUSED_S if state.refused else SILENCE_S) * 2**state.asked, MOST_S)
        if state.refused and not state.asked:
            wait_s = 0
        if now - state.asked_ts >= wait_s * SECOND_NS:
            self._ask(reason)

    def _ask(self, reason: str) -> None:
        state = self._state
        state.asked_ts = self._raw.local_ts
        state.asked = min(state.asked + 1, 16)
        state.refused = False
        self._request(reason)

    def _request(self, reason: str) -> None:
        raw = self._raw
        if connection := self._state.connections.get(raw.connection_id):
            connection.asked_ts = raw.local_ts
        self._state.counters["resyncs"] += 1
        self.out.append(
            Resync(
                exchange=self._exchange.name,
                symbol=raw.symbol,
                connection_id=raw.connection_id,
                reason=reason,
                local_ts=raw.local_ts,
            )
        )
