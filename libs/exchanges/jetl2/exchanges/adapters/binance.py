"""Binance spot, JSON streams: deltas with id ranges onto a REST snapshot, no checksum."""

from collections.abc import Iterable, Sequence
from typing import Any

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
    RestSnapshot,
    dumps,
)
from jetl2.orderbook import sequence
from jetl2.schemas.records import BUY, SELL, BookDelta, MarketRecord

STREAMS_PER_REQUEST = 200
CHANNELS = {"book_delta": "depth@100ms", "trade": "trade", "book_ticker": "bookTicker"}

# Events that streams may carry and that become no record
IGNORED = frozenset(
    {
        "kline",
        "24hrTicker",
        "24hrMiniTicker",
        "1hTicker",
        "4hTicker",
        "1dTicker",
        "avgPrice",
        "blockTrade",
        "referencePrice",
        "serverShutdown",
    }
)


def subscribe(symbols: Sequence[str], data_types: Sequence[str]) -> list[str]:
    """Return requests for the streams of all symbols, each under the size of one request."""
    streams = [f"{s.lower()}@{CHANNELS[t]}" for s in symbols for t in data_types if t in CHANNELS]
    return [
        dumps({"method": "SUBSCRIBE", "params": streams[i : i + STREAMS_PER_REQUEST], "id": i + 1})
        for i in range(0, len(streams), STREAMS_PER_REQUEST)
    ]


class _Data(msgspec.Struct):
    e: str = ""
    s: str = ""
    u: int = 0


class _Head(_Data):
    stream: str = ""
    data: _Data | list[msgspec.Raw] | None = None
    code: int | None = None
    error: Any = None


_decode_head = msgspec.json.Decoder(_Head).decode


def classify(payload: bytes) -> Sequence[Address]:
    """Return the address by the stream's name, for a bare event by its own fields."""
    try:
        head = _decode_head(payload)
    except msgspec.MsgspecError as error:
        message = f"no JSON object of a stream: {error}"
        raise UnexpectedFrame(message) from None
    if head.stream:
        name, _, channel = head.stream.partition("@")
        if isinstance(head.data, _Data) and head.data.s:
            return (Address(head.data.s, channel),)
        # a stream over all symbols ("!ticker@arr") is about none
        return (Address("" if name.startswith("!") else name.upper(), channel),)
    if head.s:
        return (Address(head.s, head.e or "bookTicker"),)
    return (Address("", "error" if head.code is not None or head.error else head.e or "ack"),)


def parse(frame: Frame) -> Iterable[MarketRecord]:
    """Return the record of one stream's event, in the combined wrapper or bare."""
    stream, data = "", frame
    if "stream" in frame:
        stream, data = frame["stream"], frame["data"]
    if isinstance(data, list):
        if stream.startswith("!"):
            return ()
        message = f"expected an event, found a list in stream {stream!r}"
        raise UnexpectedFrame(message)
    event = data.get("e")
    if event == "depthUpdate":
        return (_delta(data),)
    if event in ("trade", "aggTrade"):
        return (_trade(data),)
    if event is None and "B" in data and "A" in data:
        return (_ticker(data),)
    if event in IGNORED or (stream and "lastUpdateId" in data):
        return ()
    if event is None and ("id" in data or "code" in data):
        return ()
    message = f"expected an event of a spot stream, found {event!r} in stream {stream!r}"
    raise UnexpectedFrame(message)


def _delta(data: dict[str, Any]) -> BookDelta:
    if "pu" in data:
        message = "expected a spot depthUpdate, found one with pu: that is a futures stream"
        raise UnexpectedFrame(message)
    return wire.book(
        data["b"],
        data["a"],
        symbol=data["s"],
        exchange_ts=wire.ns_from_epoch(data["E"]),
        first_seq=data["U"],
        last_seq=data["u"],
    )


def _trade(data: dict[str, Any]) -> MarketRecord:
    number = data["t"] if data["e"] == "trade" else data["a"]
    return wire.trade(
        data["p"],
        data["q"],
        symbol=data["s"],
        exchange_ts=wire.ns_from_epoch(data["T"]),
        trade_id=str(number),
        # m: the buyer was the maker, so the seller took
        aggressor=SELL if data["m"] else BUY,
    )


def _ticker(data: dict[str, Any]) -> MarketRecord:
    # carries no time of its own
    return wire.ticker(
        (data["b"], data["B"]),
        (data["a"], data["A"]),
        symbol=data["s"],
        first_seq=data["u"],
        last_seq=data["u"],
    )


def snapshot_url(symbol: str) -> str:
    """Return where a snapshot of 1000 levels a side is fetched."""
    return f"https://api.binance.com/api/v3/depth?symbol={symbol}&limit=1000"


def parse_snapshot(symbol: str, body: Frame) -> BookDelta:
    """Return the snapshot; lastUpdateId is -1 while an instrument has had no update yet."""
    if not isinstance(body, dict) or "lastUpdateId" not in body:
        message = f"{symbol}: expected a depth snapshot with lastUpdateId, found {body!r:.200}"
        raise UnexpectedFrame(message)
    number = body["lastUpdateId"]
    fields = {"symbol": symbol, "is_snapshot": True, "first_seq": number, "last_seq": number}
    return wire.book(body["bids"], body["asks"], **fields)


def parse_instruments(body: Frame) -> Iterable[Instrument]:
    """Return what is listed; the increments stand in the filters of their type."""
    for item in body["symbols"]:
        filters = {f["filterType"]: f for f in item["filters"]}
        yield Instrument(
            symbol=item["symbol"],
            base=item["baseAsset"],
            quote=item["quoteAsset"],
            kind="spot",
            active=item["status"] == "TRADING",
            price_increment=filters.get("PRICE_FILTER", {}).get("tickSize", ""),
            size_increment=filters.get("LOT_SIZE", {}).get("stepSize", ""),
        )


EXCHANGE = Exchange(
    name="binance",
    docs="https://developers.binance.com/docs/binance-spot-api-docs (2026-07-17, read 2026-11-22)",
    url="wss://stream.binance.com:9443/stream",
    hosts=("stream.binance.com", "data-stream.binance.vision"),
    channels=CHANNELS,
    subscribe=subscribe,
    classify=classify,
    parse=parse,
    rule=sequence.REST_RANGE,
    snapshot=RestSnapshot(
        url=snapshot_url, parse=parse_snapshot, weight=50, weight_per_minute=6000
    ),
    instruments=Instruments(
        url="https://api.binance.com/api/v3/exchangeInfo", parse=parse_instruments
    ),
    # the server's protocol pings come each 20 s, but are no frames; quiet symbols send nothing
    keepalive=Keepalive(stale_s=60),
    limits=Limits(symbols=200, connects_per_minute=30, sends_per_second=4, lifetime_s=23 * 3600),
)
