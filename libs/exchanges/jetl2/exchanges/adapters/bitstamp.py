"""Bitstamp, WebSocket v2: deltas onto a REST snapshot, ordered by their time, and nothing more.

Deltas are told apart by `microtimestamp` alone: those up to the snapshot's are in it, and a loss
cannot be seen. REST trails the stream by about a second: a snapshot that is older than the first
delta is asked for again, and a book that is crossed is taken anew. The exchange sends no best bid
and ask. That REST knows perpetuals by the names of their channels is UNSURE.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from jetl2.exchanges import wire
from jetl2.exchanges.errors import UnexpectedFrame
from jetl2.exchanges.exchange import (
    RENEW,
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
from jetl2.orderbook.sequence import Rule
from jetl2.schemas.records import BUY, SELL, BookDelta, MarketRecord

CHANNELS = {"book_delta": "diff_order_book", "trade": "live_trades"}
# Channels that may be recorded beside ours and become no record; order_book is a part of the book
IGNORED = frozenset({"order_book", "detail_order_book", "live_orders", "funding_rate"})
REST = "https://www.bitstamp.net/api/v2/"


def subscribe(symbols: Sequence[str], data_types: Sequence[str]) -> list[str]:
    """Return a request for each channel: longer frames are refused."""
    return [
        dumps({"event": "bts:subscribe", "data": {"channel": f"{CHANNELS[t]}_{symbol}"}})
        for symbol in symbols
        for t in data_types
        if t in CHANNELS
    ]


class _Head(msgspec.Struct):
    event: str
    channel: str = ""


_decode_head = msgspec.json.Decoder(_Head).decode


def classify(payload: bytes) -> Sequence[Address]:
    """Return the address by the channel's name, whose last part is the symbol."""
    try:
        head = _decode_head(payload)
    except msgspec.MsgspecError as error:
        message = f"no JSON object of the v2 protocol: {error}"
        raise UnexpectedFrame(message) from None
    channel, _, symbol = head.channel.rpartition("_")
    if head.event == "bts:error":
        return (Address("", "error"),)
    if head.event == "bts:request_reconnect":
        return (Address("", RENEW),)
    if symbol and channel:
        return (Address(symbol, channel),)
    if head.event.startswith("bts:"):
        return (Address("", head.event),)
    message = f"expected a channel with its symbol, found {head.channel!r}"
    raise UnexpectedFrame(message)


def parse(frame: Frame) -> Iterable[MarketRecord]:
    """Return the record of one event; nothing for those of the connection and of other channels."""
    event = frame["event"]
    if event.startswith("bts:"):
        return ()
    channel, _, symbol = frame["channel"].rpartition("_")
    if channel == CHANNELS["book_delta"] and event == "data":
        return (_book(frame["data"], symbol=symbol),)
    if channel == CHANNELS["trade"] and event == "trade":
        return (_trade(frame["data"], symbol),)
    if channel in IGNORED:
        return ()
    message = f"expected an event of a v2 channel, found {event!r} of {frame['channel']!r}"
    raise UnexpectedFrame(message)


def _book(data: dict[str, Any], **fields: Any) -> BookDelta:
    number = int(data["microtimestamp"])
    return wire.book(
        data["bids"],
        data["asks"],
        exchange_ts=number * wire.MICROSECOND,
        first_seq=number,
        last_seq=number,
        **fields,
    )


def _trade(data: dict[str, Any], symbol: str) -> MarketRecord:
    # the numbers beside the texts are floats with noise; some messages have nothing else
    return wire.trade(
        data.get("price_str") or str(data["price"]),
        data.get("amount_str") or str(data["amount"]),
        symbol=symbol,
        exchange_ts=int(data["microtimestamp"]) * wire.MICROSECOND,
        trade_id=str(data["id"]),
        aggressor={0: BUY, 1: SELL}[data["type"]],
    )


def parse_snapshot(symbol: str, body: Frame) -> BookDelta:
    """Return the snapshot, numbered by its time."""
    if not isinstance(body, dict) or "microtimestamp" not in body:
        message = f"{symbol}: expected an order book with microtimestamp, found {body!r:.200}"
        raise UnexpectedFrame(message)
    return _book(body, symbol=symbol, is_snapshot=True)


def parse_instruments(body: Frame) -> Iterable[Instrument]:
    """Return what is listed, spot and perpetual."""
    for item in body:
        yield Instrument(
            symbol=item["market_symbol"],
            base=item["base_currency"],
            quote=item["counter_currency"],
            kind="perpetual" if item.get("market_type") == "PERPETUAL" else "spot",
            active=item["trading"] == "Enabled",
            price_increment=_increment(item["counter_decimals"]),
            size_increment=_increment(item["base_decimals"]),
        )


def _increment(places: int) -> str:
    return f"0.{'1'.rjust(places, '0')}" if places else "1"


def parse_volumes(body: Frame) -> Iterable[tuple[str, float]]:
    """Return volumes in quote currency."""
    for item in body:
        symbol = item["pair"].replace("/", "").lower()
        yield symbol, float(item["volume"] or 0) * float(item["vwap"] or 0)


EXCHANGE = Exchange(
    name="bitstamp",
    docs="https://www.bitstamp.net/websocket/v2/ (changes to 2026-02-16, read 2026-11-23)",
    url="wss://ws.bitstamp.net",
    markets=("spot", "linear"),
    channels=CHANNELS,
    subscribe=subscribe,
    classify=classify,
    parse=parse,
    rule=Rule(snapshot="rest", first="covered", follow="rising", scope="symbol", crossed="gap"),
    snapshot=RestSnapshot(
        url=lambda symbol: f"{REST}order_book/{symbol}/?group=1",
        parse=parse_snapshot,
        weight_per_minute=600,
    ),
    instruments=Instruments(
        url=f"{REST}markets/",
        parse=parse_instruments,
        volumes_url=f"{REST}ticker/",
        volumes=parse_volumes,
    ),
    keepalive=Keepalive(message='{"event":"bts:heartbeat"}', interval_s=20, stale_s=60),
    # 1,024 channels on a connection, which lives for 90 days at most
    limits=Limits(symbols=200, sends_per_second=20, lifetime_s=80 * 24 * 3600),
)
