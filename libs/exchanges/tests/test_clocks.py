"""Recorders' clocks that differ, are set or repeat a second: order by number, no timer that stands still."""

import json
from typing import Any

import pytest

from jetl2.exchanges import life, session
from jetl2.exchanges.life import Output
from jetl2.exchanges.session import SYNCED, Session
from jetl2.schemas import records
from jetl2.schemas.records import BookDelta, BookTicker, Gap, MarketRecord, Resync
from tests.feeds import SECOND, Binance, Okx, kinds, only

HOUR = 3600 * SECOND


class Recorded(Okx):
    """A book whose recorders have clocks of their own; the exchange's is right.

    Args:
        silent: The exchange does not say the time of a snapshot.
    """

    def __init__(self, *, silent: bool = False) -> None:
        super().__init__()
        self.silent = silent
        self.ahead: dict[str, int] = {}
        self.written: list[MarketRecord] = []

    def raw(self, payload: object, **where: Any) -> list[Output]:
        true = self.now
        self.now += self.ahead.get(where.get("connection", "c1"), 0)
        found = super().raw(payload, **where)
        self.now = true + SECOND // 10
        self.written += [r for r in found if isinstance(r, MarketRecord)]
        return found

    def say(self, prev: int, last: int, connection: str = "c1", *levels: tuple[str, str]) -> Any:
        """Send a delta, or with `prev` -1 a snapshot, stamped by the exchange's clock."""
        at = 0 if self.silent and prev < 0 else self.now
        item: dict[str, Any] = {"bids": levels or [("9", str(last))], "asks": [("11", "2")]}
        item |= {"ts": str(at // 10**6)}
        item |= {"checksum": 0, "seqId": last, "prevSeqId": prev}
        frame = {"arg": {"channel": "books", "instId": self.symbol}, "data": [item]}
        action = "snapshot" if prev < 0 else "update"
        return self.raw({**frame, "action": action}, connection=connection)

    def wait(self, seconds: float) -> None:
        self.now += int(seconds * SECOND)


def both(ahead: int) -> Recorded:
    """Return a book on c1, with c2 in step beside it; that one's clock is so far ahead."""
    feed = Recorded()
    feed.ahead["c2"] = ahead
    feed.say(-1, 10, "c1")
    feed.say(-1, 10, "c2")
    for last in (11, 12, 13):
        assert kinds(feed.say(last - 1, last, "c1")) == [BookDelta]
        assert feed.say(last - 1, last, "c2") == []
    return feed


def goes_on_by_c2(feed: Recorded, numbers: range) -> None:
    """Check that a book is handed over without a gap while only c2 tells, once a second."""
    found: list[Output] = []
    for last in numbers:
        feed.wait(1)
        found += feed.say(last - 1, last, "c2")
    record = next(o for o in found if isinstance(o, BookDelta))
    assert record.reason == records.HANDOVER
    assert not [o for o in found if isinstance(o, Gap)]
    assert in_order(feed)


def in_order(feed: Recorded) -> bool:
    """Whether what was written is in order by number and by time alike."""
    numbers = [r.seq for r in feed.written]
    times = [r.local_ts for r in feed.written]
    return numbers == list(range(1, len(numbers) + 1)) and times == sorted(times)


@pytest.mark.parametrize("ahead", [-HOUR, -SECOND, -SECOND // 20, SECOND, HOUR])
def test_times_of_records_never_go_back_whatever_is_done_to_a_clock(ahead: int) -> None:
    feed = Recorded()
    feed.say(-1, 10)
    feed.say(10, 11)
    feed.ahead["c1"] = ahead
    for last in range(12, 20):
        assert kinds(feed.say(last - 1, last))[-1] == BookDelta
    feed.ahead["c1"] = 0
    for last in range(20, 30):
        assert kinds(feed.say(last - 1, last))[-1] == BookDelta

    assert in_order(feed)
    assert not [r for r in feed.written if isinstance(r, Gap)]
    if ahead < 0:
        # set back, then right again
        assert feed.written[-1].local_ts == feed.now


def test_what_a_lost_book_says_of_its_time_is_in_order_too() -> None:
    feed = Recorded()
    feed.say(-1, 10)
    last = only(feed.say(10, 11), BookDelta)
    feed.ahead["c1"] = -HOUR
    gap, _ = feed.event(records.LOST, b"{}")

    assert isinstance(gap, Gap)
    assert gap.from_ts == last.local_ts <= gap.local_ts
    assert in_order(feed)


@pytest.mark.parametrize("ahead", [-HOUR, -10 * SECOND, 0])
def test_a_recorder_that_died_is_left_though_the_other_one_s_clock_is_behind(ahead: int) -> None:
    feed = both(ahead)

    goes_on_by_c2(feed, range(14, 20))


@pytest.mark.parametrize("ahead", [-HOUR, -10 * SECOND])
def test_a_recorder_that_lives_is_not_left_because_the_other_one_s_clock_is_behind(
    ahead: int,
) -> None:
    feed = both(ahead)
    for last in range(14, 40):
        feed.wait(1)
        first, second = ("c1", "c2") if last % 2 else ("c2", "c1")
        found = feed.say(last - 1, last, first) + feed.say(last - 1, last, second)
        assert kinds(found) == [BookDelta]

    assert "handovers" not in feed.counted
    assert in_order(feed)


def test_old_data_that_comes_late_does_not_take_the_book_over() -> None:
    """A recorder that could not write for a minute tells what it knew, in a moment."""
    feed = both(0)
    begun, number = feed.now, 13
    for _ in range(60):
        feed.wait(1)
        number += 1
        assert kinds(feed.say(number - 1, number, "c1")) == [BookDelta]
    now, feed.now = feed.now, begun
    for last in range(14, number + 1):
        # stamped when it was received, read one after the other
        feed.wait(1)
        assert feed.say(last - 1, last, "c2") == []
    feed.now = now

    assert "handovers" not in feed.counted
    assert kinds(feed.say(number, number + 1, "c1")) == [BookDelta]
    assert in_order(feed)


@pytest.mark.parametrize("ahead", [-HOUR, 0])
def test_what_nobody_heard_is_a_gap_though_the_new_clock_is_behind(ahead: int) -> None:
    """Killed, and begun anew on a host whose clock is wrong."""
    feed = Recorded()
    feed.say(-1, 10)
    feed.say(10, 11)
    feed.wait(6)
    feed.ahead["c2"] = ahead
    feed.event(records.CONNECTED, connection="c2")
    gap, record = feed.say(-1, 30, "c2", ("7", "1"))

    assert isinstance(gap, Gap)
    assert gap.reason == records.DISCONNECTED
    assert isinstance(record, BookDelta)
    assert record.is_snapshot
    assert in_order(feed)
    assert kinds(feed.say(30, 31, "c2")) == [BookDelta]


def test_a_book_is_asked_for_again_soon_after_a_clock_was_set_back() -> None:
    feed = Recorded()
    feed.say(-1, 10)
    assert kinds(feed.say(12, 13)) == [Gap, Resync]
    feed.ahead["c1"] = -HOUR
    asked = 0
    for last in range(14, 314):
        asked += kinds(feed.say(last - 1, last)).count(Resync)

    # 30 s: after 20 of them, as if the clock had not been set
    assert asked == 1


def test_numbers_that_begin_anew_are_seen_though_the_clock_was_set_back() -> None:
    feed = Binance().synced(last=1_000_000)
    true = feed.now + life.OLD_NS
    feed.now -= HOUR
    outputs: list[Output] = []
    for n in range(1, life.OLD_MESSAGES + 1):
        data = {"e": "depthUpdate", "E": true // 10**6 + n, "s": feed.symbol, "U": n, "u": n}
        outputs += feed.raw({**data, "b": [("9", "1")], "a": []})

    assert kinds(outputs) == [Gap, Resync]


@pytest.mark.parametrize("ahead", [-HOUR, HOUR])
def test_the_best_bid_and_ask_come_from_one_recorder_whatever_the_other_one_s_clock(
    ahead: int,
) -> None:
    feed = Recorded()
    feed.ahead["c2"] = ahead

    def ticker(number: int, connection: str) -> list[Output]:
        data: dict[str, Any] = {"asks": [("11", "1", "0", "1")]}
        data |= {"bids": [("9", str(number), "0", "1")]}
        data |= {"ts": "1", "seqId": number}
        arg = {"channel": "bbo-tbt", "instId": feed.symbol}
        return feed.raw({"arg": arg, "data": [data]}, connection=connection)

    for number in range(1, 300):
        assert kinds(ticker(number, "c1")) == [BookTicker]
        assert ticker(number, "c2") == []
    # it died, and could not say so
    begun, told = feed.now, 300
    while not ticker(told, "c2"):
        told += 1
        assert feed.now - begun < 2 * session.TICKER_SILENCE_NS
    assert feed.now - begun >= session.TICKER_SILENCE_NS


def test_the_whole_book_of_an_hour_is_written_once_though_the_hour_comes_twice() -> None:
    feed = Recorded()
    feed.say(-1, 10)
    wholes = 0
    for last in range(11, 31):
        feed.ahead["c1"] = -HOUR if 15 <= last < 25 else 0
        feed.wait(600)
        found = feed.say(last - 1, last)
        wholes += len([r for r in found if isinstance(r, BookDelta) and r.is_snapshot])

    # three and a third hours, of which the clock repeated none
    assert wholes == 3
    assert in_order(feed)
    assert feed.state == SYNCED


def test_what_is_kept_for_a_restart_knows_all_of_it() -> None:
    feed = both(-HOUR)
    feed.wait(3)
    feed.say(13, 14, "c2")
    saved = feed.session.dump(feed.symbol)
    again = Session(feed.session.exchange)
    again.load(feed.symbol, saved)

    assert again.dump(feed.symbol) == saved
    standby = again._symbols[feed.symbol].standbys["c2"]
    assert standby.behind
    assert standby.heard_ts
    assert json.loads(saved)["plain"]["last_ts"] == feed.written[-1].local_ts


def test_a_book_that_goes_on_by_a_late_recorder_does_not_go_back() -> None:
    """What the late one still has to tell was written already, up to where the first one ended."""
    feed = Recorded()
    feed.say(-1, 10, "c1")
    feed.say(-1, 10, "c2")
    begun = feed.now
    for last in range(11, 20):
        assert kinds(feed.say(last - 1, last, "c1")) == [BookDelta]
    end, feed.now = feed.now, begun
    feed.say(10, 11, "c2")
    late, feed.now = feed.now, end
    assert feed.event(records.DISCONNECTED, b"stopped", connection="c1") == []
    feed.now = late
    for last in range(12, 19):
        assert feed.say(last - 1, last, "c2") == []
    record = only(feed.say(18, 19, "c2"), BookDelta)

    assert (record.reason, record.last_seq) == (records.HANDOVER, 19)
    assert kinds(feed.say(19, 20, "c2")) == [BookDelta]
    assert in_order(feed)
    times = [r.exchange_ts for r in feed.written]
    assert times == sorted(times)
    assert not [r for r in feed.written if isinstance(r, Gap)]


@pytest.mark.parametrize("feed", [Recorded(), Recorded(silent=True)])
def test_a_late_recorder_takes_over_whether_or_not_its_snapshot_said_its_time(
    feed: Recorded,
) -> None:
    """Both heard the exchange for seconds, then one died without a word."""
    feed.say(-1, 10, "c1")
    feed.wait(3)
    begun = feed.now
    for last in range(11, 20):
        feed.wait(1)
        feed.say(last - 1, last, "c1")
    feed.now = begun
    assert feed.say(-1, 12, "c2") == []

    goes_on_by_c2(feed, range(13, 30))


def test_a_late_recorder_that_loses_something_before_it_has_caught_up_is_a_gap() -> None:
    feed = Recorded()
    feed.say(-1, 10, "c1")
    feed.say(-1, 10, "c2")
    begun = feed.now
    for last in range(11, 20):
        feed.say(last - 1, last, "c1")
    feed.event(records.DISCONNECTED, b"stopped", connection="c1")
    feed.now = begun
    assert feed.say(10, 11, "c2") == []

    assert kinds(feed.say(12, 13, "c2")) == [Gap, Resync]
    assert kinds(feed.say(-1, 30, "c2")) == [BookDelta]
