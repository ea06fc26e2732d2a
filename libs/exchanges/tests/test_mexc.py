"""MEXC: what only it has."""

import json
from decimal import Decimal
from typing import Any

import pytest

from jetl2.exchanges import adapters
from jetl2.exchanges.errors import UnexpectedFrame
from jetl2.exchanges.exchange import Address, Exchange, Instrument, Parsed, read
from jetl2.schemas.records import BUY, SELL, BookDelta, BookTicker, Trade
from tests import collected

STREAM = "spot@public.{}.v3.api.pb@100ms@ABCUSDT"


@pytest.fixture
def exchange() -> Exchange:
    return adapters.get("mexc")


def spoken(message: collected.Message) -> bool:
    # the rest is futures, requests, pushes that others decoded before they wrote them down, or REST
    binary = message.get("encoding") == "base64"
    answer = "spot v3 control" in message["api"] and '"code":200' not in message["raw"]
    return message["market"] == "spot" and (binary or answer)


def test_collected_messages() -> None:
    collected.check("mexc", "mexc", spoken, least=20)


def test_captured_frames_mean_what_their_sources_decoded(exchange: Exchange) -> None:
    compared = 0
    for message in collected.messages("mexc", spoken, (*collected.KINDS, "other")):
        expected = message.get("expected", {}).get("decoded")
        if expected is None:
            continue
        raw = collected.payload(message)
        frame, found = read(exchange, raw)
        if "fromVersion" in expected:
            expected = {"publicAggreDepths": expected}
        for name in ("channel", "symbol", "sendTime", "createTime"):
            assert getattr(frame, name) == expected.get(name, getattr(frame, name))
        assert exchange.classify(raw)[0].symbol == frame.symbol
        if body := expected.get("publicAggreDepths"):
            (delta,) = found
            assert _book(delta) == [_levels(body.get(side, [])) for side in ("bids", "asks")]
            assert isinstance(delta, BookDelta)
            numbers = str(delta.first_seq), str(delta.last_seq)
            assert numbers == (body["fromVersion"], body["toVersion"])
        elif body := expected.get("publicAggreDeals"):
            assert [_trade(trade) for trade in found] == [
                (
                    Decimal(deal["price"]),
                    Decimal(deal["quantity"]),
                    {1: BUY, 2: SELL}[deal["tradeType"]],
                    deal["time"] * 10**6,
                    deal["tradeIdRange"],
                )
                for deal in body["deals"]
            ]
        elif body := expected.get("publicAggreBookTicker"):
            (best,) = found
            assert isinstance(best, BookTicker)
            assert best.bid_price is not None
            assert best.ask_size is not None
            assert Decimal(best.bid_price).scaleb(best.price_exponent) == Decimal(body["bidPrice"])
            assert Decimal(best.ask_size).scaleb(best.size_exponent) == Decimal(body["askQuantity"])
            assert str(best.last_seq) == body["version"]
        else:
            assert found == []  # streams that we do not use
        compared += 1

    assert compared >= 9


def _book(delta: Parsed) -> list[list[tuple[Decimal, Decimal]]]:
    assert isinstance(delta, BookDelta)
    sides = (delta.bid_prices, delta.bid_sizes), (delta.ask_prices, delta.ask_sizes)
    return [
        [
            (Decimal(p).scaleb(delta.price_exponent), Decimal(s).scaleb(delta.size_exponent))
            for p, s in zip(prices, sizes, strict=True)
        ]
        for prices, sizes in sides
    ]


def _levels(levels: list[list[str]]) -> list[tuple[Decimal, Decimal]]:
    return [(Decimal(price), Decimal(size)) for price, size in levels]


def _trade(trade: Parsed) -> tuple[Decimal, Decimal, str, int, str]:
    assert isinstance(trade, Trade)
    price = Decimal(trade.price).scaleb(trade.price_exponent)
    size = Decimal(trade.size).scaleb(trade.size_exponent)
    return price, size, trade.aggressor, trade.exchange_ts, trade.trade_id


def _field(number: int, value: bytes | int) -> bytes:
    """Return a field as it is on the wire; numbers and lengths below 2 ** 14."""
    if isinstance(value, int):
        return _varint(number * 8) + _varint(value)
    return _varint(number * 8 + 2) + _varint(len(value)) + value


def _varint(number: int) -> bytes:
    return bytes([number]) if number < 128 else bytes([number & 127 | 128, number >> 7])


def _push(channel: str, body: bytes = b"") -> bytes:
    return _field(1, STREAM.format(channel).encode()) + _field(3, b"ABCUSDT") + body


def test_a_delta_on_the_wire(exchange: Exchange) -> None:
    bid = _field(2, _field(1, b"9.50") + _field(2, b"0.00"))
    raw = _push("aggre.depth", _field(6, 5) + _field(313, bid + _field(4, b"7") + _field(5, b"8")))
    (record,) = read(exchange, raw)[1]

    assert list(exchange.classify(raw)) == [Address("ABCUSDT", "aggre.depth")]
    assert isinstance(record, BookDelta)
    assert (record.bid_prices, record.bid_sizes, record.ask_prices) == ([950], [0], [])
    assert (record.first_seq, record.last_seq, record.exchange_ts) == (7, 8, 5 * 10**6)


def test_trades_without_id_are_told_apart_by_what_they_say(exchange: Exchange) -> None:
    deal = _field(1, b"9.5") + _field(2, b"1") + _field(3, 2) + _field(4, 99)
    raw = _push("aggre.deals", _field(314, _field(1, deal) + _field(1, deal)))
    found = read(exchange, raw)[1]

    assert [_trade(t)[2:] for t in found] == [(SELL, 99 * 10**6, f"99-2-9.5-1-{n}") for n in (0, 1)]


@pytest.mark.parametrize(
    "raw,text",
    [
        (b"", "expected a channel"),
        (b"\x00", "no message of the v3 streams"),
        (_push("aggre.depth", b"\xca"), "no message of the v3 streams"),
        (_push("aggre.depth", _field(413, b"x")), r"a body of aggre.depth .* fields \[413\]"),
        (_push("aggre.depth", _field(313, b"")), "expected a version, found ''"),
        (_push("aggre.deals", _field(314, _field(1, b""))), "tradeType 1 or 2, found 0"),
        (b'{"code":0}', r"expected an answer with code and msg, found the fields \['code'\]"),
    ],
)
def test_what_does_not_fit_is_named(exchange: Exchange, raw: bytes, text: str) -> None:
    with pytest.raises(UnexpectedFrame, match=text):
        read(exchange, raw)


def test_quiet_and_other_streams_yield_nothing(exchange: Exchange) -> None:
    assert read(exchange, _push("aggre.depth"))[1] == []
    assert read(exchange, _push("kline", _field(308, b"x")))[1] == []


@pytest.mark.parametrize(
    "answer,channel",
    [
        ({"id": 0, "code": 0, "msg": STREAM.format("aggre.depth")}, "ack"),
        ({"id": 0, "code": 0, "msg": "PONG"}, "ack"),
        ({"id": None, "code": 1, "msg": "Invalid topic"}, "error"),
        ({"id": 0, "code": 0, "msg": "Not Subscribed successfully! Reason: Blocked!"}, "error"),
    ],
)
def test_answers_are_of_the_connection(
    exchange: Exchange, answer: dict[str, Any], channel: str
) -> None:
    raw = json.dumps(answer).encode()

    assert list(exchange.classify(raw)) == [Address("", channel)]
    assert read(exchange, raw)[1] == []


def test_a_connection_carries_thirty_subscriptions(exchange: Exchange) -> None:
    symbols = [f"S{n}" for n in range(exchange.limits.symbols)]
    (request,) = exchange.subscribe(symbols, list(exchange.channels))

    params = json.loads(request)["params"]
    assert len(params) == 30
    assert params[0] == "spot@public.aggre.depth.v3.api.pb@100ms@S0"


def test_snapshots_are_read_or_refused(exchange: Exchange) -> None:
    snapshot = exchange.snapshot
    assert snapshot
    assert "symbol=ABCUSDT" in snapshot.url("ABCUSDT")
    body = {"lastUpdateId": 7, "bids": [["1.10", "2"]], "asks": [], "timestamp": 1767225600000}
    record = snapshot.parse("ABCUSDT", body)

    assert (record.is_snapshot, record.last_seq, record.bid_prices) == (True, 7, [110])
    assert record.exchange_ts == 1767225600 * 10**9
    with pytest.raises(UnexpectedFrame, match="Too many"):
        snapshot.parse("ABCUSDT", {"code": 429, "msg": "Too many requests"})


def test_instruments_and_volumes(exchange: Exchange) -> None:
    item: dict[str, Any] = {"symbol": "ABCUSDT", "status": "1"}
    item |= {"baseAsset": "ABC", "quoteAsset": "USDT"}
    item |= {"quotePrecision": 4, "baseAssetPrecision": 2, "isSpotTradingAllowed": True}
    closed = item | {"symbol": "OLDUSDT", "status": "2", "baseAsset": "OLD"}

    assert list(exchange.instruments.parse({"symbols": [item, closed]})) == [
        Instrument("ABCUSDT", "ABC", "USDT", "spot", True, "0.0001", "0.01"),
        Instrument("OLDUSDT", "OLD", "USDT", "spot", False, "0.0001", "0.01"),
    ]
    volumes = exchange.instruments.volumes
    assert volumes
    body = [{"symbol": "A", "quoteVolume": "2.5"}, {"symbol": "B", "quoteVolume": None}]
    assert list(volumes(body)) == [("A", 2.5), ("B", 0.0)]
