"""Upbit: whole books of up to 30 levels a side, nothing numbered, no best prices apart.

Symbols are codes, quote first (KRW-BTC). Frames come in the default format; those of the short one,
which others record, say the same under other names: presence decides. UNSURE: that the server answers
a text PING while it has data to send; and how often its REST may be asked.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import msgspec

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
    dumps,
)
from jetl2.orderbook import sequence
from jetl2.schemas.records import BUY, SELL, MarketRecord

CHANNELS = {"book_delta": "orderbook", "trade": "trade"}
IGNORED = frozenset({"ticker", "candle", "myOrder", "myTrade", "myAsset"})


class _Names(NamedTuple):
    """How a format calls its fields."""

    code: str
    timestamp: str
    units: str
    bid_price: str
    bid_size: str
    ask_price: str
    ask_size: str
    price: str
    size: str
    side: str
    trade_timestamp: str
    trade_id: str
    origin: str


_LONG = _Names(
    code="code",
    timestamp="timestamp",
    units="orderbook_units",
    bid_price="bid_price",
    bid_size="bid_size",
    ask_price="ask_price",
    ask_size="ask_size",
    price="trade_price",
    size="trade_volume",
    side="ask_bid",
    trade_timestamp="trade_timestamp",
    trade_id="sequential_id",
    origin="stream_type",
)
_SHORT = _Names(
    code="cd",
    timestamp="tms",
    units="obu",
    bid_price="bp",
    bid_size="bs",
    ask_price="ap",
    ask_size="as",
    price="tp",
    size="tv",
    side="ab",
    trade_timestamp="ttms",
    trade_id="sid",
    origin="st",
)


def subscribe(symbols: Sequence[str], data_types: Sequence[str]) -> list[str]:
    """Return one request for everything: a second one would end what the first began."""
    codes = list(symbols)
    types: list[dict[str, Any]] = []
    if "book_delta" in data_types:
        types.append({"type": "orderbook", "codes": codes})
    if "trade" in data_types:
        types.append({"type": "trade", "codes": codes, "is_only_realtime": True})
    return [dumps([{"ticket": "jetl2"}, *types, {"format": "DEFAULT"}])] if types else []


class _Head(msgspec.Struct):
    type: str = ""
    ty: str = ""
    code: str = ""
    cd: str = ""
    status: str = ""


_decode_head = msgspec.json.Decoder(_Head).decode


def classify(payload: bytes) -> Sequence[Address]:
    """Return the code that each frame of data names."""
    try:
        head = _decode_head(payload)
    except msgspec.MsgspecError as error:
        message = f"no JSON object of the websocket v1: {error}"
        raise UnexpectedFrame(message) from None
    kind, code = head.type or head.ty, head.code or head.cd
    if kind in CHANNELS.values() and not code:
        message = f"expected a code in a frame of type {kind}"
        raise UnexpectedFrame(message)
    return (Address(code, kind or ("pong" if head.status else "error")),)


def parse(frame: Frame) -> Iterable[MarketRecord]:
    """Return the record of a frame; nothing for pongs, errors and types that we do not use."""
    kind, names = (frame["type"], _LONG) if "type" in frame else (frame.get("ty"), _SHORT)
    if kind == "orderbook":
        return (_book(frame, names),)
    if kind == "trade":
        # a snapshot is what was traded before we listened
        return () if frame.get(names.origin) == "SNAPSHOT" else (_trade(frame, names),)
    if kind is None and ("status" in frame or "error" in frame):
        return ()
    if isinstance(kind, str) and kind.partition(".")[0] in IGNORED:
        return ()
    message = f"expected an orderbook or a trade, found {kind!r}"
    raise UnexpectedFrame(message)


def _book(frame: Frame, names: _Names) -> MarketRecord:
    units = frame[names.units]
    # numbers come as JSON numbers; a thin side is filled up with zeros
    bids, asks = (
        [(str(u[price]), str(u[size])) for u in units if _not_zero(u[price], u[size])]
        for price, size in (
            (names.bid_price, names.bid_size),
            (names.ask_price, names.ask_size),
        )
    )
    return wire.book(
        bids,
        asks,
        symbol=frame[names.code],
        is_snapshot=True,
        exchange_ts=wire.ns_from_epoch(frame[names.timestamp]),
    )


def _not_zero(*numbers: int | str) -> bool:
    return all(str(number).partition("E")[0].strip("0.") for number in numbers)


def _trade(frame: Frame, names: _Names) -> MarketRecord:
    return wire.trade(
        str(frame[names.price]),
        str(frame[names.size]),
        symbol=frame[names.code],
        exchange_ts=wire.ns_from_epoch(frame[names.trade_timestamp]),
        trade_id=str(frame[names.trade_id]),
        # ASK: an order to sell took
        aggressor={"BID": BUY, "ASK": SELL}[frame[names.side]],
    )


def parse_instruments(body: Frame) -> Iterable[Instrument]:
    """Return what is listed; of steps nothing is told."""
    for item in body:
        quote, _, base = item["market"].partition("-")
        yield Instrument(symbol=item["market"], base=base, quote=quote, kind="spot")


def parse_volumes(body: Frame) -> Iterable[tuple[str, float]]:
    """Return the volumes in quote currency."""
    return [(item["market"], float(item["acc_trade_price_24h"])) for item in body]


REST = "https://api.upbit.com/v1"

EXCHANGE = Exchange(
    name="upbit",
    docs="https://docs.upbit.com/kr/reference/websocket-orderbook (websocket v1, read 2026-11-23)",
    url="wss://api.upbit.com/websocket/v1",
    hosts=(
        "sg-api.upbit.com/websocket/v1",
        "id-api.upbit.com/websocket/v1",
        "th-api.upbit.com/websocket/v1",
    ),
    channels=CHANNELS,
    subscribe=subscribe,
    classify=classify,
    parse=parse,
    rule=sequence.FULL_REPLACE,
    book_depth=30,
    instruments=Instruments(
        url=f"{REST}/market/all?isDetails=true",
        parse=parse_instruments,
        volumes_url=f"{REST}/ticker/all?quote_currencies=KRW,BTC,USDT",
        volumes=parse_volumes,
    ),
    # after 60 s of silence the server hangs up; a word from us makes it say that it lives
    keepalive=Keepalive(message="PING", interval_s=20, stale_s=45),
    limits=Limits(symbols=100, connects_per_minute=60, connects_per_second=4, sends_per_second=1.5),
)
