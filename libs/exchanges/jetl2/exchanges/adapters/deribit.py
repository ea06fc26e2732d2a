"""Deribit, JSON-RPC v2: snapshot in the stream, each delta names its predecessor.

The 100 ms channels: the raw ones need an account, and are read all the same. Books by groups
("book.X.none.20.100ms") are other books of the same symbol and become no record. That
`currency=any` lists everything is UNSURE, so the currencies are named; how many channels a
connection may have is too.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from jetl2.exchanges import wire
from jetl2.exchanges.errors import UnexpectedFrame
from jetl2.exchanges.exchange import (
    PING,
    Address,
    Exchange,
    Frame,
    Instrument,
    Instruments,
    Keepalive,
    Limits,
    dumps,
)
from jetl2.exchanges.over_fix.deribit import FIX
from jetl2.orderbook import sequence
from jetl2.schemas.records import BUY, SELL, BookDelta, DerivativeTicker, MarketRecord

CHANNELS_PER_REQUEST = 500
CHANNELS = {
    "book_delta": "book",
    "trade": "trades",
    "book_ticker": "quote",
    "derivative_ticker": "ticker",
    # a flag on trades
    "liquidation": "trades",
}
INTERVAL = ".100ms"
OURS = frozenset(CHANNELS.values())
HEARTBEAT_S = 10
ANSWER = dumps({"jsonrpc": "2.0", "id": 9, "method": "public/test", "params": {}})
SIDES = {"buy": BUY, "sell": SELL}
REST = "https://www.deribit.com/api/v2/public/"
CURRENCIES = ("BTC", "ETH", "USDC", "USDT", "EURR")


def subscribe(symbols: Sequence[str], data_types: Sequence[str]) -> list[str]:
    """Return requests for all channels, after one for heartbeats."""
    names = dict.fromkeys(CHANNELS[t] for t in data_types if t in CHANNELS)
    channels = [_channel(name, symbol) for symbol in symbols for name in names]
    return [
        _request("public/set_heartbeat", {"interval": HEARTBEAT_S}),
        *(
            _request("public/subscribe", {"channels": channels[i : i + CHANNELS_PER_REQUEST]})
            for i in range(0, len(channels), CHANNELS_PER_REQUEST)
        ),
    ]


def resubscribe(symbol: str) -> list[str]:
    """Return the requests that bring a new snapshot; to subscribe once more alone brings none."""
    params = {"channels": [_channel("book", symbol)]}
    return [_request(method, params) for method in ("public/unsubscribe", "public/subscribe")]


def _channel(name: str, symbol: str) -> str:
    return f"{name}.{symbol}{'' if name == 'quote' else INTERVAL}"


def _request(method: str, params: dict[str, Any]) -> str:
    return dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})


class _Data(msgspec.Struct):
    instrument_name: str = ""


class _Params(msgspec.Struct):
    channel: str = ""
    type: str = ""
    data: _Data | list[_Data] | None = None


class _Head(msgspec.Struct):
    method: str = ""
    params: _Params | None = None
    error: Any = None


_decode_head = msgspec.json.Decoder(_Head).decode


def classify(payload: bytes) -> Sequence[Address]:
    """Return the instruments that the data name: a channel of trades may be of many."""
    try:
        head = _decode_head(payload)
    except msgspec.MsgspecError as error:
        message = f"no JSON object of the v2 protocol: {error}"
        raise UnexpectedFrame(message) from None
    if head.params is None:
        return (Address("", "error" if head.error is not None else "ack"),)
    if head.method == "heartbeat":
        return (Address("", PING if head.params.type == "test_request" else "heartbeat"),)
    channel = head.params.channel.partition(".")[0]
    data = head.params.data
    items = data if isinstance(data, list) else [data] if data else []
    symbols = dict.fromkeys(item.instrument_name for item in items)
    if channel in OURS and "" in symbols:
        message = f"expected instrument_name in the data of {head.params.channel!r}"
        raise UnexpectedFrame(message)
    return tuple(Address(symbol, channel) for symbol in symbols) or (Address("", channel),)


def parse(frame: Frame) -> Iterable[MarketRecord]:
    """Return the records of a notification; nothing for answers, heartbeats and other channels."""
    method = frame.get("method")
    if method == "heartbeat" or (method is None and ("result" in frame or "error" in frame)):
        return ()
    if method != "subscription":
        message = f"expected a notification of a subscription, found the method {method!r}"
        raise UnexpectedFrame(message)
    name, data = frame["params"]["channel"], frame["params"]["data"]
    channel, *rest = name.split(".")
    if channel == "book":
        # a group, a depth and an interval: a part of the book, whole each time
        return () if len(rest) > 2 else (_book(data),)
    if channel == "trades":
        return [record for item in data for record in _trade(item)]
    if channel == "quote":
        return (_quote(data),)
    if channel == "ticker":
        return (_ticker(data),)
    return ()


def _book(data: dict[str, Any]) -> BookDelta:
    # of 2019: without a type; after number 0 there was no book before
    whole = not data.get("prev_change_id") or data.get("type") == "snapshot"
    if data.get("type", "change") not in ("snapshot", "change"):
        message = f"expected a book's snapshot or change, found {data['type']!r}"
        raise UnexpectedFrame(message)
    return wire.book(
        _levels(data["bids"]),
        _levels(data["asks"]),
        symbol=data["instrument_name"],
        is_snapshot=whole,
        exchange_ts=wire.ns_from_epoch(data["timestamp"]),
        first_seq=data["change_id"],
        last_seq=data["change_id"],
        prev_seq=0 if whole else data["prev_change_id"],
    )


def _levels(side: Sequence[Sequence[Any]]) -> list[tuple[str, str]]:
    return [(str(price), "0" if how == "delete" else str(size)) for how, price, size in side]


def _trade(item: dict[str, Any]) -> Iterable[MarketRecord]:
    price, size, aggressor = str(item["price"]), str(item["amount"]), SIDES[item["direction"]]
    fields = {
        "symbol": item["instrument_name"],
        "exchange_ts": wire.ns_from_epoch(item["timestamp"]),
        "trade_id": item["trade_id"],
    }
    yield wire.trade(price, size, aggressor=aggressor, **fields)
    # whose position it was: the taker's, the maker's, or both
    liquidated = item.get("liquidation") or ""
    if "T" in liquidated:
        yield wire.liquidation(price, size, aggressor=aggressor, **fields)
    if "M" in liquidated:
        other = SELL if aggressor == BUY else BUY
        yield wire.liquidation(price, size, aggressor=other, **fields)


def _quote(data: dict[str, Any]) -> MarketRecord:
    sides = (
        (wire.plain(data[f"best_{s}_price"]), wire.plain(data[f"best_{s}_amount"]))
        for s in ("bid", "ask")
    )
    return wire.ticker(
        *sides,
        symbol=data["instrument_name"],
        exchange_ts=wire.ns_from_epoch(data["timestamp"]),
    )


def _ticker(data: dict[str, Any]) -> DerivativeTicker:
    # funding flows all the time: it has no instant
    return DerivativeTicker(
        symbol=data["instrument_name"],
        exchange_ts=wire.ns_from_epoch(data["timestamp"]),
        funding_rate=wire.plain(data.get("current_funding")),
        open_interest=wire.plain(data.get("open_interest")),
        last_price=wire.plain(data.get("last_price")),
        index_price=wire.plain(data.get("index_price")),
        mark_price=wire.plain(data.get("mark_price")),
    )


def parse_instruments(body: Frame) -> Iterable[Instrument]:
    """Return what one currency lists; combinations of instruments are left out."""
    for item in body["result"]:
        kind = item["kind"]
        if kind not in ("future", "option", "spot"):
            continue
        yield Instrument(
            symbol=item["instrument_name"],
            base=item["base_currency"],
            quote=item["quote_currency"],
            kind="perpetual" if item.get("settlement_period") == "perpetual" else kind,
            active=item["is_active"],
            price_increment=wire.plain(item.get("tick_size")),
            size_increment=wire.plain(item.get("min_trade_amount")),
        )


def parse_volumes(body: Frame) -> Iterable[tuple[str, float]]:
    """Return volumes in USD; what did not trade has none."""
    for item in body["result"]:
        yield item["instrument_name"], float(item.get("volume_usd") or 0)


EXCHANGE = Exchange(
    name="deribit",
    docs="https://docs.deribit.com (API 2.1.1, read 2026-11-23)",
    url="wss://www.deribit.com/ws/api/v2",
    hosts=("streams.deribit.com/ws/api/v2", "test.deribit.com/ws/api/v2"),
    markets=("inverse", "linear", "option", "spot"),
    channels=CHANNELS,
    subscribe=subscribe,
    resubscribe=resubscribe,
    classify=classify,
    parse=parse,
    rule=sequence.CHAN_PREV,
    instruments=Instruments(
        url=[f"{REST}get_instruments?currency={c}&expired=false" for c in CURRENCIES],
        parse=parse_instruments,
        volumes_url=[f"{REST}get_book_summary_by_currency?currency={c}" for c in CURRENCIES],
        volumes=parse_volumes,
    ),
    keepalive=Keepalive(answer=lambda _: ANSWER, stale_s=3 * HEARTBEAT_S),
    # a subscription costs 3,000 of 30,000 credits, 10,000 come back each second
    limits=Limits(symbols=100, connects_per_minute=20, sends_per_second=2),
    fix=FIX,
)
