"""Poloniex alone: two websockets, two sets of field names, and messages that others collected."""

import json

import pytest

from jetl2.exchanges import adapters, recording
from jetl2.exchanges.errors import UnexpectedFrame, UnsupportedRecording
from jetl2.exchanges.exchange import Address, Instrument, read
from jetl2.schemas.records import DerivativeTicker
from tests import collected, sessions

POLONIEX = adapters.get("poloniex")


def test_collected_messages_are_read_and_mean_what_others_made_of_them() -> None:
    collected.check(
        "poloniex",
        "poloniex",
        lambda e: "v2 WS" in e["api"] or "new public WS" in e["api"],
        least=38,
        # of private channels; made to be refused
        wrong=('"orders"', '"trade"', ":123", ": 123", ":1234"),
        compared=2,
    )


def test_sessions_of_the_retired_api_are_refused() -> None:
    for path in sessions.files():
        if path.parent.name == "poloniex" and path.name.startswith("session-v1"):
            with pytest.raises(UnsupportedRecording, match=r"api2\.poloniex"):
                recording.recognise(path)


def test_perpetuals_have_a_websocket_and_channels_of_their_own() -> None:
    assert POLONIEX.route
    assert POLONIEX.route("A_USDT", "trade") == POLONIEX.url
    assert POLONIEX.route("A_USDT_PERP", "trade") == "wss://ws.poloniex.com/ws/v3/public"
    types = ["book_delta", "trade", "book_ticker", "derivative_ticker"]
    asked = [[json.loads(f) for f in POLONIEX.subscribe([s], types)] for s in ("A_B", "A_B_PERP")]

    channels = [["book_lv2"], ["trades"], ["book"]]
    assert [f["channel"] for f in asked[0]] == channels
    derivatives = ["mark_price", "index_price", "funding_rate"]
    assert [f["channel"] for f in asked[1]] == [*channels, derivatives]
    assert [f.get("depth") for f in asked[0]] == [None, None, 5]


def test_numbers_of_a_perpetual_come_one_by_one() -> None:
    frame = b'{"channel":"index_price","data":[{"ts":1767225600000,"s":"A_B_PERP","iPx":"1E-7"}]}'
    _, (found,) = read(POLONIEX, frame)

    assert isinstance(found, DerivativeTicker)
    assert (found.symbol, found.index_price, found.mark_price) == ("A_B_PERP", "0.0000001", "")
    # one name for all of them: none is of the book
    assert POLONIEX.classify(frame) == (Address("A_B_PERP", "mark_price"),)


@pytest.mark.parametrize(
    "times,told",
    [
        ({"fT": 1767225700000, "nFT": 1767254500000}, 1767225700000),
        ({"fT": 1767225600000, "nFT": 1767254400000}, 1767254400000),
        ({"fT": 1767225600000}, 0),
        ({"fT": None, "nFT": 1767254400000}, 1767254400000),
    ],
)
def test_funding_is_told_with_the_next_time_that_it_is_paid(
    times: dict[str, int | None], told: int
) -> None:
    item = {"ts": 1767225600005, "s": "A_B_PERP", "fR": "0.0001", "nFR": "-0.00005", **times}
    raw = json.dumps({"channel": "funding_rate", "data": [item]}).encode()
    _, (found,) = read(POLONIEX, raw)

    assert isinstance(found, DerivativeTicker)
    assert (found.funding_rate, found.predicted_funding_rate) == ("0.0001", "-0.00005")
    assert found.funding_ts == told * 10**6


@pytest.mark.parametrize(
    "frame",
    [
        {"event": "pong"},
        {"event": "error", "message": "no valid symbols"},
        {"subscriptions": ["book_lv2"]},
        {"channel": "candles_minute_1", "data": [{"symbol": "A_B"}]},
    ],
)
def test_answers_and_unused_channels_yield_nothing(frame: dict[str, object]) -> None:
    assert read(POLONIEX, json.dumps(frame).encode())[1] == []


def test_a_shape_that_the_protocol_does_not_have_is_reported() -> None:
    book = {"channel": "book_lv2", "action": "other", "data": [{"symbol": "A_B"}]}
    with pytest.raises(UnexpectedFrame, match="found 'other'"):
        read(POLONIEX, json.dumps(book).encode())
    with pytest.raises(UnexpectedFrame, match="a symbol in each item"):
        POLONIEX.classify(b'{"channel":"book_lv2","data":[{}]}')


def test_instruments_are_spot_markets_and_perpetuals() -> None:
    names = {"baseCurrencyName": "A", "quoteCurrencyName": "B", "state": "PAUSE"}
    scales = {"symbolTradeLimit": {"priceScale": 3, "quantityScale": 0}}
    perpetual = {"bCcy": "A", "qCcy": "B", "status": "OPEN", "ctVal": "0.01"}
    steps = {"tSz": "0.1", "lotSz": "1"}
    parse = POLONIEX.instruments.parse

    assert list(parse([{"symbol": "A_B", **names, **scales}])) == [
        Instrument("A_B", "A", "B", "spot", False, "0.001", "1")
    ]
    assert list(parse({"data": [{"symbol": "A_B_PERP", **perpetual, **steps}]})) == [
        Instrument("A_B_PERP", "A", "B", "perpetual", True, "0.1", "1", "0.01")
    ]
    assert POLONIEX.instruments.volumes
    assert list(POLONIEX.instruments.volumes([{"symbol": "A_B", "amount": "7.5"}])) == [
        ("A_B", 7.5)
    ]
    volumes = POLONIEX.instruments.volumes({"data": [{"s": "A_B_PERP", "amt": "8"}]})
    assert list(volumes) == [("A_B_PERP", 8.0)]
