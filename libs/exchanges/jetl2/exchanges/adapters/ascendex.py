"""AscendEX (BitMax), spot and perpetuals: deltas numbered by one onto a snapshot asked for.

Both markets speak alike, each at its own path. Books by `depth-realtime`, which others keep of the
second path, are read too; their numbers are a count of their own. Liquidations are not told.

UNSURE: that a book's numbers are the same on each connection; that the 24 h volume of pairs is the
base's (the documents say the quote's); whether the exchange still trades.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
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
from jetl2.orderbook import sequence
from jetl2.schemas.records import BUY, SELL, DerivativeTicker, MarketRecord

HOST = "ascendex.com"
SPOT, PERPETUALS = f"wss://{HOST}/0/api/pro/v1/stream", f"wss://{HOST}/api/pro/v2/stream"
REST = f"https://{HOST}/api/pro"
CHANNELS = {
    "book_delta": "depth",
    "trade": "trades",
    "book_ticker": "bbo",
    "derivative_ticker": "futures-pricing-data",
}
SNAPSHOT = "depth-snapshot"
DELTAS, SNAPSHOTS = ("depth", "depth-realtime"), (SNAPSHOT, "depth-snapshot-realtime")
# About the connection, or channels that may be recorded beside ours; they become no record
IGNORED = frozenset(
    {
        "connected",
        "disconnected",
        "auth",
        "sub",
        "unsub",
        "ping",
        "pong",
        "error",
        "bar",
        "summary",
        "ref-px",
        "depth-snapshot-top100",
        "market-trade-history",
    }
)


def route(symbol: str, _data_type: str) -> str:
    """Return the websocket of the symbol's market."""
    return PERPETUALS if _perpetual(symbol) else SPOT


def _perpetual(symbol: str) -> bool:
    return symbol.endswith("-PERP")


def subscribe(symbols: Sequence[str], data_types: Sequence[str]) -> list[str]:
    """Return one request a channel, and behind them those for the books' snapshots."""
    requests = []
    for data_type in data_types:
        if data_type == "derivative_ticker":
            # of all perpetuals at once
            if any(map(_perpetual, symbols)):
                requests.append(dumps({"op": "sub", "ch": CHANNELS[data_type]}))
        elif data_type in CHANNELS:
            requests.append(
                dumps({"op": "sub", "ch": f"{CHANNELS[data_type]}:{','.join(symbols)}"})
            )
    if "book_delta" in data_types:
        requests += [text for symbol in symbols for text in resubscribe(symbol)]
    return requests


def resubscribe(symbol: str) -> list[str]:
    """Return the request for a new snapshot of one book, whose deltas go on meanwhile."""
    return [dumps({"op": "req", "action": SNAPSHOT, "args": {"symbol": symbol}})]


class _Contract(msgspec.Struct):
    s: str = ""


class _Head(msgspec.Struct):
    m: str
    symbol: str = ""
    ch: str = ""
    code: int = 0
    con: list[_Contract] = []


_decode_head = msgspec.json.Decoder(_Head).decode


def classify(payload: bytes) -> Sequence[Address]:
    """Return the symbol that a push or an acknowledgement names."""
    try:
        head = _decode_head(payload)
    except msgspec.MsgspecError as error:
        message = f"no JSON object of the public channels: {error}"
        raise UnexpectedFrame(message) from None
    if head.m in DELTAS:
        return (Address(head.symbol, CHANNELS["book_delta"]),)
    if head.m == CHANNELS["derivative_ticker"]:
        return [Address(contract.s, head.m) for contract in head.con] or (Address("", head.m),)
    # a snapshot has a channel of its own: an answer does not tell whether deltas come
    if head.m in (CHANNELS["trade"], CHANNELS["book_ticker"], *SNAPSHOTS):
        return (Address(head.symbol, head.m),)
    if head.m == PING:
        return (Address("", PING),)
    if head.code:
        return (Address("", "error"),)
    channel, _, symbol = head.ch.partition(":")
    if head.m == "sub" and symbol and channel in CHANNELS.values():
        return (Address(symbol, channel),)
    return (Address("", head.m),)


def answer(_payload: bytes) -> str:
    """Return the pong, the same for each ping."""
    return '{"op":"pong"}'


def parse(frame: Frame) -> Iterable[MarketRecord]:
    """Return the records of a push, none for acknowledgements, heartbeats and errors."""
    what = frame["m"]
    if what in IGNORED:
        return ()
    if what in DELTAS or what in SNAPSHOTS:
        return (_book(frame, is_snapshot=what in SNAPSHOTS),)
    if what == CHANNELS["trade"]:
        return [_trade(item, frame["symbol"]) for item in frame["data"]]
    if what == CHANNELS["book_ticker"]:
        return (_ticker(frame),)
    if what == CHANNELS["derivative_ticker"]:
        return [_pricing(item) for item in frame["con"]]
    message = f"expected a public message, found m = {what!r:.100}"
    raise UnexpectedFrame(message)


def _book(frame: Frame, *, is_snapshot: bool) -> MarketRecord:
    data = frame["data"]
    number = data["seqnum"]
    return wire.book(
        data["bids"],
        data["asks"],
        symbol=frame["symbol"],
        is_snapshot=is_snapshot,
        # none or less stands for no time
        exchange_ts=wire.ns_from_epoch(max(data["ts"], 0)),
        first_seq=number,
        last_seq=number,
    )


def _trade(item: dict[str, Any], symbol: str) -> MarketRecord:
    return wire.trade(
        item["p"],
        item["q"],
        symbol=symbol,
        exchange_ts=wire.ns_from_epoch(item["ts"]),
        trade_id=str(item["seqnum"]),
        # whether the buyer was the maker
        aggressor=SELL if item["bm"] else BUY,
    )


def _ticker(frame: Frame) -> MarketRecord:
    data = frame["data"]
    return wire.ticker(
        *(tuple(data.get(side) or ("", "")) for side in ("bid", "ask")),
        symbol=frame["symbol"],
        # beside the prices, or outside as in the first description
        exchange_ts=wire.ns_from_epoch(max(data.get("ts", frame.get("ts", 0)), 0)),
    )


def _pricing(item: dict[str, Any]) -> MarketRecord:
    return DerivativeTicker(
        symbol=item["s"],
        exchange_ts=wire.ns_from_epoch(item["t"]),
        funding_ts=wire.ns_from_epoch(item["f"]),
        funding_rate=wire.plain(item["r"]),
        open_interest=wire.plain(item.get("oi")),
        index_price=wire.plain(item["ip"]),
        mark_price=wire.plain(item["mp"]),
    )


def parse_instruments(body: Frame) -> Iterable[Instrument]:
    """Return what is listed, pairs or perpetuals."""
    for item in body["data"]:
        symbol = item["symbol"]
        if _perpetual(symbol):
            if "underlying" not in item:
                continue  # also among the pairs, with less about it
            base, _, quote = item["underlying"].partition("/")
            prices, sizes = item["priceFilter"], item["lotSizeFilter"]
        else:
            base, _, quote = symbol.partition("/")
            prices = sizes = item
        yield Instrument(
            symbol=symbol,
            base=base,
            quote=quote,
            kind="perpetual" if _perpetual(symbol) else "spot",
            active=item["status"] == "Normal",
            price_increment=prices["tickSize"],
            size_increment=sizes["lotSize"],
        )


def parse_volumes(body: Frame) -> Iterable[tuple[str, float]]:
    """Return volumes in quote currency, made of the base's that are told."""
    for item in body["data"]:
        volume = item["volume"] if "volume" in item else item["baseVol"]
        yield item["symbol"], float(volume) * float(item["close"] or 0)


EXCHANGE = Exchange(
    name="ascendex",
    aliases=("bitmax",),
    docs="https://ascendex.github.io/ascendex-pro-api/ (pro v1, futures v2, read 2026-11-23)",
    url=SPOT,
    markets=("spot", "linear"),
    # until 2021 the exchange was called BitMax
    hosts=(
        f"{HOST}/api/pro/v1/stream",
        f"{HOST}/api/pro/v2/stream",
        "bitmax.io/0/api/pro/v1/stream",
        "bitmax.io/api/pro/v1/stream",
        "bitmax.io/api/pro/v2/stream",
    ),
    route=route,
    channels=CHANNELS,
    subscribe=subscribe,
    resubscribe=resubscribe,
    classify=classify,
    parse=parse,
    rule=replace(sequence.CHAN_PLUS1, snapshot="request", scope="symbol"),
    instruments=Instruments(
        url=[f"{REST}/v1/products", f"{REST}/v2/futures/contract"],
        parse=parse_instruments,
        volumes_url=[f"{REST}/v1/ticker", f"{REST}/v2/futures/ticker"],
        volumes=parse_volumes,
    ),
    # a ping comes each 15 s
    keepalive=Keepalive(answer=answer, stale_s=40),
    limits=Limits(symbols=50, connects_per_minute=30, sends_per_second=10),
)
