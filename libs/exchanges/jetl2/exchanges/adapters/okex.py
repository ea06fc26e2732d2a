"""OKX, WebSocket v5: snapshot in the stream, each delta names its predecessor (or is summed).

Until 2021 deltas carried no numbers, and until June 2026 a live CRC-32; since then the checksum is
always 0 and only the link counts. Presence decides, so recordings of all times replay.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
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
    decode_json,
    dumps,
)
from jetl2.orderbook import checksum, sequence
from jetl2.schemas.records import BUY, SELL, BookDelta, MarketRecord

ARGS_PER_REQUEST = 100
CHANNELS = {"book_delta": "books", "trade": "trades", "book_ticker": "bbo-tbt"}
BOOKS = frozenset({"books", "books-l2-tbt", "books50-l2-tbt"})
# Aggregated per order, and one by one: never both
TRADES = frozenset({"trades", "trades-all"})
EVENTS = frozenset(
    {
        "subscribe",
        "unsubscribe",
        "error",
        "login",
        "notice",
        "channel-conn-count",
        "channel-conn-count-error",
    }
)
# Channels that may be recorded beside ours and become no record; a prefix stands for its family
IGNORED = (
    "books5",
    "books-elp",
    "candle",
    "mark-price",
    "index-",
    "instruments",
    "funding-rate",
    "open-interest",
    "price-limit",
    "estimated-price",
    "opt-summary",
    "option-trades",
    "liquidation",
    "adl-warning",
    "status",
    "sprd-",
    "block-",
    "public-",
    "economic-calendar",
)
PONG = "pong"


def subscribe(symbols: Sequence[str], data_types: Sequence[str]) -> list[str]:
    """Return requests of many arguments each: 480 requests an hour are allowed."""
    args = [
        {"channel": CHANNELS[t], "instId": s} for s in symbols for t in data_types if t in CHANNELS
    ]
    return [
        dumps({"op": "subscribe", "args": args[i : i + ARGS_PER_REQUEST]})
        for i in range(0, len(args), ARGS_PER_REQUEST)
    ]


def resubscribe(symbol: str) -> list[str]:
    """Return the requests that bring a new snapshot of one book."""
    args = [{"channel": CHANNELS["book_delta"], "instId": symbol}]
    return [dumps({"op": op, "args": args}) for op in ("unsubscribe", "subscribe")]


def decode(payload: bytes) -> Frame:
    """Return the frame; the answer to a ping is a bare word, not JSON."""
    return PONG if payload == b"pong" else decode_json(payload)


class _Arg(msgspec.Struct):
    channel: str = ""
    instId: str = ""  # noqa: N815 - as sent


class _Head(msgspec.Struct):
    event: str = ""
    arg: _Arg | None = None


_decode_head = msgspec.json.Decoder(_Head).decode


def classify(payload: bytes) -> Sequence[Address]:
    """Return the address that each frame names in `arg`."""
    if payload == b"pong":
        return (Address("", PONG),)
    try:
        head = _decode_head(payload)
    except msgspec.MsgspecError as error:
        message = f"no JSON object of the v5 protocol: {error}"
        raise UnexpectedFrame(message) from None
    if head.event == "error" or head.arg is None:
        return (Address("", head.event),)
    return (Address(head.arg.instId, head.arg.channel),)


def parse(frame: Frame) -> Iterable[MarketRecord]:
    """Return the records of a push; nothing for events and channels that we do not use."""
    if frame == PONG:
        return ()
    if "event" in frame:
        if frame["event"] in EVENTS:
            return ()
        message = f"expected an event of the v5 protocol, found {frame['event']!r}"
        raise UnexpectedFrame(message)
    if "arg" not in frame:
        message = f"expected a push with arg, found the fields {sorted(frame)}"
        raise UnexpectedFrame(message)
    symbol, channel = frame["arg"].get("instId", ""), frame["arg"]["channel"]
    if channel in BOOKS:
        return [_book(item, symbol, frame["action"]) for item in frame["data"]]
    if channel in TRADES:
        return [_trade(item, symbol) for item in frame["data"]]
    if channel == "bbo-tbt":
        return [_best(item, symbol) for item in frame["data"]]
    if channel == "tickers":
        return [_ticker(item, symbol) for item in frame["data"]]
    if channel.startswith(IGNORED):
        return ()
    message = f"expected a channel of the v5 protocol, found {channel!r}"
    raise UnexpectedFrame(message)


def _book(item: dict[str, Any], symbol: str, action: str) -> BookDelta:
    if action not in ("snapshot", "update"):
        message = f"expected a book's snapshot or update, found {action!r}"
        raise UnexpectedFrame(message)
    snapshot = action == "snapshot"
    return wire.book(
        item["bids"],
        item["asks"],
        symbol=symbol,
        is_snapshot=snapshot,
        exchange_ts=wire.ns_from_epoch(item["ts"]),
        first_seq=item.get("seqId", 0),
        last_seq=item.get("seqId", 0),
        # a snapshot says -1: it follows nothing
        prev_seq=0 if snapshot else item.get("prevSeqId", 0),
        # 0 since June 2026: no longer a sum
        checksum=item.get("checksum") or None,
    )


def _trade(item: dict[str, Any], symbol: str) -> MarketRecord:
    return wire.trade(
        item["px"],
        item["sz"],
        symbol=symbol,
        exchange_ts=wire.ns_from_epoch(item["ts"]),
        trade_id=item["tradeId"],
        aggressor={"buy": BUY, "sell": SELL}[item["side"]],
    )


def _best(item: dict[str, Any], symbol: str) -> MarketRecord:
    bids, asks = item["bids"], item["asks"]
    return wire.ticker(
        (bids[0][0], bids[0][1]) if bids else None,
        (asks[0][0], asks[0][1]) if asks else None,
        symbol=symbol,
        exchange_ts=wire.ns_from_epoch(item["ts"]),
        first_seq=item.get("seqId", 0),
        last_seq=item.get("seqId", 0),
    )


def _ticker(item: dict[str, Any], symbol: str) -> MarketRecord:
    return wire.ticker(
        (item["bidPx"], item["bidSz"]),
        (item["askPx"], item["askSz"]),
        symbol=symbol,
        exchange_ts=wire.ns_from_epoch(item["ts"]),
    )


def parse_instruments(body: Frame) -> Iterable[Instrument]:
    """Return what one instType lists."""
    kinds = {"SPOT": "spot", "SWAP": "perpetual", "FUTURES": "future", "OPTION": "option"}
    for item in body["data"]:
        yield Instrument(
            symbol=item["instId"],
            base=item.get("baseCcy", ""),
            quote=item.get("quoteCcy", ""),
            kind=kinds.get(item["instType"], item["instType"].lower()),
            active=item.get("state") == "live",
            price_increment=item.get("tickSz", ""),
            size_increment=item.get("lotSz", ""),
        )


EXCHANGE = Exchange(
    name="okex",
    aliases=("okx",),
    docs="https://www.okx.com/docs-v5/en/ (2026-07-08, read 2026-11-22)",
    url="wss://ws.okx.com:8443/ws/v5/public",
    hosts=(
        "ws.okx.com/ws/v5",
        "wseea.okx.com/ws/v5",
        "wsus.okx.com/ws/v5",
        "wspap.okx.com/ws/v5",
        "ws.okex.com/ws/v5",
        "real.okcoin.com/ws/v5",
    ),
    channels=CHANNELS,
    subscribe=subscribe,
    resubscribe=resubscribe,
    classify=classify,
    parse=parse,
    decode=decode,
    rule=replace(sequence.CHAN_PREV, allow_id_decrease=True),
    checksum=checksum.okx,
    checksum_depth=checksum.OKX_DEPTH,
    instruments=Instruments(
        url="https://www.okx.com/api/v5/public/instruments?instType=SPOT",
        parse=parse_instruments,
    ),
    # without any traffic for 30 s the server hangs up
    keepalive=Keepalive(message="ping", interval_s=20, stale_s=40),
    limits=Limits(symbols=30, connects_per_minute=60, sends_per_second=2),
)
