"""Several connections of a symbol, books that live on one of them, their counters and depths."""

import zlib

import pytest

from jetl2.exchanges import life, session
from jetl2.exchanges.life import Output
from jetl2.exchanges.session import EMPTY, GAP
from jetl2.schemas import records
from jetl2.schemas.records import BookDelta, Gap, Resync, Trade
from tests.feeds import SYMBOL, Binance, Coinbase, Kraken, Okx, kinds, only

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


def test_numbers_that_begin_anew_are_a_gap_and_not_old_ones_for_ever() -> None:
    feed = Binance().synced(last=1_000_000)
    feed.now += life.OLD_NS
    outputs = [o for n in range(life.OLD_MESSAGES) for o in feed.delta(n + 1, n + 1)]

    assert kinds(outputs) == [Gap, Resync]
    feed.rest(life.OLD_MESSAGES + 5)
    number = life.OLD_MESSAGES + 6
    assert BookDelta in kinds(feed.delta(number, number))


def test_old_numbers_of_a_recorder_that_is_behind_are_none() -> None:
    feed = Binance().synced()
    for n in range(12, 12 + 2 * life.OLD_MESSAGES):
        feed.now += life.OLD_NS
        assert kinds(feed.delta(n, n, connection="c1")) == [BookDelta]
        feed.now += 1000
        assert feed.delta(n, n, connection="c2") == []


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


# Two recorders' events are not in one order


def overtaken() -> Binance:
    """Return a book at 13 on c1, whose 14 and 15 are late; c2 began meanwhile, and is at 18."""
    feed = Binance().synced()
    feed.delta(12, 13, connection="c1")
    feed.event(records.CONNECTED, connection="c2")
    assert feed.delta(16, 16, connection="c2") == []
    assert feed.rest(16, connection="c2") == []
    assert feed.delta(17, 18, [("7", "4")], connection="c2") == []
    return feed


def numbers(outputs: list[Output]) -> list[tuple[int, int]]:
    return [(o.first_seq, o.last_seq) for o in outputs if isinstance(o, BookDelta)]


def test_a_connection_that_has_just_begun_may_overtake_the_one_before_without_a_gap() -> None:
    feed = overtaken()

    assert numbers(feed.delta(14, 14, connection="c1")) == [(14, 14)]
    outputs = feed.delta(15, 15, connection="c1")

    assert numbers(outputs) == [(15, 15), (16, 16), (17, 18)]
    assert [o.source_index for o in outputs if isinstance(o, BookDelta)] == [0, 1, 2]
    assert "gaps" not in feed.counted
    assert (7, 4) in [(price, size) for price, size in feed.top()[0]]
    # each known now, whose ever it is
    assert feed.delta(16, 16, connection="c1") == []
    assert numbers(feed.delta(19, 19, connection="c2")) == [(19, 19)]
    assert feed.delta(17, 18, connection="c1") == []


def test_what_waits_is_in_the_saved_state() -> None:
    feed = overtaken()
    feed.session.load(SYMBOL, feed.session.dump(SYMBOL))

    assert numbers(feed.delta(14, 15, connection="c1")) == [(14, 15), (16, 16), (17, 18)]


def test_what_no_connection_has_is_a_gap_at_once() -> None:
    feed = overtaken()

    gap, resync, whole, delta, latest = feed.delta(19, 19, connection="c1")

    assert isinstance(gap, Gap)
    assert (gap.reason, gap.first_seq, gap.last_seq) == ("sequence", 14, 15)
    assert isinstance(resync, Resync)
    assert isinstance(whole, BookDelta)
    assert (whole.is_snapshot, whole.reason, whole.last_seq) == (True, records.RESYNC, 16)
    assert numbers([delta, latest]) == [(17, 18), (19, 19)]
    assert gap.local_ts <= whole.local_ts <= delta.local_ts < feed.now


@pytest.mark.parametrize("ended", [True, False])
def test_what_is_missing_is_a_gap_once_the_other_connection_is_no_more(*, ended: bool) -> None:
    feed = overtaken()
    if ended:
        assert feed.event(records.DISCONNECTED, b"cut", connection="c1") == []
    else:
        feed.now += life.SILENT_NS

    outputs = feed.delta(19, 19, connection="c2")

    assert kinds(outputs) == [Gap, Resync, BookDelta, BookDelta, BookDelta]
    assert numbers(outputs) == [(16, 16), (17, 18), (19, 19)]
    # and it is not waited for again
    assert kinds(feed.delta(21, 21, connection="c2")) == [Gap, Resync]


def test_a_connection_that_was_left_long_ago_is_not_waited_for() -> None:
    feed = Binance().synced()  # on c1, whose recorder then died
    feed.event(records.CONNECTED, connection="c2")
    feed.now += life.OLD_NS
    feed.delta(12, 12, connection="c2")

    assert kinds(feed.delta(14, 14, connection="c2")) == [Gap, Resync]


# A snapshot in the channel


def test_a_book_lives_on_the_connection_of_its_snapshot() -> None:
    feed = Okx().synced()
    assert feed.book("update", 10, 11, connection="c2") == []
    assert feed.counted["duplicates"] == 1
    assert kinds(feed.book("update", 10, 11, connection="c1")) == [BookDelta]


def standing_by() -> Okx:
    """Return a book on c1 with c2 in step beside it."""
    feed = Okx().synced()
    assert feed.book("snapshot", -1, 10, connection="c2") == []
    feed.book("update", 10, 11, [("8", "3")], connection="c1")
    assert feed.book("update", 10, 11, [("8", "3")], connection="c2") == []
    return feed


def test_the_end_of_its_connection_is_no_gap_when_another_stands_by() -> None:
    feed = standing_by()

    record = only(feed.event(records.DISCONNECTED, b"cut", connection="c1"), BookDelta)

    assert (record.is_snapshot, record.reason) == (True, records.HANDOVER)
    assert (record.bid_prices, record.last_seq) == ([9, 8], 11)
    assert kinds(feed.book("update", 11, 12, connection="c2")) == [BookDelta]
    assert feed.counted["handovers"] == 1
    assert "gaps" not in feed.counted
    # the last one takes the book with it
    assert kinds(feed.event(records.DISCONNECTED, b"cut", connection="c2")) == [Gap, Resync]


def test_what_one_connection_lost_another_has() -> None:
    feed = standing_by()

    record, resync = feed.book("update", 12, 13, connection="c1")

    assert isinstance(record, BookDelta)
    assert record.reason == records.HANDOVER
    assert isinstance(resync, Resync)
    assert resync.connection_id == "c1"
    assert kinds(feed.book("update", 11, 12, connection="c2")) == [BookDelta]
    # taken anew it stands by for the other
    assert feed.book("snapshot", -1, 12, connection="c1") == []
    feed.book("update", 12, 13, connection="c2")
    assert kinds(feed.event(records.DISCONNECTED, b"", connection="c2")) == [BookDelta]


def test_a_loss_of_the_connection_that_stands_by_is_its_own() -> None:
    feed = standing_by()

    resync = only(feed.book("update", 12, 13, connection="c2"), Resync)

    assert resync.connection_id == "c2"
    assert kinds(feed.book("update", 11, 12, connection="c1")) == [BookDelta]
    assert kinds(feed.event(records.DISCONNECTED, b"", connection="c1")) == [Gap, Resync]


@pytest.mark.parametrize("kind", [records.LOST, records.DISCONNECTED])
def test_a_connection_that_stood_by_and_ended_is_none(kind: str) -> None:
    feed = standing_by()
    feed.event(kind, b"{}", connection="c2")

    assert kinds(feed.event(records.DISCONNECTED, b"", connection="c1")) == [Gap, Resync]


def test_a_connection_that_died_without_a_word_is_left_when_another_knows_more() -> None:
    feed = standing_by()
    for number in (11, 12):
        assert feed.book("update", number, number + 1, connection="c2") == []
        feed.now += life.SILENT_NS
    record = only(feed.book("update", 13, 14, connection="c2"), BookDelta)

    assert (record.reason, record.last_seq) == (records.HANDOVER, 14)


def test_a_recorder_that_was_killed_and_is_back_does_not_take_the_book_from_one_that_missed_nothing() -> (
    None
):
    feed = standing_by()  # c1 is dead by now
    assert feed.book("update", 11, 12, [("7", "4")], connection="c2") == []
    feed.now += life.SILENT_NS
    # begun when c1 had not been heard for long: between the two something may be missing
    outputs = feed.book("snapshot", -1, 12, [("8", "3"), ("7", "4")], connection="c3")

    record = only(outputs, BookDelta)
    assert (record.reason, record.last_seq) == (records.HANDOVER, 12)
    assert kinds(feed.book("update", 12, 13, connection="c2")) == [BookDelta]
    assert feed.book("update", 12, 13, connection="c3") == []
    assert "gaps" not in feed.counted


def test_a_connection_that_was_left_and_goes_on_is_asked_for_its_book() -> None:
    """A recorder that was frozen: its connection lives, and what it missed it never tells."""
    feed = standing_by()
    feed.now += 5 * life.SILENT_NS
    feed.book("update", 11, 12, connection="c2")
    feed.now += life.SILENT_NS
    record = only(feed.book("update", 12, 13, connection="c2"), BookDelta)
    assert record.reason == records.HANDOVER

    resync = only(feed.book("update", 11, 12, connection="c1"), Resync)
    assert resync.connection_id == "c1"
    # once, until it has had time to come
    assert feed.book("update", 12, 13, connection="c1") == []
    assert feed.book("snapshot", -1, 13, connection="c1") == []

    record = only(feed.event(records.DISCONNECTED, b"cut", connection="c2"), BookDelta)
    assert record.reason == records.HANDOVER
    assert "gaps" not in feed.counted


def test_silence_on_both_connections_is_a_quiet_market() -> None:
    feed = standing_by()
    for number in range(11, 20):
        feed.now += 10 * life.SILENT_NS
        assert feed.book("update", number, number + 1, connection="c2") == []
        assert kinds(feed.book("update", number, number + 1, connection="c1")) == [BookDelta]


def test_what_nobody_heard_between_two_connections_is_a_gap() -> None:
    """A recorder was killed and began anew: the old connection's end was never written."""
    feed = Okx().synced()
    feed.now += 5 * life.SILENT_NS

    gap, record = feed.book("snapshot", -1, 20, [("7", "1")], connection="c2")

    assert isinstance(gap, Gap)
    assert gap.reason == records.DISCONNECTED
    assert isinstance(record, BookDelta)
    assert (record.reason, record.bid_prices) == (records.RESYNC, [7])
    assert kinds(feed.book("update", 20, 21, connection="c2")) == [BookDelta]


def test_a_book_that_did_not_change_while_nobody_listened_goes_on() -> None:
    feed = Okx().synced()
    feed.now += 5 * life.SILENT_NS

    assert feed.book("snapshot", -1, 10, connection="c2") == []

    record = only(feed.event(records.DISCONNECTED, b"renewed", connection="c1"), BookDelta)
    assert record.reason == records.HANDOVER
    assert kinds(feed.book("update", 10, 11, connection="c2")) == [BookDelta]


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
    for number in range(150):
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


def test_a_book_is_cut_to_the_depth_that_was_acknowledged() -> None:
    feed = Kraken()
    ack = {"channel": "book", "symbol": feed.symbol, "depth": 25}
    feed.raw({"method": "subscribe", "success": True, "result": ack})
    feed.book("snapshot", range(1, 21))
    feed.book("update", range(21, 31))

    assert feed.session.book(feed.symbol).levels == 25
    assert feed.top()[0][0] == (30, 1)


def test_what_falls_out_of_the_depth_is_removed_in_the_record_too() -> None:
    feed = Kraken()
    feed.book("snapshot", range(1, 11))
    record = only(feed.book("update", range(11, 13)), BookDelta)

    assert (record.bid_prices, record.bid_sizes) == ([11, 12, 1, 2], [1, 1, 0, 0])
    assert record.price_exponent == 0


def test_a_removal_that_fits_no_64_bits_loses_the_book() -> None:
    feed = Kraken()
    feed.book("snapshot", [1e-9, *range(2, 11)])
    gap, _ = feed.book("update", [9223372036854775807])

    assert isinstance(gap, Gap)
    assert gap.reason == "unreadable"


def test_without_an_acknowledgement_the_snapshot_shows_the_depth() -> None:
    feed = Kraken()
    feed.book("snapshot", range(1, 101))
    feed.book("update", range(101, 131))

    assert feed.session.book(feed.symbol).levels == 100


def test_a_snapshot_deeper_than_any_depth_stays_whole() -> None:
    feed = Kraken()
    feed.book("snapshot", range(1, 1201))

    assert feed.session.book(feed.symbol).levels == 1200


# A frame that nobody could read, and that may be about any book of the connection


@pytest.mark.parametrize("depth,reasons", [(10, []), (25, ["unreadable"])])
def test_it_loses_a_book_that_no_checksum_covers_whole(depth: int, reasons: list[str]) -> None:
    feed = Kraken()
    feed.book("snapshot", range(1, depth + 1))
    outputs = feed.event(records.UNREADABLE)

    assert [o.reason for o in outputs if isinstance(o, Gap)] == reasons


def test_it_loses_no_book_whose_own_numbers_will_tell() -> None:
    feed = Binance().synced()

    assert feed.event(records.UNREADABLE) == []
    assert kinds(feed.delta(12, 12)) == [BookDelta]


def test_it_loses_the_books_of_a_connection_that_counted_it() -> None:
    feed = Coinbase()
    feed.book("snapshot", 0)

    assert feed.event(records.UNREADABLE) == []
    gap = feed.book("update", 2)[0]
    assert isinstance(gap, Gap)
    assert gap.reason == "connection_sequence"


def test_it_loses_no_book_of_a_connection_that_did_not_count_it() -> None:
    feed = Coinbase()
    feed.book("snapshot", 0)
    feed.event(records.UNREADABLE)

    assert kinds(feed.book("update", 1)) == [BookDelta]
