"""The life of a book: joins, gaps, resyncs, and what is written of them."""

import dataclasses
import itertools
import json

import pytest

from jetl2.exchanges import adapters, life, symbol_state
from jetl2.exchanges.session import BUFFERING, EMPTY, GAP, SYNCED, Session
from jetl2.orderbook import sequence
from jetl2.schemas import records
from jetl2.schemas.records import (
    BookDelta,
    BookTicker,
    DeadLetter,
    Gap,
    MarketRecord,
    Resync,
    Trade,
)
from tests.feeds import SECOND, START, SYMBOL, Binance, Coinbase, Okx, kinds, only

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
    waits = [(b - a) // SECOND for a, b in itertools.pairwise(asked)]

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


def test_a_crossed_book_from_a_snapshot_is_flagged() -> None:
    feed = Binance()
    feed.delta(11, 11, [("12", "1")])

    assert only(feed.rest(10), BookDelta).crossed


def test_where_nothing_else_proves_a_book_a_crossed_one_is_a_gap() -> None:
    feed = Okx()
    unproven = dataclasses.replace(feed.session.exchange, rule=sequence.UNPROVEN)
    feed.session = Session(unproven)
    feed.synced()

    gap, _ = feed.book("update", 10, 11, [("12", "1")])
    assert isinstance(gap, Gap)
    assert gap.reason == "crossed"


def test_what_is_lost_while_a_snapshot_is_awaited_is_no_second_gap() -> None:
    feed = Binance()
    feed.delta(5, 8)
    assert feed.event(records.LOST, b"{}") == []
    assert feed.state == EMPTY
    feed.synced()
    feed.delta(20, 20)
    assert feed.event(records.LOST, b"{}") == []
    assert feed.state == GAP


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


def test_every_part_of_a_state_is_saved() -> None:
    feed = Okx().synced()
    feed.book("snapshot", -1, 11, connection="c2")
    assert feed.session._symbols[feed.symbol].standbys
    saved = feed.session.dump(feed.symbol).decode()
    state = feed.session._symbols[feed.symbol]
    names = {field.name for field in dataclasses.fields(state)}

    assert {name for name in names if f'"{name}":' not in saved} == set()
    restored = symbol_state.load(saved.encode())
    # books are compared by their levels, in what they are dumped to
    assert {n for n in names if getattr(state, n) != getattr(restored, n)} == {"live", "standbys"}
    assert symbol_state.dump(restored).decode() == saved


def test_a_state_of_the_version_before_is_read() -> None:
    feed = Okx().synced()
    state = feed.session._symbols[feed.symbol]
    state.told_by, state.told_ts = {"BookTicker": "c1"}, {"BookTicker": 0}
    saved = json.loads(feed.session.dump(feed.symbol))
    before = json.loads(json.dumps(saved))
    before["version"] -= 1
    # What that version meant by it was the latest record of all, and this it did not know
    before["plain"]["told_ts"] = {"BookTicker": state.live.applied_ts}
    del before["plain"]["last_ts"]

    restored = json.loads(symbol_state.dump(symbol_state.load(json.dumps(before).encode())))

    saved["plain"]["last_ts"] = 0
    assert restored == saved


@pytest.mark.parametrize("version", [1, 99])
def test_a_state_of_another_version_is_refused(version: int) -> None:
    feed = Binance().synced()
    saved = json.loads(feed.session.dump(SYMBOL)) | {"version": version}

    with pytest.raises(ValueError, match=f"found {version}"):
        feed.session.load(SYMBOL, json.dumps(saved).encode())


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


def test_precision_that_no_level_needs_any_more_is_given_up_to_fit() -> None:
    feed = Binance().synced()
    feed.delta(12, 12, [("7", "123456789012345")])
    feed.delta(13, 13, [("6", "0.00000001")])
    feed.delta(14, 14, [("6", "0")])
    feed.now = START + 3600 * SECOND

    periodic, _ = feed.trade(1)
    assert isinstance(periodic, BookDelta)
    sizes = dict(zip(periodic.bid_prices, periodic.bid_sizes, strict=True))
    assert sizes[7] == 123456789012345 * 10**-periodic.size_exponent
    assert max(periodic.bid_sizes) < 2**63


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
