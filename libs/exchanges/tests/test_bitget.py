"""Bitget: what only it has, and its older protocols."""

import json
from typing import Any

import pytest

from jetl2.exchanges import adapters
from jetl2.exchanges.errors import UnexpectedFrame
from jetl2.exchanges.exchange import Address, Exchange, Instrument, Parsed, decode_json, read
from jetl2.schemas.records import BUY, SELL, BookDelta, DerivativeTicker, Liquidation, Trade
from tests import collected

CONTRACT = "ABCUSDT:usdt-futures"
# Texts of tests that want an error: no such event, no category, no side, no number, no action
WRONG = (
    '"event":"snapshot"',
    '"event":"update"',
    '"data":[{}]',
    "%s",
    "ssss",
    "TIMESTAMP",
    '"arg":{"instType":"USDT-FUTURES","channel":"trade","instId":"BTCUSDT"},"data":[{"tradeId":"1',
)


@pytest.fixture
def exchange() -> Exchange:
    return adapters.get("bitget")


def spoken(message: collected.Message) -> bool:
    return message["api"].split()[0] in ("v1", "v2", "v3") and '"op":' not in message["raw"]


def _as_we_name_it(message: collected.Message) -> collected.Message:
    """Name the contracts that others normalised as we do."""
    arg = json.loads(message["raw"]).get("arg", {})
    category = arg.get("instType", "spot").lower()
    if category not in ("spot", "sp"):
        for expected in message.get("expected", {}).get("tardis_normalized", ()):
            expected["symbol"] = f"{expected['symbol']}:{category}"
    return message


def test_collected_messages() -> None:
    def named(message: collected.Message) -> bool:
        return spoken(message) and bool(_as_we_name_it(message))

    collected.check("bitget", "bitget", named, least=60, wrong=WRONG, compared=11)


def test_collected_contracts_mean_what_others_normalised_them_to(exchange: Exchange) -> None:
    compared = 0
    for message in collected.messages("bitget", spoken, ("ticker", "other")):
        for expected in message.get("expected", {}).get("tardis_normalized", ()):
            found = read(exchange, collected.payload(message))[1]
            given = [_normalised(r, expected["type"]) for r in found]
            wanted = {k: v for k, v in expected.items() if k not in _LEFT_OUT}
            assert wanted in given
            compared += 1

    assert compared >= 4


_LEFT_OUT = ("exchange", "timestamp", "localTimestamp", "fundingTimestamp")


def _normalised(record: Parsed, kind: str) -> dict[str, Any]:
    symbol = record.symbol.partition(":")[0]
    if isinstance(record, DerivativeTicker):
        numbers = {
            "lastPrice": record.last_price,
            "openInterest": record.open_interest,
            "fundingRate": record.funding_rate,
            "indexPrice": record.index_price,
            "markPrice": record.mark_price,
        }
        values = {name: float(text) for name, text in numbers.items() if text}
        return {"type": kind, "symbol": symbol, **values}
    assert isinstance(record, Liquidation)
    return {
        "type": kind,
        "symbol": symbol,
        "price": float(f"{record.price}e{record.price_exponent}"),
        "amount": float(f"{record.size}e{record.size_exponent}"),
        "side": record.aggressor,
    }


def test_contracts_are_told_apart_from_spot(exchange: Exchange) -> None:
    requests = exchange.subscribe(["ABCUSDT", CONTRACT, "XYZUSDT:usdt-futures"], ["book_delta"])

    assert [arg for r in requests for arg in json.loads(r)["args"]] == [
        {"instType": "spot", "topic": "books", "symbol": "ABCUSDT"},
        {"instType": "usdt-futures", "topic": "books", "symbol": "ABCUSDT"},
        {"instType": "usdt-futures", "topic": "books", "symbol": "XYZUSDT"},
    ]
    for category, symbol in [("spot", "ABCUSDT"), ("usdt-futures", CONTRACT)]:
        ack = {"event": "subscribe", "arg": _arg("books", category)}
        assert list(exchange.classify(json.dumps(ack).encode())) == [Address(symbol, "books")]


def test_only_contracts_have_tickers_and_a_category_its_liquidations_once(
    exchange: Exchange,
) -> None:
    types = ["derivative_ticker", "liquidation"]
    (request,) = exchange.subscribe(["ABCUSDT", CONTRACT, "XYZUSDT:usdt-futures"], types)

    assert json.loads(request)["args"] == [
        {"instType": "usdt-futures", "topic": "ticker", "symbol": "ABCUSDT"},
        {"instType": "usdt-futures", "topic": "liquidation"},
        {"instType": "usdt-futures", "topic": "ticker", "symbol": "XYZUSDT"},
    ]


def test_requests_are_short(exchange: Exchange) -> None:
    symbols = [f"S{n}" for n in range(exchange.limits.symbols)]
    requests = exchange.subscribe(symbols, ["book_delta", "trade", "book_ticker"])

    assert {len(json.loads(r)["args"]) for r in requests} == {10}
    # of 4096 bytes that are taken
    assert max(map(len, requests)) < 2000


def _arg(topic: str, category: str = "spot") -> dict[str, str]:
    return {"instType": category, "topic": topic, "symbol": "ABCUSDT"}


def _push(topic: str, *data: Any, action: str = "update", category: str = "spot") -> bytes:
    frame = {"action": action, "arg": _arg(topic, category), "data": data, "ts": 1767225600000}
    return json.dumps(frame).encode()


def _book(**changed: Any) -> dict[str, Any]:
    return {"a": [], "b": [["9.5", "1"]], "seq": "8", "pseq": "7", "ts": "1767225600000"} | changed


def test_numbers_may_be_texts(exchange: Exchange) -> None:
    (record,) = read(exchange, _push("books", _book()))[1]

    assert isinstance(record, BookDelta)
    assert (record.first_seq, record.last_seq, record.prev_seq) == (8, 8, 7)


def test_numbers_without_a_link_prove_nothing(exchange: Exchange) -> None:
    item = _book(checksum=-5)
    del item["pseq"]
    (record,) = read(exchange, _push("books", item))[1]

    assert isinstance(record, BookDelta)
    assert (record.last_seq, record.checksum) == (0, -5)


def test_numbering_anew_is_a_fault(exchange: Exchange) -> None:
    with pytest.raises(UnexpectedFrame, match="found 8 with pseq 0"):
        read(exchange, _push("books", _book(pseq=0)))


def test_trades_before_the_subscription_are_left_out(exchange: Exchange) -> None:
    older = {"i": "1", "p": "9.5", "v": "2", "S": "buy", "T": "1767225600000"}
    newer = older | {"i": "2", "S": "sell"}

    assert read(exchange, _push("publicTrade", newer, older, action="snapshot"))[1] == []
    found = read(exchange, _push("publicTrade", newer, older))[1]
    trades = [(t.trade_id, t.aggressor) for t in found if isinstance(t, Trade)]
    assert trades == [("1", BUY), ("2", SELL)]


def test_a_contract_that_never_funds(exchange: Exchange) -> None:
    item = {"lastPrice": "9.50", "markPrice": "9.4", "fundingRate": "0", "nextFundingTime": "0"}
    (record,) = read(exchange, _push("ticker", item, category="coin-futures"))[1]

    assert isinstance(record, DerivativeTicker)
    assert (record.funding_rate, record.funding_ts, record.mark_price) == ("", 0, "9.4")
    assert record.exchange_ts == 1767225600 * 10**9
    assert read(exchange, _push("ticker", item))[1] == []


def test_liquidations_name_their_symbols_in_the_data(exchange: Exchange) -> None:
    long = {"symbol": "A", "side": "buy", "price": "2.5", "amount": "10", "ts": "1767225600000"}
    short = long | {"symbol": "B", "side": "sell"}
    arg = {"instType": "usdt-futures", "topic": "liquidation"}
    frame = {"action": "update", "arg": arg, "data": [long, short, long], "ts": 1767225600000}
    raw = json.dumps(frame).encode()

    symbols = [f"{name}:usdt-futures" for name in "AB"]
    assert list(exchange.classify(raw)) == [Address(s, "liquidation") for s in symbols]
    found = [r for r in read(exchange, raw)[1] if isinstance(r, Liquidation)]
    # whose long position is closed sells
    assert [r.aggressor for r in found] == [SELL, BUY, SELL]
    ack = json.dumps({"event": "subscribe", "arg": arg}).encode()
    assert list(exchange.classify(ack)) == [Address("", "liquidation")]


@pytest.mark.parametrize("topic", ["books5", "books50", "candle1m", "kline"])
def test_other_channels_yield_nothing(exchange: Exchange, topic: str) -> None:
    assert read(exchange, _push(topic, {"anything": 1}))[1] == []


def test_what_is_not_of_the_protocol_is_refused(exchange: Exchange) -> None:
    with pytest.raises(UnexpectedFrame, match="found 'surprise'"):
        read(exchange, _push("surprise", {}))
    with pytest.raises(UnexpectedFrame, match="found 'partial'"):
        read(exchange, _push("books", _book(), action="partial"))
    with pytest.raises(UnexpectedFrame, match="found 'surprise'"):
        read(exchange, b'{"event":"surprise"}')
    with pytest.raises(UnexpectedFrame, match="expected a symbol"):
        exchange.classify(b'{"action":"update","arg":{"instType":"spot","topic":"books"}}')


def test_errors_are_of_the_connection(exchange: Exchange) -> None:
    raw = b'{"event":"error","arg":{"instType":"spot","topic":"x"},"code":30001,"msg":"no"}'

    assert list(exchange.classify(raw)) == [Address("", "error")]
    several = b'{"event":"error","arg":[{"instType":"spot","topic":"x"}],"code":30002,"msg":"no"}'
    assert list(exchange.classify(several)) == [Address("", "error")]
    assert read(exchange, raw)[1] == []


def test_instruments_of_each_list(exchange: Exchange) -> None:
    body = decode_json(
        b'{"code":"00000","data":[{"symbol":"ABCUSDT","baseCoin":"ABC","quoteCoin":"USDT",'
        b'"pricePrecision":"2","quantityPrecision":"4","status":"online"},'
        b'{"symbol":"ABCUSDT","baseCoin":"ABC","quoteCoin":"USDT","pricePlace":"1",'
        b'"priceEndStep":"5","sizeMultiplier":"0.01","symbolType":"perpetual",'
        b'"symbolStatus":"normal"},'
        b'{"symbol":"ABCUSDZ26","baseCoin":"ABC","quoteCoin":"USD","pricePlace":"0",'
        b'"priceEndStep":"1","sizeMultiplier":"1","symbolType":"delivery",'
        b'"symbolStatus":"off"}]}'
    )
    dated = "ABCUSDZ26_CM:coin-futures"

    assert list(exchange.instruments.parse(body)) == [
        Instrument("ABCUSDT", "ABC", "USDT", "spot", True, "0.01", "0.0001"),
        Instrument(CONTRACT, "ABC", "USDT", "perpetual", True, "0.5", "0.01"),
        Instrument(dated, "ABC", "USD", "future", False, "1", "1"),
    ]
    volumes = exchange.instruments.volumes
    assert volumes
    tickers = [
        {"symbol": "ABCUSDT", "usdtVolume": "7.5"},
        {"symbol": "ABCUSDT", "usdtVolume": "8.5", "markPrice": "1"},
        {"symbol": "ABCPERP", "usdtVolume": None, "markPrice": "1"},
        {"symbol": "ABCUSD", "usdtVolume": "9", "markPrice": "1"},
    ]
    assert list(volumes({"data": tickers})) == [
        ("ABCUSDT", 7.5),
        (CONTRACT, 8.5),
        ("ABCPERP:usdc-futures", 0.0),
        ("ABCUSD_CM:coin-futures", 9.0),
    ]
