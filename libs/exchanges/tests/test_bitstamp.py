"""Bitstamp alone: times as numbers, a crossed book, and messages that others collected."""

import json

import pytest

from jetl2.exchanges import adapters
from jetl2.exchanges.errors import UnexpectedFrame
from jetl2.exchanges.exchange import RENEW, Address, read
from jetl2.exchanges.life import Output
from jetl2.exchanges.session import BUFFERING, SYNCED
from jetl2.schemas import records
from jetl2.schemas.records import BookDelta, Gap, Resync, Trade
from tests import collected
from tests.feeds import Feed, kinds

BITSTAMP = adapters.get("bitstamp")


class Bitstamp(Feed):
    def __init__(self) -> None:
        super().__init__("bitstamp", "abcusd")

    def delta(self, number: int, price: str = "9") -> list[Output]:
        data = {"microtimestamp": str(number), "bids": [[price, "1"]], "asks": []}
        frame = {"event": "data", "channel": "diff_order_book_abcusd", "data": data}
        return self.raw(frame)

    def rest(self, number: int) -> list[Output]:
        body = {"microtimestamp": str(number), "bids": [["8", "5"]], "asks": [["11", "5"]]}
        return self.raw(body, kind=records.SNAPSHOT)


def test_deltas_up_to_the_snapshots_time_are_in_it() -> None:
    feed = Bitstamp()
    feed.delta(5, "9")
    feed.delta(7, "10")
    assert feed.state == BUFFERING

    feed.rest(5)

    assert feed.state == SYNCED
    assert feed.top() == ([(10, 1), (8, 5)], [(11, 5)])
    assert feed.delta(6) == []


def test_a_snapshot_older_than_the_first_delta_may_miss_what_came_before() -> None:
    feed = Bitstamp()
    feed.delta(5)

    assert kinds(feed.rest(4)) == [Resync]
    assert feed.state == BUFFERING
    feed.rest(6)
    assert feed.state == SYNCED


def test_a_crossed_book_is_taken_anew() -> None:
    feed = Bitstamp()
    feed.rest(5)

    assert kinds(feed.delta(6, "12")) == [Gap, Resync]

    assert kinds(feed.rest(5)) == []  # it does not know of what crossed the book
    assert feed.state == BUFFERING
    feed.rest(7)
    assert feed.state == SYNCED


def test_a_frame_that_was_not_read_may_have_been_a_delta() -> None:
    feed = Bitstamp()
    feed.rest(5)
    feed.delta(6)

    assert kinds(feed.event(records.UNREADABLE)) == [Gap, Resync]


def test_each_channel_is_asked_for_apart() -> None:
    asked = BITSTAMP.subscribe(["abcusd", "abceur"], ["book_delta", "trade", "book_ticker"])

    assert [json.loads(text)["data"]["channel"] for text in asked] == [
        "diff_order_book_abcusd",
        "live_trades_abcusd",
        "diff_order_book_abceur",
        "live_trades_abceur",
    ]


def test_a_symbol_is_what_follows_the_last_underscore() -> None:
    frame = b'{"event":"data","channel":"diff_order_book_abcusd-perp","data":{}}'

    assert BITSTAMP.classify(frame) == (Address("abcusd-perp", "diff_order_book"),)
    assert BITSTAMP.classify(b'{"event":"bts:heartbeat"}') == (Address("", "bts:heartbeat"),)
    assert BITSTAMP.classify(b'{"event":"bts:error","channel":"a_b"}') == (Address("", "error"),)
    leaving = b'{"event":"bts:request_reconnect","channel":"","data":""}'
    assert BITSTAMP.classify(leaving) == (Address("", RENEW),)
    assert read(BITSTAMP, leaving)[1] == []
    with pytest.raises(UnexpectedFrame, match="with its symbol"):
        BITSTAMP.classify(b'{"event":"trade","channel":""}')


def test_texts_go_before_numbers_with_noise() -> None:
    data = {"id": 7, "microtimestamp": "5", "type": 1, "price": 0.30000000000000004, "amount": 2}
    noisy = {
        "event": "trade",
        "channel": "live_trades_abcusd",
        "data": data | {"price_str": "0.30"},
    }
    (trade,) = read(BITSTAMP, json.dumps(noisy).encode())[1]

    assert isinstance(trade, Trade)
    assert (trade.price, trade.price_exponent, trade.size) == (30, -2, 2)
    assert (trade.aggressor, trade.exchange_ts) == (records.SELL, 5000)


def test_a_snapshot_is_read_or_refused() -> None:
    assert BITSTAMP.snapshot
    record = BITSTAMP.snapshot.parse("abcusd", {"microtimestamp": "7", "bids": [], "asks": []})

    assert isinstance(record, BookDelta)
    assert (record.is_snapshot, record.last_seq) == (True, 7)
    with pytest.raises(UnexpectedFrame, match="microtimestamp"):
        BITSTAMP.snapshot.parse("abcusd", {"error": "Order book not found"})


def test_instruments_and_volumes_are_read() -> None:
    item = {"market_symbol": "abcusd", "base_currency": "ABC", "counter_currency": "USD"}
    item |= {"trading": "Enabled", "market_type": "SPOT"}
    (found,) = BITSTAMP.instruments.parse([item | {"base_decimals": 8, "counter_decimals": 0}])
    volumes = BITSTAMP.instruments.volumes
    assert volumes

    assert (found.symbol, found.kind, found.active) == ("abcusd", "spot", True)
    assert (found.price_increment, found.size_increment) == ("1", "0.00000001")
    pairs = [{"pair": "ABC/USD-PERP", "volume": "2", "vwap": "5.5"}]
    assert list(volumes(pairs)) == [("abcusd-perp", 11.0)]


def test_collected_messages_are_read_and_mean_what_others_made_of_them() -> None:
    collected.check(
        "bitstamp",
        "bitstamp",
        lambda e: bool(e["current_api"]) and e.get("dir") != "sent",
        least=40,
        # made by the other library; the form of 2017
        wrong=('"generated"', '"order_type"'),
        compared=3,
    )
