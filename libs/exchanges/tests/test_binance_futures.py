"""The derivatives of Binance alone: USD-M and COIN-M, what they share and where they differ."""

import json
from dataclasses import asdict
from typing import Any

import pytest

from jetl2.exchanges import adapters, recording
from jetl2.exchanges.errors import UnexpectedFrame
from jetl2.exchanges.exchange import Address, Instrument, read
from jetl2.schemas.records import BookTicker, DerivativeTicker, Liquidation, MarketRecord
from tests import collected

LINEAR, INVERSE = adapters.get("binance-futures"), adapters.get("binance-delivery")
BOTH = pytest.mark.parametrize("exchange", [LINEAR, INVERSE], ids=lambda e: e.name)


def spoken(*markets: str) -> Any:
    """Return what tells the messages of a market; its REST answers and accounts are not streams."""
    foreign = ('"ALGO_UPDATE"', '"listenKey', '"algoId"', '"symbol":', '"trade_all"')
    return lambda e: e["market"] in markets and not any(mark in e["raw"] for mark in foreign)


def test_collected_messages_of_linear_contracts_are_read() -> None:
    collected.check(
        "binance-futures",
        "binance",
        spoken("linear", "linear_future"),
        least=60,
        # the number of the trade was taken out, or the form is that of spot
        wrong=('"f":181349', '"U":157,"u":160,"b"'),
    )


def test_collected_messages_of_inverse_contracts_are_read() -> None:
    collected.check(
        "binance-delivery",
        "binance",
        spoken("inverse", "inverse_future"),
        least=30,
        # dated by when they were sent, where we take the time of matching
        wrong=('"E":1592265602212',),
    )


def test_each_kind_of_stream_has_its_websocket() -> None:
    assert LINEAR.route
    urls = {t: LINEAR.route("ABCUSDT", t) for t in LINEAR.channels}

    public = {t for t, url in urls.items() if url == "wss://fstream.binance.com/public/stream"}
    market = {t for t, url in urls.items() if url == "wss://fstream.binance.com/market/stream"}
    assert public == {"book_delta", "book_ticker"}
    assert market == {"trade", "derivative_ticker", "liquidation"}
    assert INVERSE.route is None


@pytest.mark.parametrize(
    "url,name",
    [
        ("wss://fstream.binance.com/stream?streams=a@depth", "binance-futures"),
        ("wss://fstream.binance.com/public/ws/a@depth", "binance-futures"),
        ("wss://fstream.binance.com/market/stream", "binance-futures"),
        ("wss://dstream.binance.com/ws/a@depth", "binance-delivery"),
        ("wss://stream.binance.com:9443/stream", "binance"),
        # the same engine under the name of Binance TR
        ("wss://stream-cloud.trbinance.com/stream?streams=a@depth", "binance"),
    ],
)
def test_hosts_tell_the_markets_apart(url: str, name: str) -> None:
    found = recording.endpoint_of(url)

    assert found
    assert found.name == name


def one(exchange: Any, frame: dict[str, Any]) -> MarketRecord:
    raw = json.dumps(frame).encode()
    (address,) = exchange.classify(raw)
    _, (record,) = read(exchange, raw)
    assert isinstance(record, MarketRecord)
    assert record.symbol == address.symbol
    return record


@BOTH
def test_a_mark_price_tells_funding(exchange: Any) -> None:
    data = {"e": "markPriceUpdate", "E": 1767225600000, "s": "A", "p": "1.10", "i": "1.2"}
    perpetual = one(
        exchange, {"stream": "a@markPrice@1s", "data": data | {"r": "-0.01", "T": 1767254400000}}
    )
    dated = one(exchange, {"stream": "a@markPrice@1s", "data": data | {"r": "", "T": 0}})

    assert isinstance(perpetual, DerivativeTicker)
    assert isinstance(dated, DerivativeTicker)
    assert (perpetual.mark_price, perpetual.index_price) == ("1.10", "1.2")
    assert (perpetual.funding_rate, perpetual.funding_ts) == ("-0.01", 1767254400000 * 10**6)
    assert (dated.funding_rate, dated.funding_ts) == ("", 0)
    assert dated.exchange_ts == 1767225600000 * 10**6


ORDER = {
    "s": "AUSDT",
    "S": "BUY",
    "o": "LIMIT",
    "f": "IOC",
    "q": "3",
    "p": "9.50",
    "ap": "9.4",
    "X": "FILLED",
    "l": "1",
    "z": "3",
    "T": 1767225600000,
}


@pytest.mark.parametrize("stream", ["ausdt@forceOrder", "!forceOrder@arr", ""])
def test_a_forced_order_that_bought_ended_a_short(stream: str) -> None:
    event = {"e": "forceOrder", "E": 1767225600001, "o": ORDER}
    record = one(LINEAR, {"stream": stream, "data": event} if stream else event)

    assert isinstance(record, Liquidation)
    assert (record.symbol, record.aggressor) == ("AUSDT", "buy")
    assert (record.price, record.price_exponent, record.size) == (950, -2, 3)
    assert record.exchange_ts == 1767225600000 * 10**6


def test_a_forced_order_that_is_not_filled_is_no_liquidation() -> None:
    event = {"e": "forceOrder", "E": 1, "o": ORDER | {"X": "NEW"}}

    assert read(LINEAR, json.dumps(event).encode())[1] == []


def test_best_prices_carry_the_time_of_matching() -> None:
    data = {"e": "bookTicker", "u": 9, "E": 1767225600009, "T": 1767225600001, "s": "A"}
    record = one(LINEAR, data | {"b": "1", "B": "2", "a": "3", "A": "4"})

    assert isinstance(record, BookTicker)
    assert (record.exchange_ts, record.last_seq) == (1767225600001 * 10**6, 9)


@pytest.mark.parametrize(
    "frame",
    [
        # the insurance fund took it, or it was taken from who had won: no trade of the book
        {"e": "trade", "E": 1, "T": 1, "s": "A", "t": 1, "p": "1", "q": "1", "X": "ADL", "m": True},
        {"stream": "!markPrice@arr@1s", "data": [{"e": "markPriceUpdate"}]},
        {"stream": "a@depth20@100ms", "data": {"e": "depthUpdate", "s": "A", "pu": 1}},
        {"stream": "a@rpiDepth@500ms", "data": {"e": "depthUpdate", "s": "A", "pu": 1}},
        {"stream": "a@depthSnapshot", "data": {"lastUpdateId": 1, "bids": [], "asks": []}},
        {"e": "contractInfo", "E": 1, "s": "A"},
        {"result": None, "id": 1},
    ],
)
def test_what_is_of_no_book_and_no_trade_yields_nothing(frame: dict[str, Any]) -> None:
    assert read(LINEAR, json.dumps(frame).encode())[1] == []


@BOTH
@pytest.mark.parametrize(
    "frame",
    [
        {"e": "depthUpdate", "E": 1, "T": 1, "s": "A", "U": 1, "u": 1, "b": [], "a": []},
        {"u": 1, "s": "A", "b": "1", "B": "1", "a": "2", "A": "1"},
        {"stream": "a@trade", "data": {"e": "executionReport"}},
    ],
)
def test_frames_of_spot_are_refused(exchange: Any, frame: dict[str, Any]) -> None:
    with pytest.raises(UnexpectedFrame, match=r"futures (stream|depthUpdate)"):
        read(exchange, json.dumps(frame).encode())


def test_a_bare_forced_order_is_addressed_by_its_order() -> None:
    raw = json.dumps({"e": "forceOrder", "E": 1, "o": ORDER}).encode()

    assert LINEAR.classify(raw) == (Address("AUSDT", "forceOrder"),)
    with pytest.raises(UnexpectedFrame):
        LINEAR.classify(b'{"e":"forceOrder","o":{}}')


def test_instruments_say_what_a_contract_is() -> None:
    filters = [
        {"filterType": "LOT_SIZE", "stepSize": "1"},
        {"filterType": "PRICE_FILTER", "tickSize": "0.1"},
    ]
    names = {"baseAsset": "BTC", "quoteAsset": "USD", "filters": filters}
    inverse = names | {"contractStatus": "TRADING", "contractSize": 100}
    linear = names | {"status": "SETTLING"}
    body = {
        "symbols": [
            {"symbol": "BTCUSD_PERP", "contractType": "PERPETUAL", **inverse},
            {"symbol": "BTCUSD_261225", "contractType": "CURRENT_QUARTER", **linear},
            {"symbol": "XAUUSDT", "contractType": "TRADIFI_PERPETUAL", **linear},
        ]
    }
    first, second, third = INVERSE.instruments.parse(body)

    steps: Any = {"price_increment": "0.1", "size_increment": "1"}
    assert first == Instrument(
        "BTCUSD_PERP", "BTC", "USD", "perpetual", contract_size="100", **steps
    )
    assert second == Instrument("BTCUSD_261225", "BTC", "USD", "future", active=False, **steps)
    assert third.kind == "perpetual"


def test_volumes_are_compared_in_dollars() -> None:
    assert LINEAR.instruments.volumes
    assert INVERSE.instruments.volumes
    tickers = [
        {"symbol": "BTCUSDT", "lastPrice": "50000", "quoteVolume": "900"},
        {"symbol": "BTCUSDT_261225", "lastPrice": "51000", "quoteVolume": "90"},
        {"symbol": "ETHBTC", "lastPrice": "0.05", "quoteVolume": "2"},
        {"symbol": "USDTTRY", "lastPrice": "40", "quoteVolume": "4000"},
        {"symbol": "NEWXYZ", "lastPrice": "0", "quoteVolume": "0"},
    ]
    contracts = [{"symbol": "BTCUSD_PERP", "baseVolume": "2", "weightedAvgPrice": "50000"}]

    assert dict(LINEAR.instruments.volumes(tickers)) == {
        "BTCUSDT": 900,
        "BTCUSDT_261225": 90,
        "ETHBTC": 100000,
        "USDTTRY": 100,
    }
    assert dict(INVERSE.instruments.volumes(contracts)) == {"BTCUSD_PERP": 100000}


def test_a_snapshot_carries_the_time_of_matching() -> None:
    assert LINEAR.snapshot
    assert "symbol=A&limit=1000" in LINEAR.snapshot.url("A")
    body = {"lastUpdateId": 7, "E": 2, "T": 1767225600000, "bids": [["1", "2"]], "asks": []}

    record = asdict(LINEAR.snapshot.parse("A", body))
    assert record["exchange_ts"] == 1767225600000 * 10**6
    assert (record["is_snapshot"], record["last_seq"]) == (True, 7)


@BOTH
def test_a_quiet_connection_is_kept_by_a_question_that_is_answered(exchange: Any) -> None:
    assert exchange.keepalive.interval_s * 2 < exchange.keepalive.stale_s
    assert json.loads(exchange.keepalive.message)["method"] == "LIST_SUBSCRIPTIONS"

    answer = b'{"result":["a@depth@100ms"],"id":0}'
    assert exchange.classify(answer) == (Address("", "ack"),)
    assert read(exchange, answer)[1] == []


@BOTH
@pytest.mark.parametrize(
    "answer",
    [
        {"error": {"code": 2, "msg": "Invalid request"}},
        {"error": {"code": 2, "msg": "Invalid request"}, "id": None},
        {"code": -1121, "msg": "Invalid symbol."},
        {"code": "200", "msg": "success"},
    ],
)
def test_a_refusal_is_an_error_and_yields_nothing(exchange: Any, answer: dict[str, Any]) -> None:
    raw = json.dumps(answer).encode()

    assert exchange.classify(raw) == (Address("", "error"),)
    assert read(exchange, raw)[1] == []
