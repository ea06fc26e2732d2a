"""Crypto.com: what only it has."""

import json
from typing import Any

import pytest

from jetl2.exchanges import adapters
from jetl2.exchanges.errors import UnexpectedFrame
from jetl2.exchanges.exchange import PING, Address, Book, Exchange, Instrument, read
from jetl2.schemas.records import BookDelta, DerivativeTicker, Trade
from tests import collected


@pytest.fixture
def exchange() -> Exchange:
    return adapters.get("crypto-com")


def spoken(message: collected.Message) -> bool:
    # requests are none of the exchange's; one source cut the names of the instruments out
    cut = '"result"' in message["raw"] and '"instrument_name"' not in message["raw"]
    return message["api"].startswith("exchange v1") and '"params"' not in message["raw"] and not cut


def test_collected_messages() -> None:
    # a delta of 2022, before deltas were numbered
    collected.check(
        "crypto-com", "cryptocom", spoken, least=17, wrong=('"s":763793123',), compared=3
    )


def test_a_heartbeat_is_answered_with_its_id(exchange: Exchange) -> None:
    beat = b'{"id":1767225600123,"method":"public/heartbeat","code":0}'
    answer = exchange.keepalive.answer

    assert list(exchange.classify(beat)) == [Address("", PING)]
    assert read(exchange, beat)[1] == []
    assert answer
    assert json.loads(answer(beat)) == {"id": 1767225600123, "method": "public/respond-heartbeat"}


def test_only_contracts_have_funding(exchange: Exchange) -> None:
    requests = exchange.subscribe(["A_B", "AB-PERP"], ["book_ticker", "derivative_ticker"])

    assert [json.loads(r)["params"]["channels"] for r in requests] == [
        ["ticker.A_B", "ticker.AB-PERP"],
        ["funding.AB-PERP"],
        ["estimatedfunding.AB-PERP"],
        ["mark.AB-PERP"],
    ]


def test_deltas_are_asked_for_with_the_books(exchange: Exchange) -> None:
    (request,) = exchange.subscribe(["A_B"], ["book_delta"])

    assert json.loads(request)["params"] == {
        "channels": ["book.A_B.50"],
        "book_subscription_type": "SNAPSHOT_AND_UPDATE",
        "book_update_frequency": 10,
    }


def _push(channel: str, *data: Any, number: int = -1, name: str = "AB-PERP") -> bytes:
    result = {"instrument_name": name, "channel": channel, "depth": 50, "data": data}
    return json.dumps({"id": number, "method": "subscribe", "code": 0, "result": result}).encode()


@pytest.mark.parametrize(
    "channel,field",
    [
        ("funding", "funding_rate"),
        ("estimatedfunding", "predicted_funding_rate"),
        ("mark", "mark_price"),
    ],
)
def test_values_of_derivatives(exchange: Exchange, channel: str, field: str) -> None:
    raw = _push(channel, {"v": "-0.00010", "t": 1767225600000})
    (record,) = read(exchange, raw)[1]

    assert isinstance(record, DerivativeTicker)
    assert getattr(record, field) == "-0.00010"
    # what the loss of is no loss of the book
    assert list(exchange.classify(raw)) == [Address("AB-PERP", "ticker")]
    assert record.open_interest == ""


def test_trades_before_the_subscription_are_left_out(exchange: Exchange) -> None:
    trade = {"d": "8", "t": 1767225600000, "p": "1.5", "q": "2", "s": "SELL"}
    newer = trade | {"d": "9", "tn": "1767225600000000123"}

    assert read(exchange, _push("trade", newer, trade, number=4))[1] == []
    first, second = read(exchange, _push("trade", newer, trade))[1]
    assert isinstance(first, Trade)
    assert isinstance(second, Trade)
    assert (first.trade_id, second.trade_id) == ("8", "9")
    assert second.exchange_ts - first.exchange_ts == 123


def test_a_snapshot_says_how_deep_the_book_is(exchange: Exchange) -> None:
    item = {"bids": [["1", "2", "1"]], "asks": [], "t": 1767225600000, "u": 5, "cs": 1}
    depth, book = read(exchange, _push("book", item))[1]

    assert depth == Book(symbol="AB-PERP", depth=50)
    assert isinstance(book, BookDelta)
    assert (book.is_snapshot, book.last_seq, book.prev_seq) == (True, 5, 0)


@pytest.mark.parametrize(
    "frame,channel",
    [
        ({"id": 1, "method": "subscribe", "code": 0}, "subscribe"),
        ({"id": 1, "method": "subscribe", "code": 40003, "message": "Invalid"}, "error"),
        ({"id": -1, "code": 42901}, "error"),
        ({"id": None, "code": 40001, "message": "Bad request"}, "error"),
    ],
)
def test_acks_and_errors(exchange: Exchange, frame: dict[str, Any], channel: str) -> None:
    raw = json.dumps(frame).encode()

    assert list(exchange.classify(raw)) == [Address("", channel)]
    assert read(exchange, raw)[1] == []


def test_what_is_not_of_the_protocol_is_refused(exchange: Exchange) -> None:
    with pytest.raises(UnexpectedFrame, match="found 'surprise'"):
        read(exchange, _push("surprise", {}))
    with pytest.raises(UnexpectedFrame, match="found 'private/what'"):
        read(exchange, b'{"id":1,"method":"private/what"}')
    with pytest.raises(UnexpectedFrame, match="instrument_name"):
        exchange.classify(_push("book.update", name=""))
    with pytest.raises(UnexpectedFrame, match="expected the field 'pu'"):
        read(exchange, _push("book.update", {"update": {"bids": [], "asks": []}, "t": 1, "u": 2}))


def test_instruments_and_volumes(exchange: Exchange) -> None:
    spot: dict[str, Any] = {
        "symbol": "A_B",
        "inst_type": "CCY_PAIR",
        "base_ccy": "A",
        "quote_ccy": "B",
    }
    spot |= {"price_tick_size": "0.01", "qty_tick_size": "1", "tradable": True}
    index = {"symbol": "AB-INDEX", "inst_type": "INDEX", "base_ccy": "A", "quote_ccy": "B"}
    body = {"result": {"data": [spot, index | {"tradable": False}]}}

    assert list(exchange.instruments.parse(body)) == [
        Instrument("A_B", "A", "B", "spot", True, "0.01", "1"),
        Instrument("AB-INDEX", "A", "B", "index", False),
    ]
    volumes = exchange.instruments.volumes
    assert volumes
    tickers = {"result": {"data": [{"i": "A_B", "vv": "12.5"}, {"i": "X_Y", "vv": None}]}}
    assert list(volumes(tickers)) == [("A_B", 12.5), ("X_Y", 0.0)]
