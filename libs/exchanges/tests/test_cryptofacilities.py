"""Kraken Futures: what only it has."""

import json
from decimal import Decimal
from typing import Any

import pytest

from jetl2.exchanges import adapters
from jetl2.exchanges.errors import UnexpectedFrame
from jetl2.exchanges.exchange import Address, Exchange, Instrument, decode_json, read
from jetl2.schemas.records import (
    BUY,
    SELL,
    BookDelta,
    BookTicker,
    DerivativeTicker,
    Liquidation,
    Trade,
)
from tests import collected

PRODUCT = "PI_ABCUSD"


@pytest.fixture
def exchange() -> Exchange:
    return adapters.get("cryptofacilities")


def spoken(message: collected.Message) -> bool:
    raw, api = message["raw"], message["api"].lower()
    if "futures ws v1" not in api or "REST" in message["channel"]:
        return False
    # the others are requests, or a delta of 2019, which the other library dated by its own clock
    request = '"event":"subscribe"' in raw or '"event":"unsubscribe"' in raw
    return not request and ('"feed":"book"' not in raw or '"timestamp"' in raw or "event" in raw)


def test_collected_messages() -> None:
    wrong = ('"name":"test"',)  # a trade of nothing
    collected.check("cryptofacilities", "kraken", spoken, least=50, wrong=wrong, compared=10)


def test_collected_tickers_and_liquidations_mean_what_others_normalised_them_to(
    exchange: Exchange,
) -> None:
    compared = 0
    for message in collected.messages("kraken", spoken):
        for expected in message.get("expected", {}).get("tardis_normalized", ()):
            found = read(exchange, collected.payload(message))[1]
            if expected["type"] == "derivative_ticker":
                (record,) = (r for r in found if isinstance(r, DerivativeTicker))
                names = {
                    "fundingRate": record.funding_rate,
                    "predictedFundingRate": record.predicted_funding_rate,
                    "openInterest": record.open_interest,
                    "lastPrice": record.last_price,
                    "indexPrice": record.index_price,
                    "markPrice": record.mark_price,
                }
                given = {name: float(text) for name, text in names.items() if text}
                assert given == {n: v for n, v in expected.items() if n in names}
                compared += 1
            elif expected["type"] == "liquidation":
                (forced,) = (r for r in found if isinstance(r, Liquidation))
                price = Decimal(forced.price).scaleb(forced.price_exponent)
                size = Decimal(forced.size).scaleb(forced.size_exponent)
                assert (price, size) == (Decimal(str(expected["price"])), expected["amount"])
                assert (forced.trade_id, forced.aggressor) == (expected["id"], expected["side"])
                compared += 1

    assert compared >= 5


def test_one_feed_serves_several_data_types(exchange: Exchange) -> None:
    types = ["book_ticker", "derivative_ticker", "trade", "liquidation"]
    feeds = [json.loads(text)["feed"] for text in exchange.subscribe([PRODUCT], types)]

    assert feeds == ["ticker", "trade", "heartbeat"]


@pytest.mark.parametrize(
    "frame,expected",
    [
        ({"event": "info", "version": 1}, [("", "info")]),
        ({"event": "alert", "message": "Rate limit exceeded"}, [("", "error")]),
        (
            {"event": "subscribed_failed", "feed": "book", "product_ids": ["A"]},
            [("", "error")],
        ),
        ({"event": "subscribed", "feed": "heartbeat"}, [("", "subscribed")]),
        (
            {"event": "subscribed", "feed": "book", "product_ids": ["A", "B"]},
            [("A", "book"), ("B", "book")],
        ),
        ({"feed": "heartbeat", "time": 1}, [("", "heartbeat")]),
        ({"feed": "ticker_lite", "product_id": "A"}, [("A", "ticker_lite")]),
        ({"feed": "trade_snapshot", "product_id": "A"}, [("A", "trade")]),
    ],
)
def test_addresses(exchange: Exchange, frame: dict[str, Any], expected: list[Address]) -> None:
    raw = json.dumps(frame).encode()

    assert list(exchange.classify(raw)) == expected
    assert read(exchange, raw)[1] == []


def test_a_book_without_its_product_is_refused(exchange: Exchange) -> None:
    with pytest.raises(UnexpectedFrame, match="product_id in the feed book"):
        exchange.classify(b'{"feed":"book","side":"buy"}')


@pytest.mark.parametrize(
    "change,text",
    [
        ({"side": "hold"}, "side buy or sell, found 'hold'"),
        ({"seq": None}, "whole number of 64 bits, found None"),
        ({"feed": "books"}, "found 'books'"),
        ({"event": "surprise"}, "found 'surprise'"),
    ],
)
def test_a_changed_delta_is_refused(exchange: Exchange, change: dict[str, Any], text: str) -> None:
    delta = {"feed": "book", "product_id": "A", "side": "buy", "seq": 1, "price": 1, "qty": 2}

    with pytest.raises(UnexpectedFrame, match=text):
        read(exchange, json.dumps(delta | change).encode())


def test_a_delta_of_2019_has_no_time(exchange: Exchange) -> None:
    delta = b'{"feed":"book","product_id":"A","side":"sell","seq":3,"price":60.5,"qty":0.0}'
    (record,) = read(exchange, delta)[1]

    assert isinstance(record, BookDelta)
    assert (record.exchange_ts, record.last_seq, record.ask_sizes) == (0, 3, [0])


def test_a_forced_trade_is_a_liquidation_too(exchange: Exchange) -> None:
    trade = {"feed": "trade", "product_id": "A", "uid": "u", "time": 5, "qty": 250, "price": 2.5}
    forced = json.dumps(trade | {"side": "buy", "type": "liquidation"}).encode()
    usual = json.dumps(trade | {"side": "sell", "type": "fill"}).encode()

    first, second = read(exchange, forced)[1]
    assert isinstance(first, Trade)
    assert isinstance(second, Liquidation)
    assert (second.aggressor, second.trade_id, second.price, second.size) == (BUY, "u", 25, 250)
    (only,) = read(exchange, usual)[1]
    assert isinstance(only, Trade)
    assert only.aggressor == SELL


def test_a_dated_product_has_no_funding(exchange: Exchange) -> None:
    frame = (
        b'{"feed":"ticker","product_id":"FI_A","time":7,"bid":60.5,"ask":null,"bid_size":3.0,'
        b'"index":60.31,"last":60.6,"openInterest":5.0,"markPrice":6.1e1,"maturityTime":9}'
    )
    best, derivative = read(exchange, frame)[1]

    assert isinstance(best, BookTicker)
    assert (best.bid_price, best.ask_price) == (605, None)
    assert isinstance(derivative, DerivativeTicker)
    assert (derivative.funding_rate, derivative.funding_ts) == ("", 0)
    assert (derivative.mark_price, derivative.open_interest) == ("61", "5.0")


@pytest.mark.parametrize(
    "time,rates", [(1664409599999, ("0.5", "0.25")), (1664409600000, ("0.00000125", "0.0002"))]
)
def test_funding_is_relative_since_2022(
    exchange: Exchange, time: int, rates: tuple[str, str]
) -> None:
    frame = {
        "feed": "ticker",
        "product_id": PRODUCT,
        "time": time,
        "funding_rate": 0.5,
        "funding_rate_prediction": 0.25,
        "relative_funding_rate": 1.25e-6,
        "relative_funding_rate_prediction": 2e-4,
    }
    _, derivative = read(exchange, json.dumps(frame).encode())[1]

    assert isinstance(derivative, DerivativeTicker)
    assert (derivative.funding_rate, derivative.predicted_funding_rate) == rates


def test_a_quantity_below_zero_removes_the_level(exchange: Exchange) -> None:
    frame = (
        b'{"feed":"book","product_id":"PI_A","side":"sell","seq":7,"price":41.5,"qty":-3.0,'
        b'"timestamp":1}'
    )
    (record,) = read(exchange, frame)[1]

    assert isinstance(record, BookDelta)
    assert (record.ask_prices, record.ask_sizes, record.bid_prices) == ([415], [0], [])


def test_instruments_and_volumes(exchange: Exchange) -> None:
    body = decode_json(
        b'{"result":"success","instruments":['
        b'{"symbol":"PF_ABCUSD","type":"flexible_futures","tradeable":true,"tickSize":0.5,'
        b'"contractSize":1,"contractValueTradePrecision":4,"base":"ABC","quote":"USD"},'
        b'{"symbol":"FI_XYZUSD_260925","type":"futures_inverse","tradeable":false,"tickSize":1,'
        b'"contractSize":1,"contractValueTradePrecision":-3},'
        b'{"symbol":"in_abcusd","type":"spot index","tradeable":false}]}'
    )
    assert list(exchange.instruments.parse(body)) == [
        Instrument("PF_ABCUSD", "ABC", "USD", "perpetual", True, "0.5", "0.0001", "1"),
        Instrument("FI_XYZUSD_260925", "XYZ", "USD", "future", False, "1", "1000", "1"),
    ]
    volumes = exchange.instruments.volumes
    assert volumes
    tickers = {"tickers": [{"symbol": "PF_ABCUSD", "volumeQuote": "12.5"}, {"symbol": "in_abcusd"}]}
    assert list(volumes(tickers)) == [("PF_ABCUSD", 12.5)]
