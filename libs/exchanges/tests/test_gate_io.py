"""Gate alone: two markets' names, forms of levels and trades, and messages that others collected."""

import json
from typing import Any

import pytest

from jetl2.exchanges import adapters
from jetl2.exchanges.errors import UnexpectedFrame
from jetl2.exchanges.exchange import RENEW, Address, Exchange, read, timed
from jetl2.exchanges.session import Session
from jetl2.schemas.records import BUY, SELL, DerivativeTicker, Liquidation, RawEvent
from tests import collected

SPOT, FUTURES = adapters.get("gate-io"), adapters.get("gate-io-futures")


def push(channel: str, result: Any, **more: object) -> bytes:
    frame = {"time": 1767225600, "channel": channel, "event": "update", "result": result}
    return json.dumps(frame | more).encode()


def records(exchange: Exchange, raw: bytes) -> list[Any]:
    return list(read(exchange, raw)[1])


def test_a_stream_of_a_book_names_its_symbol() -> None:
    raw = b'{"channel":"spot.obu","result":{"t":1,"s":"ob.ABC_USDT.400","U":8,"u":9}}'

    assert SPOT.classify(raw) == [Address("ABC_USDT", "spot.obu")]
    (record,) = records(SPOT, raw)
    assert (record.symbol, record.first_seq, record.last_seq) == ("ABC_USDT", 8, 9)
    assert not record.is_snapshot
    assert not record.bid_prices


def test_a_whole_book_may_come_again_and_the_deltas_go_on_from_it() -> None:
    book = {"t": 1767225600000, "s": "ob.ABC_USDT.400", "full": True, "b": [["4", "1"]], "a": []}
    sent = (
        book | {"u": 10},
        {"t": 1, "s": "ob.ABC_USDT.400", "U": 11, "u": 12, "a": [["5", "1"]]},
        book | {"u": 20},
        # asked for by another connection, behind
        book | {"u": 15},
        {"t": 1, "s": "ob.ABC_USDT.400", "U": 21, "u": 22, "b": [["4", "3"]]},
    )
    session = Session(SPOT)
    found: list[Any] = []
    for n, result in enumerate(sent):
        raw = RawEvent(
            exchange=SPOT.name,
            symbol="ABC_USDT",
            channel="spot.obu",
            local_ts=n,
            connection_id="c",
            counter=n,
            payload=push("spot.obu", result),
        )
        found += session.feed(raw)

    assert [(r.is_snapshot, r.last_seq) for r in found] == [
        (True, 10),
        (False, 12),
        (True, 20),
        (False, 22),
    ]
    assert session.book("ABC_USDT").top(5) == ([(4, 3)], [])


def test_a_shutdown_that_is_announced_wants_a_new_connection() -> None:
    raw = push("futures.system", {"type": "upgrade", "msg": "soon"})

    assert list(FUTURES.classify(raw)) == [Address("", RENEW)]
    assert records(FUTURES, raw) == []
    assert list(FUTURES.classify(push("futures.system", {"type": "x"}))) == [
        Address("", "futures.system")
    ]


def test_levels_of_futures_may_be_objects() -> None:
    result = {"t": 1, "s": "ABC_USDT", "U": 8, "u": 9, "a": [{"p": "4.5", "s": 0}]}
    result |= {"b": [{"p": "4", "s": 12}]}
    (record,) = records(FUTURES, push("futures.order_book_update", result))

    assert (record.bid_prices, record.bid_sizes) == ([40], [12])
    assert (record.ask_prices, record.ask_sizes) == ([45], [0])


def test_a_trade_of_futures_is_signed_and_internal_ones_are_none() -> None:
    trade = {"contract": "ABC_USDT", "create_time_ms": 1767225600123, "price": "4.5", "id": 7}
    result = [trade | {"size": -12}, trade | {"size": 3, "is_internal": True}]
    (record,) = records(FUTURES, push("futures.trades", result))

    assert (record.aggressor, record.size, record.trade_id) == (SELL, 12, "7")
    assert record.exchange_ts == 1767225600123000000


def test_a_trade_of_spot_has_decimals_of_a_millisecond() -> None:
    trade = {"id": 7, "create_time": 1767225600, "create_time_ms": "1767225600123.4567"}
    trade |= {"side": "buy", "currency_pair": "ABC_USDT", "amount": "1.50", "price": "4"}
    (record,) = records(SPOT, push("spot.trades", trade))

    assert (record.aggressor, record.exchange_ts) == (BUY, 1767225600123456700)


def test_what_a_ticker_of_futures_tells() -> None:
    item = {"contract": "ABC_USDT", "last": "4.5", "mark_price": "4.4", "index_price": "4.6"}
    item |= {"total_size": "99", "funding_rate": "-0.0001", "funding_rate_indicative": "0.0002"}
    raw = push("futures.tickers", [item, item | {"contract": "XYZ_USDT"}], time_ms=1767225600123)
    first, second = records(FUTURES, raw)

    assert isinstance(first, DerivativeTicker)
    assert (first.mark_price, first.open_interest) == ("4.4", "99")
    assert (first.funding_rate, first.predicted_funding_rate) == ("-0.0001", "0.0002")
    assert first.exchange_ts == 1767225600123000000
    assert [a.symbol for a in FUTURES.classify(raw)] == ["ABC_USDT", second.symbol]


@pytest.mark.parametrize("size,aggressor", [(-5, SELL), ("5.5", BUY)])
def test_a_liquidation_is_an_order_of_its_sign(size: object, aggressor: str) -> None:
    item = {"price": "4.5", "size": size, "time": 1767225600, "contract": "ABC_USDT"}
    (record,) = records(FUTURES, push("futures.public_liquidates", [item]))

    assert isinstance(record, Liquidation)
    assert (record.aggressor, record.exchange_ts) == (aggressor, 1767225600 * 10**9)


def test_a_channel_of_another_market_is_refused() -> None:
    with pytest.raises(UnexpectedFrame, match=r"expected a channel of spot, found 'futures.obu'"):
        read(SPOT, push("futures.obu", {}))


def test_a_refused_subscription_is_an_error() -> None:
    error = {"code": 2, "message": "Alert sub ob.ABC_USDT.400"}
    raw = push("spot.obu", None, event="subscribe", error=error)

    assert SPOT.classify(raw) == (Address("", "error"),)
    assert records(SPOT, raw) == []


def test_requests_tell_the_time_at_which_they_are_sent() -> None:
    first, second = SPOT.subscribe(["ABC_USDT"], ["book_delta", "trade"])

    assert json.loads(timed(first, 17)) == {
        "time": 17,
        "channel": "spot.obu",
        "event": "subscribe",
        "payload": ["ob.ABC_USDT.400"],
    }
    assert json.loads(timed(second, 18))["time"] == 18
    ping = json.loads(timed(FUTURES.keepalive.message, 19))
    assert ping == {"time": 19, "channel": "futures.ping"}


def test_a_body_without_an_id_is_no_snapshot() -> None:
    assert SPOT.snapshot
    with pytest.raises(UnexpectedFrame, match="with its id"):
        SPOT.snapshot.parse("ABC_USDT", {"label": "INVALID_CURRENCY"})


def test_instruments() -> None:
    pair = {"id": "ABC_USDT", "base": "ABC", "quote": "USDT", "trade_status": "tradable"}
    (spot,) = SPOT.instruments.parse([pair | {"precision": 2, "amount_precision": 0}])
    contract = {"name": "ABC_USDT", "order_price_round": "0.1", "quanto_multiplier": "0.01"}
    (perpetual,) = FUTURES.instruments.parse([contract])

    assert (spot.price_increment, spot.size_increment, spot.active) == ("0.01", "1", True)
    assert (perpetual.base, perpetual.quote, perpetual.kind) == ("ABC", "USDT", "perpetual")
    assert perpetual.contract_size == "0.01"


@pytest.mark.parametrize("name,least,compared", [("gate-io", 25, 3), ("gate-io-futures", 60, 2)])
def test_collected_messages_are_read_and_mean_what_others_made_of_them(
    name: str, least: int, compared: int
) -> None:
    market = "spot." if name == "gate-io" else "futures."

    def spoken(entry: collected.Message) -> bool:
        return f'"{market}' in entry["raw"] and entry["channel"].startswith(market)

    # a live capture that was trimmed of its symbol
    wrong = ('"create_time_ms":"1790274249452.965000"',)
    collected.check(name, "gateio", spoken, least=least, compared=compared, wrong=wrong)
