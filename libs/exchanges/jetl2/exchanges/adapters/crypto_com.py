"""Crypto.com Exchange, v1: snapshot in the stream, each delta names its predecessor.

Books are the best 50 levels; those that leave them are announced, and cut off here in any case.
The sum `cs` is sent, but its algorithm is unpublished: ignored. A perpetual's index price comes
under another symbol and is left out, liquidations are not told. UNSURE: the trades with which a
subscription begins are known by the request's id, where all later ones say -1; that a message has
its newest trade first.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from jetl2.exchanges import wire
from jetl2.exchanges.errors import UnexpectedFrame
from jetl2.exchanges.exchange import (
    PING,
    Address,
    Book,
    Exchange,
    Frame,
    Instrument,
    Instruments,
    Keepalive,
    Limits,
    Parsed,
    dumps,
)
from jetl2.orderbook import sequence
from jetl2.schemas.records import BUY, SELL, BookDelta, DerivativeTicker, MarketRecord

REST = "https://api.crypto.com/exchange/v1/public"
DEPTH = 50
CHANNELS = {
    "book_delta": "book",
    "trade": "trade",
    "book_ticker": "ticker",
    "derivative_ticker": "ticker",
}
# Channels of one number, only of derivatives
VALUES = {
    "funding": "funding_rate",
    "estimatedfunding": "predicted_funding_rate",
    "mark": "mark_price",
}
IGNORED = frozenset({"candlestick", "index", "settlement", "otc_book"})
METHODS = frozenset({"subscribe", "unsubscribe", "public/auth", "public/heartbeat"})
KINDS = {"CCY_PAIR": "spot", "PERPETUAL_SWAP": "perpetual", "FUTURE": "future"}


def subscribe(symbols: Sequence[str], data_types: Sequence[str]) -> list[str]:
    """Return a request for the books, and one for each other channel."""
    channels = dict.fromkeys(CHANNELS[t] for t in data_types if t in CHANNELS)
    found = [_request("subscribe", symbols, channel) for channel in channels]
    contracts = [s for s in symbols if _is_contract(s)]
    if "derivative_ticker" in data_types and contracts:
        found += [_request("subscribe", contracts, channel) for channel in VALUES]
    return found


def resubscribe(symbol: str) -> list[str]:
    """Return the requests that bring a new snapshot of one book."""
    return [_request(method, [symbol], "book") for method in ("unsubscribe", "subscribe")]


def _request(method: str, symbols: Sequence[str], channel: str) -> str:
    if channel != "book":
        params: dict[str, Any] = {"channels": [f"{channel}.{s}" for s in symbols]}
    else:
        params = {
            "channels": [f"book.{s}.{DEPTH}" for s in symbols],
            "book_subscription_type": "SNAPSHOT_AND_UPDATE",
            "book_update_frequency": 10,
        }
    return dumps({"id": 1, "method": method, "params": params})


def _is_contract(symbol: str) -> bool:
    # BTC_USDT is traded for itself; BTCUSD-PERP and BTCUSD-261225 are contracts
    return "-" in symbol


def pong(payload: bytes) -> str:
    """Return the answer to a heartbeat: due within 5 s, with the same id."""
    return dumps({"id": _decode_head(payload).id, "method": "public/respond-heartbeat"})


class _Result(msgspec.Struct):
    channel: str = ""
    instrument_name: str = ""


class _Head(msgspec.Struct):
    id: int | str | None = -1
    method: str = ""
    code: int = 0
    result: _Result | None = None


_decode_head = msgspec.json.Decoder(_Head).decode


def classify(payload: bytes) -> Sequence[Address]:
    """Return the instrument of a push; heartbeats are to be answered."""
    try:
        head = _decode_head(payload)
    except msgspec.MsgspecError as error:
        message = f"no JSON object of the v1 protocol: {error}"
        raise UnexpectedFrame(message) from None
    if head.method == "public/heartbeat":
        return (Address("", PING),)
    if head.code:
        return (Address("", "error"),)
    if head.result is None:
        return (Address("", head.method),)
    if head.result.channel.startswith("book") and not head.result.instrument_name:
        message = "expected an instrument_name in a push of the book"
        raise UnexpectedFrame(message)
    # snapshots say "book", deltas "book.update"; the values belong to what the ticker tells
    channel = head.result.channel.partition(".")[0]
    if channel in VALUES:
        channel = CHANNELS["derivative_ticker"]
    return (Address(head.result.instrument_name, channel),)


def parse(frame: Frame) -> Iterable[Parsed]:
    """Return the records of a push; nothing for acks, heartbeats and errors."""
    result = frame.get("result")
    if not result:
        if frame.get("method") in METHODS or frame.get("code"):
            return ()
        message = f"expected a method of the v1 protocol, found {frame.get('method')!r}"
        raise UnexpectedFrame(message)
    channel = result.get("channel")
    if channel in IGNORED:
        return ()
    symbol, data = result["instrument_name"], result["data"]
    if channel == "book":
        depth = Book(symbol=symbol, depth=result["depth"])
        return [depth, *(_book(i, i, symbol, is_snapshot=True) for i in data)]
    if channel == "book.update":
        return [_book(i, i["update"], symbol, is_snapshot=False) for i in data]
    if channel == "trade":
        # newest first
        return [_trade(item, symbol) for item in reversed(data)] if frame.get("id") == -1 else ()
    if channel == "ticker":
        return [record for item in data for record in _tickers(item, symbol)]
    if channel in VALUES:
        return [_value(VALUES[channel], item, symbol) for item in data]
    message = f"expected a channel of the v1 protocol, found {channel!r}"
    raise UnexpectedFrame(message)


def _book(
    item: dict[str, Any], levels: dict[str, Any], symbol: str, *, is_snapshot: bool
) -> BookDelta:
    return wire.book(
        levels["bids"],
        levels["asks"],
        symbol=symbol,
        is_snapshot=is_snapshot,
        exchange_ts=wire.ns_from_epoch(item["t"]),
        first_seq=int(item["u"]),
        last_seq=int(item["u"]),
        prev_seq=0 if is_snapshot else int(item["pu"]),
    )


def _trade(item: dict[str, Any], symbol: str) -> MarketRecord:
    return wire.trade(
        item["p"],
        item["q"],
        symbol=symbol,
        exchange_ts=int(item["tn"]) if "tn" in item else wire.ns_from_epoch(item["t"]),
        trade_id=item["d"],
        aggressor={"BUY": BUY, "SELL": SELL}[item["s"]],
    )


def _tickers(item: dict[str, Any], symbol: str) -> Iterable[MarketRecord]:
    ts = wire.ns_from_epoch(item["t"])
    bid, ask = (item["b"], item["bs"]), (item["k"], item["ks"])
    yield wire.ticker(bid, ask, symbol=symbol, exchange_ts=ts)
    if _is_contract(symbol):
        yield DerivativeTicker(
            symbol=symbol,
            exchange_ts=ts,
            last_price=wire.plain(item.get("a")),
            open_interest=wire.plain(item.get("oi")),
        )


def _value(name: str, item: dict[str, Any], symbol: str) -> MarketRecord:
    value: dict[str, Any] = {name: wire.plain(item["v"])}
    return DerivativeTicker(symbol=symbol, exchange_ts=wire.ns_from_epoch(item["t"]), **value)


def parse_instruments(body: Frame) -> Iterable[Instrument]:
    """Return what is listed."""
    for item in body["result"]["data"]:
        yield Instrument(
            symbol=item["symbol"],
            base=item["base_ccy"],
            quote=item["quote_ccy"],
            kind=KINDS.get(item["inst_type"], item["inst_type"].lower()),
            active=item["tradable"],
            price_increment=wire.plain(item.get("price_tick_size")),
            size_increment=wire.plain(item.get("qty_tick_size")),
        )


def parse_volumes(body: Frame) -> Iterable[tuple[str, float]]:
    """Return the volume of each instrument in USD."""
    for item in body["result"]["data"]:
        yield item["i"], float(item.get("vv") or 0)


EXCHANGE = Exchange(
    name="crypto-com",
    aliases=("cryptocom",),
    docs="https://exchange-docs.crypto.com/exchange/v1/rest-ws/index.html (v1, read 2026-11-22)",
    url="wss://stream.crypto.com/exchange/v1/market",
    hosts=("uat-stream.3ona.co/exchange/v1/market",),
    markets=("spot", "linear"),
    channels=CHANNELS,
    subscribe=subscribe,
    resubscribe=resubscribe,
    classify=classify,
    parse=parse,
    rule=sequence.CHAN_PREV,
    book_depth=DEPTH,
    instruments=Instruments(
        url=f"{REST}/get-instruments",
        parse=parse_instruments,
        volumes_url=f"{REST}/get-tickers",
        volumes=parse_volumes,
    ),
    # a heartbeat comes each 30 s; the third that is not answered ends the connection
    keepalive=Keepalive(answer=pong, stale_s=65),
    # 400 channels on a connection, up to six a symbol; what is sent in the first second is refused
    limits=Limits(symbols=60, connects_per_minute=30, sends_per_second=5, wait_s=1),
)
