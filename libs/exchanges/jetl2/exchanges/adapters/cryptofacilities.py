"""Kraken Futures, WebSocket v1: snapshot in the stream, then one level a message, numbered through.

Sizes are contracts: of 1 USD for inverse products (PI_, FI_), of the base for linear ones (PF_).
The official page promises rising numbers only; they were gapless wherever anybody looked, so a hole
is taken as a loss. Funding is the relative rate, as elsewhere; before 29 September 2022 the absolute
one, as the field's tools have it. Of forced trades only the type "liquidation" is known for sure.
UNSURE: whether the server needs a ping within 60 s.
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
from jetl2.schemas import decimals
from jetl2.schemas.records import BUY, SELL, BookDelta, DerivativeTicker, MarketRecord

REST = "https://futures.kraken.com/derivatives/api/v3"
CHANNELS = {
    "book_delta": "book",
    "trade": "trade",
    "book_ticker": "ticker",
    "derivative_ticker": "ticker",
    "liquidation": "trade",
}
SIDES = {"buy": BUY, "sell": SELL}
# 2022-09-29; in milliseconds
RELATIVE_FROM = 1_664_409_600_000
REFUSALS = frozenset({"alert", "error", "subscribed_failed", "unsubscribed_failed"})
EVENTS = frozenset({"info", "subscribed", "unsubscribed", "challenge"}) | REFUSALS
# trade_snapshot is what was traded before we listened; ticker_lite has prices without sizes
IGNORED = frozenset({"heartbeat", "trade_snapshot", "ticker_lite"})


def subscribe(symbols: Sequence[str], data_types: Sequence[str]) -> list[str]:
    """Return one request a feed, and one for the heartbeat of quiet markets."""
    feeds = dict.fromkeys(CHANNELS[t] for t in data_types if t in CHANNELS)
    ids = {"product_ids": list(symbols)}
    requests = [dumps({"event": "subscribe", "feed": feed} | ids) for feed in feeds]
    return [*requests, dumps({"event": "subscribe", "feed": "heartbeat"})]


def resubscribe(symbol: str) -> list[str]:
    """Return the requests that bring a new snapshot of one book."""
    book = {"feed": "book", "product_ids": [symbol]}
    return [dumps({"event": event} | book) for event in ("unsubscribe", "subscribe")]


class _Head(msgspec.Struct):
    event: str = ""
    feed: str = ""
    product_id: str = ""
    product_ids: list[str] | None = None


_decode_head = msgspec.json.Decoder(_Head).decode


def classify(payload: bytes) -> Sequence[Address]:
    """Return the product of a push, or those that are acknowledged."""
    try:
        head = _decode_head(payload)
    except msgspec.MsgspecError as error:
        message = f"no JSON object of the futures protocol: {error}"
        raise UnexpectedFrame(message) from None
    if head.event in REFUSALS:
        return (Address("", "error"),)
    if head.product_ids and head.event in ("subscribed", "unsubscribed"):
        return tuple(Address(symbol, head.feed) for symbol in head.product_ids)
    if head.product_id:
        return (Address(head.product_id, head.feed.removesuffix("_snapshot")),)
    if head.feed.startswith("book"):
        message = f"expected a product_id in the feed {head.feed}"
        raise UnexpectedFrame(message)
    return (Address("", head.event or head.feed),)


def parse(frame: Frame) -> Iterable[MarketRecord]:
    """Return the records of a feed's message; nothing for events."""
    if "event" in frame:
        if frame["event"] in EVENTS:
            return ()
        message = f"expected an event of the futures protocol, found {frame['event']!r}"
        raise UnexpectedFrame(message)
    feed = frame.get("feed")
    if feed == "book":
        return (_delta(frame),)
    if feed == "book_snapshot":
        return (_book(frame, frame["bids"], frame["asks"], is_snapshot=True),)
    if feed == "trade":
        return _trades(frame)
    if feed == "ticker":
        return _tickers(frame)
    if feed in IGNORED:
        return ()
    message = f"expected a feed of the futures protocol, found {feed!r}"
    raise UnexpectedFrame(message)


def _delta(frame: dict[str, Any]) -> BookDelta:
    if frame["side"] not in SIDES:
        message = f"expected the side buy or sell, found {frame['side']!r}"
        raise UnexpectedFrame(message)
    bids, asks = ([frame], []) if frame["side"] == "buy" else ([], [frame])
    return _book(frame, bids, asks, is_snapshot=False)


def _book(
    frame: dict[str, Any], bids: list[Any], asks: list[Any], *, is_snapshot: bool
) -> BookDelta:
    return wire.book(
        _levels(bids),
        _levels(asks),
        symbol=frame["product_id"],
        is_snapshot=is_snapshot,
        # deltas of 2019 had no time
        exchange_ts=wire.ns_from_epoch(frame.get("timestamp", 0)),
        first_seq=frame["seq"],
        last_seq=frame["seq"],
    )


def _levels(side: list[Any]) -> list[tuple[str, str]]:
    # JSON numbers: the decoder hands on their text, whole ones as int
    levels = [(str(level["price"]), str(level["qty"])) for level in side]
    # what is left of a level was seen below zero
    return [(price, "0" if size.startswith("-") else size) for price, size in levels]


def _trades(frame: dict[str, Any]) -> list[MarketRecord]:
    fields = {
        "symbol": frame["product_id"],
        "exchange_ts": wire.ns_from_epoch(frame["time"]),
        # trades of 2019 had no uid
        "trade_id": frame.get("uid", ""),
        "aggressor": SIDES[frame["side"]],
    }
    amount = str(frame["price"]), str(frame["qty"])
    found: list[MarketRecord] = [wire.trade(*amount, **fields)]
    if frame["type"] == "liquidation":
        found.append(wire.liquidation(*amount, **fields))
    return found


def _tickers(frame: dict[str, Any]) -> list[MarketRecord]:
    head = {"symbol": frame["product_id"], "exchange_ts": wire.ns_from_epoch(frame["time"])}
    best = [
        (wire.plain(frame.get(price)), wire.plain(frame.get(size)))
        for price, size in (("bid", "bid_size"), ("ask", "ask_size"))
    ]
    funding = "relative_funding_rate" if frame["time"] >= RELATIVE_FROM else "funding_rate"
    derivative = DerivativeTicker(
        **head,
        funding_ts=wire.ns_from_epoch(frame.get("next_funding_rate_time") or 0),
        funding_rate=wire.plain(frame.get(funding)),
        predicted_funding_rate=wire.plain(frame.get(f"{funding}_prediction")),
        open_interest=wire.plain(frame.get("openInterest")),
        last_price=wire.plain(frame.get("last")),
        index_price=wire.plain(frame.get("index")),
        mark_price=wire.plain(frame.get("markPrice")),
    )
    return [wire.ticker(*best, **head), derivative]


def parse_instruments(body: Frame) -> Iterable[Instrument]:
    """Return what is listed, indices left out."""
    for item in body["instruments"]:
        symbol = item["symbol"]
        family, _, rest = symbol.partition("_")
        if family in ("PI", "PF", "FI", "FF"):
            pair, _, _ = rest.partition("_")
            places = item.get("contractValueTradePrecision")
            yield Instrument(
                symbol=symbol,
                base=item.get("base") or pair[:-3],
                quote=item.get("quote") or pair[-3:],
                kind="perpetual" if family[0] == "P" else "future",
                active=item["tradeable"],
                price_increment=wire.plain(item.get("tickSize")),
                size_increment="" if places is None else decimals.render(1, -places),
                contract_size=wire.plain(item.get("contractSize")),
            )


def parse_volumes(body: Frame) -> Iterable[tuple[str, float]]:
    """Return the volume of each product in its quote currency."""
    for item in body["tickers"]:
        if "volumeQuote" in item:
            yield item["symbol"], float(item["volumeQuote"])


EXCHANGE = Exchange(
    name="cryptofacilities",
    docs="https://docs.kraken.com/api/docs/futures-api/websocket/book (v1, read 2026-11-22)",
    url="wss://futures.kraken.com/ws/v1",
    hosts=("www.cryptofacilities.com/ws/v1",),
    aliases=("kraken-futures",),
    family="kraken",
    markets=("linear", "inverse"),
    channels=CHANNELS,
    subscribe=subscribe,
    resubscribe=resubscribe,
    classify=classify,
    parse=parse,
    rule=sequence.CHAN_PLUS1,
    instruments=Instruments(
        url=f"{REST}/instruments",
        parse=parse_instruments,
        volumes_url=f"{REST}/tickers",
        volumes=parse_volumes,
    ),
    # the heartbeat feed speaks each second
    keepalive=Keepalive(stale_s=30),
    limits=Limits(symbols=100, connects_per_minute=10, sends_per_second=2),
)
