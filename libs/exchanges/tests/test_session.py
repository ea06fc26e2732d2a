"""The life of a book: joins, gaps, resyncs, overlaps and what is written of them."""

import dataclasses
import json
import zlib
from collections.abc import Sequence
from typing import Any

import pytest

from jetl2.exchanges import adapters, life, session, symbol_state
from jetl2.exchanges.life import Output
from jetl2.exchanges.session import BUFFERING, EMPTY, GAP, SYNCED, Session
from jetl2.schemas import records
from jetl2.schemas.records import (
    BookDelta,
    BookTicker,
    DeadLetter,
    Gap,
    MarketRecord,
    RawEvent,
    Resync,
    Trade,
)

SYMBOL = "ABCUSDT"
SECOND = 10**9
START = 1_767_225_600 * SECOND  # a full hour


class Feed:
    """A session with a clock: each event comes 100 ms after the one before."""

    def __init__(self, exchange: str, symbol: str = SYMBOL) -> None:
        self.session = Session(adapters.get(exchange))
        self.symbol = symbol
        self.now = START
        self.counters: dict[str, int] = {}

    def raw(
        self,
        payload: object,
        *,
        kind: str = records.FRAME,
        connection: str = "c1",
        symbol: str | None = None,
        channel: str = "",
        skip: int = 0,
    ) -> list[Output]:
        self.now += SECOND // 10
        counter = self.counters.get(connection, 0)
        if kind == records.FRAME:
            self.counters[connection] = counter + 1 + skip
        data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        return self.session.feed(
            RawEvent(
                exchange=self.session.exchange.name,
                symbol=self.symbol if symbol is None else symbol,
                channel=channel,
                local_ts=self.now,
                connection_id=connection,
                counter=counter,
                kind=kind,
                payload=data,
            )
        )

    def event(self, kind: str, payload: bytes = b"", connection: str = "c1") -> list[Output]:
        return self.raw(payload, kind=kind, connection=connection)

    @property
    def state(self) -> str:
        return self.session.state(self.symbol)

    @property
    def counted(self) -> dict[str, int]:
        return {k: n for k, n in self.session.counters(self.symbol).items() if n}

    def top(self) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
        return self.session.book(self.symbol).top(10)


class Binance(Feed):
    def __init__(self) -> None:
        super().__init__("binance")

    def delta(
        self,
        first: int,
        last: int,
        bids: Sequence[tuple[str, str]] = (("9", "1"),),
        asks: Sequence[tuple[str, str]] = (),
        **where: Any,
    ) -> list[Output]:
        data = {"e": "depthUpdate", "E": 1, "s": SYMBOL, "U": first, "u": last}
        return self.raw({**data, "b": bids, "a": asks}, **where)

    def rest(self, last: int, **where: Any) -> list[Output]:
        body = {"lastUpdateId": last, "bids": [["8", "5"]], "asks": [["11", "5"]]}
        return self.raw(body, kind=records.SNAPSHOT, **where)

    def trade(self, number: int, **where: Any) -> list[Output]:
        data = {"e": "trade", "E": 1, "s": SYMBOL, "t": number, "p": "9", "q": "1", "T": 1}
        return self.raw({**data, "m": True}, **where)

    def ticker(self, number: int, **where: Any) -> list[Output]:
        data = {"u": number, "s": SYMBOL, "b": "9", "B": "1", "a": "11", "A": "2"}
        return self.raw(data, **where)

    def synced(self, last: int = 10) -> "Binance":
        self.event(records.CONNECTED)
        self.rest(last)
        self.delta(last + 1, last + 1)
        assert self.state == SYNCED
        return self


class Okx(Feed):
    def __init__(self) -> None:
        super().__init__("okex", "ABC-USDT")

    def book(
        self,
        action: str,
        prev: int,
        last: int,
        bids: Sequence[tuple[str, str]] = (("9", "1"),),
        **where: Any,
    ) -> list[Output]:
        checksum = where.pop("checksum", 0)
        item = {"bids": bids, "asks": [("11", "2")], "ts": "1", "checksum": checksum}
        item |= {"seqId": last, "prevSeqId": prev}
        arg = {"channel": "books", "instId": self.symbol}
        return self.raw({"arg": arg, "action": action, "data": [item]}, **where)

    def synced(self, connection: str = "c1") -> "Okx":
        self.book("snapshot", -1, 10, connection=connection)
        assert self.state == SYNCED
        return self


class Coinbase(Feed):
    def __init__(self) -> None:
        super().__init__("coinbase", "ABC-USD")

    def book(self, kind: str, number: int, **where: Any) -> list[Output]:
        level = {"side": "bid", "price_level": "9", "new_quantity": str(number)}
        event = {"type": kind, "product_id": self.symbol, "updates": [level]}
        return self.raw(self.frame("l2_data", number, event), **where)

    def frame(self, channel: str, number: int, *events: dict[str, Any]) -> dict[str, Any]:
        time = "2026-01-01T00:00:00Z"
        return {"channel": channel, "timestamp": time, "sequence_num": number, "events": events}


def kinds(outputs: list[Output]) -> list[type]:
    return [type(o) for o in outputs]


def only(outputs: list[Output], kind: type) -> Any:
    (found,) = outputs
    assert isinstance(found, kind)
    return found


# A snapshot by REST


def test_deltas_wait_for_their_snapshot_and_are_part_of_it() -> None:
    feed = Binance()
    assert feed.state == EMPTY
    assert feed.delta(5, 8, [("7", "1")]) == []
    assert feed.state == BUFFERING
    assert feed.delta(9, 12, [("9", "2")]) == []

    snapshot = only(feed.rest(10), BookDelta)

    assert feed.state == SYNCED
    assert snapshot.is_snapshot
    assert snapshot.reason == records.INITIAL
    # 5 to 8 was in the snapshot already, 9 to 12 was not
    assert (snapshot.bid_prices, snapshot.ask_prices) == ([9, 8], [11])
    assert (snapshot.first_seq, snapshot.last_seq) == (12, 12)
    assert snapshot.local_ts == feed.now


def test_a_snapshot_older_than_what_waits_is_asked_for_again() -> None:
    feed = Binance()
    feed.delta(20, 21)

    resync = only(feed.rest(10), Resync)

    assert feed.state == BUFFERING
    assert resync.symbol == SYMBOL
    assert resync.connection_id == "c1"
    assert "10 is older than 20" in resync.reason
    # not again at once
    assert feed.rest(11) == []
    assert only(feed.rest(20), BookDelta).is_snapshot


def test_a_snapshot_that_never_comes_is_asked_for_more_and_more_slowly() -> None:
    feed = Binance()
    asked = []
    for number in range(1, 12_001):
        asked += [feed.now for o in feed.delta(number, number) if isinstance(o, Resync)]
    waits = [(b - a) // SECOND for a, b in zip(asked, asked[1:], strict=False)]

    assert waits == sorted(waits)
    assert waits[0] >= 20
    assert max(waits) <= 301
    # and what waits is bounded
    assert len(feed.session._symbols[SYMBOL].buffer) == life.BUFFERED


def test_a_hole_in_what_waits_needs_a_snapshot_newer_than_the_hole() -> None:
    feed = Binance()
    feed.delta(5, 8)
    feed.delta(12, 13)

    only(feed.rest(9), Resync)
    assert feed.state == BUFFERING
    snapshot = only(feed.rest(11), BookDelta)

    assert snapshot.last_seq == 13


def test_a_repetition_of_what_waits_is_dropped() -> None:
    feed = Binance()
    feed.delta(5, 8)
    feed.delta(5, 8)

    snapshot = only(feed.rest(4), BookDelta)

    assert snapshot.duplicates == 1
    assert feed.counted["duplicates"] == 1


def test_an_instrument_without_any_update_takes_the_first_delta_whatever_its_number() -> None:
    feed = Binance()
    snapshot = only(feed.rest(-1), BookDelta)
    assert snapshot.last_seq == 0
    assert feed.session.sequence(SYMBOL) == 0

    assert only(feed.delta(77, 78), BookDelta).first_seq == 77
    assert kinds(feed.delta(80, 80)) == [Gap, Resync]


def test_a_snapshot_that_comes_while_the_book_is_proven_changes_nothing() -> None:
    feed = Binance().synced()
    before = feed.top()

    assert feed.rest(500) == []
    assert feed.top() == before
    assert only(feed.delta(12, 12), BookDelta)


def test_an_error_instead_of_a_snapshot_is_a_dead_letter() -> None:
    feed = Binance()
    feed.delta(5, 8)
    dead = only(feed.raw({"code": -1003, "msg": "Too much"}, kind=records.SNAPSHOT), DeadLetter)

    assert dead.kind == records.SNAPSHOT
    assert "lastUpdateId" in dead.error
    assert feed.state == BUFFERING


def test_a_rest_snapshot_of_an_exchange_that_has_none_is_a_dead_letter() -> None:
    feed = Okx().synced()
    dead = only(feed.raw({}, kind=records.SNAPSHOT), DeadLetter)

    assert "has none" in dead.error
    assert feed.state == SYNCED


# Gaps


def test_a_missing_delta_is_a_gap_then_silence_then_a_snapshot() -> None:
    feed = Binance().synced()
    gap_from = feed.now

    gap, resync = feed.delta(15, 16)

    assert isinstance(gap, Gap)
    assert isinstance(resync, Resync)
    assert (gap.first_seq, gap.last_seq, gap.prev_seq) == (12, 14, 11)
    assert (gap.reason, gap.from_ts) == ("sequence", gap_from)
    assert resync.connection_id == "c1"
    # what came after the gap waits for the snapshot
    assert feed.state == BUFFERING
    assert feed.session.book(SYMBOL).levels == 0
    assert feed.delta(17, 17) == []
    snapshot = only(feed.rest(15), BookDelta)
    assert snapshot.reason == records.RESYNC
    assert snapshot.last_seq == 17
    assert feed.counted["gaps"] == 1
    assert feed.counted["resyncs"] == 1


def test_trades_and_tickers_flow_whatever_the_books_state() -> None:
    feed = Binance()
    assert kinds(feed.trade(1)) == [Trade]
    feed.synced()
    feed.delta(50, 50)

    assert feed.state == BUFFERING
    assert kinds(feed.trade(2)) == [Trade]
    assert kinds(feed.ticker(3)) == [BookTicker]


def test_records_of_all_types_are_numbered_together() -> None:
    feed = Binance()
    outputs = [*feed.rest(10), *feed.trade(1), *feed.delta(11, 11), *feed.ticker(2)]
    outputs += feed.delta(20, 20)

    market = [o for o in outputs if isinstance(o, MarketRecord)]
    assert [o.seq for o in market] == [1, 2, 3, 4, 5]
    assert {o.exchange for o in market} == {"binance"}
    assert all(o.symbol == SYMBOL for o in market)
    assert [o.source_index for o in market] == [0] * 5


def test_empty_deltas_advance_the_number_and_write_nothing() -> None:
    feed = Binance().synced()
    assert feed.delta(12, 14, [], []) == []

    assert feed.session.sequence(SYMBOL) == 14
    assert kinds(feed.delta(15, 15)) == [BookDelta]


def test_a_delta_that_was_applied_is_dropped_and_counted_in_the_next_record() -> None:
    feed = Binance().synced()
    assert feed.delta(11, 11) == []
    record = only(feed.delta(12, 12), BookDelta)

    assert record.duplicates == 1
    assert only(feed.delta(13, 13), BookDelta).duplicates == 0


def test_a_crossed_book_is_flagged() -> None:
    feed = Binance().synced()
    record = only(feed.delta(12, 12, [("12", "1")]), BookDelta)

    assert record.crossed
    assert feed.counted["crossed"] == 1
    assert not only(feed.delta(13, 13, [("12", "0")]), BookDelta).crossed


def test_what_the_ingestor_lost_is_a_gap() -> None:
    feed = Binance().synced()
    gap, resync = feed.event(records.LOST, b'{"messages": 3}')

    assert isinstance(gap, Gap)
    assert (gap.reason, gap.detail) == ("lost", '{"messages": 3}')
    assert isinstance(resync, Resync)
    assert feed.state == GAP


# Frames that cannot be read


def test_an_unreadable_frame_that_may_be_of_the_book_loses_it() -> None:
    feed = Binance().synced()
    dead, gap, resync = feed.raw(b'{"e":"depthUpdate"', channel="depth@100ms")

    assert isinstance(dead, DeadLetter)
    assert dead.payload == b'{"e":"depthUpdate"'
    assert (dead.channel, dead.counter, dead.connection_id) == ("depth@100ms", 1, "c1")
    assert isinstance(gap, Gap)
    assert gap.reason == "unreadable"
    assert isinstance(resync, Resync)
    assert feed.counted["unparsed"] == 1


def test_an_unreadable_trade_loses_no_book() -> None:
    feed = Binance().synced()
    only(feed.raw(b"{", channel="trade"), DeadLetter)

    assert feed.state == SYNCED


def test_garbage_of_no_symbol_is_counted_and_the_feed_goes_on() -> None:
    feed = Binance().synced()
    only(feed.raw(b"\x00\xff", symbol=""), DeadLetter)

    assert feed.session.counters("")["unparsed"] == 1
    assert feed.session.symbols() == [SYMBOL]
    assert kinds(feed.delta(12, 12)) == [BookDelta]


def test_a_level_that_fits_no_64_bits_is_a_dead_letter() -> None:
    feed = Binance().synced()
    outputs = feed.delta(12, 12, [("9", "1"), ("9.000000000001", "12345678901234567890")])

    assert kinds(outputs) == [DeadLetter, Gap, Resync]


def test_many_digits_that_are_zeros_fit() -> None:
    feed = Binance().synced()
    record = only(feed.delta(12, 12, [("0.00000001", "123456789012345.00000000")]), BookDelta)

    assert (record.bid_sizes, record.size_exponent) == ([123456789012345], 0)


# Connections


def test_two_recorders_of_one_symbol_give_each_delta_once() -> None:
    feed = Binance().synced()
    assert feed.delta(12, 12, connection="c2") != []
    assert feed.delta(12, 12, connection="c1") == []
    assert feed.delta(13, 14, connection="c1") != []
    assert feed.delta(13, 14, connection="c2") == []

    assert feed.counted["duplicates"] == 2


def test_the_end_of_one_of_two_connections_is_no_gap() -> None:
    feed = Binance().synced()
    feed.event(records.CONNECTED, connection="c2")
    feed.delta(12, 12, connection="c2")

    assert feed.event(records.DISCONNECTED, b"renewed", connection="c1") == []
    assert kinds(feed.delta(13, 13, connection="c2")) == [BookDelta]
    gap, _ = feed.event(records.DISCONNECTED, b"reset by peer", connection="c2")
    assert isinstance(gap, Gap)
    assert (gap.reason, gap.detail) == ("disconnected", "reset by peer")


def test_a_connection_whose_end_was_never_written_does_not_hide_a_gap() -> None:
    feed = Binance().synced()  # on c1, whose recorder then died
    feed.event(records.CONNECTED, connection="c2")
    feed.delta(12, 12, connection="c2")

    assert Gap in kinds(feed.event(records.DISCONNECTED, connection="c2"))


def test_connections_that_are_never_ended_are_forgotten_at_last() -> None:
    feed = Binance().synced()
    for number in range(50):
        feed.event(records.CONNECTED, connection=f"x{number}")

    assert len(feed.session._symbols[SYMBOL].connections) == session.CONNECTIONS_KEPT


def test_a_trade_seen_on_two_connections_is_written_once() -> None:
    feed = Binance()
    assert kinds(feed.trade(1, connection="c1")) == [Trade]
    assert kinds(feed.trade(2, connection="c2")) == [Trade]
    assert feed.trade(1, connection="c2") == []
    assert feed.trade(2, connection="c1") == []
    for number in range(3, session.TRADE_IDS_KEPT + 10):
        feed.trade(number)

    assert len(feed.session._symbols[SYMBOL].trade_ids) == session.TRADE_IDS_KEPT


def test_the_best_bid_and_ask_come_from_one_connection_until_it_falls_silent() -> None:
    feed = Binance()
    assert feed.ticker(1, connection="c1") != []
    assert feed.ticker(1, connection="c2") == []
    feed.now += session.TICKER_SILENCE_NS
    assert feed.ticker(2, connection="c2") != []
    assert feed.ticker(2, connection="c1") == []
    feed.event(records.DISCONNECTED, connection="c2")
    assert feed.ticker(3, connection="c1") != []


# A snapshot in the channel


def test_a_book_lives_on_the_connection_of_its_snapshot() -> None:
    feed = Okx().synced()
    assert feed.book("update", 10, 11, connection="c2") == []
    assert feed.counted["duplicates"] == 1

    snapshot = only(feed.book("snapshot", -1, 12, connection="c2"), BookDelta)
    assert snapshot.reason == records.RESYNC
    assert feed.book("update", 12, 13, connection="c1") == []
    assert kinds(feed.book("update", 12, 13, connection="c2")) == [BookDelta]
    # c1 ends, and what it lost or garbles does not matter any more
    assert feed.event(records.LOST, b"{}", connection="c1") == []
    assert kinds(feed.raw(b"{", channel="books", connection="c1")) == [DeadLetter]
    assert feed.event(records.DISCONNECTED, connection="c1") == []
    assert kinds(feed.event(records.DISCONNECTED, connection="c2")) == [Gap, Resync]


def test_a_broken_link_is_a_gap_until_the_next_snapshot() -> None:
    feed = Okx().synced()
    gap, resync = feed.book("update", 12, 13)

    assert isinstance(gap, Gap)
    assert (gap.prev_seq, gap.first_seq, gap.last_seq) == (10, 0, 0)
    assert isinstance(resync, Resync)
    assert feed.state == GAP
    assert feed.book("update", 13, 14) == []
    assert only(feed.book("snapshot", -1, 20), BookDelta).reason == records.RESYNC


def test_deltas_before_any_snapshot_ask_for_one_after_a_while() -> None:
    feed = Okx()
    asked = []
    for number in range(400):
        asked += feed.book("update", number, number + 1)

    assert kinds(asked) == [Resync]
    assert feed.state == EMPTY


def test_a_live_checksum_is_compared_and_a_wrong_one_is_a_gap() -> None:
    feed = Okx()
    unsigned = zlib.crc32(b"9:1:11:2")
    right = unsigned - (1 << 32) if unsigned >= 1 << 31 else unsigned
    snapshot = only(feed.book("snapshot", -1, 10, checksum=right), BookDelta)
    assert snapshot.verified == records.PASSED
    assert snapshot.checksum == right

    gap, _ = feed.book("update", 10, 11, [("9", "3")], checksum=right)
    assert isinstance(gap, Gap)
    assert gap.reason == "checksum"
    assert (feed.counted["checksums_passed"], feed.counted["checksums_failed"]) == (1, 1)


def test_a_snapshot_that_contradicts_its_checksum_is_refused() -> None:
    feed = Okx()
    assert kinds(feed.book("snapshot", -1, 10, checksum=5)) == [Resync]
    assert feed.state == EMPTY
    assert feed.book("snapshot", -1, 11, checksum=5) == []
    assert kinds(feed.book("snapshot", -1, 12)) == [BookDelta]


# A counter over the whole connection


def test_every_frame_of_a_connection_counts_also_those_of_no_symbol() -> None:
    feed = Coinbase()
    feed.book("snapshot", 0)
    assert kinds(feed.book("update", 1)) == [BookDelta]
    assert kinds(feed.raw(feed.frame("heartbeats", 2), symbol="")) == []
    assert kinds(feed.book("update", 3)) == [BookDelta]


def test_frames_of_other_symbols_are_counted_through() -> None:
    feed = Coinbase()
    feed.book("snapshot", 0, skip=2)  # 1 and 2 went to others
    assert kinds(feed.book("update", 3)) == [BookDelta]

    gap, resync = feed.book("update", 5)
    assert isinstance(gap, Gap)
    assert gap.reason == "connection_sequence"
    assert gap.detail == "expected number 4, found 5"
    assert isinstance(resync, Resync)
    assert feed.state == GAP
    # from here it goes on with the new difference
    assert feed.book("update", 6) == []
    assert only(feed.book("snapshot", 7), BookDelta).reason == records.RESYNC
    assert kinds(feed.book("update", 8)) == [BookDelta]


def test_a_new_connection_counts_from_its_own_start() -> None:
    feed = Coinbase()
    feed.book("snapshot", 0)
    feed.event(records.DISCONNECTED)

    assert kinds(feed.book("snapshot", 0, connection="c2")) == [BookDelta]
    assert kinds(feed.book("update", 1, connection="c2")) == [BookDelta]


# Depth


class Kraken(Feed):
    """Without its checksum, which the contract's sessions show."""

    def __init__(self) -> None:
        super().__init__("kraken", "ABC/USD")
        self.session = Session(dataclasses.replace(self.session.exchange, checksum=None))

    def book(self, kind: str, prices: range) -> list[Output]:
        levels = [{"price": price, "qty": 1} for price in prices]
        item = {"symbol": self.symbol, "bids": levels, "asks": [], "checksum": 1}
        return self.raw({"channel": "book", "type": kind, "data": [item]})


def test_a_book_is_cut_to_the_depth_that_was_acknowledged() -> None:
    feed = Kraken()
    ack = {"channel": "book", "symbol": feed.symbol, "depth": 25}
    feed.raw({"method": "subscribe", "success": True, "result": ack})
    feed.book("snapshot", range(1, 21))
    feed.book("update", range(21, 31))

    assert feed.session.book(feed.symbol).levels == 25
    assert feed.top()[0][0] == (30, 1)


def test_without_an_acknowledgement_the_snapshot_shows_the_depth() -> None:
    feed = Kraken()
    feed.book("snapshot", range(1, 101))
    feed.book("update", range(101, 131))

    assert feed.session.book(feed.symbol).levels == 100


def test_a_snapshot_deeper_than_any_depth_stays_whole() -> None:
    feed = Kraken()
    feed.book("snapshot", range(1, 1201))

    assert feed.session.book(feed.symbol).levels == 1200


# Time


def test_the_first_message_after_a_full_hour_is_preceded_by_the_whole_book() -> None:
    feed = Binance().synced()
    feed.now = START + 3600 * SECOND - SECOND // 5
    feed.delta(12, 12, [("7.5", "4")])
    periodic, delta = feed.delta(13, 13)

    assert isinstance(periodic, BookDelta)
    assert isinstance(delta, BookDelta)
    assert periodic.is_snapshot
    assert periodic.reason == records.PERIODIC
    assert periodic.bid_prices == [90, 80, 75]
    assert periodic.price_exponent == -1
    assert periodic.last_seq == 12
    assert periodic.local_ts == delta.local_ts == feed.now
    assert (periodic.source_index, delta.source_index) == (0, 1)
    assert (periodic.seq + 1, delta.seq) == (delta.seq, delta.seq)
    assert kinds(feed.delta(14, 14)) == [BookDelta]


def test_no_whole_book_is_written_while_it_is_not_known() -> None:
    feed = Binance().synced()
    feed.delta(20, 20)
    feed.now = START + 3600 * SECOND

    assert kinds(feed.trade(1)) == [Trade]


def test_a_clock_that_goes_back_writes_no_second_book() -> None:
    feed = Binance().synced()
    feed.now = START + 3600 * SECOND
    assert kinds(feed.trade(1)) == [BookDelta, Trade]
    feed.now = START + 3599 * SECOND
    assert kinds(feed.trade(2)) == [Trade]
    feed.now = START + 3601 * SECOND
    assert kinds(feed.trade(3)) == [Trade]


# State


def test_a_state_of_another_version_is_refused() -> None:
    feed = Binance().synced()
    saved = feed.session.dump(SYMBOL)

    with pytest.raises(ValueError, match="version"):
        feed.session.load(SYMBOL, saved.replace(b'"version":1', b'"version":99'))


def test_a_state_with_numbers_beyond_64_bits_is_kept() -> None:
    feed = Binance().synced()
    feed.delta(12, 12, [("7", "123456789012345")])
    feed.delta(13, 13, [("6", "0.00000001")])
    before = feed.top()
    assert max(size for _, size in before[0]) > 2**63

    other = Session(feed.session.exchange)
    other.load(SYMBOL, feed.session.dump(SYMBOL))

    assert other.book(SYMBOL).top(10) == before
    assert other.dump(SYMBOL) == feed.session.dump(SYMBOL)


def test_a_book_that_fits_no_record_is_lost_loudly() -> None:
    feed = Binance().synced()
    feed.delta(12, 12, [("7", "123456789012345")])
    feed.delta(13, 13, [("6", "0.00000001")])
    feed.now = START + 3600 * SECOND

    gap, _, trade = feed.trade(1)
    assert isinstance(gap, Gap)
    assert "64 bits" in gap.detail
    assert isinstance(trade, Trade)


def test_a_symbol_that_was_never_fed_is_empty() -> None:
    empty = Session(adapters.get("binance"))

    assert empty.state(SYMBOL) == EMPTY
    assert empty.counters(SYMBOL) == dict.fromkeys(symbol_state.COUNTERS, 0)
    assert empty.symbols() == []


def test_only_records_of_the_events_own_symbol_are_written() -> None:
    feed = Coinbase()
    level = {"side": "offer", "price_level": "9", "new_quantity": "1"}
    events = [
        {"type": "snapshot", "product_id": product, "updates": [level]}
        for product in ("ABC-USD", "XYZ-USD")
    ]
    frame = feed.frame("l2_data", 0, *events)

    assert only(feed.raw(frame), BookDelta).symbol == "ABC-USD"
    feed.counters.clear()
    assert only(feed.raw(frame, symbol="XYZ-USD"), BookDelta).symbol == "XYZ-USD"


def test_requests_that_were_sent_change_nothing() -> None:
    feed = Binance().synced()

    assert feed.event(records.SUBSCRIBED, b"{}") == []
