"""Gemini alone: its two feeds, gaps between numbers that overlap, and what others collected."""

import json

import pytest

from jetl2.exchanges import adapters, recording
from jetl2.exchanges.errors import UnexpectedFrame
from jetl2.exchanges.exchange import Address, Instrument, read
from jetl2.exchanges.session import GAP, SYNCED, Session
from jetl2.schemas.records import UNKNOWN, BookDelta, BookTicker, Gap, RawEvent, Trade
from tests import collected, sessions

GEMINI = adapters.get("gemini")


def depth(first: int, last: int, *bids: list[str]) -> bytes:
    frame = {"e": "depthUpdate", "E": 1767225600 * 10**9, "s": "ab", "U": first, "u": last}
    return json.dumps({**frame, "b": bids, "a": []}).encode()


def feed(session: Session, number: int, payload: bytes) -> list[object]:
    raw = RawEvent(
        exchange="gemini",
        symbol="ab",
        local_ts=1767225600 * 10**9 + number,
        connection_id="c",
        payload=payload,
    )
    return list(session.feed(raw))


def test_collected_messages_are_read_and_mean_what_others_made_of_them() -> None:
    collected.check(
        "gemini",
        "gemini",
        lambda e: "v1" not in e["api"] and "v1" not in e["channel"],
        least=40,
        # deltas by their numbers and removals, which that source takes for books: the first of their
        # symbols that it saw; other exchanges' trades; a misspelt field
        wrong=('"U":17645495943', '"U":17645495944', '"exchange":"bi', '"eventid"'),
        compared=5,
    )


def test_sessions_of_the_archived_feed_replay() -> None:
    archived = [p for p in sessions.files() if p.name.startswith("session-v2-marketdata")]

    assert all(recording.recognise(path)[0].exchange is GEMINI for path in archived)


@pytest.mark.parametrize(
    "first,last,expected",
    [(10, 12, SYNCED), (7, 11, SYNCED), (4, 10, SYNCED), (11, 12, GAP), (15, 20, GAP)],
)
def test_a_delta_must_reach_back_into_what_is_known(first: int, last: int, expected: str) -> None:
    """The first after the book as well as a later one."""
    session = Session(GEMINI)
    feed(session, 0, depth(10, 10, ["1", "1"]))
    feed(session, 1, depth(first, last, ["2", "1"]))
    later = Session(GEMINI)
    feed(later, 0, depth(5, 5, ["1", "1"]))
    feed(later, 1, depth(5, 10, ["2", "1"]))
    out = feed(later, 2, depth(first, last, ["2", "2"]))

    assert session.state("ab") == later.state("ab") == expected
    assert any(isinstance(o, Gap) for o in out) == (expected == GAP)


def test_a_book_whose_two_numbers_are_one_replaces_the_old() -> None:
    session = Session(GEMINI)
    feed(session, 0, depth(10, 10, ["1", "1"]))
    feed(session, 1, depth(15, 20, ["2", "1"]))
    (record,) = feed(session, 2, depth(30, 30, ["3.5", "0.20000000"]))

    assert isinstance(record, BookDelta)
    assert record.is_snapshot
    assert (record.bid_prices, record.price_exponent, record.last_seq) == ([35], -1, 30)


def test_all_streams_are_asked_for_at_once_and_books_again_alone() -> None:
    (asked,) = GEMINI.subscribe(["ab", "cd"], ["book_delta", "trade"])
    again = [json.loads(f) for f in GEMINI.resubscribe("ab")] if GEMINI.resubscribe else []

    streams = ["ab@depth@100ms", "ab@trade", "cd@depth@100ms", "cd@trade"]
    assert json.loads(asked)["params"] == streams
    assert [(f["method"], f["params"]) for f in again] == [
        ("unsubscribe", ["ab@depth@100ms"]),
        ("subscribe", ["ab@depth@100ms"]),
    ]


@pytest.mark.parametrize(
    "frame,address",
    [
        ({"e": "depthUpdate", "s": "ab", "U": 1, "u": 2}, Address("ab", "depth@100ms")),
        ({"e": "contractStatus", "s": "ab"}, Address("ab", "contractStatus")),
        ({"s": "ab", "t": 1}, Address("ab", "trade")),
        ({"s": "ab", "u": 1}, Address("ab", "bookTicker")),
        ({"id": 1, "status": 200}, Address("", "answer")),
        ({"id": 1, "status": 400, "error": {"code": -1013}}, Address("", "error")),
        ({"result": "error", "reason": "InvalidJson"}, Address("", "error")),
        ({"type": "heartbeat"}, Address("", "heartbeat")),
        ({"type": "l2_updates", "symbol": "AB"}, Address("AB", "l2_updates")),
    ],
)
def test_frames_are_told_apart_by_their_fields(frame: dict[str, object], address: Address) -> None:
    assert GEMINI.classify(json.dumps(frame).encode()) == (address,)


def test_a_side_without_orders_is_empty() -> None:
    _, (found,) = read(GEMINI, b'{"u":5,"E":1767225600000000000,"s":"ab","b":"1.5","B":"2.0"}')

    assert isinstance(found, BookTicker)
    assert (found.bid_price, found.bid_size, found.ask_price) == (15, 20, None)


def test_a_trade_that_nobody_took_has_no_aggressor() -> None:
    trade = {"type": "trade", "symbol": "AB", "event_id": 5, "timestamp": 1767225600000}
    frame = trade | {"price": "1", "quantity": "2", "side": "block"}
    _, (found,) = read(GEMINI, json.dumps(frame).encode())

    assert isinstance(found, Trade)
    assert (found.aggressor, found.trade_id) == (UNKNOWN, "5")


@pytest.mark.parametrize(
    "frame,error",
    [({"type": "other"}, "found 'other'"), ({"x": 1}, "the fields"), ({"s": "ab"}, "the fields")],
)
def test_a_shape_that_the_feed_does_not_have_is_reported(
    frame: dict[str, object], error: str
) -> None:
    with pytest.raises(UnexpectedFrame, match=error):
        read(GEMINI, json.dumps(frame).encode())


def test_instruments_are_named_as_the_feed_names_them() -> None:
    names = {"symbol": "ABCUSD", "base_currency": "ABC", "quote_currency": "USD"}
    steps = {"tick_size": "1E-8", "quote_increment": "0.01"}
    kind = {"product_type": "swap", "status": "closed"}

    assert list(GEMINI.instruments.parse([{**names, **steps, **kind}])) == [
        Instrument("abcusd", "ABC", "USD", "perpetual", False, "0.01", "0.00000001")
    ]
