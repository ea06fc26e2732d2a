"""Coinbase's Exchange feed alone: sides of makers, times that are none, and others' messages."""

import json
from typing import Any

import pytest

from jetl2.exchanges import adapters
from jetl2.exchanges.exchange import Address, read
from jetl2.schemas.records import BUY, SELL
from tests import collected

EXCHANGE = adapters.get("coinbase-exchange")


def only(**frame: object) -> Any:
    (record,) = read(EXCHANGE, json.dumps({"product_id": "ABC-USD", **frame}).encode())[1]
    return record


@pytest.mark.parametrize("side,aggressor", [("buy", SELL), ("sell", BUY)])
def test_the_side_of_a_match_is_the_makers(side: str, aggressor: str) -> None:
    time = "2026-01-01T00:00:00.000001Z"
    record = only(type="match", trade_id=7, side=side, size="1", price="5", time=time)

    assert (record.aggressor, record.trade_id) == (aggressor, "7")
    assert record.exchange_ts == 1767225600000001000


def test_the_last_match_before_a_subscription_is_no_trade() -> None:
    assert read(EXCHANGE, b'{"type":"last_match","product_id":"ABC-USD"}')[1] == []


def test_a_time_in_the_year_one_is_none() -> None:
    changes = [["buy", "5.00", "1.0"], ["sell", "6", "0.0"]]
    record = only(type="l2update", changes=changes, time="0001-01-01T00:00:00.000000Z")

    assert record.exchange_ts == 0
    assert (record.bid_sizes, record.ask_sizes) == ([10], [0])


def test_sizes_that_are_none_are_left_out_of_a_snapshot() -> None:
    bids = [["5", "1"], ["4", "0.-10000"], ["3", "NaN"], ["2", "-1"], [1.5, 1e-05]]
    record = only(type="snapshot", bids=bids, asks=[])

    assert (record.bid_prices, record.price_exponent) == ([50, 15], -1)
    assert (record.bid_sizes, record.size_exponent) == ([100000, 1], -5)


def test_a_ticker_without_sizes_tells_prices() -> None:
    record = only(
        type="ticker", sequence=9, best_bid="4.50", best_ask="5", time="2021-01-01T00:00:00Z"
    )

    assert (record.bid_price, record.bid_size) == (450, None)
    assert (record.ask_price, record.ask_size) == (500, None)


def test_messages_are_addressed_by_the_channel_they_come_on() -> None:
    for kind, channel in (("l2update", "level2_batch"), ("heartbeat", "heartbeat")):
        raw = json.dumps({"type": kind, "product_id": "ABC-USD"}).encode()
        assert EXCHANGE.classify(raw) == (Address("ABC-USD", channel),)
    assert EXCHANGE.classify(b'{"type":"error","message":"no"}') == (Address("", "error"),)


def test_instruments() -> None:
    item = {"id": "ABC-USD", "base_currency": "ABC", "quote_currency": "USD", "status": "online"}
    item |= {"base_increment": "0.001", "quote_increment": "0.01"}
    (found,) = EXCHANGE.instruments.parse([item])

    assert (found.symbol, found.active, found.size_increment) == ("ABC-USD", True, "0.001")


def test_collected_messages_are_read_and_mean_what_others_made_of_them() -> None:
    def spoken(entry: collected.Message) -> bool:
        # international is another exchange; errors of REST and of Advanced Trade have no type
        return str(entry["api"]).startswith("Exchange") and entry["market"] == "spot"

    # snapshots without a time, for which the source took its own
    wrong = ("BAT-USDC", "YFI-USD", '{"message"', "sequence_num")
    collected.check("coinbase-exchange", "coinbase", spoken, least=45, compared=4, wrong=wrong)
