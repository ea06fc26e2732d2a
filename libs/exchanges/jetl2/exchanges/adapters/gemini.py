"""Gemini, websocket of 2026: the first message is the book, each later one reaches back into it.

Measured, not documented: a book carries one number twice (U = u), a delta begins at the number that
the one before ended with. Numbers are those of all symbols together and jump. The older v2 feed,
archived but still served, numbers nothing; its frames are read, presence decides. Funding, index and
open interest are told by REST only. UNSURE: how many streams a connection may have, and how long it
may last.
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
    dumps,
)
from jetl2.orderbook import sequence
from jetl2.schemas.records import BUY, SELL, UNKNOWN, BookDelta, MarketRecord

CHANNELS = {"book_delta": "depth@100ms", "trade": "trade", "book_ticker": "bookTicker"}
V2_IGNORED = frozenset({"heartbeat", "subscription_ack", "auction_result", "auction_indicative"})
OK = 200
# Who took liquidity; neither did in an auction or in a trade agreed elsewhere
AGGRESSORS = {"buy": BUY, "sell": SELL, "auction": UNKNOWN, "block": UNKNOWN}


def subscribe(symbols: Sequence[str], data_types: Sequence[str]) -> list[str]:
    """Return one request; an unknown stream among its many refuses it all."""
    streams = [f"{s}@{CHANNELS[t]}" for s in symbols for t in data_types if t in CHANNELS]
    return [dumps({"id": "1", "method": "subscribe", "params": streams})] if streams else []


def resubscribe(symbol: str) -> list[str]:
    """Return the requests that bring a new snapshot of one book."""
    params = [f"{symbol}@{CHANNELS['book_delta']}"]
    return [dumps({"id": "2", "method": m, "params": params}) for m in ("unsubscribe", "subscribe")]


class _Head(msgspec.Struct):
    e: str = ""
    s: str = ""
    t: Any = None
    u: Any = None
    status: Any = 200
    result: Any = None
    type: str = ""
    symbol: str = ""


_decode_head = msgspec.json.Decoder(_Head).decode


def classify(payload: bytes) -> Sequence[Address]:
    """Return the symbol; only books name their kind, of the others one by its fields."""
    try:
        head = _decode_head(payload)
    except msgspec.MsgspecError as error:
        message = f"no JSON object of the market data feed: {error}"
        raise UnexpectedFrame(message) from None
    if head.type:
        return (Address(head.symbol, head.type),)
    if head.e:
        return (Address(head.s, CHANNELS["book_delta"] if head.e == "depthUpdate" else head.e),)
    if head.s and head.t is not None:
        return (Address(head.s, CHANNELS["trade"]),)
    if head.s and head.u is not None:
        return (Address(head.s, CHANNELS["book_ticker"]),)
    return (Address("", "answer" if head.status == OK and head.result != "error" else "error"),)


def parse(frame: Frame) -> Iterable[MarketRecord]:
    """Return the records of a frame of either feed; nothing for answers to our requests."""
    if "type" in frame:
        return _v2(frame)
    if frame.get("e") == "depthUpdate":
        return (_book(frame),)
    if "e" in frame and "s" in frame:
        return ()  # an event of a contract, not of its market
    if "s" in frame and "t" in frame:
        return (_trade(frame),)
    if "s" in frame and "u" in frame:
        return (_best(frame),)
    if "lastUpdateId" in frame or "status" in frame or frame.get("result") == "error":
        return ()
    message = f"expected a book, trade or best prices, found the fields {sorted(frame)}"
    raise UnexpectedFrame(message)


def _book(frame: Frame) -> BookDelta:
    return wire.book(
        frame["b"],
        frame["a"],
        symbol=frame["s"],
        is_snapshot=frame["U"] == frame["u"],
        exchange_ts=frame["E"],
        first_seq=frame["U"],
        last_seq=frame["u"],
    )


def _trade(frame: Frame) -> MarketRecord:
    return wire.trade(
        frame["p"],
        frame["q"],
        symbol=frame["s"],
        exchange_ts=frame["E"],
        trade_id=str(frame["t"]),
        # m: the buyer was the maker, so the seller took
        aggressor=SELL if frame["m"] else BUY,
    )


def _best(frame: Frame) -> MarketRecord:
    # a side without orders is left out
    return wire.ticker(
        (frame.get("b", ""), frame.get("B", "")),
        (frame.get("a", ""), frame.get("A", "")),
        symbol=frame["s"],
        exchange_ts=frame["E"],
        first_seq=frame["u"],
        last_seq=frame["u"],
    )


def _v2(frame: Frame) -> Iterable[MarketRecord]:
    kind = frame["type"]
    if kind == "l2_updates":
        sides: dict[str, list[tuple[str, str]]] = {"buy": [], "sell": []}
        for side, price, size in frame["changes"]:
            sides[side].append((price, size))
        # only the first message of a subscription tells what went before
        whole = "trades" in frame or "auction_events" in frame
        fields = {"symbol": frame["symbol"], "is_snapshot": whole}
        return (wire.book(sides["buy"], sides["sell"], **fields),)
    if kind == "trade":
        trade = wire.trade(
            frame["price"],
            frame["quantity"],
            symbol=frame["symbol"],
            exchange_ts=wire.ns_from_epoch(frame["timestamp"]),
            trade_id=str(frame["event_id"]),
            aggressor=AGGRESSORS[frame["side"]],
        )
        return (trade,)
    if kind in V2_IGNORED or kind.startswith("candles_"):
        return ()
    message = f"expected a message of the v2 feed, found {kind!r}"
    raise UnexpectedFrame(message)


def parse_instruments(body: Frame) -> Iterable[Instrument]:
    """Return what is listed, as the feed names it; `tick_size` is the step of sizes, not of prices."""
    kinds = {"spot": "spot", "swap": "perpetual"}
    for item in body:
        product = item.get("product_type", "spot").lower()
        yield Instrument(
            symbol=item["symbol"].lower(),
            base=item["base_currency"],
            quote=item["quote_currency"],
            kind=kinds.get(product, product),
            active=item.get("status", "open") == "open",
            price_increment=wire.plain(item.get("quote_increment")),
            size_increment=wire.plain(item.get("tick_size")),
        )


EXCHANGE = Exchange(
    name="gemini",
    docs="https://developer.gemini.com/trading/websocket/streams (0.10.7, read 2026-11-23)",
    # -1: begin each subscription with the whole book
    url="wss://ws.gemini.com/?snapshot=-1",
    markets=("spot", "linear"),
    hosts=("wsapi.fast.gemini.com", "api.gemini.com/v2/marketdata"),
    channels=CHANNELS,
    subscribe=subscribe,
    resubscribe=resubscribe,
    classify=classify,
    parse=parse,
    rule=replace(sequence.CHAN_OVERLAP, first="at"),
    instruments=Instruments(
        url="https://api.gemini.com/v1/symbols/details/all", parse=parse_instruments
    ),
    # a book may be quiet for half a minute; pings are answered
    keepalive=Keepalive(message='{"id":"0","method":"ping"}', interval_s=20, stale_s=60),
    limits=Limits(symbols=50, connects_per_minute=30, sends_per_second=5),
)
