"""Bybit alone: derivatives and spot, routes, what restarts a book, and messages of others."""

import json
from typing import Any

import pytest

from jetl2.exchanges import adapters, recording
from jetl2.exchanges.errors import UnexpectedFrame, UnsupportedRecording
from jetl2.exchanges.exchange import Address, Instrument, Parsed, read
from jetl2.schemas.records import BookDelta, BookTicker, DerivativeTicker, Liquidation
from tests import collected, sessions

BYBIT, SPOT = adapters.get("bybit"), adapters.get("bybit-spot")
MS = 10**6


def test_collected_messages_of_derivatives_are_read() -> None:
    collected.check(
        "bybit",
        "bybit",
        lambda e: e["current_api"] is True and e["market"] not in ("spot", "option"),
        least=90,
        # a symbol that its topic does not name; options, which say an id first
        wrong=("tickers.BTC_USDT", "tickers.BTC-USDT", '"id"'),
        compared=6,
    )


def test_collected_messages_of_spot_are_read() -> None:
    collected.check(
        "bybit-spot",
        "bybit",
        lambda e: e["current_api"] is True and e["market"] == "spot",
        least=6,
        compared=4,
    )


def test_sessions_of_the_retired_api_2_are_refused() -> None:
    for path in sessions.files():
        if path.name.startswith("session-v2") and path.parent.name == "bybit":
            with pytest.raises(UnsupportedRecording, match=r"stream\.bybit\.com/realtime"):
                recording.recognise(path)


@pytest.mark.parametrize(
    "symbol,kind",
    [
        ("BTCUSDT", "linear"),
        ("1000PEPEUSDT", "linear"),
        ("BTCPERP", "linear"),
        ("BTC-26MAR27", "linear"),
        ("ETHUSDT-25DEC26", "linear"),
        ("USDCUSDT", "linear"),
        ("BTCUSD", "inverse"),
        ("ETHUSDZ26", "inverse"),
        ("XRPUSDH27", "inverse"),
    ],
)
def test_a_symbol_tells_its_websocket(symbol: str, kind: str) -> None:
    assert BYBIT.route
    url = BYBIT.route(symbol, "trade")

    assert url == f"wss://stream.bybit.com/v5/public/{kind}"
    assert recording.endpoint_of(url) is BYBIT


def test_a_url_of_spot_is_spots_and_options_are_spoken_by_none() -> None:
    public = "wss://stream.bybit.com/v5/public"

    assert recording.endpoint_of(f"{public}/spot") is SPOT
    assert recording.endpoint_of(f"{public}/option") is None


def test_a_request_holds_ten_topics_at_most() -> None:
    frames = [json.loads(f) for f in BYBIT.subscribe(["A", "B", "C"], list(BYBIT.channels))]

    assert [len(f["args"]) for f in frames] == [10, 5]
    assert frames[0]["args"][:5] == [
        "orderbook.200.A",
        "publicTrade.A",
        "orderbook.1.A",
        "tickers.A",
        "allLiquidation.A",
    ]


def test_spot_has_no_derivative_ticker() -> None:
    (frame,) = SPOT.subscribe(["A"], ["derivative_ticker", "liquidation", "trade"])

    assert json.loads(frame) == {"op": "subscribe", "args": ["publicTrade.A"]}


def parsed(exchange: Any, frame: dict[str, Any]) -> list[Parsed]:
    return read(exchange, json.dumps(frame).encode())[1]


def book(kind: str, number: int, depth: str = "200", **more: Any) -> dict[str, Any]:
    data = {"s": "A", "b": [["1", "2"]], "a": [], "u": number, "seq": 9}
    topic = f"orderbook.{depth}.A"
    return {"topic": topic, "type": kind, "ts": 1767225600009, "data": data, **more}


def test_number_one_is_a_whole_book() -> None:
    found = [
        parsed(BYBIT, book(*kind))[0] for kind in (("snapshot", 7), ("delta", 8), ("delta", 1))
    ]

    assert [r.is_snapshot for r in found if isinstance(r, BookDelta)] == [True, False, True]


def test_the_time_is_that_of_matching_where_it_is_told() -> None:
    times = [
        r.exchange_ts
        for frame in (book("delta", 2, cts=1767225600001), book("delta", 2))
        for r in parsed(BYBIT, frame)
        if isinstance(r, BookDelta)
    ]

    assert times == [1767225600001 * MS, 1767225600009 * MS]


def test_a_book_of_one_level_is_the_best_prices() -> None:
    (record,) = parsed(SPOT, book("snapshot", 5, depth="1"))
    frame = book("delta", 6, depth="1")
    frame["data"]["b"] = [["1", "0.00"], ["0.9", "3"]]
    frame["data"]["a"] = [["2", "4"]]
    (later,) = parsed(SPOT, frame)

    assert isinstance(record, BookTicker)
    assert isinstance(later, BookTicker)
    assert (record.bid_price, record.ask_price, record.last_seq) == (1, None, 5)
    assert (later.bid_price, later.price_exponent, later.bid_size) == (9, -1, 3)


def test_of_a_change_that_leaves_a_side_out_the_best_prices_are_not_known() -> None:
    assert parsed(SPOT, book("delta", 5, depth="1")) == []


@pytest.mark.parametrize(
    "frame",
    [
        book("delta", 2, depth="rpi"),
        book("delta", 2, depth="full"),
        {"op": "pong", "args": ["1"]},
        {"success": False, "ret_msg": "Invalid topic", "op": "subscribe"},
        {"topic": "kline.1.A", "data": []},
        {"topic": "liquidation.A", "data": {}},
        {"topic": "publicTrade.A", "ts": 1, "data": None},
        {"topic": "publicTrade.A", "ts": 1, "data": [{"BT": True}]},
        {"topic": "tickers.A", "ts": 1, "data": {"symbol": "A", "bid1Price": "1"}},
    ],
)
def test_what_is_no_record_of_ours_yields_nothing(frame: dict[str, Any]) -> None:
    assert parsed(BYBIT, frame) == []


@pytest.mark.parametrize(
    "frame,error",
    [
        (book("partial", 2), "found 'partial'"),
        ({"topic": "trade.A", "data": []}, "found 'trade.A'"),
        ({"topic": "orderbook", "data": []}, "found 'orderbook'"),
        ({"type": "snapshot"}, "found None"),
    ],
)
def test_a_shape_that_the_protocol_does_not_have_is_reported(
    frame: dict[str, Any], error: str
) -> None:
    with pytest.raises(UnexpectedFrame, match=error):
        parsed(BYBIT, frame)


def test_liquidations_are_of_derivatives_alone() -> None:
    frame = {
        "topic": "allLiquidation.A",
        "ts": 1767225600009,
        "data": [
            {"T": 1767225600001, "s": "A", "S": "Buy", "v": "3", "p": "1.5"},
            {"T": 1767225600002, "s": "A", "S": "Sell", "v": "4", "p": "1.6"},
        ],
    }
    found = parsed(BYBIT, frame)

    # who was long is sold out
    assert [r.aggressor for r in found if isinstance(r, Liquidation)] == ["sell", "buy"]
    with pytest.raises(UnexpectedFrame):
        parsed(SPOT, frame)


def test_a_ticker_tells_what_changed_and_spots_tells_nothing() -> None:
    frame = {
        "topic": "tickers.A",
        "type": "delta",
        "ts": 1767225600009,
        "data": {"symbol": "A", "openInterest": "12.50", "nextFundingTime": "1767254400000"},
    }
    (record,) = parsed(BYBIT, frame)

    assert isinstance(record, DerivativeTicker)
    assert (record.open_interest, record.mark_price) == ("12.50", "")
    assert record.funding_ts == 1767254400000 * MS
    assert parsed(SPOT, frame) == []


@pytest.mark.parametrize(
    "frame,address",
    [
        ({"topic": "orderbook.200.A"}, Address("A", "orderbook.200")),
        ({"topic": "tickers.BTC-26MAR27"}, Address("BTC-26MAR27", "tickers")),
        ({"topic": "kline.1.A"}, Address("", "kline.1")),
        ({"op": "pong"}, Address("", "pong")),
        ({"success": True, "op": "subscribe"}, Address("", "subscribe")),
        ({"success": False, "op": "subscribe"}, Address("", "error")),
        ({"op": "subscribe", "retCode": 10404}, Address("", "error")),
        ({}, Address("", "ack")),
    ],
)
def test_frames_are_addressed_by_their_topic(frame: dict[str, Any], address: Address) -> None:
    assert list(BYBIT.classify(json.dumps(frame).encode())) == [address]


def test_instruments_of_each_kind() -> None:
    item = {
        "symbol": "BTCUSDT",
        "contractType": "LinearPerpetual",
        "status": "Trading",
        "baseCoin": "BTC",
        "quoteCoin": "USDT",
        "priceFilter": {"tickSize": "0.10"},
        "lotSizeFilter": {"qtyStep": "0.001"},
    }
    future = {**item, "symbol": "BTCUSDZ26", "contractType": "InverseFutures", "quoteCoin": "USD"}
    spot = {**item, "status": "PreLaunch", "lotSizeFilter": {"basePrecision": "0.01"}}
    del spot["contractType"]
    found = list(BYBIT.instruments.parse({"result": {"list": [item, future, spot]}}))

    steps: Any = {"price_increment": "0.10", "size_increment": "0.001"}
    assert found == [
        Instrument("BTCUSDT", "BTC", "USDT", "perpetual", **steps),
        Instrument("BTCUSDZ26", "BTC", "USD", "future", **steps),
        Instrument("BTCUSDT", "BTC", "USDT", "spot", False, "0.10", "0.01"),
    ]


def test_volumes_are_compared_in_dollars() -> None:
    assert BYBIT.instruments.volumes
    assert SPOT.instruments.volumes

    def body(category: str, **item: str) -> dict[str, Any]:
        return {"result": {"category": category, "list": [item]}}

    linear = body("linear", symbol="AUSDT", turnover24h="70", volume24h="7")
    inverse = body("inverse", symbol="AUSD", turnover24h="0.7", volume24h="80")
    priced = body("spot", symbol="ABTC", turnover24h="1", volume24h="9", usdIndexPrice="10")
    plain = body("spot", symbol="BUSDC", turnover24h="5", volume24h="1", usdIndexPrice="")
    unknown = body("spot", symbol="BEUR", turnover24h="5", volume24h="1")

    assert list(BYBIT.instruments.volumes(linear)) == [("AUSDT", 70)]
    assert list(BYBIT.instruments.volumes(inverse)) == [("AUSD", 80)]
    assert list(SPOT.instruments.volumes(priced)) == [("ABTC", 90)]
    assert list(SPOT.instruments.volumes(plain)) == [("BUSDC", 5)]
    assert list(SPOT.instruments.volumes(unknown)) == []
