"""Poloniex, spot and perpetuals, 20 levels a side: each delta names the one before it.

Both markets have the same channels, on websockets of their own and under other field names. Open
interest and liquidations of perpetuals are left out: no frame of theirs is shown anywhere. Sizes of
perpetuals are contracts. UNSURE: names of fields in their trades and in the list of them, and whether
the time of this period's funding is always one to come.
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
from jetl2.schemas.records import BUY, SELL, BookDelta, DerivativeTicker, MarketRecord

SPOT = "wss://ws.poloniex.com/ws/public"
PERPETUALS = "wss://ws.poloniex.com/ws/v3/public"
CHANNELS = {
    "book_delta": "book_lv2",
    "trade": "trades",
    "book_ticker": "book",
    "derivative_ticker": "mark_price",
}
# Told of perpetuals only, each number by a channel of its own
DERIVATIVES = ("mark_price", "index_price", "funding_rate")
EVENTS = frozenset({"subscribe", "unsubscribe", "unsubscribe_all", "pong", "error"})
# Channels that may be recorded beside ours and become no record; a prefix stands for its family
IGNORED = (
    "ticker",
    "candles_",
    "symbol",
    "currencies",
    "exchange",
    "limit_price",
    "open_interest",
    "liquidation_orders",
)


def route(symbol: str, _data_type: str) -> str:
    """Return the websocket of the symbol's market."""
    return PERPETUALS if symbol.endswith("_PERP") else SPOT


def subscribe(symbols: Sequence[str], data_types: Sequence[str]) -> list[str]:
    """Return one request a channel; best prices are the first level of the smallest book."""
    perpetuals = [s for s in symbols if s.endswith("_PERP")]
    requests = []
    for data_type in data_types:
        if data_type == "derivative_ticker" and perpetuals:
            requests.append(_request("subscribe", DERIVATIVES, perpetuals))
        elif data_type == "book_ticker":
            requests.append(_request("subscribe", ["book"], symbols, depth=5))
        elif data_type in ("book_delta", "trade"):
            requests.append(_request("subscribe", [CHANNELS[data_type]], symbols))
    return requests


def resubscribe(symbol: str) -> list[str]:
    """Return the requests that bring a new snapshot of one book."""
    return [_request(e, ["book_lv2"], [symbol]) for e in ("unsubscribe", "subscribe")]


def _request(event: str, channels: Sequence[str], symbols: Sequence[str], **more: int) -> str:
    return dumps({"event": event, "channel": list(channels), "symbols": list(symbols), **more})


class _Item(msgspec.Struct):
    symbol: str = ""
    s: str = ""


class _Head(msgspec.Struct):
    channel: str = ""
    event: str = ""
    data: list[_Item] = []


_decode_head = msgspec.json.Decoder(_Head).decode


def classify(payload: bytes) -> Sequence[Address]:
    """Return the symbols of a push."""
    try:
        head = _decode_head(payload)
    except msgspec.MsgspecError as error:
        message = f"no JSON object of the public channels: {error}"
        raise UnexpectedFrame(message) from None
    symbols = dict.fromkeys(item.symbol or item.s for item in head.data)
    if head.channel == "book_lv2" and "" in symbols:
        message = f"expected a symbol in each item of {head.channel}"
        raise UnexpectedFrame(message)
    if symbols:
        return tuple(Address(symbol, _ours(head.channel)) for symbol in symbols)
    return (Address("", head.event or head.channel),)


def _ours(channel: str) -> str:
    # one name for what becomes the same record
    return CHANNELS["derivative_ticker"] if channel in DERIVATIVES else channel


def parse(frame: Frame) -> Iterable[MarketRecord]:
    """Return the records of a push; nothing for answers and channels that we do not use."""
    if frame.get("event") in EVENTS or "subscriptions" in frame:
        return ()
    channel = frame.get("channel")
    if channel == "book_lv2":
        return [_book(item, frame["action"]) for item in frame["data"]]
    if channel == "trades":
        return [_trade(item) for item in frame["data"]]
    if channel == "book":
        return [_best(item) for item in frame["data"]]
    if channel in DERIVATIVES:
        return [_derivative(item) for item in frame["data"]]
    if isinstance(channel, str) and channel.startswith(IGNORED):
        return ()
    message = f"expected a public channel, found {channel!r}, event {frame.get('event')!r}"
    raise UnexpectedFrame(message)


def _book(item: dict[str, Any], action: str) -> BookDelta:
    if action not in ("snapshot", "update"):
        message = f"expected a book's snapshot or update, found {action!r}"
        raise UnexpectedFrame(message)
    snapshot = action == "snapshot"
    return wire.book(
        item["bids"],
        item["asks"],
        symbol=_symbol(item),
        is_snapshot=snapshot,
        exchange_ts=wire.ns_from_epoch(item["ts"]),
        first_seq=item["id"],
        last_seq=item["id"],
        prev_seq=0 if snapshot else item["lastId" if "lastId" in item else "lid"],
    )


def _symbol(item: dict[str, Any]) -> str:
    found: str = item["symbol" if "symbol" in item else "s"]
    return found


def _trade(item: dict[str, Any]) -> MarketRecord:
    price, size, side, time = (
        ("price", "quantity", "takerSide", "createTime")
        if "symbol" in item
        else ("px", "qty", "side", "cT")
    )
    return wire.trade(
        item[price],
        item[size],
        symbol=_symbol(item),
        exchange_ts=wire.ns_from_epoch(item[time]),
        trade_id=str(item["id"]),
        aggressor={"buy": BUY, "sell": SELL}[item[side]],
    )


def _best(item: dict[str, Any]) -> MarketRecord:
    bids, asks = item["bids"], item["asks"]
    return wire.ticker(
        (bids[0][0], bids[0][1]) if bids else None,
        (asks[0][0], asks[0][1]) if asks else None,
        symbol=_symbol(item),
        exchange_ts=wire.ns_from_epoch(item["ts"]),
        first_seq=item["id"],
        last_seq=item["id"],
    )


def _derivative(item: dict[str, Any]) -> MarketRecord:
    return DerivativeTicker(
        symbol=_symbol(item),
        exchange_ts=wire.ns_from_epoch(item["ts"]),
        funding_ts=_funding_ts(item),
        funding_rate=wire.plain(item.get("fR")),
        predicted_funding_rate=wire.plain(item.get("nFR")),
        index_price=wire.plain(item.get("iPx")),
        mark_price=wire.plain(item.get("mPx")),
    )


def _funding_ts(item: dict[str, Any]) -> int:
    # when this period's rate is paid, or the next one's when it was
    times = (int(item[name] or 0) for name in ("fT", "nFT") if name in item)
    return wire.ns_from_epoch(next((t for t in times if t > int(item["ts"])), 0))


def parse_instruments(body: Frame) -> Iterable[Instrument]:
    """Return what is listed: spot markets as a bare list, perpetuals under `data`."""
    if isinstance(body, dict):
        yield from (_perpetual(item) for item in body["data"])
        return
    for item in body:
        scales = item.get("symbolTradeLimit", {})
        yield Instrument(
            symbol=item["symbol"],
            base=item["baseCurrencyName"],
            quote=item["quoteCurrencyName"],
            kind="spot",
            active=item["state"] == "NORMAL",
            price_increment=_increment(scales.get("priceScale")),
            size_increment=_increment(scales.get("quantityScale")),
        )


def _increment(scale: int | None) -> str:
    return "" if scale is None else f"{10**-scale:.{scale}f}" if scale > 0 else "1"


def _perpetual(item: dict[str, Any]) -> Instrument:
    return Instrument(
        symbol=item["symbol"],
        base=item["bCcy"],
        quote=item["qCcy"],
        kind="perpetual",
        active=item.get("status", "OPEN") == "OPEN",
        price_increment=item.get("tSz", ""),
        size_increment=item.get("lotSz", ""),
        contract_size=item.get("ctVal", ""),
    )


def parse_volumes(body: Frame) -> Iterable[tuple[str, float]]:
    """Return the volumes in quote currency."""
    if isinstance(body, dict):
        return [(item["s"], float(item["amt"])) for item in body["data"]]
    return [(item["symbol"], float(item["amount"])) for item in body]


EXCHANGE = Exchange(
    name="poloniex",
    docs="https://api-docs.poloniex.com/spot/websocket/market-data (read 2026-11-23)",
    url=SPOT,
    markets=("spot", "linear"),
    hosts=("ws.poloniex.com/ws/v3/public",),
    route=route,
    channels=CHANNELS,
    subscribe=subscribe,
    resubscribe=resubscribe,
    classify=classify,
    parse=parse,
    rule=sequence.CHAN_PREV,
    book_depth=20,
    instruments=Instruments(
        url=(
            "https://api.poloniex.com/markets",
            "https://api.poloniex.com/v3/market/allInstruments",
        ),
        parse=parse_instruments,
        volumes_url=(
            "https://api.poloniex.com/markets/ticker24h",
            "https://api.poloniex.com/v3/market/tickers",
        ),
        volumes=parse_volumes,
    ),
    # without a message of ours for 30 s the server hangs up, whatever it sends
    keepalive=Keepalive(message='{"event":"ping"}', interval_s=15, stale_s=40),
    limits=Limits(symbols=50, connects_per_minute=60, sends_per_second=5),
)
