"""HitBTC, WebSocket API 3, spot and perpetuals: snapshot in the stream, a counter for each symbol.

Its clones speak the same on hosts of their own. That a book's number grows by one was measured, no
document says so. UNSURE: names of fields in the list of instruments and in what is told of perpetuals.
"""

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
    dumps,
)
from jetl2.orderbook import sequence
from jetl2.schemas.records import BUY, SELL, BookDelta, DerivativeTicker, MarketRecord

CHANNELS = {
    "book_delta": "orderbook/full",
    "trade": "trades",
    "book_ticker": "orderbook/top/100ms",
    "derivative_ticker": "futures/info",
}
# Channels that may be recorded beside ours and become no record; a prefix stands for its family
IGNORED = ("orderbook/D", "candles/", "converted/", "price/", "ticker/price/")


def subscribe(symbols: Sequence[str], data_types: Sequence[str]) -> list[str]:
    """Return one request a channel; symbols that are not listed are left out without a word."""
    return [_request("subscribe", CHANNELS[t], symbols) for t in data_types if t in CHANNELS]


def resubscribe(symbol: str) -> list[str]:
    """Return the requests that bring a new snapshot: subscribing twice brings none."""
    return [_request(m, CHANNELS["book_delta"], [symbol]) for m in ("unsubscribe", "subscribe")]


def _request(method: str, channel: str, symbols: Sequence[str]) -> str:
    return dumps({"method": method, "ch": channel, "params": {"symbols": list(symbols)}, "id": 1})


class _Head(msgspec.Struct):
    ch: str = ""
    snapshot: dict[str, msgspec.Raw] = {}
    update: dict[str, msgspec.Raw] = {}
    data: dict[str, msgspec.Raw] = {}
    error: Any = None


_decode_head = msgspec.json.Decoder(_Head).decode


def classify(payload: bytes) -> Sequence[Address]:
    """Return the symbols that a notification is keyed by."""
    try:
        head = _decode_head(payload)
    except msgspec.MsgspecError as error:
        message = f"no JSON object of the API 3: {error}"
        raise UnexpectedFrame(message) from None
    symbols = {**head.snapshot, **head.update, **head.data}
    if symbols:
        return tuple(Address(symbol, head.ch) for symbol in symbols)
    return (Address("", head.ch or ("ack" if head.error is None else "error")),)


def parse(frame: Frame) -> Iterable[MarketRecord]:
    """Return the records of a notification; nothing for answers to our requests."""
    channel = frame.get("ch")
    if channel is None and ("result" in frame or "error" in frame):
        return ()
    if channel == "orderbook/full":
        return [
            _book(symbol, item, snapshot=kind == "snapshot")
            for kind in ("snapshot", "update")
            for symbol, item in _of(frame, kind).items()
        ]
    if channel == "trades":
        # a snapshot is what was traded before we listened
        return [_trade(s, item) for s, items in _of(frame, "update").items() for item in items]
    if not isinstance(channel, str):
        message = f"expected a notification with ch, found the fields {sorted(frame)}"
        raise UnexpectedFrame(message)
    if channel.startswith(IGNORED):
        return ()
    if channel.startswith(("orderbook/top/", "ticker/")):
        return [_best(symbol, item) for symbol, item in frame["data"].items()]
    if channel == "futures/info":
        return [_derivative(symbol, item) for symbol, item in frame["data"].items()]
    message = f"expected a channel of the API 3, found {channel!r}"
    raise UnexpectedFrame(message)


def _of(frame: Frame, kind: str) -> dict[str, Any]:
    if "snapshot" not in frame and "update" not in frame:
        message = f"expected a snapshot or an update, found the fields {sorted(frame)}"
        raise UnexpectedFrame(message)
    found: dict[str, Any] = frame.get(kind, {})
    return found


def _book(symbol: str, item: dict[str, Any], *, snapshot: bool) -> BookDelta:
    return wire.book(
        item["b"],
        item["a"],
        symbol=symbol,
        is_snapshot=snapshot,
        exchange_ts=wire.ns_from_epoch(item["t"]),
        first_seq=item["s"],
        last_seq=item["s"],
    )


def _trade(symbol: str, item: dict[str, Any]) -> MarketRecord:
    return wire.trade(
        item["p"],
        item["q"],
        symbol=symbol,
        exchange_ts=wire.ns_from_epoch(item["t"]),
        trade_id=str(item["i"]),
        aggressor={"buy": BUY, "sell": SELL}[item["s"]],
    )


def _best(symbol: str, item: dict[str, Any]) -> MarketRecord:
    return wire.ticker(
        (item["b"], item["B"]),
        (item["a"], item["A"]),
        symbol=symbol,
        exchange_ts=wire.ns_from_epoch(item["t"]),
    )


def _derivative(symbol: str, item: dict[str, Any]) -> MarketRecord:
    return DerivativeTicker(
        symbol=symbol,
        exchange_ts=wire.ns_from_epoch(item["t"]),
        funding_ts=wire.ns_from_epoch(item["T"]) if item.get("T") else 0,
        funding_rate=wire.plain(item.get("r")),
        predicted_funding_rate=wire.plain(item.get("R")),
        open_interest=wire.plain(item.get("o")),
        index_price=wire.plain(item.get("i")),
        mark_price=wire.plain(item.get("m")),
    )


def parse_instruments(body: Frame) -> Iterable[Instrument]:
    """Return what is listed; of a perpetual `underlying` stands in place of the base."""
    for symbol, item in body.items():
        futures = item.get("type") == "futures"
        yield Instrument(
            symbol=symbol,
            base=item["underlying"] if futures else item["base_currency"],
            quote=item["quote_currency"],
            kind=("future" if item.get("expiry") else "perpetual") if futures else "spot",
            active=item.get("status", "working") == "working",
            price_increment=item.get("tick_size", ""),
            size_increment=item.get("quantity_increment", ""),
        )


def parse_volumes(body: Frame) -> Iterable[tuple[str, float]]:
    """Return the volumes in quote currency."""
    return [(symbol, float(item.get("volume_quote") or 0)) for symbol, item in body.items()]


EXCHANGE = Exchange(
    name="hitbtc",
    docs="https://api.hitbtc.com/ (API 3.0, read 2026-11-23)",
    url="wss://api.hitbtc.com/api/3/ws/public",
    markets=("spot", "linear"),
    hosts=("api.fmfw.io/api/3/ws/public", "api.pro.changelly.com/api/3/ws/public"),
    channels=CHANNELS,
    subscribe=subscribe,
    resubscribe=resubscribe,
    classify=classify,
    parse=parse,
    rule=sequence.CHAN_PLUS1,
    instruments=Instruments(
        url="https://api.hitbtc.com/api/3/public/symbol",
        parse=parse_instruments,
        volumes_url="https://api.hitbtc.com/api/3/public/ticker",
        volumes=parse_volumes,
    ),
    # there is nothing to ask that is answered, and thin books may rest for minutes; protocol pings, its
    # own each 30 s and ours, end a dead connection
    keepalive=Keepalive(stale_s=300),
    limits=Limits(symbols=50, connects_per_minute=60, sends_per_second=5),
)
