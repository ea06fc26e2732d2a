"""Okex alone: derivatives, what is told of whole families, and messages that others collected."""

import json
from typing import Any

from jetl2.exchanges import adapters
from jetl2.exchanges.exchange import Address, Classify, Instrument, Parsed, read
from jetl2.schemas.records import BUY, DerivativeTicker, Liquidation
from tests import collected

OKEX = adapters.get("okex")
SWAP, FUTURE, INDEX = "A-USDT-SWAP", "A-USDT-260925", "A-USDT"


def acknowledged(*symbols: str) -> Classify:
    """Return the classifier of a connection on which these are subscribed."""
    classify = OKEX.new_classifier()
    for symbol in symbols:
        ack = {"event": "subscribe", "arg": {"channel": "mark-price", "instId": symbol}}
        classify(json.dumps(ack).encode())
    return classify


def push(channel: str, symbol: str, **data: Any) -> bytes:
    return json.dumps({"arg": {"channel": channel, "instId": symbol}, "data": [data]}).encode()


def parsed(raw: bytes, classify: Classify) -> list[Parsed]:
    return [record for address in classify(raw) for record in read(OKEX, raw, address)[1]]


def test_collected_messages_are_read_and_mean_what_others_made_of_them() -> None:
    collected.check(
        "okex",
        "okx",
        lambda e: "v5" in e["api"],
        least=120,
        wrong=('"seqId":1}', '"seqId":1,"action"', '"XYZ"'),
        compared=1,
    )


def test_each_event_of_an_error_is_a_refusal() -> None:
    for event in ({"event": "error", "code": "60018"}, {"event": "channel-conn-count-error"}):
        raw = json.dumps({**event, "channel": "books", "connId": "c"}).encode()

        assert OKEX.new_classifier()(raw) == (Address("", "error"),)
        assert read(OKEX, raw)[1] == []


def test_derivatives_have_channels_that_spot_has_not() -> None:
    types = ["book_delta", "derivative_ticker", "liquidation"]
    symbols = ["A-USDT", SWAP, "B-USD-SWAP", FUTURE]
    (asked,) = (json.loads(f)["args"] for f in OKEX.subscribe(symbols, types))
    found = {(arg["channel"], arg.get("instId") or arg["instType"]) for arg in asked}

    assert len(found) == len(asked)
    assert {value for channel, value in found if channel == "books"} == set(symbols)
    for channel in ("mark-price", "open-interest"):
        assert {value for c, value in found if c == channel} == {SWAP, "B-USD-SWAP", FUTURE}
    assert {v for c, v in found if c == "funding-rate"} == {SWAP, "B-USD-SWAP"}
    assert {v for c, v in found if c == "index-tickers"} == {INDEX, "B-USD"}
    assert {v for c, v in found if c == "liquidation-orders"} == {"SWAP", "FUTURES"}
    assert OKEX.subscribe(["A-USDT"], ["derivative_ticker", "liquidation"]) == []


def test_an_index_is_that_of_each_of_its_derivatives_on_the_connection() -> None:
    raw = push("index-tickers", INDEX, idxPx="1.50", ts="1767225600000")
    records = parsed(raw, acknowledged(SWAP, FUTURE, "A-USDT", "A-USDC-SWAP"))

    assert {r.symbol for r in records} == {SWAP, FUTURE}
    assert {r.index_price for r in records if isinstance(r, DerivativeTicker)} == {"1.50"}
    assert parsed(raw, acknowledged("A-USDT")) == []
    # nor is its acknowledgement one of the spot pair of that name
    ack = {"event": "subscribe", "arg": {"channel": "index-tickers", "instId": INDEX}}
    assert acknowledged(SWAP)(json.dumps(ack).encode()) == (Address("", "mark-price"),)


def test_each_number_of_a_derivative_comes_by_itself() -> None:
    funding = {"fundingRate": "1e-5", "fundingTime": "1767225600000", "nextFundingRate": ""}
    (rate,) = parsed(push("funding-rate", SWAP, **funding), OKEX.new_classifier())
    (interest,) = parsed(push("open-interest", SWAP, oi="7", ts="5"), OKEX.new_classifier())

    assert isinstance(rate, DerivativeTicker)
    assert isinstance(interest, DerivativeTicker)
    assert (rate.funding_rate, rate.funding_ts) == ("0.00001", 1767225600 * 10**9)
    assert (rate.predicted_funding_rate, rate.exchange_ts) == ("", 0)
    assert (interest.open_interest, interest.mark_price) == ("7", "")


def test_of_liquidations_of_a_whole_type_those_subscribed_are_taken() -> None:
    detail = {"bkPx": "1.5", "sz": "3", "side": "buy", "posSide": "short", "ts": "1767225600000"}
    data = [{"instId": symbol, "details": [detail, detail]} for symbol in (SWAP, "X-USDT-SWAP")]
    arg = {"channel": "liquidation-orders", "instType": "SWAP"}
    raw = json.dumps({"arg": arg, "data": data}).encode()
    records = parsed(raw, acknowledged(SWAP))

    assert [type(r) for r in records] == [Liquidation, Liquidation]
    assert {(r.symbol, r.aggressor) for r in records if isinstance(r, Liquidation)} == {(SWAP, BUY)}
    # where nothing else is subscribed, all are wanted
    alone = OKEX.new_classifier()
    assert alone(json.dumps({"event": "subscribe", "arg": arg}).encode())[0].symbol == ""
    assert {r.symbol for r in parsed(raw, alone)} == {SWAP, "X-USDT-SWAP"}


def test_a_contract_is_worth_its_value_times_its_multiplier() -> None:
    future = {"instId": FUTURE, "instType": "FUTURES", "state": "live", "ctVal": "0.01"}
    steps = {"tickSz": "0.1", "lotSz": "1", "ctMult": "10", "baseCcy": "", "quoteCcy": ""}

    assert list(OKEX.instruments.parse({"data": [future | steps]})) == [
        Instrument(FUTURE, "A", "USDT", "future", True, "0.1", "1", "0.10")
    ]


def test_volumes_are_comparable_between_spot_and_derivatives() -> None:
    spot = {"instId": "A-USDT", "instType": "SPOT", "last": "2", "volCcy24h": "50"}
    swap = {"instId": SWAP, "instType": "SWAP", "last": "2", "volCcy24h": "50"}
    new = {"instId": FUTURE, "instType": "FUTURES", "last": "", "volCcy24h": ""}

    assert OKEX.instruments.volumes
    assert dict(OKEX.instruments.volumes({"data": [spot, swap, new]})) == {
        "A-USDT": 50.0,
        SWAP: 100.0,
        FUTURE: 0.0,
    }
