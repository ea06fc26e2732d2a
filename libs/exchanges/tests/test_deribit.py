"""Deribit alone: liquidations, tests of the connection, and messages that others collected."""

import json

import pytest

from jetl2.exchanges import adapters
from jetl2.exchanges.exchange import PING, Address, Frame, read
from jetl2.schemas.records import BUY, SELL, BookDelta, DerivativeTicker, Liquidation, Trade
from tests import collected

DERIBIT = adapters.get("deribit")


def push(channel: str, data: Frame) -> bytes:
    params = {"channel": channel, "data": data}
    return json.dumps({"method": "subscription", "params": params}).encode()


def book(**fields: object) -> bytes:
    data = {"instrument_name": "ABC", "timestamp": 1, "bids": [["new", 1, 1]], "asks": []}
    return push("book.ABC.100ms", data | fields)


def test_a_test_request_is_answered_with_a_test() -> None:
    asked = b'{"jsonrpc":"2.0","method":"heartbeat","params":{"type":"test_request"}}'
    beat = b'{"jsonrpc":"2.0","method":"heartbeat","params":{"type":"heartbeat"}}'

    assert DERIBIT.classify(asked) == (Address("", PING),)
    assert DERIBIT.classify(beat) == (Address("", "heartbeat"),)
    assert DERIBIT.keepalive.answer
    assert json.loads(DERIBIT.keepalive.answer(asked))["method"] == "public/test"
    assert "set_heartbeat" in DERIBIT.subscribe(["ABC"], ["trade"])[0]


@pytest.mark.parametrize(
    "flag,direction,expected",
    [("T", "sell", [SELL]), ("M", "buy", [SELL]), ("MT", "buy", [BUY, SELL])],
)
def test_whose_position_was_liquidated(flag: str, direction: str, expected: list[str]) -> None:
    item = {"trade_id": "7", "price": 5, "amount": 2.5, "direction": direction, "timestamp": 1}
    frame = push("trades.ABC.100ms", [item | {"instrument_name": "ABC", "liquidation": flag}])

    trade, *liquidations = read(DERIBIT, frame)[1]

    assert isinstance(trade, Trade)
    assert [o.aggressor for o in liquidations if isinstance(o, Liquidation)] == expected


@pytest.mark.parametrize(
    "fields,whole",
    [
        ({"type": "snapshot", "change_id": 9, "prev_change_id": 8}, True),
        ({"type": "change", "change_id": 9, "prev_change_id": 8}, False),
        ({"type": "change", "change_id": 9, "prev_change_id": 0}, True),
        # as sent in 2019
        ({"change_id": 9}, True),
        ({"change_id": 9, "prev_change_id": 8}, False),
    ],
)
def test_a_whole_book_is_known_by_its_type_or_by_following_nothing(
    fields: dict[str, object], *, whole: bool
) -> None:
    (record,) = read(DERIBIT, book(**fields))[1]

    assert isinstance(record, BookDelta)
    assert record.is_snapshot == whole


def test_a_part_of_the_book_is_none() -> None:
    data = {"instrument_name": "ABC", "timestamp": 1, "change_id": 1, "bids": [[1, 1]], "asks": []}

    assert read(DERIBIT, push("book.ABC.none.20.100ms", data))[1] == []


def test_a_resync_unsubscribes_first() -> None:
    assert DERIBIT.resubscribe
    methods = [json.loads(text)["method"] for text in DERIBIT.resubscribe("ABC")]

    assert methods == ["public/unsubscribe", "public/subscribe"]


def test_an_option_has_no_funding() -> None:
    data = {"instrument_name": "ABC", "timestamp": 1, "last_price": None, "mark_price": 1e-7}
    (record,) = read(DERIBIT, push("ticker.ABC.100ms", data | {"open_interest": 5}))[1]

    assert isinstance(record, DerivativeTicker)
    assert record.funding_rate == record.last_price == ""
    assert (record.mark_price, record.open_interest) == ("0.0000001", "5")


def test_instruments_and_volumes_are_read() -> None:
    item: Frame = {"instrument_name": "ABC-PERPETUAL", "kind": "future", "base_currency": "ABC"}
    item |= {"quote_currency": "USD", "settlement_period": "perpetual", "is_active": True}
    combo = item | {"kind": "future_combo"}
    (found,) = DERIBIT.instruments.parse({"result": [item | {"tick_size": "0.5"}, combo]})
    volumes = DERIBIT.instruments.volumes

    assert (found.kind, found.base, found.quote, found.price_increment) == (
        *("perpetual", "ABC", "USD", "0.5"),
    )
    assert volumes
    assert list(volumes({"result": [{"instrument_name": "A", "volume_usd": "1.5"}]})) == [
        ("A", 1.5)
    ]


def test_collected_messages_are_read_and_mean_what_others_made_of_them() -> None:
    collected.check(
        "deribit",
        "deribit",
        # tickers are no best bid and ask here
        lambda e: e.get("dir") != "sent" and e["kind"] != "ticker",
        least=65,
        # too little of a trade, half a book
        wrong=('{"trade_id":"123","price":50000.0}', '"change_id": 53639437695'),
        compared=7,
    )


def test_collected_tickers_mean_what_others_made_of_them() -> None:
    names = {
        "openInterest": "open_interest",
        "lastPrice": "last_price",
        "indexPrice": "index_price",
    }
    names |= {"markPrice": "mark_price", "fundingRate": "funding_rate"}
    compared = 0
    for entry in collected.messages("deribit", lambda e: e["kind"] == "ticker"):
        for record in collected.records_of(DERIBIT, collected.payload(entry)):
            assert isinstance(record, DerivativeTicker)
            for expected in entry.get("expected", {}).get("tardis_normalized", ()):
                if expected["type"] != "derivative_ticker":
                    continue
                for theirs, ours in names.items():
                    if theirs in expected:
                        assert float(getattr(record, ours)) == expected[theirs]
                        compared += 1

    assert compared >= 10
