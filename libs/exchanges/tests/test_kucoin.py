"""KuCoin alone: the token, prices of 0, times of three units, and messages that others collected."""

import json
from typing import Any

import pytest

from jetl2.exchanges import adapters
from jetl2.exchanges.errors import UnexpectedFrame
from jetl2.exchanges.exchange import Address, read
from jetl2.schemas.records import SELL
from tests import collected

KUCOIN = adapters.get("kucoin")


def push(topic: str, data: Any, subject: str = "") -> bytes:
    frame = {"type": "message", "topic": topic, "subject": subject, "data": data}
    return json.dumps(frame).encode()


def only(raw: bytes) -> Any:
    (record,) = read(KUCOIN, raw)[1]
    return record


def test_the_token_goes_to_the_first_server_named() -> None:
    servers = [{"endpoint": "wss://one.example/"}, {"endpoint": "wss://two.example/"}]
    body = {"code": "200000", "data": {"token": "a b==&c", "instanceServers": servers}}

    assert KUCOIN.token
    assert KUCOIN.token.parse(body) == "wss://one.example/?token=a+b%3D%3D%26c"


def test_a_price_of_zero_moves_the_number_and_no_level() -> None:
    changes = {"bids": [["0", "0", "8"], ["5", "1", "9"]], "asks": [["0", "0", "7"]]}
    data = {"sequenceStart": 7, "sequenceEnd": 9, "symbol": "ABC-USDT", "changes": changes}

    record = only(push("/market/level2:ABC-USDT", data))

    assert (record.bid_prices, record.ask_prices) == ([5], [])
    assert (record.first_seq, record.last_seq, record.exchange_ts) == (7, 9, 0)


def test_a_trade_is_timed_in_nanoseconds_and_its_side_is_the_takers() -> None:
    data = {
        "price": "5",
        "size": "1.50",
        "side": "sell",
        "tradeId": "9",
        "time": "1767225600000000007",
    }

    record = only(push("/market/match:ABC-USDT", data, "trade.l3match"))

    assert (record.exchange_ts, record.aggressor) == (1767225600000000007, SELL)


def test_the_ticker_of_all_symbols_names_each_in_its_subject() -> None:
    data = {"sequence": "3", "bestBid": "5", "bestBidSize": "1", "bestAsk": "6", "bestAskSize": "2"}
    raw = push("/market/ticker:all", data, "ABC-USDT")

    assert KUCOIN.classify(raw) == (Address("ABC-USDT", "/market/ticker"),)
    assert only(raw).symbol == "ABC-USDT"


def test_an_error_is_addressed_as_one() -> None:
    refused = b'{"id":"1","type":"error","code":404,"topic":"/market/level2:ABC-USDT"}'
    assert KUCOIN.classify(refused) == (Address("", "error"),)
    assert KUCOIN.classify(b'{"id":"1","type":"error","code":509,"data":"x"}') == (
        Address("", "error"),
    )


def test_a_futures_topic_is_refused() -> None:
    with pytest.raises(UnexpectedFrame, match="expected a topic of the spot market"):
        read(KUCOIN, push("/contractMarket/level2:XBTUSDTM", {"sequence": 1}))


@pytest.mark.parametrize(
    "body", [[], {"code": "400100", "msg": "no"}, {"data": {"sequence": None}}]
)
def test_an_error_body_is_no_snapshot(body: object) -> None:
    assert KUCOIN.snapshot
    with pytest.raises(UnexpectedFrame, match="expected an order book"):
        KUCOIN.snapshot.parse("ABC-USDT", body)


def test_many_symbols_share_a_topic() -> None:
    sent = [json.loads(t) for t in KUCOIN.subscribe([f"S{n}" for n in range(150)], ["trade"])]

    assert [len(s["topic"].split(",")) for s in sent] == [100, 50]


def test_instruments_and_volumes() -> None:
    item: dict[str, Any] = {"symbol": "ABC-USDT", "baseCurrency": "ABC", "quoteCurrency": "USDT"}
    item |= {"enableTrading": True, "priceIncrement": "0.1", "baseIncrement": "0.0001"}
    (found,) = KUCOIN.instruments.parse({"data": [item]})

    assert (found.base, found.quote, found.price_increment) == ("ABC", "USDT", "0.1")
    assert KUCOIN.instruments.volumes
    ticker = {"data": {"ticker": [{"symbol": "ABC-USDT", "volValue": "12.5"}]}}
    assert list(KUCOIN.instruments.volumes(ticker)) == [("ABC-USDT", 12.5)]


def test_collected_messages_are_read_and_mean_what_others_made_of_them() -> None:
    def spoken(entry: collected.Message) -> bool:
        return "Pro" not in entry["api"] and entry["market"] in ("spot", "unknown")

    # trimmed of its trade id; without a time, for which the source took its own
    wrong = ('"time":"1790274222318000000"', '"sequenceEnd":1636276324363}}')
    collected.check("kucoin", "kucoin", spoken, least=55, compared=3, wrong=wrong)
