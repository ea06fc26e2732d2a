"""MEXC spot, v3 protobuf streams: deltas with ranges of versions onto a REST snapshot, no checksum.

Requests and their answers are JSON, market data binary: told apart by the first byte. The messages
below are those of the exchange that we read, by the numbers of its fields. UNSURE: whether "aggre"
joins the trades of one order; trades of older streams have no id, and get one of what they say.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from google.protobuf import descriptor_pb2, descriptor_pool, message, message_factory
from google.protobuf.unknown_fields import UnknownFieldSet

from jetl2.exchanges import wire
from jetl2.exchanges.errors import UnexpectedFrame
from jetl2.exchanges.exchange import (
    Address,
    Exchange,
    Frame,
    Instrument,
    Instruments,
    Keepalive,
    Limits,
    RestSnapshot,
    decode_json,
    dumps,
)
from jetl2.orderbook import sequence
from jetl2.schemas import decimals
from jetl2.schemas.records import BUY, SELL, BookDelta, MarketRecord

REST = "https://api.mexc.com/api/v3"
CHANNELS = {
    "book_delta": "aggre.depth",
    "trade": "aggre.deals",
    "book_ticker": "aggre.bookTicker",
}
AGGRESSORS = {1: BUY, 2: SELL}

# Message -> field: (number, type), the type a message's name with "*" where it is repeated
_FIELDS: Mapping[str, Mapping[str, tuple[int, str]]] = {
    "Level": {"price": (1, "text"), "quantity": (2, "text")},
    "Depth": {
        "asks": (1, "Level*"),
        "bids": (2, "Level*"),
        "fromVersion": (4, "text"),
        "toVersion": (5, "text"),
    },
    "Deal": {
        "price": (1, "text"),
        "quantity": (2, "text"),
        "tradeType": (3, "int"),
        "time": (4, "int"),
        "tradeId": (5, "text"),
    },
    "Deals": {"deals": (1, "Deal*")},
    "BookTicker": {
        "bidPrice": (1, "text"),
        "bidQuantity": (2, "text"),
        "askPrice": (3, "text"),
        "askQuantity": (4, "text"),
        "version": (5, "text"),
    },
    "Wrapper": {
        "channel": (1, "text"),
        "symbol": (3, "text"),
        "symbolId": (4, "text"),
        "createTime": (5, "int"),
        "sendTime": (6, "int"),
        "depth": (313, "Depth"),
        "deals": (314, "Deals"),
        "bookTicker": (315, "BookTicker"),
    },
}


def _wrapper() -> type[message.Message]:
    """Return the class of a push, made of the fields above."""
    field = descriptor_pb2.FieldDescriptorProto
    kinds = {"text": field.TYPE_STRING, "int": field.TYPE_INT64}
    file = descriptor_pb2.FileDescriptorProto(
        name="jetl2/mexc.proto", package="jetl2.mexc", syntax="proto3"
    )
    for name, fields in _FIELDS.items():
        described = file.message_type.add(name=name)
        for field_name, (number, kind) in fields.items():
            described.field.add(
                name=field_name,
                number=number,
                label=field.LABEL_REPEATED if kind.endswith("*") else field.LABEL_OPTIONAL,
                type=kinds.get(kind, field.TYPE_MESSAGE),
                type_name=None if kind in kinds else f".jetl2.mexc.{kind.rstrip('*')}",
            )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("jetl2.mexc.Wrapper"))


_WRAPPER = _wrapper()


def subscribe(symbols: Sequence[str], data_types: Sequence[str]) -> list[str]:
    """Return one request for all: a connection carries 30 subscriptions."""
    channels = [CHANNELS[t] for t in data_types if t in CHANNELS]
    params = [f"spot@public.{channel}.v3.api.pb@100ms@{s}" for s in symbols for channel in channels]
    return [dumps({"method": "SUBSCRIPTION", "params": params})]


def decode(payload: bytes) -> Frame:
    """Return a push as its message, an answer as its JSON object."""
    return decode_json(payload) if payload.startswith(b"{") else _push(payload)


def _push(payload: bytes) -> Any:
    push: Any = _WRAPPER()
    try:
        push.ParseFromString(payload)
    except message.DecodeError as error:
        text = f"no message of the v3 streams: {error}"
        raise UnexpectedFrame(text) from None
    if not push.channel:
        text = "expected a channel in a message of the v3 streams, found none"
        raise UnexpectedFrame(text)
    return push


def _channel(push: Any) -> str:
    # spot@public.aggre.depth.v3.api.pb@100ms@BTCUSDT
    name: str = push.channel.removeprefix("spot@public.").partition(".v3.")[0]
    return name


class _Answer(msgspec.Struct):
    code: int
    msg: str | None


_decode_answer = msgspec.json.Decoder(_Answer).decode


def classify(payload: bytes) -> Sequence[Address]:
    """Return the symbol that a push names; answers are about the connection."""
    if not payload.startswith(b"{"):
        push = _push(payload)
        return (Address(push.symbol, _channel(push)),)
    try:
        answer = _decode_answer(payload)
    except msgspec.MsgspecError as error:
        text = f"no answer of the v3 streams: {error}"
        raise UnexpectedFrame(text) from None
    text = answer.msg or ""
    refused = answer.code or "Not Subscribed" in text or "Blocked" in text
    return (Address("", "error" if refused else "ack"),)


def parse(frame: Frame) -> Iterable[MarketRecord]:
    """Return the records of a push; nothing for answers and streams that we do not use."""
    if isinstance(frame, dict):
        if "code" in frame and "msg" in frame:
            return ()
        text = f"expected an answer with code and msg, found the fields {sorted(frame)}"
        raise UnexpectedFrame(text)
    channel = _channel(frame)
    if channel not in CHANNELS.values():
        return ()
    if frame.HasField("depth"):
        return (_delta(frame, frame.depth),)
    if frame.HasField("deals"):
        return _trades(frame)
    if frame.HasField("bookTicker"):
        return (_ticker(frame, frame.bookTicker),)
    # quiet symbols push an empty message now and then
    if len(unknown := UnknownFieldSet(frame)):
        found = [unknown[n].field_number for n in range(len(unknown))]
        text = f"expected a body of {channel} in its field, found the fields {found}"
        raise UnexpectedFrame(text)
    return ()


def _delta(push: Any, depth: Any) -> BookDelta:
    return wire.book(
        [(level.price, level.quantity) for level in depth.bids],
        [(level.price, level.quantity) for level in depth.asks],
        symbol=push.symbol,
        exchange_ts=wire.ns_from_epoch(push.sendTime),
        first_seq=_version(depth.fromVersion),
        last_seq=_version(depth.toVersion),
    )


def _version(number: str) -> int:
    if not number.isdecimal():
        text = f"expected a version, found {number!r}"
        raise UnexpectedFrame(text)
    return int(number)


def _trades(push: Any) -> Iterable[MarketRecord]:
    same: Counter[str] = Counter()
    for deal in push.deals.deals:
        # not its place alone: another push may have a trade of the same time there
        made = f"{deal.time}-{deal.tradeType}-{deal.price}-{deal.quantity}"
        yield _trade(push, deal, deal.tradeId or f"{made}-{same[made]}")
        same[made] += 1


def _trade(push: Any, deal: Any, trade_id: str) -> MarketRecord:
    if deal.tradeType not in AGGRESSORS:
        text = f"expected the tradeType 1 or 2, found {deal.tradeType}"
        raise UnexpectedFrame(text)
    return wire.trade(
        deal.price,
        deal.quantity,
        symbol=push.symbol,
        exchange_ts=wire.ns_from_epoch(deal.time),
        trade_id=trade_id,
        aggressor=AGGRESSORS[deal.tradeType],
    )


def _ticker(push: Any, best: Any) -> MarketRecord:
    number = int(best.version or 0)
    return wire.ticker(
        (best.bidPrice, best.bidQuantity),
        (best.askPrice, best.askQuantity),
        symbol=push.symbol,
        exchange_ts=wire.ns_from_epoch(push.sendTime),
        first_seq=number,
        last_seq=number,
    )


def snapshot_url(symbol: str) -> str:
    """Return where a snapshot of 5000 levels a side is fetched; levels beyond stay unknown."""
    return f"{REST}/depth?symbol={symbol}&limit=5000"


def parse_snapshot(symbol: str, body: Frame) -> BookDelta:
    """Return the snapshot."""
    if not isinstance(body, dict) or "lastUpdateId" not in body:
        text = f"{symbol}: expected a depth snapshot with lastUpdateId, found {body!r:.200}"
        raise UnexpectedFrame(text)
    number = body["lastUpdateId"]
    return wire.book(
        body["bids"],
        body["asks"],
        symbol=symbol,
        is_snapshot=True,
        exchange_ts=wire.ns_from_epoch(body.get("timestamp") or 0),
        first_seq=number,
        last_seq=number,
    )


def parse_instruments(body: Frame) -> Iterable[Instrument]:
    """Return what is listed; status "1" is online."""
    for item in body["symbols"]:
        yield Instrument(
            symbol=item["symbol"],
            base=item["baseAsset"],
            quote=item["quoteAsset"],
            kind="spot",
            active=str(item["status"]) == "1" and item.get("isSpotTradingAllowed", True),
            price_increment=decimals.render(1, -item["quotePrecision"]),
            size_increment=decimals.render(1, -item["baseAssetPrecision"]),
        )


def parse_volumes(body: Frame) -> Iterable[tuple[str, float]]:
    """Return the volume of each symbol in its quote currency."""
    for item in body:
        yield item["symbol"], float(item.get("quoteVolume") or 0)


EXCHANGE = Exchange(
    name="mexc",
    docs="https://www.mexc.com/api-docs/spot-v3/websocket-market-streams (v3, read 2026-11-22)",
    url="wss://wbs-api.mexc.com/ws",
    channels=CHANNELS,
    subscribe=subscribe,
    classify=classify,
    parse=parse,
    decode=decode,
    rule=sequence.REST_RANGE,
    snapshot=RestSnapshot(url=snapshot_url, parse=parse_snapshot, weight=1, weight_per_minute=1000),
    instruments=Instruments(
        url=f"{REST}/exchangeInfo",
        parse=parse_instruments,
        volumes_url=f"{REST}/ticker/24hr",
        volumes=parse_volumes,
    ),
    keepalive=Keepalive(message=dumps({"method": "PING"}), interval_s=20, stale_s=60),
    # 30 subscriptions on a connection
    limits=Limits(symbols=10, sends_per_second=10, lifetime_s=23 * 3600),
)
