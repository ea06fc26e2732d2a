"""Coinbase Exchange feed: whole snapshot in the stream, then deltas without number or sum.

An alternative to Advanced Trade, whose connections are counted: here a loss shows only when the book
crosses. The channel level2_batch needs no key; level2 and level3 do. UNSURE: how long it batches.
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
from jetl2.exchanges.over_fix.coinbase_exchange import FIX
from jetl2.orderbook import sequence
from jetl2.schemas.records import BUY, SELL, BookDelta, BookTicker, MarketRecord

CHANNELS = {"book_delta": "level2_batch", "trade": "matches", "book_ticker": "ticker"}
# Messages by the channel that they come on; level2 and level2_50 have the same
CHANNEL_OF = {
    "snapshot": "level2_batch",
    "l2update": "level2_batch",
    "match": "matches",
    "last_match": "matches",
    "ticker": "ticker",
}
# Messages of other channels (full, status, auctions, quotes) and of the connection
IGNORED = frozenset(
    {
        "subscriptions",
        "heartbeat",
        "error",
        "status",
        "received",
        "open",
        "change",
        "done",
        "activate",
        "auction",
        "rfq_match",
    }
)


def subscribe(symbols: Sequence[str], data_types: Sequence[str]) -> list[str]:
    """Return one request; heartbeats too, which show that a quiet connection lives."""
    names = [*(CHANNELS[t] for t in data_types if t in CHANNELS), "heartbeat"]
    return [_request("subscribe", names, symbols)]


def resubscribe(symbol: str) -> list[str]:
    """Return the requests that bring a new snapshot of one book."""
    names = [CHANNELS["book_delta"]]
    return [_request(kind, names, [symbol]) for kind in ("unsubscribe", "subscribe")]


def _request(kind: str, names: Sequence[str], symbols: Sequence[str]) -> str:
    return dumps({"type": kind, "product_ids": list(symbols), "channels": list(names)})


class _Head(msgspec.Struct):
    type: str = ""
    product_id: str = ""


_decode_head = msgspec.json.Decoder(_Head).decode


def classify(payload: bytes) -> Sequence[Address]:
    """Return the product, and the channel by the type of message."""
    try:
        head = _decode_head(payload)
    except msgspec.MsgspecError as error:
        message = f"no JSON object of the Exchange feed: {error}"
        raise UnexpectedFrame(message) from None
    return (Address(head.product_id, CHANNEL_OF.get(head.type, head.type)),)


def parse(frame: Frame) -> Iterable[MarketRecord]:
    """Return the record of a message."""
    kind = frame.get("type")
    if kind == "l2update":
        return (_delta(frame),)
    if kind == "match":
        return (_trade(frame),)
    if kind == "ticker":
        return (_ticker(frame),)
    if kind == "snapshot":
        return (_snapshot(frame),)
    # a last_match is what was traded before we listened
    if kind == "last_match" or kind in IGNORED:
        return ()
    message = f"expected a message of the Exchange feed, found the type {kind!r}"
    raise UnexpectedFrame(message)


def _snapshot(frame: dict[str, Any]) -> BookDelta:
    sides = (
        [(str(price), str(size)) for price, size in frame[side] if _is_size(str(size))]
        for side in ("bids", "asks")
    )
    return wire.book(*sides, symbol=frame["product_id"], is_snapshot=True, exchange_ts=_time(frame))


def _is_size(text: str) -> bool:
    """Whether it is one: snapshots were seen to hold sizes like "0.-10000" and NaN."""
    try:
        return float(text) >= 0
    except ValueError:
        return False


def _delta(frame: dict[str, Any]) -> BookDelta:
    sides: dict[str, list[tuple[str, str]]] = {"buy": [], "sell": []}
    for side, price, size in frame["changes"]:
        sides[side].append((str(price), str(size)))
    symbol, time = frame["product_id"], _time(frame)
    return wire.book(sides["buy"], sides["sell"], symbol=symbol, exchange_ts=time)


def _time(frame: dict[str, Any]) -> int:
    # snapshots may have none, and deltas that of the year 1
    text = frame.get("time", "0001")
    return 0 if text.startswith("0001") else wire.ns_from_iso(text)


def _trade(frame: dict[str, Any]) -> MarketRecord:
    return wire.trade(
        str(frame["price"]),
        str(frame["size"]),
        symbol=frame["product_id"],
        exchange_ts=_time(frame),
        trade_id=str(frame["trade_id"]),
        # the side of the maker
        aggressor={"buy": SELL, "sell": BUY}[frame["side"]],
    )


def _ticker(frame: dict[str, Any]) -> MarketRecord:
    number = frame["sequence"]
    fields = {"symbol": frame["product_id"], "exchange_ts": _time(frame)}
    fields |= {"first_seq": number, "last_seq": number}
    bid, ask = str(frame["best_bid"]), str(frame["best_ask"])
    if "best_bid_size" not in frame:
        # until 2022 it told prices alone
        (bid_price, ask_price), exponent = wire.mantissas([bid, ask])
        return BookTicker(
            price_exponent=exponent,
            size_exponent=0,
            bid_price=bid_price,
            ask_price=ask_price,
            **fields,
        )
    sizes = str(frame["best_bid_size"]), str(frame["best_ask_size"])
    return wire.ticker((bid, sizes[0]), (ask, sizes[1]), **fields)


def parse_instruments(body: Frame) -> Iterable[Instrument]:
    """Return what is listed."""
    for item in body:
        yield Instrument(
            symbol=item["id"],
            base=item["base_currency"],
            quote=item["quote_currency"],
            kind="spot",
            active=item["status"] == "online" and not item.get("trading_disabled", False),
            price_increment=item["quote_increment"],
            size_increment=item["base_increment"],
        )


EXCHANGE = Exchange(
    name="coinbase-exchange",
    docs="https://docs.cdp.coinbase.com/exchange/websocket-feed (read 2026-11-22)",
    url="wss://ws-feed.exchange.coinbase.com",
    hosts=("ws-feed.pro.coinbase.com", "ws-direct.exchange.coinbase.com"),
    family="coinbase",
    channels=CHANNELS,
    subscribe=subscribe,
    resubscribe=resubscribe,
    classify=classify,
    parse=parse,
    rule=sequence.UNPROVEN,
    instruments=Instruments(
        url="https://api.exchange.coinbase.com/products", parse=parse_instruments
    ),
    # each product's heartbeat comes once a second
    keepalive=Keepalive(stale_s=15),
    # a whole book is one frame; slow readers are cut, so not many of them on one connection
    limits=Limits(symbols=20, connects_per_minute=60, sends_per_second=5),
    fix=FIX,
)
