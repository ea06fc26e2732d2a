"""dYdX v4 perpetuals, the indexer's view: snapshot in the stream, one counter over the connection.

The indexer learns of orders late and out of turn: its books may be crossed for a while, which is no
loss. A market is marked to its oracle price. Deleveragings are no trades of the book, and their
computed prices have more digits than fit: they are left out. Books carry no time.

A request gets its number when it comes, its answer bears it and may be late (so in the indexer's
sources): numbers of data rise by one, and more are missing while answers are. So all is asked for at
once, before any data flows; what is asked for later may look like a loss and cost a new connection.
UNSURE: whether changes between the making of a snapshot and its sending are lost (the sources look
like it), and that a crossed book uncrosses by itself.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from jetl2.exchanges import wire
from jetl2.exchanges.errors import UnexpectedFrame
from jetl2.exchanges.exchange import (
    Address,
    Classify,
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
    "book_delta": "v4_orderbook",
    "trade": "v4_trades",
    "derivative_ticker": "v4_markets",
    "liquidation": "v4_trades",
}
BY_SYMBOL = ("v4_orderbook", "v4_trades")
IGNORED = frozenset({"v4_candles", "v4_block_height", "v4_subaccounts", "v4_parent_subaccounts"})
DATA = ("channel_data", "channel_batch_data")
ANSWERS = frozenset({"connected", "unsubscribed", "error", "pong"})
AGGRESSORS = {"BUY": BUY, "SELL": SELL}


def subscribe(symbols: Sequence[str], data_types: Sequence[str]) -> list[str]:
    """Return a request for each symbol and channel, the busiest last; that of the markets is for all."""
    channels = {CHANNELS[t] for t in data_types if t in CHANNELS}
    requests: list[str] = []
    if "v4_trades" in channels:
        requests += [_request("subscribe", "v4_trades", s) for s in symbols]
    if "v4_markets" in channels:
        requests.append(dumps({"type": "subscribe", "channel": "v4_markets", "batched": False}))
    if "v4_orderbook" in channels:
        requests += [_request("subscribe", "v4_orderbook", s) for s in symbols]
    return requests


def resubscribe(symbol: str) -> list[str]:
    """Return the requests that bring a new snapshot of one book."""
    return [_request(t, CHANNELS["book_delta"], symbol) for t in ("unsubscribe", "subscribe")]


def _request(kind: str, channel: str, symbol: str) -> str:
    request: dict[str, Any] = {"type": kind, "channel": channel, "id": symbol}
    return dumps(request | {"batched": False} if kind == "subscribe" else request)


class _Markets(msgspec.Struct):
    trading: dict[str, msgspec.Raw] = {}
    oraclePrices: dict[str, msgspec.Raw] = {}  # noqa: N815 - as sent


class _Head(msgspec.Struct):
    type: str = ""
    channel: str = ""
    id: str = ""
    contents: msgspec.Raw = msgspec.Raw(b"[]")


_decode_head = msgspec.json.Decoder(_Head).decode
_decode_markets = msgspec.json.Decoder(_Markets | list[_Markets]).decode


def classifier() -> Classify:
    """Return what names a frame's symbol; of all markets only those subscribed on the connection."""
    subscribed: set[str] = set()

    def classify(payload: bytes) -> Sequence[Address]:
        try:
            head = _decode_head(payload)
            if head.type == "error":
                # it may name what was asked for
                return (Address("", head.type),)
            if head.channel in BY_SYMBOL and head.id:
                if head.type == "subscribed":
                    subscribed.add(head.id)
                return (Address(head.id, head.channel),)
            if head.channel == "v4_markets" and head.type in DATA:
                found = _decode_markets(head.contents)
                parts = found if isinstance(found, list) else [found]
                named = {s: None for part in parts for s in (*part.trading, *part.oraclePrices)}
                wanted = [s for s in named if s in subscribed or not subscribed]
                return tuple(Address(s, head.channel) for s in wanted) or (
                    Address("", head.channel),
                )
        except msgspec.MsgspecError as error:
            message = f"no JSON object of the indexer: {error}"
            raise UnexpectedFrame(message) from None
        return (Address("", head.channel or head.type),)

    return classify


def parse_at(frame: Frame, address: Address) -> Iterable[MarketRecord]:
    """Return the records of a frame; nothing for answers and channels that we do not use."""
    kind, channel = frame["type"], frame.get("channel")
    if kind in ANSWERS or (channel in IGNORED and kind in (*DATA, "subscribed")):
        return ()
    if kind not in (*DATA, "subscribed") or channel not in CHANNELS.values():
        message = f"expected data of a v4 channel, found {kind!r} of {channel!r}"
        raise UnexpectedFrame(message)
    contents = frame["contents"]
    if channel == "v4_orderbook":
        if kind == "subscribed":
            return (_book(frame, *(_levels(contents[s]) for s in ("bids", "asks"))),)
        return [_book(frame, p.get("bids", ()), p.get("asks", ())) for p in _parts(contents)]
    if kind == "subscribed":
        return ()  # trades from before we listened; all markets, of which each is told again
    if channel == "v4_trades":
        trades = (trade for part in _parts(contents) for trade in part["trades"])
        return [record for trade in trades for record in _trade(frame["id"], trade)]
    return [r for part in _parts(contents) for r in _market(part, address.symbol)]


def _parts(contents: Any) -> list[dict[str, Any]]:
    # batched: several in a list
    return contents if isinstance(contents, list) else [contents]


def _levels(side: list[dict[str, str]]) -> list[tuple[str, str]]:
    return [(level["price"], level["size"]) for level in side]


def _book(frame: Frame, bids: Sequence[Any], asks: Sequence[Any]) -> MarketRecord:
    return wire.book(
        bids,
        asks,
        symbol=frame["id"],
        is_snapshot=frame["type"] == "subscribed",
        first_seq=frame["message_id"],
        last_seq=frame["message_id"],
    )


def _trade(symbol: str, item: dict[str, Any]) -> Iterable[MarketRecord]:
    if item["type"] == "DELEVERAGED":
        return
    fields = {
        "symbol": symbol,
        "exchange_ts": wire.ns_from_iso(item["createdAt"]),
        "trade_id": item["id"],
        "aggressor": AGGRESSORS[item["side"]],
    }
    yield wire.trade(item["price"], item["size"], **fields)
    if item["type"] == "LIQUIDATED":
        yield wire.liquidation(item["price"], item["size"], **fields)


def _market(part: dict[str, Any], symbol: str) -> Iterable[MarketRecord]:
    if item := part.get("trading", {}).get(symbol):
        yield DerivativeTicker(
            symbol=symbol,
            funding_rate=wire.plain(item.get("nextFundingRate")),
            open_interest=wire.plain(item.get("openInterest")),
        )
    if item := part.get("oraclePrices", {}).get(symbol):
        price = wire.plain(item["oraclePrice"])
        time = wire.ns_from_iso(item["effectiveAt"]) if "effectiveAt" in item else 0
        yield DerivativeTicker(symbol=symbol, exchange_ts=time, index_price=price, mark_price=price)


def connection_seq(frame: Frame) -> int | None:
    """Return the number that every frame of a connection carries, the first has 0."""
    number = frame.get("message_id")
    if number is None or type(number) is int:
        return number
    message = f"expected message_id to be a whole number, found {number!r:.100}"
    raise UnexpectedFrame(message)


def late(frame: Frame) -> bool:
    """Whether a frame is an answer: numbered when it was asked for."""
    return frame.get("type") not in DATA


def parse_instruments(body: Frame) -> Iterable[Instrument]:
    """Return the perpetuals, all in USD."""
    for symbol, item in body["markets"].items():
        base, _, quote = symbol.rpartition("-")
        yield Instrument(
            symbol=symbol,
            base=base,
            quote=quote,
            kind="perpetual",
            active=item["status"] == "ACTIVE",
            price_increment=item.get("tickSize", ""),
            size_increment=item.get("stepSize", ""),
        )


def parse_volumes(body: Frame) -> Iterable[tuple[str, float]]:
    """Return the volumes in USD, which stand in the list itself."""
    return [(symbol, float(item.get("volume24H") or 0)) for symbol, item in body["markets"].items()]


EXCHANGE = Exchange(
    name="dydx-v4",
    docs="https://docs.dydx.xyz/indexer-client/websockets (read 2026-11-23)",
    url="wss://indexer.dydx.trade/v4/ws",
    aliases=("dydx",),
    markets=("linear",),
    hosts=("indexer.v4testnet.dydx.exchange/v4/ws",),
    channels=CHANNELS,
    subscribe=subscribe,
    resubscribe=resubscribe,
    classifier=classifier,
    parse_at=parse_at,
    rule=sequence.CONN_COUNTER,
    connection_seq=connection_seq,
    late=late,
    instruments=Instruments(
        url="https://indexer.dydx.trade/v4/perpetualMarkets",
        parse=parse_instruments,
        volumes=parse_volumes,
    ),
    # there is nothing to ask that is answered; protocol pings, its own and ours, end a dead connection
    keepalive=Keepalive(stale_s=180),
    # one lost frame invalidates every book of its connection: few books each. Two requests a second
    # are allowed for the same channel and symbol: all different ones may go at once
    limits=Limits(symbols=15, connects_per_minute=30, sends_per_second=1000),
)
