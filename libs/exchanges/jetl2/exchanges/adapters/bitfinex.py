"""Bitfinex v2, spot and derivatives: numbered channels, one counter over all, a sum of the book.

Three flags, set by the first request, add the sums, a counter over all data frames and the server's
time; recordings from before they were asked for lack them, so presence decides. Of raw books (R0,
one row an order) nothing is made. A ticker's sizes are the sums of 25 levels, as Bitfinex says.
Liquidations are the triggers, at the position's base price, not the fills that follow.

Levels that leave the 250 were removed by the exchange wherever anybody looked.

UNSURE: which info codes announce a restart (20051), and the end of a maintenance (20061): at both
a new connection is opened.
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from jetl2.exchanges import wire
from jetl2.exchanges.errors import UnexpectedFrame
from jetl2.exchanges.exchange import (
    CONNECTION,
    RENEW,
    Address,
    Classify,
    Exchange,
    Frame,
    Instrument,
    Instruments,
    Keepalive,
    Limits,
    decode_json,
    dumps,
)
from jetl2.orderbook import checksum, sequence
from jetl2.schemas.decimals import DecimalError
from jetl2.schemas.records import (
    BUY,
    SELL,
    BookDelta,
    DerivativeTicker,
    MarketRecord,
)

# Time of the server, counter, checksums
FLAGS = 32768 + 65536 + 131072
DEPTH = 250
CHANNELS = {
    "book_delta": "book",
    "trade": "trades",
    "book_ticker": "ticker",
    # Both by the channel "status", as keys deriv:<symbol> and liq:global
    "derivative_ticker": "deriv",
    "liquidation": "liq",
}
# Frames that are objects; Bitfinex leaves them out of its count
EVENT, ERROR = "event", "error"
RENEWING = frozenset({20051, 20061})
EVENTS = frozenset({"info", "conf", "subscribed", "unsubscribed", "pong", "error"})
_TIMES_FROM = 10**12


def subscribe(symbols: Sequence[str], data_types: Sequence[str]) -> list[str]:
    """Return the flags, then one request a channel; liquidations come of all symbols at once."""
    requests: list[dict[str, Any]] = [{"event": "conf", "flags": FLAGS}]
    book = {"prec": "P0", "freq": "F0", "len": str(DEPTH)}
    for symbol in symbols:
        for data_type in data_types:
            if data_type in ("book_delta", "trade", "book_ticker"):
                channel = {"channel": CHANNELS[data_type], "symbol": symbol}
                more = book if data_type == "book_delta" else {}
                requests.append({"event": "subscribe", **channel, **more})
            elif data_type == "derivative_ticker" and _is_derivative(symbol):
                key = f"deriv:{symbol}"
                requests.append({"event": "subscribe", "channel": "status", "key": key})
    if "liquidation" in data_types:
        requests.append({"event": "subscribe", "channel": "status", "key": "liq:global"})
    return [dumps(request) for request in requests]


class _Event(msgspec.Struct):
    event: str
    channel: str = ""
    chanId: int = 0  # noqa: N815 - as sent
    symbol: str = ""
    key: str = ""
    prec: str = "P0"
    status: str = ""
    code: int = 0


_decode_event = msgspec.json.Decoder(_Event).decode


def classifier() -> Classify:
    """Return what finds the symbol by the channel's number, as the acknowledgements tell it."""
    channels: dict[int, Address] = {}

    def classify(payload: bytes) -> Sequence[Address]:
        if payload[:1] == b"[":
            return _of_channel(payload, channels)
        try:
            event = _decode_event(payload)
        except msgspec.MsgspecError as error:
            message = f"neither a channel's frame nor an event: {error}"
            raise UnexpectedFrame(message) from None
        if event.event == "subscribed":
            channels[event.chanId] = _address(event)
        elif event.event == "unsubscribed":
            channels[event.chanId] = CONNECTION
        if event.event == "info" and event.code in RENEWING:
            return (Address("", RENEW),)
        # without the flags nothing would show a loss
        refused = event.event == "error" or event.status == "FAILED"
        return (Address("", ERROR if refused else EVENT),)

    return classify


def _address(event: _Event) -> Address:
    kind, _, symbol = event.key.partition(":")
    if event.channel == "status" and kind in ("deriv", "liq"):
        return Address(symbol if kind == "deriv" else "", kind)
    if not event.symbol.startswith("t"):
        return Address("", "funding")
    if event.channel == "book" and not event.prec.startswith("P"):
        return Address(event.symbol, "raw_book")
    return Address(event.symbol, event.channel)


def _of_channel(payload: bytes, channels: dict[int, Address]) -> Sequence[Address]:
    number, comma, rest = payload[1:].partition(b",")
    if not comma or not number.isdigit():
        message = f"expected a channel's number, found {payload!r:.100}"
        raise UnexpectedFrame(message)
    address = channels.get(int(number))
    if address is None:
        # a channel's heartbeat may come before its acknowledgement
        if rest.startswith(b'"hb"'):
            return (CONNECTION,)
        message = f"expected a channel that was acknowledged, found {payload!r:.100}"
        raise UnexpectedFrame(message)
    if address.channel != CHANNELS["liquidation"] or rest.startswith(b'"hb"'):
        return (address,)
    wanted = {known.symbol for known in channels.values()} - {""}
    symbols = dict.fromkeys(str(row[4]) for row in decode_json(payload)[1])
    found = [Address(s, address.channel) for s in symbols if s in wanted or not wanted]
    return found or (address,)


def parse_at(frame: Frame, address: Address) -> Iterable[MarketRecord]:
    """Return the records of a frame of the channel that its address names."""
    if isinstance(frame, dict) and frame.get("event") in EVENTS:
        return ()
    if not isinstance(frame, list) or len(frame) < 2 or type(frame[0]) is not int:
        message = f"expected an event or a channel's frame, found {frame!r:.100}"
        raise UnexpectedFrame(message)
    symbol, channel = address
    if frame[1] == "hb":
        return ()
    if channel == "book":
        return (_book(frame, symbol),)
    if channel == "trades":
        # a list is what was traded before; "tu" repeats "te" a little later
        return (_trade(frame[2], symbol),) if frame[1] == "te" else ()
    if channel == "ticker":
        return (_ticker(frame, symbol),)
    if channel == "deriv":
        return (_derivative(frame, symbol),)
    if channel == "liq":
        # a fill says 1 there
        return [_liquidation(row) for row in frame[1] if row[4] == symbol and row[8] != 1]
    return ()


def connection_seq(frame: Frame) -> int | None:
    """Return the number in the counter, which leaves out events; None without the flag.

    A checksum takes a number too, but one that need not be the next: it is not compared.
    """
    if not isinstance(frame, list) or frame[1] == "cs":
        return None
    return _stamps(frame)[0] or None


def _stamps(frame: list[Any]) -> tuple[int, int]:
    """Return the number and the server's time in ns, as the flags append them; 0 where not."""
    number = time = 0
    for item in frame[3 if isinstance(frame[1], str) and frame[1] != "hb" else 2 :]:
        if type(item) is int:
            if item < _TIMES_FROM:
                number = item
            else:
                time = item * wire.MILLISECOND
    return number, time


def _fields(frame: list[Any], symbol: str) -> dict[str, Any]:
    number, time = _stamps(frame)
    return {"symbol": symbol, "exchange_ts": time, "first_seq": number, "last_seq": number}


def _book(frame: list[Any], symbol: str) -> BookDelta:
    content, fields = frame[1], _fields(frame, symbol)
    if content == "cs":
        return BookDelta(checksum=frame[2], **fields)
    snapshot = not content or isinstance(content[0], list)
    sides: tuple[list[tuple[str, str]], ...] = ([], [])
    for price, count, amount in content if snapshot else [content]:
        size = str(amount)
        sides[size.startswith("-")].append((str(price), size.lstrip("-") if count else "0"))
    return wire.book(*sides, is_snapshot=snapshot, **fields)


def _trade(item: list[Any], symbol: str) -> MarketRecord:
    number, time, amount, price = item
    size = str(amount)
    return wire.trade(
        str(price),
        size.lstrip("-"),
        symbol=symbol,
        exchange_ts=wire.ns_from_epoch(time),
        trade_id=str(number),
        aggressor=SELL if size.startswith("-") else BUY,
    )


def _ticker(frame: list[Any], symbol: str) -> MarketRecord:
    bid, bid_size, ask, ask_size = (wire.plain(number) for number in frame[1][:4])
    try:
        return wire.ticker((bid, bid_size), (ask, ask_size), **_fields(frame, symbol))
    except DecimalError:
        # sums of floats: digits beyond the eight of an amount are noise, and may not fit
        bid_size, ask_size = (f"{Decimal(size or 0):.8f}" for size in (bid_size, ask_size))
        return wire.ticker((bid, bid_size), (ask, ask_size), **_fields(frame, symbol))


def _derivative(frame: list[Any], symbol: str) -> MarketRecord:
    item = [*frame[1], *[None] * 18]
    fields = _fields(frame, symbol)
    fields["exchange_ts"] = fields["exchange_ts"] or wire.ns_from_epoch(item[0])
    return DerivativeTicker(
        last_price=wire.plain(item[2]),
        index_price=wire.plain(item[3]),
        funding_ts=wire.ns_from_epoch(item[7]) if item[7] else 0,
        predicted_funding_rate=wire.plain(item[8]),
        funding_rate=wire.plain(item[11]),
        mark_price=wire.plain(item[14]),
        open_interest=wire.plain(item[17]),
        **fields,
    )


def _liquidation(row: list[Any]) -> MarketRecord:
    _, number, time, _, symbol, amount, price, *_ = row
    size = str(amount)
    return wire.liquidation(
        str(price),
        size.lstrip("-"),
        symbol=symbol,
        exchange_ts=wire.ns_from_epoch(time),
        trade_id=str(number),
        # of a short position, below zero, the liquidation buys
        aggressor=BUY if size.startswith("-") else SELL,
    )


def _is_derivative(symbol: str) -> bool:
    return symbol.partition(":")[0].endswith("F0")


def parse_instruments(body: Frame) -> Iterable[Instrument]:
    """Return what is listed: names of six letters, or with a colon; their subscriptions add a t."""
    for name in (name for names in body for name in names):
        if name.startswith("TEST"):
            continue
        base, quote = name.split(":") if ":" in name else (name[:3], name[3:])
        derivative = _is_derivative(name)
        base, quote = (code.removesuffix("F0") if derivative else code for code in (base, quote))
        yield Instrument(
            symbol=f"t{name}",
            base=_RENAMED.get(base, base),
            quote=_RENAMED.get(quote, quote),
            kind="perpetual" if derivative else "spot",
        )


_RENAMED = {"UST": "USDT", "BCHN": "BCH"}


def parse_volumes(body: Frame) -> Iterable[tuple[str, float]]:
    """Return the volume of each symbol in its quote currency, by its last price."""
    for symbol, *item in body:
        if symbol.startswith("t"):
            yield symbol, float(item[6] or 0) * float(item[7] or 0)


EXCHANGE = Exchange(
    name="bitfinex",
    docs="https://docs.bitfinex.com/reference/ws-public-books (v2, read 2026-11-22)",
    url="wss://api-pub.bitfinex.com/ws/2",
    hosts=("api.bitfinex.com/ws/2",),
    markets=("spot", "linear"),
    channels=CHANNELS,
    subscribe=subscribe,
    classifier=classifier,
    parse_at=parse_at,
    rule=sequence.CONN_COUNTER,
    checksum=checksum.bitfinex,
    checksum_depth=checksum.BITFINEX_DEPTH,
    book_depth=DEPTH,
    connection_seq=connection_seq,
    uncounted=(EVENT, ERROR, RENEW),
    instruments=Instruments(
        url=(
            "https://api-pub.bitfinex.com/v2/conf/pub:list:pair:exchange",
            "https://api-pub.bitfinex.com/v2/conf/pub:list:pair:futures",
        ),
        parse=parse_instruments,
        volumes_url="https://api-pub.bitfinex.com/v2/tickers?symbols=ALL",
        volumes=parse_volumes,
    ),
    # each channel sends a heartbeat after 15 s without data
    keepalive=Keepalive(stale_s=40),
    # 25 channels on a connection: four of a derivative, and one of all liquidations
    limits=Limits(symbols=6, connects_per_minute=20, sends_per_second=5),
)
