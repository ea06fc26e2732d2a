"""Upbit alone: two formats, numbers in exponents, one request for all, and what others collected."""

import json

import pytest

from jetl2.exchanges import adapters
from jetl2.exchanges.errors import UnexpectedFrame
from jetl2.exchanges.exchange import Address, Instrument, read
from jetl2.schemas.records import BookDelta, Trade
from tests import collected

UPBIT = adapters.get("upbit")


def test_collected_messages_are_read_and_mean_what_others_made_of_them() -> None:
    collected.check(
        "upbit",
        "upbit",
        # requests; a REST body
        lambda e: not e["raw"].startswith("[") and '"market":' not in e["raw"],
        least=12,
        # cut down by their source: no trade without an id
        wrong=("1790274354515",),
        compared=3,
    )


def test_one_request_names_all_codes_and_types() -> None:
    (asked,) = UPBIT.subscribe(["KRW-A", "BTC-B"], ["book_delta", "trade", "book_ticker"])

    ticket, books, trades, form = json.loads(asked)
    assert ticket["ticket"]
    assert books == {"type": "orderbook", "codes": ["KRW-A", "BTC-B"]}
    assert trades == {"type": "trade", "codes": ["KRW-A", "BTC-B"], "is_only_realtime": True}
    assert form == {"format": "DEFAULT"}
    assert UPBIT.subscribe(["KRW-A"], ["book_ticker"]) == []


def test_numbers_in_exponents_keep_each_digit_and_zeros_are_no_levels() -> None:
    units = (
        '{"ask_price":1.15086E8,"bid_price":7.9276E-4,"ask_size":2,"bid_size":0.5},'
        '{"ask_price":0.0,"bid_price":7.9E-4,"ask_size":0E-8,"bid_size":10}'
    )
    head = '"type":"orderbook","code":"KRW-A","timestamp":1767225600000000'
    _, (book,) = read(UPBIT, f'{{{head},"orderbook_units":[{units}]}}'.encode())

    assert isinstance(book, BookDelta)
    assert book.price_exponent == -8
    assert (book.bid_prices, book.ask_prices) == ([79276, 79000], [115086 * 10**11])
    # microseconds, as it has sent at times
    assert book.exchange_ts == 1767225600 * 10**9


@pytest.mark.parametrize("names", [("stream_type", "type"), ("st", "ty")])
def test_what_was_traded_before_is_no_record(names: tuple[str, str]) -> None:
    origin, kind = names
    frame = json.dumps({kind: "trade", "code": "KRW-A", "cd": "KRW-A", origin: "SNAPSHOT"})

    assert read(UPBIT, frame.encode())[1] == []


def test_the_short_format_says_the_same() -> None:
    short = {"ty": "trade", "cd": "KRW-A", "ttms": 1767225600000, "tp": 5, "tv": "0.1"}
    _, (found,) = read(UPBIT, json.dumps({**short, "ab": "BID", "sid": 7}).encode())

    assert isinstance(found, Trade)
    assert (found.symbol, found.price, found.aggressor, found.trade_id) == ("KRW-A", 5, "buy", "7")


@pytest.mark.parametrize(
    "frame,address",
    [
        ({"status": "UP"}, Address("", "pong")),
        ({"error": {"name": "NO_CODES", "message": "x"}}, Address("", "error")),
        ({"type": "ticker", "code": "KRW-A"}, Address("KRW-A", "ticker")),
        ({"type": "candle.1s", "code": "KRW-A"}, Address("KRW-A", "candle.1s")),
    ],
)
def test_pongs_errors_and_unused_types_yield_nothing(
    frame: dict[str, object], address: Address
) -> None:
    raw = json.dumps(frame).encode()

    assert UPBIT.classify(raw) == (address,)
    assert read(UPBIT, raw)[1] == []


def test_a_shape_that_the_feed_does_not_have_is_reported() -> None:
    with pytest.raises(UnexpectedFrame, match="found 'other'"):
        read(UPBIT, b'{"type":"other"}')
    with pytest.raises(UnexpectedFrame, match="expected a code"):
        UPBIT.classify(b'{"type":"trade"}')


def test_codes_name_the_quote_first() -> None:
    market = {"market": "KRW-A", "korean_name": "x", "english_name": "y"}

    assert list(UPBIT.instruments.parse([market])) == [Instrument("KRW-A", "A", "KRW", "spot")]
    assert UPBIT.instruments.volumes
    volumes = UPBIT.instruments.volumes([{"market": "KRW-A", "acc_trade_price_24h": "1.5E9"}])
    assert list(volumes) == [("KRW-A", 1.5e9)]
