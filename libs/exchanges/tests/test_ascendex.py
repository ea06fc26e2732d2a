"""AscendEX alone: deltas that wait for the snapshot asked for, two markets, two names of books."""

import json
from typing import Any

import pytest

from jetl2.exchanges import adapters, recording
from jetl2.exchanges.errors import UnexpectedFrame
from jetl2.exchanges.exchange import PING, Address, read
from jetl2.exchanges.life import Output
from jetl2.exchanges.session import BUFFERING, SYNCED
from jetl2.schemas import records
from jetl2.schemas.records import BookDelta, BookTicker, DerivativeTicker, Gap, Resync, Trade
from tests import collected
from tests.feeds import Feed, kinds, only

ASCENDEX = adapters.get("ascendex")


def told(frame: object) -> list[Any]:
    return read(ASCENDEX, json.dumps(frame).encode())[1]


class Ascendex(Feed):
    def __init__(self) -> None:
        super().__init__("ascendex", "ABC/USDT")

    def book(self, number: int, *bids: tuple[str, str], what: str = "depth") -> list[Output]:
        asks = [("11", "5")] if "snapshot" in what else []
        data = {"ts": 1767225600000, "seqnum": number, "bids": bids, "asks": asks}
        return self.raw({"m": what, "symbol": self.symbol, "data": data})

    def snapshot(self, number: int, *bids: tuple[str, str]) -> list[Output]:
        return self.book(number, *bids, what="depth-snapshot")


def test_deltas_wait_for_the_snapshot_and_follow_by_one() -> None:
    feed = Ascendex()
    feed.book(5, ("9", "1"))
    feed.book(6, ("8", "2"))
    assert feed.state == BUFFERING

    feed.snapshot(5, ("9", "1"))

    assert feed.state == SYNCED
    assert feed.top() == ([(9, 1), (8, 2)], [(11, 5)])
    only(feed.book(7, ("9", "0")), BookDelta)
    assert feed.book(7, ("9", "0")) == []
    assert kinds(feed.book(9, ("7", "1"))) == [Gap, Resync]


def test_a_snapshot_may_come_before_the_first_delta_and_an_old_one_is_refused() -> None:
    feed = Ascendex()
    feed.snapshot(5, ("9", "1"))
    assert feed.state == SYNCED
    only(feed.book(6, ("8", "2")), BookDelta)

    late = Ascendex()
    late.book(9, ("9", "1"))
    assert kinds(late.snapshot(5, ("9", "1"))) == [Resync]
    assert late.state == BUFFERING


def test_books_go_by_another_name_too() -> None:
    feed = Ascendex()
    feed.book(5, ("9", "1"), what="depth-snapshot-realtime")
    feed.book(6, ("8", "2"), what="depth-realtime")

    assert feed.top()[0] == [(9, 1), (8, 2)]


def test_books_may_be_without_a_time() -> None:
    data = {"ts": -1, "seqnum": 5, "bids": [], "asks": []}
    (record,) = told({"m": "depth", "symbol": "ABC/USDT", "data": data})

    assert record.exchange_ts == 0


def test_each_market_has_its_websocket_and_prices_come_of_all_perpetuals_at_once() -> None:
    def sent(symbol: str, *data_types: str) -> list[Any]:
        return [json.loads(text) for text in ASCENDEX.subscribe([symbol, symbol], data_types)]

    assert ASCENDEX.route
    assert ASCENDEX.route("ABC/USDT", "trade") == ASCENDEX.url
    assert ASCENDEX.route("ABC-PERP", "trade") == "wss://ascendex.com/api/pro/v2/stream"
    assert sent("ABC/USDT", "derivative_ticker") == []
    assert sent("ABC-PERP", "derivative_ticker") == [{"op": "sub", "ch": "futures-pricing-data"}]
    assert sent("ABC/USDT", "trade") == [{"op": "sub", "ch": "trades:ABC/USDT,ABC/USDT"}]
    first, *asked = sent("ABC/USDT", "book_delta")
    assert first["ch"] == "depth:ABC/USDT,ABC/USDT"
    args = {"symbol": "ABC/USDT"}
    assert asked == [{"op": "req", "action": "depth-snapshot", "args": args}] * 2


@pytest.mark.parametrize(
    "url",
    [
        "wss://bitmax.io/0/api/pro/v1/stream",
        "wss://ascendex.com:443/api/pro/v2/stream",
        "wss://ascendex.com/0/api/pro/v1/stream",
    ],
)
def test_old_and_new_hosts_speak_it(url: str) -> None:
    assert recording.endpoint_of(url) is ASCENDEX


@pytest.mark.parametrize(
    "frame,address",
    [
        ({"m": "ping", "hp": 3}, Address("", PING)),
        ({"m": "pong", "code": 0, "ts": 1, "hp": 2}, Address("", "pong")),
        ({"m": "connected", "type": "unauth"}, Address("", "connected")),
        ({"m": "disconnected", "code": 100005, "reason": "X"}, Address("", "error")),
        ({"m": "error", "code": 100006, "reason": "X"}, Address("", "error")),
        ({"m": "sub", "ch": "depth:ABC/USDT", "code": 0}, Address("ABC/USDT", "depth")),
        ({"m": "sub", "ch": "bar:1:ABC/USDT", "code": 0}, Address("", "sub")),
        ({"m": "sub", "ch": "depth:NO/NE", "code": 100005}, Address("", "error")),
    ],
)
def test_what_is_about_the_connection_is_no_record(frame: Any, address: Address) -> None:
    assert ASCENDEX.classify(json.dumps(frame).encode()) == (address,)
    assert told(frame) == []


def test_a_snapshot_does_not_speak_for_the_deltas() -> None:
    for what, channel in (("depth", "depth"), ("depth-snapshot", "depth-snapshot")):
        frame = json.dumps({"m": what, "symbol": "ABC/USDT"}).encode()
        assert ASCENDEX.classify(frame) == (Address("ABC/USDT", channel),)


def test_a_ping_is_answered() -> None:
    assert ASCENDEX.keepalive.answer
    assert ASCENDEX.keepalive.answer(b'{"m":"ping","hp":2}') == '{"op":"pong"}'


@pytest.mark.parametrize(
    "frame,reason",
    [
        ({"m": "no-such"}, "expected a public message, found m = 'no-such'"),
        ({"m": "depth", "symbol": "A/B", "data": {"ts": 1, "bids": [], "asks": []}}, "seqnum"),
        ({"symbol": "A/B"}, "'m'"),
    ],
)
def test_what_the_protocol_does_not_have_is_refused(frame: Any, reason: str) -> None:
    with pytest.raises(UnexpectedFrame, match=reason):
        told(frame)


def test_the_buyer_as_maker_means_a_sale() -> None:
    item = {"p": "9.50", "q": "3", "ts": 5, "bm": True, "seqnum": 2**57 + 1}
    sold, bought = told({"m": "trades", "symbol": "A/B", "data": [item, item | {"bm": False}]})

    assert isinstance(sold, Trade)
    assert (sold.price, sold.price_exponent, sold.trade_id) == (950, -2, str(2**57 + 1))
    assert (sold.aggressor, bought.aggressor) == (records.SELL, records.BUY)


def test_best_prices_have_their_time_in_either_place() -> None:
    data = {"bid": ["9", "1"], "ask": []}
    for frame in ({"data": data | {"ts": 7}}, {"data": data, "ts": 7}):
        (record,) = told({"m": "bbo", "symbol": "A/B", **frame})
        assert isinstance(record, BookTicker)
        assert (record.bid_price, record.ask_price) == (9, None)
        assert record.exchange_ts == 7 * 10**6


def test_pairs_perpetuals_and_their_volumes_are_read() -> None:
    pair = {"symbol": "ABC/USDT", "status": "Normal", "tickSize": "0.1", "lotSize": "1"}
    named = pair | {"symbol": "ABC-PERP"}
    perpetual: dict[str, Any] = {"symbol": "ABC-PERP", "status": "Halt", "underlying": "ABC/USDT"}
    perpetual |= {"priceFilter": {"tickSize": "0.5"}, "lotSizeFilter": {"lotSize": "2"}}
    first, second = ASCENDEX.instruments.parse({"data": [pair, named, perpetual]})

    assert (first.kind, first.base, first.quote, first.active) == ("spot", "ABC", "USDT", True)
    assert (second.kind, second.base, second.active) == ("perpetual", "ABC", False)
    assert (second.price_increment, second.size_increment) == ("0.5", "2")
    volumes = ASCENDEX.instruments.volumes
    assert volumes
    items = [
        {"symbol": "A/B", "volume": "3", "close": "2"},
        {"symbol": "A-PERP", "baseVol": "5", "close": "2"},
    ]
    assert list(volumes({"data": items})) == [("A/B", 6.0), ("A-PERP", 10.0)]


def test_collected_messages_are_read_and_mean_what_others_made_of_them() -> None:
    kept = (*collected.KINDS, "other")
    collected.check(
        "ascendex",
        "ascendex",
        lambda e: '"op"' not in e["raw"],
        least=35,
        compared=5,
        kinds=kept,
    )


def test_collected_prices_mean_what_others_made_of_them() -> None:
    (entry,) = collected.messages("ascendex", lambda e: "pricing" in e["raw"], ["other"])
    (found,) = read(ASCENDEX, collected.payload(entry))[1]
    (expected,) = entry["expected"]["tardis_normalized"]

    assert isinstance(found, DerivativeTicker)
    for ours, theirs in (
        (found.open_interest, "openInterest"),
        (found.funding_rate, "fundingRate"),
        (found.index_price, "indexPrice"),
        (found.mark_price, "markPrice"),
    ):
        assert float(ours) == expected[theirs]
