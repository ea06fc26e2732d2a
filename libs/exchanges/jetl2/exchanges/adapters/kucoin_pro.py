"""KuCoin spot, Pro websocket of 2026: 500 levels in the channel, then deltas by ranges of numbers.

The one to record today: its books are whole within 500 levels, without a key or a token. Sessions
of the classic one have a module of their own. UNSURE: whether levels that leave the 500 are removed
by the exchange, so we cut; whether `M` is in microseconds for some channels, so its size decides;
how many topics a connection may have (200 to 600 are told); whether a request may come before the
welcome, so that we wait a second.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import msgspec

from jetl2.exchanges import spot_lists, wire
from jetl2.exchanges.errors import UnexpectedFrame
from jetl2.exchanges.exchange import (
    Address,
    Exchange,
    Frame,
    Keepalive,
    Limits,
    dumps,
)
from jetl2.orderbook import sequence
from jetl2.schemas.records import BUY, SELL, BookDelta, MarketRecord

DEPTH = 500
INCREMENT = "increment@10ms"
CHANNELS = {"book_delta": "obu.SPOT", "trade": "trade.SPOT", "book_ticker": "ticker.SPOT"}
# Pushes of spot that become no record
IGNORED = frozenset({"kline.SPOT", "callauction.SPOT"})
_NANOSECONDS_FROM = 10**17


def subscribe(symbols: Sequence[str], data_types: Sequence[str]) -> list[str]:
    """Return a request for each topic: lists of symbols are refused."""
    return [
        _request("subscribe", CHANNELS[data_type], symbol)
        for data_type in data_types
        if data_type in CHANNELS
        for symbol in symbols
    ]


def resubscribe(symbol: str) -> list[str]:
    """Return the requests that bring a new snapshot of one book."""
    return [
        _request(action, CHANNELS["book_delta"], symbol) for action in ("unsubscribe", "subscribe")
    ]


def _request(action: str, channel: str, symbol: str) -> str:
    name, _, market = channel.partition(".")
    topic = {"channel": name, "tradeType": market, "symbol": symbol}
    depth = {"depth": INCREMENT, "rpiFilter": 0} if name == "obu" else {}
    return dumps({"id": f"{name}-{symbol}", "action": action, **topic, **depth})


class _Data(msgspec.Struct):
    s: str = ""


class _Head(msgspec.Struct):
    T: str = ""
    dp: str = ""
    d: _Data | None = None
    type: str = ""
    result: Any = True


_decode_head = msgspec.json.Decoder(_Head).decode


def classify(payload: bytes) -> Sequence[Address]:
    """Return the symbol of a push; books of other depths are told apart by theirs."""
    try:
        head = _decode_head(payload)
    except msgspec.MsgspecError as error:
        message = f"no JSON object of the Pro protocol: {error}"
        raise UnexpectedFrame(message) from None
    if not head.T:
        refused = head.type == "error" or head.result in (False, "false")
        return (Address("", "error" if refused else head.type or "ack"),)
    channel = head.T if head.dp in ("", INCREMENT) else f"{head.T}.{head.dp}"
    return (Address(head.d.s if head.d else "", channel),)


def parse(frame: Frame) -> Iterable[MarketRecord]:
    """Return the record of a push; nothing for answers to requests, welcome and pong."""
    channel = frame.get("T")
    if channel == CHANNELS["book_delta"]:
        # other depths are sent whole, and have a channel of their own
        return (_book(frame),) if frame["dp"] == INCREMENT else ()
    if channel == CHANNELS["trade"]:
        return (_trade(frame["d"]),)
    if channel == CHANNELS["book_ticker"]:
        return (_ticker(frame["d"]),)
    answer = "result" in frame or frame.get("message") == "welcome"
    if channel in IGNORED or (
        channel is None and (answer or frame.get("type") in ("pong", "ack", "error"))
    ):
        return ()
    message = f"expected a push of spot in T, found {channel!r}"
    raise UnexpectedFrame(message)


def _book(frame: dict[str, Any]) -> BookDelta:
    data, kind = frame["d"], frame["t"]
    if kind not in ("snapshot", "delta"):
        message = f"expected a book's snapshot or delta, found {kind!r}"
        raise UnexpectedFrame(message)
    return wire.book(
        data["b"] or (),
        data["a"] or (),
        symbol=data["s"],
        is_snapshot=kind == "snapshot",
        exchange_ts=_ns(data["M"]),
        first_seq=data["O"],
        last_seq=data["C"],
    )


def _ns(time: int) -> int:
    return time if time >= _NANOSECONDS_FROM else wire.ns_from_epoch(time)


def _trade(data: dict[str, Any]) -> MarketRecord:
    return wire.trade(
        data["p"],
        data["q"],
        symbol=data["s"],
        exchange_ts=_ns(data["M"]),
        trade_id=data["ti"],
        # the taker's
        aggressor={"buy": BUY, "sell": SELL}[data["S"].lower()],
    )


def _ticker(data: dict[str, Any]) -> MarketRecord:
    return wire.ticker(
        (data["b"], data["B"]),
        (data["a"], data["A"]),
        symbol=data["s"],
        exchange_ts=_ns(data["M"]),
        first_seq=data["E"],
        last_seq=data["E"],
    )


EXCHANGE = Exchange(
    name="kucoin-pro",
    docs="https://www.kucoin.com/docs-new/3470354w0 (websocket, 2026-07-15, read 2026-11-23)",
    url="wss://x-push-spot.kucoin.com",
    family="kucoin",
    channels=CHANNELS,
    subscribe=subscribe,
    resubscribe=resubscribe,
    classify=classify,
    parse=parse,
    # ranges that overlap are allowed, though none was seen
    rule=replace(sequence.CHAN_PLUS1, follow="range"),
    book_depth=DEPTH,
    depths=(DEPTH,),
    instruments=spot_lists.instruments("https://api.kucoin.com"),
    # the welcome asks for a ping each 18 s; its pong shows that the connection lives
    keepalive=Keepalive(message=dumps({"id": "1", "type": "ping"}), interval_s=18, stale_s=40),
    # requests are to come after the welcome
    limits=Limits(symbols=60, connects_per_minute=30, sends_per_second=10, wait_s=1),
)
