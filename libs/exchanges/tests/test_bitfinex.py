"""Bitfinex alone: numbers of channels, flags that may be missing, raw books, and others' messages."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from jetl2.exchanges import adapters, recording, wire
from jetl2.exchanges.errors import UnexpectedFrame, UnsupportedRecording
from jetl2.exchanges.exchange import CONNECTION, RENEW, Address, read
from jetl2.orderbook import checksum
from jetl2.orderbook.book import Book
from jetl2.schemas.records import (
    BUY,
    BookDelta,
    BookTicker,
    DerivativeTicker,
    Liquidation,
    MarketRecord,
    Trade,
)
from tests import collected, sessions

BITFINEX = adapters.get("bitfinex")
BOOK = Address("tABCUSD", "book")
EVENT = (Address("", "event"),)


def ack(number: int, channel: str, **fields: str) -> bytes:
    event = {"event": "subscribed", "channel": channel, "chanId": number, **fields}
    return json.dumps(event).encode()


def only(raw: bytes, address: Address = BOOK) -> Any:
    (record,) = read(BITFINEX, raw, address)[1]
    return record


def test_a_channel_is_what_its_connection_acknowledged() -> None:
    classify = BITFINEX.new_classifier()

    assert classify(ack(7, "book", symbol="tABCUSD", prec="P0")) == EVENT
    assert classify(ack(8, "book", symbol="tABCUSD", prec="R0")) == EVENT
    assert classify(ack(9, "ticker", symbol="fUSD")) == EVENT
    assert list(classify(b"[7,[1,2,3]]")) == [BOOK]
    assert list(classify(b'[8,"hb"]')) == [Address("tABCUSD", "raw_book")]
    assert list(classify(b"[9,[1]]")) == [Address("", "funding")]
    with pytest.raises(UnexpectedFrame, match="acknowledged"):
        BITFINEX.new_classifier()(b"[7,[1,2,3]]")


def test_a_heartbeat_may_come_before_the_acknowledgement() -> None:
    assert BITFINEX.new_classifier()(b'[7,"hb",5]') == (CONNECTION,)


@pytest.mark.parametrize("code,channel", [(20051, RENEW), (20060, "event"), (20061, RENEW)])
def test_a_restart_wants_a_new_connection(code: int, channel: str) -> None:
    raw = json.dumps({"event": "info", "code": code, "msg": "x"}).encode()
    (address,) = BITFINEX.new_classifier()(raw)

    assert address == ("", channel)
    assert not BITFINEX.counts([address])


def test_flags_that_are_refused_are_an_error() -> None:
    classify = BITFINEX.new_classifier()
    assert classify(b'{"event":"conf","status":"OK","flags":229376}') == EVENT
    assert classify(b'{"event":"conf","status":"FAILED"}') == (Address("", "error"),)


def test_what_was_unsubscribed_is_of_no_symbol_while_it_still_comes() -> None:
    classify = BITFINEX.new_classifier()
    classify(ack(7, "book", symbol="tABCUSD", prec="P0"))
    classify(b'{"event":"unsubscribed","status":"OK","chanId":7}')

    assert classify(b"[7,[1,2,3]]") == (CONNECTION,)
    assert read(BITFINEX, b"[7,[1,2,3]]")[1] == []


def test_liquidations_are_of_the_symbols_that_the_connection_has() -> None:
    row = '["pos",5,1767225600000,null,"{}",-2.5,1990.125,null,{},1,null,null]'
    rows = ",".join(row.format(*r) for r in (("tABCUSD", 0), ("tABCUSD", 1), ("tXYZUSD", 0)))
    raw = f"[4,[{rows}]]".encode()
    classify = BITFINEX.new_classifier()
    classify(ack(4, "status", key="liq:global"))
    classify(ack(7, "book", symbol="tABCUSD", prec="P0"))

    (address,) = classify(raw)
    record = only(raw, address)

    assert address == Address("tABCUSD", "liq")
    assert isinstance(record, Liquidation)
    assert (record.aggressor, record.trade_id, record.price, record.size) == (BUY, "5", 1990125, 25)


@pytest.mark.parametrize(
    "extra,number,time",
    [
        ("", None, 0),
        (",12", 12, 0),
        (",1767225600000", None, 1767225600 * 10**9),
        (",12,1767225600000", 12, 1767225600 * 10**9),
    ],
)
def test_flags_that_were_not_set_leave_out_what_they_would_add(
    extra: str, number: int | None, time: int
) -> None:
    for content in ("[2000,1,0.5]", '"cs",-17', '"hb"', "[]"):
        raw = f"[7,{content}{extra}]".encode()
        frame, found = read(BITFINEX, raw, BOOK)
        assert BITFINEX.connection_seq
        # a sum's number need not be the next
        assert BITFINEX.connection_seq(frame) == (None if "cs" in content else number)
        for record in found:
            assert isinstance(record, BookDelta)
            assert (record.exchange_ts, record.last_seq) == (time, number or 0)


def test_a_sum_is_a_delta_without_levels() -> None:
    record = only(b'[7,"cs",-1976223123,5,1767225600000]')

    assert isinstance(record, BookDelta)
    assert record.checksum == -1976223123
    assert not record.is_snapshot


def test_a_count_of_zero_removes_the_level_on_the_side_of_its_sign() -> None:
    bid, ask = only(b"[7,[2000,0,1]]"), only(b"[7,[2001.5,0,-1]]")

    assert (bid.bid_prices, bid.bid_sizes, bid.ask_prices) == ([2000], [0], [])
    assert (ask.ask_prices, ask.ask_sizes, ask.bid_prices) == ([20015], [0], [])


def test_sums_of_floats_in_a_ticker_are_cut_where_they_do_not_fit() -> None:
    fits = only(b"[7,[1,53.601795929999994,2,1]]", Address("tABCUSD", "ticker"))
    cut = only(b"[7,[1,53.601795929999994,2,1000000.5]]", Address("tABCUSD", "ticker"))

    assert (fits.bid_size, fits.size_exponent) == (53601795929999994, -15)
    assert (cut.bid_size, cut.size_exponent) == (5360179593, -8)


def test_subscriptions_set_the_flags_first_and_ask_statuses_of_derivatives_only() -> None:
    types = list(BITFINEX.channels)
    sent = [json.loads(text) for text in BITFINEX.subscribe(["tABCUSD", "tABCF0:USTF0"], types)]

    assert sent[0] == {"event": "conf", "flags": 229376}
    assert [s["key"] for s in sent if "key" in s] == ["deriv:tABCF0:USTF0", "liq:global"]
    assert len(BITFINEX.subscribe(["tABCF0:USTF0"] * BITFINEX.limits.symbols, types)) - 1 <= 25


def test_instruments_are_named_as_they_are_subscribed() -> None:
    body = [["ABCUSD", "WXYZ:UST", "TESTBTC:TESTUSD", "ABCF0:USTF0"]]

    found = [(i.symbol, i.base, i.quote, i.kind) for i in BITFINEX.instruments.parse(body)]

    assert found == [
        ("tABCUSD", "ABC", "USD", "spot"),
        ("tWXYZ:UST", "WXYZ", "USDT", "spot"),
        ("tABCF0:USTF0", "ABC", "USDT", "perpetual"),
    ]


def test_volumes_are_in_the_quote_currency() -> None:
    assert BITFINEX.instruments.volumes
    body = [["tABCUSD", 1, 1, 1, 1, 0, "0.5", "2.5", 100, 3, 2], ["fUSD", *[0] * 16]]

    assert list(BITFINEX.instruments.volumes(body)) == [("tABCUSD", 250.0)]


def test_a_session_of_raw_books_is_refused() -> None:
    paths = [path for path in sessions.files() if "-r0-" in path.name]
    if not paths:
        pytest.skip(sessions.ABSENT)
    with pytest.raises(UnsupportedRecording, match="raw book R0"):
        recording.recognise(paths[0])


def test_collected_messages_mean_what_others_made_of_them() -> None:
    compared = 0
    for entry in collected.messages("bitfinex", lambda _: True, (*collected.KINDS, "other")):
        for expected in entry.get("expected", {}).get("tardis_normalized", ()):
            channel = {"book_change": "book", "trade": "trades", "book_ticker": "ticker"}
            address = Address(expected["symbol"], channel.get(expected["type"], "deriv"))
            if expected["type"] == "liquidation":
                address = Address(f"t{expected['symbol']}", "liq")
            record = only(collected.payload(entry), address)
            assert set(_told(expected)) <= set(_said(record)), entry["raw"]
            compared += 1

    assert compared >= 12


def _told(expected: dict[str, Any]) -> Iterator[tuple[str, object]]:
    names = (
        "lastPrice openInterest fundingRate predictedFundingRate indexPrice markPrice "
        "price amount side id isSnapshot bidPrice bidAmount askPrice askAmount"
    )
    for name in names.split():
        if name in expected:
            yield name, expected[name]
    for side in ("bids", "asks"):
        for level in expected.get(side, ()):
            yield side, (level["price"], level["amount"])


def _said(record: MarketRecord) -> Iterator[tuple[str, object]]:
    def value(mantissa: int | None, exponent: int) -> float:
        return float(f"{mantissa}e{exponent}")

    if isinstance(record, BookDelta):
        yield "isSnapshot", record.is_snapshot
        price, size = record.price_exponent, record.size_exponent
        for p, s in zip(record.bid_prices, record.bid_sizes, strict=True):
            yield "bids", (value(p, price), value(s, size))
        for p, s in zip(record.ask_prices, record.ask_sizes, strict=True):
            yield "asks", (value(p, price), value(s, size))
    if isinstance(record, Trade | Liquidation):
        yield "id", record.trade_id
        yield "side", record.aggressor
        yield "price", value(record.price, record.price_exponent)
        yield "amount", value(record.size, record.size_exponent)
    if isinstance(record, BookTicker):
        yield "bidPrice", value(record.bid_price, record.price_exponent)
        yield "askPrice", value(record.ask_price, record.price_exponent)
        yield "bidAmount", value(record.bid_size, record.size_exponent)
        yield "askAmount", value(record.ask_size, record.size_exponent)
    if isinstance(record, DerivativeTicker):
        for name, text in (
            ("lastPrice", record.last_price),
            ("openInterest", record.open_interest),
            ("fundingRate", record.funding_rate),
            ("predictedFundingRate", record.predicted_funding_rate),
            ("indexPrice", record.index_price),
            ("markPrice", record.mark_price),
        ):
            yield name, float(text) if text else None


def test_collected_books_have_the_sums_that_they_are_said_to_have() -> None:
    vectors = list(collected.messages("bitfinex", lambda _: True, ("checksum_vector",)))
    assert vectors
    for entry in vectors:
        levels = json.loads(entry["raw"])
        record = wire.book(levels["bids"], levels["asks"], symbol="tABCUSD", is_snapshot=True)
        book = Book()
        book.replace(record)
        assert checksum.bitfinex(book, record) % 2**32 == entry["expected"]["checksum"]
