"""DYdX v4 alone: markets of a connection, crossed books, liquidations, and what others collected."""

import json
from typing import Any

import pytest

from jetl2.exchanges import adapters, recording
from jetl2.exchanges.errors import UnexpectedFrame, UnsupportedRecording
from jetl2.exchanges.exchange import Address, Instrument, read
from jetl2.exchanges.session import GAP, SYNCED, Session
from jetl2.schemas.records import BUY, UNCHECKED, BookDelta, Liquidation, RawEvent, Trade
from tests import collected, sessions

DYDX = adapters.get("dydx-v4")


def frame(number: int, kind: str, contents: object, channel: str = "v4_orderbook") -> bytes:
    head = {"type": kind, "connection_id": "c", "message_id": number, "channel": channel}
    return json.dumps({**head, "id": "A-USD", "contents": contents}).encode()


def feed(session: Session, counter: int, payload: bytes) -> list[Any]:
    raw = RawEvent(
        exchange="dydx-v4",
        symbol="A-USD",
        local_ts=1767225600 * 10**9 + counter,
        connection_id="c",
        counter=counter,
        payload=payload,
    )
    return list(session.feed(raw))


BOOK = {"bids": [{"price": "1.0", "size": "5"}], "asks": [{"price": "1.2", "size": "5"}]}


def test_collected_messages_are_read_and_mean_what_others_made_of_them() -> None:
    collected.check(
        "dydx-v4",
        "dydx",
        lambda e: "v4" in e["api"] and '"v3_' not in e["raw"],
        least=13,
        compared=4,
    )


def test_sessions_of_the_retired_v3_are_refused() -> None:
    for path in sessions.files():
        if path.parent.name == "dydx":
            with pytest.raises(UnsupportedRecording, match="v3/ws"):
                recording.recognise(path)
    with pytest.raises(UnexpectedFrame, match="'v3_trades'"):
        read(DYDX, frame(1, "channel_data", {"trades": []}, "v3_trades"))


def test_a_hole_in_the_connections_numbers_is_a_gap_and_a_crossed_book_is_none() -> None:
    session = Session(DYDX)
    feed(session, 1, frame(4, "subscribed", BOOK))
    (crossed,) = feed(session, 2, frame(5, "channel_data", {"bids": [["1.2", "1"]]}))
    state = session.state("A-USD")
    feed(session, 3, frame(7, "channel_data", {"bids": [["1.1", "1"]]}))

    assert isinstance(crossed, BookDelta)
    assert crossed.crossed
    assert (state, session.state("A-USD")) == (SYNCED, GAP)


def test_answers_may_come_after_data_with_higher_numbers_and_data_may_not_be_missing() -> None:
    def data(number: int, counter: int) -> list[Any]:
        return feed(session, counter, frame(number, "channel_data", {"bids": [["1.1", "1"]]}))

    session = Session(DYDX)
    # asked for as 1, with two others that are asked for as 2 and 3 and answered later
    feed(session, 1, frame(1, "subscribed", BOOK))
    found = [*data(4, 2), *data(5, 3), *data(6, 5), *data(7, 7), *data(8, 8)]
    before = session.state("A-USD")
    gap, _ = data(10, 9)

    assert [r.verified for r in found] == [UNCHECKED] * 5
    assert before == SYNCED
    assert gap.reason == "connection_sequence"
    assert session.state("A-USD") == GAP


def test_of_the_first_frames_of_a_connection_answers_prove_nothing() -> None:
    offset, missing = None, []
    # number, kind: welcome, the second of two answers, data, the first of them, data, a loss
    for count, (number, kind) in enumerate(
        [
            (0, "connected"),
            (2, "subscribed"),
            (3, "channel_data"),
            (1, "subscribed"),
            (4, "channel_data"),
            (6, "channel_data"),
        ]
    ):
        offset, missed = DYDX.ahead({"type": kind}, number - count, offset)
        missing.append(missed)

    assert missing == [False] * 5 + [True]


def test_an_error_is_one_whatever_it_names() -> None:
    refused = frame(3, "error", {}, "v4_trades")

    assert DYDX.new_classifier()(refused) == (Address("", "error"),)


def test_a_batch_is_taken_part_by_part() -> None:
    session = Session(DYDX)
    feed(session, 1, frame(4, "subscribed", BOOK))
    parts = [{"bids": [["1.0", "6"]]}, {"bids": [["1.0", "0"]], "asks": [["1.2", "7"]]}]
    out = feed(session, 2, frame(5, "channel_batch_data", parts))

    assert [(r.bid_sizes, r.ask_sizes) for r in out] == [([6], []), ([0], [7])]


def test_a_liquidation_is_a_trade_too_and_a_deleveraging_is_neither() -> None:
    trade = {"id": "7", "side": "BUY", "size": "2", "price": "1.1"}
    at = {"createdAt": "2026-01-01T00:00:00.000Z"}
    trades = [{**trade, **at, "type": t} for t in ("LIQUIDATED", "DELEVERAGED")]
    out = feed(Session(DYDX), 1, frame(1, "channel_data", {"trades": trades}, "v4_trades"))

    assert [type(record) for record in out] == [Trade, Liquidation]
    assert out[1].aggressor == BUY


def test_of_all_markets_only_those_subscribed_on_the_connection_are_named() -> None:
    oracle = {"oraclePrice": "1", "effectiveAt": "2026-01-01T00:00:00.000Z"}
    contents = {"trading": {"B-USD": {}}, "oraclePrices": {"A-USD": oracle}}
    markets = frame(9, "channel_data", contents, "v4_markets")
    others = frame(9, "channel_data", {"trading": {"B-USD": {}}}, "v4_markets")
    every, some = DYDX.new_classifier(), DYDX.new_classifier()
    some(frame(1, "subscribed", BOOK))

    assert set(every(markets)) == {Address("A-USD", "v4_markets"), Address("B-USD", "v4_markets")}
    assert some(markets) == (Address("A-USD", "v4_markets"),)
    assert some(others) == (Address("", "v4_markets"),)


def test_trades_and_liquidations_are_one_subscription_and_the_markets_another() -> None:
    frames = DYDX.subscribe(["A-USD", "B-USD"], ["trade", "liquidation", "derivative_ticker"])
    asked = [(f["channel"], f.get("id")) for f in map(json.loads, frames)]

    assert asked == [("v4_trades", "A-USD"), ("v4_trades", "B-USD"), ("v4_markets", None)]


@pytest.mark.parametrize("kind", ["connected", "unsubscribed", "error"])
def test_answers_yield_nothing_and_are_counted(kind: str) -> None:
    raw = json.dumps({"type": kind, "connection_id": "c", "message_id": 3}).encode()
    found, records = read(DYDX, raw)

    assert records == []
    assert DYDX.connection_seq
    assert DYDX.connection_seq(found) == 3
    assert DYDX.new_classifier()(raw) == (Address("", kind),)


@pytest.mark.parametrize("number", ["5", 1.5, True])
def test_a_number_that_is_none_is_reported(number: object) -> None:
    assert DYDX.connection_seq
    with pytest.raises(UnexpectedFrame, match="message_id"):
        DYDX.connection_seq({"message_id": number})


def test_instruments_tell_their_volume_themselves() -> None:
    market = {"status": "ACTIVE", "tickSize": "0.1", "stepSize": "1", "volume24H": "12.5"}
    body = {"markets": {"A,B-USD": market}}

    assert list(DYDX.instruments.parse(body)) == [
        Instrument("A,B-USD", "A,B", "USD", "perpetual", True, "0.1", "1")
    ]
    assert DYDX.instruments.volumes
    assert list(DYDX.instruments.volumes(body)) == [("A,B-USD", 12.5)]
