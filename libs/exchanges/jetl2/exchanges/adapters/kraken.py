"""Kraken spot, WebSocket v2: snapshot in the stream, no numbers, CRC-32 over the top ten."""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from jetl2.exchanges import wire
from jetl2.exchanges.errors import UnexpectedFrame
from jetl2.exchanges.exchange import (
    Address,
    Book,
    Exchange,
    Frame,
    Instrument,
    Instruments,
    Keepalive,
    Limits,
    dumps,
)
from jetl2.exchanges.over_fix.kraken import FIX
from jetl2.orderbook import checksum, sequence
from jetl2.schemas.records import BUY, SELL, MarketRecord

DEPTH = 1000
CHANNELS = {"book_delta": "book", "trade": "trade", "book_ticker": "ticker"}
PARAMS: dict[str, dict[str, Any]] = {
    "book_delta": {"channel": "book", "depth": DEPTH},
    "trade": {"channel": "trade", "snapshot": False},
    "book_ticker": {"channel": "ticker", "event_trigger": "bbo"},
}
IGNORED = frozenset(
    {"heartbeat", "status", "instrument", "ohlc", "level3", "executions", "balances"}
)


def subscribe(symbols: Sequence[str], data_types: Sequence[str]) -> list[str]:
    """Return one request a channel; each symbol is acknowledged by itself."""
    return [
        dumps({"method": "subscribe", "params": PARAMS[t] | {"symbol": list(symbols)}})
        for t in data_types
        if t in PARAMS
    ]


def resubscribe(symbol: str) -> list[str]:
    """Return the requests that bring a new snapshot of one book."""
    params = PARAMS["book_delta"] | {"symbol": [symbol]}
    return [dumps({"method": m, "params": params}) for m in ("unsubscribe", "subscribe")]


class _Item(msgspec.Struct):
    symbol: str = ""
    channel: str = ""


class _Head(msgspec.Struct):
    channel: str = ""
    method: str = ""
    success: bool = True
    data: list[_Item] | _Item | None = None
    result: _Item | None = None


_decode_head = msgspec.json.Decoder(_Head).decode


def classify(payload: bytes) -> Sequence[Address]:
    """Return the symbols of a data frame, or the one that is acknowledged."""
    try:
        head = _decode_head(payload)
    except msgspec.MsgspecError as error:
        message = f"no JSON object of the v2 protocol: {error}"
        raise UnexpectedFrame(message) from None
    if isinstance(head.data, list):
        symbols = dict.fromkeys(item.symbol for item in head.data)
        if head.channel == CHANNELS["book_delta"] and "" in symbols:
            message = f"expected a symbol in each item of {head.channel}"
            raise UnexpectedFrame(message)
        return tuple(Address(symbol, head.channel) for symbol in symbols)
    if head.result and head.result.symbol:
        return (Address(head.result.symbol, head.result.channel),)
    return (Address("", "error" if not head.success else head.channel or head.method),)


def parse(frame: Frame) -> Iterable[MarketRecord | Book]:
    """Return the records of a channel's message, or the depth of an acknowledged book."""
    channel = frame.get("channel")
    if channel == "book":
        return [_book(item, frame["type"]) for item in frame["data"]]
    if channel == "trade":
        if frame["type"] == "snapshot":
            return ()  # what was traded before we listened
        return [_trade(item) for item in frame["data"]]
    if channel == "ticker":
        # a pair that never traded is dated 1970, without prices
        live = (i for i in frame["data"] if not i.get("timestamp", "").startswith("1970"))
        return [_ticker(item) for item in live]
    if channel in IGNORED:
        return ()
    if channel is None and "method" in frame:
        result = frame.get("result") or {}
        if frame["method"] == "subscribe" and result.get("channel") == "book":
            return (Book(symbol=result["symbol"], depth=result["depth"]),)
        return ()
    if "error" in frame:
        return ()
    message = f"expected a channel of the v2 protocol, found {channel!r}"
    raise UnexpectedFrame(message)


def _book(item: dict[str, Any], kind: str) -> MarketRecord:
    if kind not in ("snapshot", "update"):
        message = f"expected a book's snapshot or update, found {kind!r}"
        raise UnexpectedFrame(message)
    # numbers come as JSON numbers: the decoder hands on their text, whole ones as int
    return wire.book(
        [(str(level["price"]), str(level["qty"])) for level in item.get("bids", ())],
        [(str(level["price"]), str(level["qty"])) for level in item.get("asks", ())],
        symbol=item["symbol"],
        is_snapshot=kind == "snapshot",
        exchange_ts=wire.ns_from_iso(item["timestamp"]) if "timestamp" in item else 0,
        checksum=item["checksum"],
    )


def _trade(item: dict[str, Any]) -> MarketRecord:
    return wire.trade(
        str(item["price"]),
        str(item["qty"]),
        symbol=item["symbol"],
        exchange_ts=wire.ns_from_iso(item["timestamp"]),
        trade_id=str(item["trade_id"]),
        aggressor={"buy": BUY, "sell": SELL}[item["side"]],
    )


def _ticker(item: dict[str, Any]) -> MarketRecord:
    return wire.ticker(
        (str(item["bid"]), str(item["bid_qty"])),
        (str(item["ask"]), str(item["ask_qty"])),
        symbol=item["symbol"],
        exchange_ts=wire.ns_from_iso(item["timestamp"]) if "timestamp" in item else 0,
    )


def parse_instruments(body: Frame) -> Iterable[Instrument]:
    """Return what REST lists; its names of bitcoin and dogecoin are older than the stream's."""
    for item in body["result"].values():
        base, _, quote = item["wsname"].partition("/")
        base, quote = (_RENAMED.get(asset, asset) for asset in (base, quote))
        yield Instrument(
            symbol=f"{base}/{quote}",
            base=base,
            quote=quote,
            kind="spot",
            active=item.get("status") == "online",
            price_increment=str(item.get("tick_size", "")),
        )


_RENAMED = {"XBT": "BTC", "XDG": "DOGE"}

EXCHANGE = Exchange(
    name="kraken",
    docs="https://docs.kraken.com/api/docs/websocket-v2/book (read 2026-11-22)",
    url="wss://ws.kraken.com/v2",
    channels=CHANNELS,
    subscribe=subscribe,
    resubscribe=resubscribe,
    classify=classify,
    parse=parse,
    rule=sequence.CHECKSUM_ONLY,
    checksum=checksum.kraken,
    checksum_depth=checksum.KRAKEN_DEPTH,
    depths=(10, 25, 100, 500, 1000),
    instruments=Instruments(
        url="https://api.kraken.com/0/public/AssetPairs", parse=parse_instruments
    ),
    # a heartbeat comes each second when nothing else does
    keepalive=Keepalive(stale_s=10),
    limits=Limits(symbols=100, connects_per_minute=10, sends_per_second=2),
    fix=FIX,
)
