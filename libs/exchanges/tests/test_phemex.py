"""Phemex: what only it has."""

import json
from decimal import Decimal
from typing import Any

import pytest

from jetl2.exchanges import adapters
from jetl2.exchanges.errors import UnexpectedFrame
from jetl2.exchanges.exchange import Address, Book, Exchange, Instrument, read
from jetl2.schemas.records import BookDelta, DerivativeTicker, Gap, Trade
from tests import collected
from tests.feeds import Feed, kinds

TS = 1_767_225_600_000_000_123


@pytest.fixture
def exchange() -> Exchange:
    return adapters.get("phemex")


def spoken(message: collected.Message) -> bool:
    # requests are none of the exchange's; two errors of another one are among these
    return '"params"' not in message["raw"] and '"event"' not in message["raw"]


def test_collected_messages() -> None:
    # its source rounded a time up, as JavaScript's numbers do
    rounded = '"sequence":251739378'
    collected.check("phemex", "phemex", spoken, least=30, wrong=(rounded,), compared=9)


def test_collected_tickers_mean_what_others_normalised_them_to(exchange: Exchange) -> None:
    compared = 0
    for message in collected.messages("phemex", spoken, ("ticker",)):
        for expected in message.get("expected", {}).get("tardis_normalized", ()):
            found = read(exchange, collected.payload(message))[1]
            assert [e for e in map(_normalised, found) if e.items() <= expected.items()]
            compared += 1

    assert compared == 3


def _normalised(record: object) -> dict[str, Any]:
    assert isinstance(record, DerivativeTicker)
    return {
        "symbol": record.symbol,
        "lastPrice": float(record.last_price),
        "openInterest": float(record.open_interest),
        "fundingRate": float(record.funding_rate),
        "predictedFundingRate": float(record.predicted_funding_rate),
        "indexPrice": float(record.index_price),
        "markPrice": float(record.mark_price),
    }


def test_each_kind_of_product_has_its_channels(exchange: Exchange) -> None:
    symbols = ["ABCUSDT", "sABCUSDT", "ABCUSD"]
    requests = exchange.subscribe(symbols, ["book_delta", "trade", "derivative_ticker"])

    assert [(r["method"], r["params"]) for r in map(json.loads, requests)] == [
        ("orderbook_p.subscribe", ["ABCUSDT"]),
        ("orderbook.subscribe", ["sABCUSDT"]),
        ("orderbook.subscribe", ["ABCUSD"]),
        ("trade_p.subscribe", ["ABCUSDT"]),
        ("trade.subscribe", ["sABCUSDT"]),
        ("trade.subscribe", ["ABCUSD"]),
        ("perp_market24h_pack_p.subscribe", []),
        ("market24h.subscribe", []),
    ]
    assert len(exchange.limits.symbols * ["book", "trade"]) < 101


def _frame(**fields: Any) -> bytes:
    head = {"sequence": 5, "symbol": "ABCUSDT", "timestamp": TS, "type": "incremental"}
    return json.dumps(head | fields).encode()


@pytest.mark.parametrize(
    "symbol,exponents", [("sABCUSDT", (-8, -8)), ("ABCUSD", (-4, 0)), ("SABCUSD", (-4, 0))]
)
def test_integers_are_scaled_by_what_is_traded(
    exchange: Exchange, symbol: str, exponents: tuple[int, int]
) -> None:
    book = _frame(symbol=symbol, book={"bids": [[125, 7]], "asks": []})
    (delta,) = read(exchange, book)[1]
    (trade,) = read(exchange, _frame(symbol=symbol, trades=[[TS, "Sell", 125, 7]]))[1]

    assert isinstance(delta, BookDelta)
    assert isinstance(trade, Trade)
    assert (delta.bid_prices, delta.bid_sizes, trade.price, trade.size) == ([125], [7], 125, 7)
    assert (delta.price_exponent, delta.size_exponent) == exponents
    assert (trade.price_exponent, trade.size_exponent) == exponents


def test_a_snapshot_says_how_deep_the_book_is(exchange: Exchange) -> None:
    sides = {"bids": [["1.5", "2"]], "asks": []}
    depth, book = read(exchange, _frame(type="snapshot", depth=30, orderbook_p=sides))[1]

    assert depth == Book(symbol="ABCUSDT", depth=30)
    assert isinstance(book, BookDelta)
    assert (book.is_snapshot, book.exchange_ts, book.last_seq) == (True, TS, 5)


def _book(number: int, size: str, kind: str) -> dict[str, Any]:
    sides = {"bids": [["1.5", size]], "asks": [["1.7", "1"]]}
    head = {"sequence": number, "symbol": "ABCUSDT", "timestamp": TS, "type": kind, "depth": 30}
    return head | {"orderbook_p": sides}


@pytest.mark.parametrize(
    "number,size,expected",
    [
        (7, "3.0", [BookDelta]),
        # a delta between was lost
        (7, "4", [Gap, BookDelta]),
        # what happened since the last delta is in it already
        (8, "4", [BookDelta]),
    ],
)
def test_the_snapshot_of_each_minute_shows_a_loss(
    number: int, size: str, expected: list[type]
) -> None:
    feed = Feed("phemex", "ABCUSDT")
    feed.raw(_book(5, "2", "snapshot"))
    feed.raw(_book(7, "3", "incremental"))

    found = feed.raw(_book(number, size, "snapshot"))
    assert kinds(found) == expected
    assert feed.counted.get("gaps", 0) == len(expected) - 1
    (_, volume), *_ = feed.top()[0]
    exponent = feed.session.book("ABCUSDT").size_exponent
    assert Decimal(volume).scaleb(exponent) == Decimal(size)


def test_trades_have_an_id_of_time_and_place(exchange: Exchange) -> None:
    row = [TS, "Buy", "1.5", "2"]
    trades = [row, row, [TS + 1, *row[1:]]]

    assert read(exchange, _frame(type="snapshot", trades_p=trades))[1] == []
    found = read(exchange, _frame(trades_p=trades))[1]
    assert [t.trade_id for t in found if isinstance(t, Trade)] == [
        f"{TS}-0",
        f"{TS}-1",
        f"{TS + 1}-0",
    ]


@pytest.mark.parametrize(
    "frame,expected",
    [
        ({"error": None, "id": 0, "result": "pong"}, [("", "ack")]),
        ({"error": {"code": 6015, "message": "too many"}, "id": 1}, [("", "error")]),
        ({"event": "error", "code": 30002}, [("", "error")]),
        ({"market24h_p": {"symbol": "A"}, "timestamp": TS}, [("A", "market24h")]),
        (
            {"data": [["A"], ["B"]], "method": "perp_market24h_pack_p.update", "type": "snapshot"},
            [("A", "market24h"), ("B", "market24h")],
        ),
    ],
)
def test_addresses(exchange: Exchange, frame: dict[str, Any], expected: list[Address]) -> None:
    assert list(exchange.classify(json.dumps(frame).encode())) == expected


def test_answers_and_other_channels_yield_nothing(exchange: Exchange) -> None:
    assert read(exchange, b'{"error":null,"id":0,"result":"pong"}')[1] == []
    assert read(exchange, _frame(tick_p={"last": "1"}))[1] == []


def test_what_is_not_of_the_protocol_is_refused(exchange: Exchange) -> None:
    with pytest.raises(UnexpectedFrame, match="found 'partial'"):
        read(exchange, _frame(type="partial", orderbook_p={"bids": [], "asks": []}))
    with pytest.raises(UnexpectedFrame, match="scaled integers, found the price"):
        read(exchange, _frame(symbol="ABCUSD", book={"bids": [["1.5", 2]], "asks": []}))
    with pytest.raises(UnexpectedFrame, match="'surprise'"):
        read(exchange, b'{"surprise": 1}')
    with pytest.raises(UnexpectedFrame, match="symbol beside the type 'snapshot'"):
        exchange.classify(b'{"orderbook_p":{},"type":"snapshot"}')


def test_products_of_unknown_scales_are_not_offered(exchange: Exchange) -> None:
    spot: dict[str, Any] = {"symbol": "sABCUSDT", "type": "Spot", "baseCurrency": "ABC"}
    spot |= {"quoteCurrency": "USDT"}
    spot |= {"quoteTickSize": "0.01 USDT", "baseTickSize": "0.001 ABC"}
    spot |= {"priceScale": 8, "status": "Listed"}
    coin = {"symbol": "XYZUSD", "type": "Perpetual", "settleCurrency": "XYZ", "tickSize": 0.5}
    coin |= {"quoteCurrency": "USD", "contractSize": "1 USD", "priceScale": 6, "status": "Listed"}
    linear = {"symbol": "ABCUSDT", "type": "PerpetualV2", "baseCurrency": "ABC"}
    linear |= {"quoteCurrency": "USDT", "tickSize": "0.1", "qtyStepSize": "0.01"}
    linear |= {"status": "Delisted"}
    body = {"data": {"products": [spot, coin], "perpProductsV2": [linear]}}

    assert list(exchange.instruments.parse(body)) == [
        Instrument("ABCUSDT", "ABC", "USDT", "perpetual", False, "0.1", "0.01"),
        Instrument("sABCUSDT", "ABC", "USDT", "spot", True, "0.01", "0.001"),
        Instrument("XYZUSD", "XYZ", "USD", "perpetual", False, "0.5", "1", "1"),
    ]
    volumes = exchange.instruments.volumes
    assert volumes
    assert list(volumes({"result": [{"symbol": "A", "turnoverRv": "2.5"}]})) == [("A", 2.5)]
