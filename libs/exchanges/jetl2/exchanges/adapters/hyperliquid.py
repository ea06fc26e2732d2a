"""Hyperliquid perpetuals: whole books of 20 levels a side, nothing numbered.

Since 2026 the same channel has a second kind of books, asked for with `fast`: more often, but five
levels only. They are no part of the books here. A trade's id is a hash of its two orders and may
repeat; the first message of a subscription brings trades from before it. Spot pairs (`@107`) and
perpetuals of other builders (`dex:COIN`) can be subscribed as well; they are listed elsewhere.
Liquidations are told to their owners only.
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
from jetl2.schemas.records import BUY, SELL, DerivativeTicker, MarketRecord

CHANNELS = {
    "book_delta": "l2Book",
    "trade": "trades",
    "book_ticker": "bbo",
    "derivative_ticker": "activeAssetCtx",
}
IGNORED = frozenset(
    {"subscriptionResponse", "pong", "error", "activeSpotAssetCtx", "allMids", "candle", "post"}
)


def subscribe(symbols: Sequence[str], data_types: Sequence[str]) -> list[str]:
    """Return one request for each symbol and type: there are none for several."""
    return [
        _request("subscribe", CHANNELS[t], s) for s in symbols for t in data_types if t in CHANNELS
    ]


def resubscribe(symbol: str) -> list[str]:
    """Return the requests that bring the book at once, not with its next change."""
    return [_request(m, CHANNELS["book_delta"], symbol) for m in ("unsubscribe", "subscribe")]


def _request(method: str, channel: str, symbol: str) -> str:
    return dumps({"method": method, "subscription": {"type": channel, "coin": symbol}})


class _Head(msgspec.Struct):
    channel: str
    data: msgspec.Raw = msgspec.Raw(b"null")


class _Item(msgspec.Struct):
    coin: str


_decode_head = msgspec.json.Decoder(_Head).decode
_decode_item = msgspec.json.Decoder(_Item).decode
_decode_items = msgspec.json.Decoder(list[_Item]).decode


def classify(payload: bytes) -> Sequence[Address]:
    """Return the coins of a frame of our channels."""
    try:
        head = _decode_head(payload)
        channel = head.channel
        if channel == "trades":
            coins = dict.fromkeys(item.coin for item in _decode_items(head.data))
            return tuple(Address(coin, channel) for coin in coins) or (Address("", channel),)
        if channel in ("l2Book", "bbo", "activeAssetCtx"):
            return (Address(_decode_item(head.data).coin, channel),)
    except msgspec.MsgspecError as error:
        message = f"no JSON object with channel and data: {error}"
        raise UnexpectedFrame(message) from None
    return (Address("", channel),)


def parse(frame: Frame) -> Iterable[MarketRecord]:
    """Return the records of a channel's message; nothing for answers and unused channels."""
    channel = frame.get("channel")
    if channel == "l2Book":
        return () if frame["data"].get("fast") else (_book(frame["data"]),)
    if channel == "trades":
        return [_trade(item) for item in frame["data"]]
    if channel == "bbo":
        return (_best(frame["data"]),)
    if channel == "activeAssetCtx":
        return (_derivative(frame["data"]["coin"], frame["data"]["ctx"]),)
    if channel in IGNORED:
        return ()
    message = f"expected a channel of the public feed, found {channel!r}"
    raise UnexpectedFrame(message)


def _book(data: dict[str, Any]) -> MarketRecord:
    bids, asks = ([(level["px"], level["sz"]) for level in side] for side in data["levels"])
    return wire.book(
        bids,
        asks,
        symbol=data["coin"],
        is_snapshot=True,
        exchange_ts=wire.ns_from_epoch(data["time"]),
    )


def _trade(item: dict[str, Any]) -> MarketRecord:
    return wire.trade(
        item["px"],
        item["sz"],
        symbol=item["coin"],
        exchange_ts=wire.ns_from_epoch(item["time"]),
        trade_id=str(item["tid"]),
        aggressor={"B": BUY, "A": SELL}[item["side"]],
    )


def _best(data: dict[str, Any]) -> MarketRecord:
    # one page calls the levels otherwise
    bid, ask = data["bbo"] if "bbo" in data else data["levels"]
    return wire.ticker(
        (bid["px"], bid["sz"]) if bid else None,
        (ask["px"], ask["sz"]) if ask else None,
        symbol=data["coin"],
        exchange_ts=wire.ns_from_epoch(data["time"]),
    )


def _derivative(symbol: str, context: dict[str, Any]) -> MarketRecord:
    # carries no time of its own; funding is paid each hour
    return DerivativeTicker(
        symbol=symbol,
        funding_rate=wire.plain(context["funding"]),
        open_interest=wire.plain(context["openInterest"]),
        index_price=wire.plain(context["oraclePx"]),
        mark_price=wire.plain(context["markPx"]),
    )


def parse_instruments(body: Frame) -> Iterable[Instrument]:
    """Return the perpetuals, all paid in USDC; the step of a price depends on the price."""
    meta, _ = body
    for item in meta["universe"]:
        places = item["szDecimals"]
        yield Instrument(
            symbol=item["name"],
            base=item["name"],
            quote="USDC",
            kind="perpetual",
            active=not item.get("isDelisted", False),
            size_increment=f"{10**-places:.{places}f}",
        )


def parse_volumes(body: Frame) -> Iterable[tuple[str, float]]:
    """Return the volumes in USDC, which stand beside the list in its order."""
    meta, contexts = body
    pairs = zip(meta["universe"], contexts, strict=True)
    return [(item["name"], float(context["dayNtlVlm"])) for item, context in pairs]


EXCHANGE = Exchange(
    name="hyperliquid",
    docs="https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/websocket (read 2026-11-23)",
    url="wss://api.hyperliquid.xyz/ws",
    markets=("linear", "spot"),
    channels=CHANNELS,
    subscribe=subscribe,
    resubscribe=resubscribe,
    classify=classify,
    parse=parse,
    rule=sequence.FULL_REPLACE,
    book_depth=20,
    instruments=Instruments(
        url="https://api.hyperliquid.xyz/info",
        body='{"type":"metaAndAssetCtxs"}',
        parse=parse_instruments,
        volumes=parse_volumes,
    ),
    # the server hangs up when it had nothing to send for 60 s: its pongs keep the connection
    keepalive=Keepalive(message='{"method":"ping"}', interval_s=25, stale_s=60),
    # an address may have 1000 subscriptions on 10 connections
    limits=Limits(symbols=25, connects_per_minute=20, sends_per_second=10),
)
