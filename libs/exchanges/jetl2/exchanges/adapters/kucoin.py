"""KuCoin spot, classic websocket: a token first, deltas with id ranges onto a REST snapshot.

Without a key REST gives 100 levels a side: what lies deeper is known only once it changes. The Pro
websocket, a module of its own, gives 500 and is the better one to record. UNSURE: that the token
lives 24 hours (it is asked for before each connection), and how many topics a connection may have
(100 in 2023, 300 to 400 in newer papers; we stay under the older limit).
"""

from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import urlencode

import msgspec

from jetl2.exchanges import spot_lists, wire
from jetl2.exchanges.errors import UnexpectedFrame
from jetl2.exchanges.exchange import (
    Address,
    Exchange,
    Frame,
    Keepalive,
    Limits,
    RestSnapshot,
    Token,
    dumps,
)
from jetl2.orderbook import sequence
from jetl2.schemas.records import BUY, SELL, BookDelta, MarketRecord

SYMBOLS_PER_REQUEST = 100
CHANNELS = {
    "book_delta": "/market/level2",
    "trade": "/market/match",
    "book_ticker": "/market/ticker",
}
# What is no push of a topic
TYPES = frozenset({"welcome", "ack", "pong", "error", "notice"})
# Topics of spot and margin that become no record
IGNORED = ("/market/", "/spotMarket/", "/indicator/", "/margin/", "/callauction/")


def subscribe(symbols: Sequence[str], data_types: Sequence[str]) -> list[str]:
    """Return a request for each topic and hundred symbols."""
    return [
        dumps(
            {
                "id": f"{data_type}-{begin}",
                "type": "subscribe",
                "topic": f"{CHANNELS[data_type]}:{','.join(symbols[begin : begin + SYMBOLS_PER_REQUEST])}",
                "privateChannel": False,
                "response": True,
            }
        )
        for data_type in data_types
        if data_type in CHANNELS
        for begin in range(0, len(symbols), SYMBOLS_PER_REQUEST)
    ]


class _Head(msgspec.Struct):
    type: str = ""
    topic: str | None = ""
    subject: str = ""


_decode_head = msgspec.json.Decoder(_Head).decode


def classify(payload: bytes) -> Sequence[Address]:
    """Return the address by the topic; the ticker of all symbols names each in its subject."""
    try:
        head = _decode_head(payload)
    except msgspec.MsgspecError as error:
        message = f"no JSON object of the classic protocol: {error}"
        raise UnexpectedFrame(message) from None
    if not head.topic or head.type == "error":
        return (Address("", head.type),)
    channel, _, symbol = head.topic.partition(":")
    return (Address(head.subject if symbol == "all" else symbol, channel),)


def parse(frame: Frame) -> Iterable[MarketRecord]:
    """Return the record of a topic's push."""
    kind = frame.get("type")
    if kind in TYPES:
        return ()
    channel, _, symbol = frame.get("topic", "").partition(":")
    if kind != "message" or not channel:
        message = f"expected a push with a topic, found the type {kind!r}, topic {channel!r}"
        raise UnexpectedFrame(message)
    symbol = frame["subject"] if symbol == "all" else symbol
    if channel == "/market/level2":
        return (_delta(frame["data"], symbol),)
    if channel == "/market/match":
        return (_trade(frame["data"], symbol),)
    if channel == "/market/ticker":
        return (_ticker(frame["data"], symbol),)
    if channel.startswith(IGNORED):
        return ()
    message = f"expected a topic of the spot market, found {channel!r}"
    raise UnexpectedFrame(message)


def _delta(data: dict[str, Any], symbol: str) -> BookDelta:
    changes = data["changes"]
    return wire.book(
        # a change at price 0 moved the number on, and nothing else
        [level for level in changes["bids"] if level[0] != "0"],
        [level for level in changes["asks"] if level[0] != "0"],
        symbol=symbol,
        exchange_ts=wire.ns_from_epoch(data.get("time", 0)),
        first_seq=data["sequenceStart"],
        last_seq=data["sequenceEnd"],
    )


def _trade(data: dict[str, Any], symbol: str) -> MarketRecord:
    return wire.trade(
        data["price"],
        data["size"],
        symbol=symbol,
        # in nanoseconds
        exchange_ts=int(data["time"]),
        trade_id=data["tradeId"],
        aggressor={"buy": BUY, "sell": SELL}[data["side"]],
    )


def _ticker(data: dict[str, Any], symbol: str) -> MarketRecord:
    number = int(data["sequence"])
    return wire.ticker(
        (data["bestBid"], data["bestBidSize"]),
        (data["bestAsk"], data["bestAskSize"]),
        symbol=symbol,
        exchange_ts=wire.ns_from_epoch(data.get("time", 0)),
        first_seq=number,
        last_seq=number,
    )


def snapshot_url(symbol: str) -> str:
    """Return where the 100 best levels a side are fetched."""
    query = urlencode({"symbol": symbol})
    return f"https://api.kucoin.com/api/v1/market/orderbook/level2_100?{query}"


def parse_snapshot(symbol: str, body: Frame) -> BookDelta:
    """Return the snapshot; a side without a level may be null."""
    data = body.get("data") if isinstance(body, dict) else None
    if not isinstance(data, dict) or not data.get("sequence"):
        message = f"{symbol}: expected an order book with its sequence, found {body!r:.200}"
        raise UnexpectedFrame(message)
    number = int(data["sequence"])
    return wire.book(
        data["bids"] or (),
        data["asks"] or (),
        symbol=symbol,
        is_snapshot=True,
        exchange_ts=wire.ns_from_epoch(data.get("time", 0)),
        first_seq=number,
        last_seq=number,
    )


def parse_token(body: Frame) -> str:
    """Return the websocket's URL: KuCoin asks to take the first server that it names."""
    data = body["data"]
    return f"{data['instanceServers'][0]['endpoint']}?{urlencode({'token': data['token']})}"


EXCHANGE = Exchange(
    name="kucoin",
    docs="https://www.kucoin.com/docs-new/3470082w0 (classic websocket, read 2026-11-22)",
    url="wss://ws-api-spot.kucoin.com",
    hosts=("ws-api.kucoin.com", "push-private.kucoin.com/endpoint"),
    token=Token(url="https://api.kucoin.com/api/v1/bullet-public", parse=parse_token),
    channels=CHANNELS,
    subscribe=subscribe,
    classify=classify,
    parse=parse,
    rule=sequence.REST_RANGE,
    # as many as the snapshot has: what lies deeper is only partly known
    book_depth=100,
    snapshot=RestSnapshot(url=snapshot_url, parse=parse_snapshot, weight=4, weight_per_minute=2000),
    instruments=spot_lists.instruments("https://api.kucoin.com"),
    # the token's answer asks for a ping each 18 s; its pong shows that the connection lives
    keepalive=Keepalive(message=dumps({"id": "1", "type": "ping"}), interval_s=18, stale_s=40),
    # requests are to come after the welcome
    limits=Limits(symbols=33, connects_per_minute=30, sends_per_second=5, wait_s=1),
)
