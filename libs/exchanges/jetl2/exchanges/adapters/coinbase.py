"""Coinbase Advanced Trade: snapshot in the stream, one counter over all frames of a connection."""

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
from jetl2.schemas.records import BUY, SELL, MarketRecord

# Subscribed as level2, pushed as l2_data
CHANNELS = {"book_delta": "l2_data", "trade": "market_trades", "book_ticker": "ticker"}
REQUESTED = {"book_delta": "level2", "trade": "market_trades", "book_ticker": "ticker"}
IGNORED = frozenset(
    {
        "subscriptions",
        "heartbeats",
        "candles",
        "status",
        "ticker_batch",
        "user",
        "futures_balance_summary",
    }
)


def subscribe(symbols: Sequence[str], data_types: Sequence[str]) -> list[str]:
    """Return one request a channel; heartbeats too, or quiet channels are closed after a minute."""
    requests = [_request("subscribe", REQUESTED[t], symbols) for t in data_types if t in REQUESTED]
    return [*requests, dumps({"type": "subscribe", "channel": "heartbeats"})]


def resubscribe(symbol: str) -> list[str]:
    """Return the requests that bring a new snapshot of one book."""
    return [_request(kind, "level2", [symbol]) for kind in ("unsubscribe", "subscribe")]


def _request(kind: str, channel: str, symbols: Sequence[str]) -> str:
    return dumps({"type": kind, "product_ids": list(symbols), "channel": channel})


class _Item(msgspec.Struct):
    product_id: str = ""


class _Event(msgspec.Struct):
    product_id: str = ""
    trades: list[_Item] = []
    tickers: list[_Item] = []


class _Head(msgspec.Struct):
    channel: str = ""
    type: str = ""
    events: list[_Event] = []


_decode_head = msgspec.json.Decoder(_Head).decode


def classify(payload: bytes) -> Sequence[Address]:
    """Return every product of a frame; one frame may carry several."""
    try:
        head = _decode_head(payload)
    except msgspec.MsgspecError as error:
        message = f"no JSON object of the Advanced Trade protocol: {error}"
        raise UnexpectedFrame(message) from None
    symbols: dict[str, None] = {}
    for event in head.events:
        if event.product_id:
            symbols[event.product_id] = None
        for item in (*event.trades, *event.tickers):
            symbols[item.product_id] = None
    if head.channel == CHANNELS["book_delta"] and not all(e.product_id for e in head.events):
        message = f"expected a product_id in each event of {head.channel}"
        raise UnexpectedFrame(message)
    if symbols:
        return tuple(Address(symbol, head.channel) for symbol in symbols)
    return (Address("", head.channel or head.type),)


def parse(frame: Frame) -> Iterable[MarketRecord]:
    """Return the records of a frame, in the order of its events."""
    channel = frame.get("channel")
    if channel == "l2_data":
        return [_book(event, frame) for event in frame["events"]]
    if channel == "market_trades":
        # a snapshot is what was traded before we listened
        return [
            _trade(item)
            for event in frame["events"]
            if event["type"] != "snapshot"
            for item in reversed(event["trades"])
        ]
    if channel == "ticker":
        return [_ticker(item, frame) for event in frame["events"] for item in event["tickers"]]
    if channel in IGNORED or (channel is None and frame.get("type") == "error"):
        return ()
    message = f"expected a channel of Advanced Trade, found {channel!r}, type {frame.get('type')!r}"
    raise UnexpectedFrame(message)


def connection_seq(frame: Frame) -> int | None:
    """Return the number that every frame of a connection carries, acks and heartbeats too."""
    number = frame.get("sequence_num")
    if number is None or type(number) is int:
        return number
    message = f"expected sequence_num to be a whole number, found {number!r:.100}"
    raise UnexpectedFrame(message)


def _book(event: dict[str, Any], frame: Frame) -> MarketRecord:
    if event["type"] not in ("snapshot", "update"):
        message = f"expected a book's snapshot or update, found {event['type']!r}"
        raise UnexpectedFrame(message)
    sides: dict[str, list[tuple[str, str]]] = {"bid": [], "offer": []}
    for level in event["updates"]:
        sides[level["side"]].append((level["price_level"], level["new_quantity"]))
    # the levels' own times may be 1970 or older than the snapshot: the frame's counts
    return wire.book(
        sides["bid"],
        sides["offer"],
        symbol=event["product_id"],
        is_snapshot=event["type"] == "snapshot",
        exchange_ts=wire.ns_from_iso(frame["timestamp"]),
        first_seq=frame["sequence_num"],
        last_seq=frame["sequence_num"],
    )


def _trade(item: dict[str, Any]) -> MarketRecord:
    return wire.trade(
        item["price"],
        item["size"],
        symbol=item["product_id"],
        exchange_ts=wire.ns_from_iso(item["time"]),
        trade_id=item["trade_id"],
        aggressor={"BUY": BUY, "SELL": SELL}[item["side"]],
    )


def _ticker(item: dict[str, Any], frame: Frame) -> MarketRecord:
    return wire.ticker(
        (item["best_bid"], item["best_bid_quantity"]),
        (item["best_ask"], item["best_ask_quantity"]),
        symbol=item["product_id"],
        exchange_ts=wire.ns_from_iso(frame["timestamp"]),
        first_seq=frame["sequence_num"],
        last_seq=frame["sequence_num"],
    )


def parse_instruments(body: Frame) -> Iterable[Instrument]:
    """Return what is listed; an alias repeats the data of another product and is left out."""
    for item in body["products"]:
        if item.get("alias"):
            continue
        yield Instrument(
            symbol=item["product_id"],
            base=item["base_currency_id"],
            quote=item["quote_currency_id"],
            kind="spot" if item.get("product_type", "SPOT") == "SPOT" else "future",
            active=not item.get("trading_disabled", False),
            price_increment=item.get("quote_increment", ""),
            size_increment=item.get("base_increment", ""),
        )


EXCHANGE = Exchange(
    name="coinbase",
    docs="https://docs.cdp.coinbase.com/coinbase-app/advanced-trade-apis (read 2026-11-22)",
    url="wss://advanced-trade-ws.coinbase.com",
    channels=CHANNELS,
    subscribe=subscribe,
    resubscribe=resubscribe,
    classify=classify,
    parse=parse,
    rule=sequence.CONN_COUNTER,
    connection_seq=connection_seq,
    instruments=Instruments(
        url="https://api.coinbase.com/api/v3/brokerage/market/products", parse=parse_instruments
    ),
    # heartbeats come each second
    keepalive=Keepalive(stale_s=15),
    # one lost frame invalidates every book of its connection: few books each
    limits=Limits(symbols=10, connects_per_minute=120, sends_per_second=4),
)
