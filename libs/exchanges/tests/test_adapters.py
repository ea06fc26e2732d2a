"""What each exchange's module says: requests, snapshots, instruments, and the messages of others."""

import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import pytest

from jetl2.exchanges import adapters
from jetl2.exchanges.errors import UnexpectedFrame
from jetl2.exchanges.exchange import Address, Book, Exchange, Instrument, read
from jetl2.schemas.records import BookTicker
from tests import sessions

DATA_TYPES = ["book_delta", "trade", "book_ticker"]
KNOWN_TYPES = {*DATA_TYPES, "derivative_ticker", "liquidation"}

every_exchange = pytest.mark.parametrize("exchange", sessions.exchanges())


@every_exchange
def test_it_subscribes_to_every_symbol_within_its_limits(exchange: Exchange) -> None:
    symbols = [f"ABC{n:04}X" for n in range(exchange.limits.symbols)]
    frames = exchange.subscribe(symbols, DATA_TYPES)

    text = "".join(frames).upper()
    assert all(symbol in text for symbol in symbols)
    assert all(isinstance(json.loads(frame), dict | list) for frame in frames)
    # longer requests are refused by the strictest of them
    assert max(map(len, frames)) < 64 * 1024


@every_exchange
def test_only_the_data_types_asked_for_are_subscribed(exchange: Exchange) -> None:
    book, trades, both = (
        exchange.subscribe(["ABC"], types)
        for types in (["book_delta", "no_such_type"], ["trade"], ["book_delta", "trade"])
    )

    assert {"book_delta", "trade"} <= set(exchange.channels) <= KNOWN_TYPES
    assert book == exchange.subscribe(["ABC"], ["book_delta"])
    assert book != trades != both
    assert len("".join(both)) > len("".join(book))


@every_exchange
def test_a_lost_book_can_be_had_anew(exchange: Exchange) -> None:
    if exchange.rule.snapshot == "rest":
        assert exchange.snapshot
    if exchange.rule.snapshot == "request":
        assert exchange.resubscribe
    if exchange.resubscribe:
        assert any("ABC" in frame.upper() for frame in exchange.resubscribe("ABC-USD"))


@every_exchange
def test_its_addresses_are_public_and_encrypted(exchange: Exchange) -> None:
    lists = exchange.instruments
    pages = [u for urls in (lists.url, lists.volumes_url) for u in _several(urls)]
    routes = [exchange.route("ABC", t) for t in exchange.channels] if exchange.route else []

    assert {urlsplit(url).scheme for url in (exchange.url, *routes)} == {"wss"}
    assert {urlsplit(url).scheme for url in pages} == {"https"}
    assert exchange.docs.startswith("https://")


def _several(urls: str | Sequence[str]) -> Sequence[str]:
    return ([urls] if urls else []) if isinstance(urls, str) else urls


def test_binance_asks_for_many_streams_in_several_requests() -> None:
    exchange = adapters.get("binance")
    frames = exchange.subscribe([f"S{n}" for n in range(150)], DATA_TYPES)

    params = [json.loads(frame)["params"] for frame in frames]
    assert [len(p) for p in params] == [200, 200, 50]
    assert params[0][:3] == ["s0@depth@100ms", "s0@trade", "s0@bookTicker"]


def test_binance_snapshots_are_read_or_refused() -> None:
    snapshot = adapters.get("binance").snapshot
    assert snapshot
    assert "symbol=ABCUSDT" in snapshot.url("ABCUSDT")
    body = {"lastUpdateId": 7, "bids": [["1.10", "2"]], "asks": []}
    record = snapshot.parse("ABCUSDT", body)

    assert (record.is_snapshot, record.last_seq, record.bid_prices) == (True, 7, [110])
    with pytest.raises(UnexpectedFrame, match="Too much"):
        snapshot.parse("ABCUSDT", {"code": -1003, "msg": "Too much request weight"})


@pytest.mark.parametrize(
    "name,payload,expected",
    [
        ("binance", {"result": None, "id": 1}, Address("", "ack")),
        ("binance", {"code": 2, "msg": "Invalid request"}, Address("", "error")),
        ("binance", {"error": {"code": 2}, "id": 1}, Address("", "error")),
        ("binance", {"e": "serverShutdown", "E": 1}, Address("", "renew")),
        ("okex", {"event": "notice", "code": "64008", "msg": "..."}, Address("", "renew")),
        (
            "binance-futures",
            {"stream": "!serverShutdown", "data": {"e": "serverShutdown", "E": 1}},
            Address("", "renew"),
        ),
        ("binance", {"stream": "!ticker@arr", "data": []}, Address("", "arr")),
        ("binance", {"stream": "ab@depth5", "data": {}}, Address("AB", "depth5")),
        ("binance", {"e": "trade", "s": "AB"}, Address("AB", "trade")),
        ("binance", {"u": 1, "s": "AB"}, Address("AB", "bookTicker")),
        ("kraken", {"channel": "heartbeat"}, Address("", "heartbeat")),
        ("kraken", {"method": "pong"}, Address("", "pong")),
        ("kraken", {"method": "subscribe", "success": False, "error": "x"}, Address("", "error")),
        (
            "kraken",
            {"method": "subscribe", "result": {"channel": "book", "symbol": "A/B"}},
            Address("A/B", "book"),
        ),
        ("okex", {"event": "error", "code": "1"}, Address("", "error")),
        (
            "okex",
            {"event": "subscribe", "arg": {"channel": "books", "instId": "A-B"}},
            Address("A-B", "books"),
        ),
        ("coinbase", {"type": "error", "message": "x"}, Address("", "error")),
        ("coinbase", {"channel": "heartbeats", "events": [{}]}, Address("", "heartbeats")),
    ],
)
def test_frames_of_the_connection_itself_have_no_symbol(
    name: str, payload: dict[str, Any], expected: Address
) -> None:
    exchange = adapters.get(name)
    raw = json.dumps(payload).encode()

    assert list(exchange.new_classifier()(raw)) == [expected]


def test_a_bare_pong_is_no_json() -> None:
    exchange = adapters.get("okex")

    assert list(exchange.new_classifier()(b"pong")) == [Address("", "pong")]
    assert read(exchange, b"pong")[1] == []


@pytest.mark.parametrize(
    "name,payload",
    [
        ("binance", {"result": None, "id": 1}),
        ("binance", {"code": 2, "msg": "Invalid request"}),
        ("binance", {"stream": "!ticker@arr", "data": [{"e": "24hrTicker"}]}),
        ("binance", {"stream": "ab@depth5", "data": {"lastUpdateId": 1, "bids": [], "asks": []}}),
        ("kraken", {"method": "unsubscribe", "success": True, "result": {"channel": "book"}}),
        ("kraken", {"error": "Currency pair not supported", "success": False}),
        ("okex", {"event": "notice", "code": "64008", "msg": "soon"}),
        ("okex", {"arg": {"channel": "candle1m", "instId": "A-B"}, "data": []}),
        ("coinbase", {"type": "error", "message": "x"}),
        ("coinbase", {"channel": "candles", "events": []}),
    ],
)
def test_acks_errors_and_unused_channels_yield_nothing(name: str, payload: dict[str, Any]) -> None:
    assert read(adapters.get(name), json.dumps(payload).encode())[1] == []


@pytest.mark.parametrize(
    "name,payload",
    [
        ("binance", {"stream": "ab@trade", "data": [1]}),
        (
            "binance",
            {"e": "depthUpdate", "E": 1, "s": "AB", "U": 1, "u": 1, "pu": 0, "b": [], "a": []},
        ),
        ("kraken", {"channel": "book", "type": "other", "data": [{"symbol": "A"}]}),
        ("okex", {"event": "other"}),
        ("okex", {"arg": {"channel": "books", "instId": "A"}, "action": "x", "data": [{}]}),
        ("coinbase", {"channel": "l2_data", "events": [{"type": "x"}]}),
        (
            "coinbase",
            {
                "channel": "l2_data",
                "sequence_num": 1,
                "timestamp": "2026-01-01T00:00:00Z",
                "events": [{"type": "update", "product_id": "A", "updates": [{"side": "sell"}]}],
            },
        ),
    ],
)
def test_a_shape_that_the_protocol_does_not_have_is_reported(
    name: str, payload: dict[str, Any]
) -> None:
    with pytest.raises(UnexpectedFrame):
        read(adapters.get(name), json.dumps(payload).encode())


@pytest.mark.parametrize("name", ["kraken", "coinbase"])
def test_what_does_not_fit_the_form_is_not_classified(name: str) -> None:
    with pytest.raises(UnexpectedFrame):
        adapters.get(name).classify(b'{"channel": 5}')


def test_an_acknowledged_book_says_its_depth() -> None:
    result = {"channel": "book", "symbol": "A/B", "depth": 500}
    frame = {"method": "subscribe", "success": True, "result": result}

    assert read(adapters.get("kraken"), json.dumps(frame).encode())[1] == [
        Book(symbol="A/B", depth=500)
    ]


def test_a_best_bid_and_ask_of_okx_may_lack_a_side() -> None:
    data = [{"bids": [], "asks": [["2", "3", "0", "1"]], "ts": "1767225600000", "seqId": 9}]
    frame = {"arg": {"channel": "bbo-tbt", "instId": "A-B"}, "data": data}
    (record,) = read(adapters.get("okex"), json.dumps(frame).encode())[1]

    assert isinstance(record, BookTicker)
    assert (record.bid_price, record.ask_price, record.ask_size) == (None, 2, 3)
    assert record.last_seq == 9


def test_instruments_are_listed_with_their_increments() -> None:
    filters = [
        {"filterType": "LOT_SIZE", "stepSize": "0.001"},
        {"filterType": "PRICE_FILTER", "tickSize": "0.01"},
    ]
    item = {"symbol": "ABUSDT", "baseAsset": "AB", "quoteAsset": "USDT", "status": "HALT"}
    bodies: dict[str, tuple[dict[str, Any], Instrument]] = {
        "binance": (
            {"symbols": [{**item, "filters": filters}]},
            Instrument("ABUSDT", "AB", "USDT", "spot", False, "0.01", "0.001"),
        ),
        "kraken": (
            {"result": {"XXBTZUSD": {"wsname": "XBT/USD", "status": "online", "tick_size": "0.1"}}},
            Instrument("BTC/USD", "BTC", "USD", "spot", price_increment="0.1"),
        ),
        "okex": (
            {
                "data": [
                    {
                        "instId": "A-B-SWAP",
                        "instType": "SWAP",
                        "state": "live",
                        "tickSz": "0.1",
                        "lotSz": "1",
                    }
                ]
            },
            Instrument("A-B-SWAP", "A", "B", "perpetual", True, "0.1", "1"),
        ),
        "coinbase": (
            {
                "products": [
                    {
                        "product_id": "A-USD",
                        "base_currency_id": "A",
                        "quote_currency_id": "USD",
                        "quote_increment": "0.01",
                        "base_increment": "0.1",
                    },
                    {"product_id": "A-USDC", "alias": "A-USD"},
                ]
            },
            Instrument("A-USD", "A", "USD", "spot", price_increment="0.01", size_increment="0.1"),
        ),
    }
    for name, (body, expected) in bodies.items():
        assert list(adapters.get(name).instruments.parse(body)) == [expected]
