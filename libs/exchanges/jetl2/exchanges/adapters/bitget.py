"""Bitget, v3 (v2 and v1 read by presence): snapshot in the stream, linked deltas or a checksum.

Spot and derivatives share names, so that the symbol of a contract bears its category behind it:
BTCUSDT is spot, BTCUSDT:usdt-futures the perpetual (on v3 also :usdc-futures, :coin-futures, whose
names end in _CM). v3 names fields shortly and links deltas by pseq; v2 does since mid-2026, and had
a CRC-32 before, as had v1 (2022, ended since). UNSURE: whether connections are cut after 24 h, and
whether they bear more than the 50 channels that Bitget advises, of 1000 that it allows; a contract
that never funds is known by its next funding time of 0.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
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
    decode_json,
    dumps,
)
from jetl2.orderbook import checksum, sequence
from jetl2.schemas import decimals
from jetl2.schemas.records import BUY, SELL, BookDelta, DerivativeTicker, MarketRecord

REST = "https://api.bitget.com/api/v2"
CATEGORIES = ("usdt-futures", "usdc-futures", "coin-futures")
ARGS_PER_REQUEST = 10
CHANNELS = {
    "book_delta": "books",
    "trade": "publicTrade",
    "book_ticker": "books1",
    "derivative_ticker": "ticker",
    "liquidation": "liquidation",
}
EVENTS = frozenset({"subscribe", "unsubscribe", "error", "login"})
# A prefix stands for its family
IGNORED = ("books", "candle", "kline", "index-price", "auction")
SIDES = {"buy": BUY, "sell": SELL}
PONG = "pong"


def subscribe(symbols: Sequence[str], data_types: Sequence[str]) -> list[str]:
    """Return requests of few arguments: the server hangs up on longer ones."""
    args = [
        _arg(s, t)
        for s in symbols
        for t in data_types
        if t in CHANNELS and (":" in s or t not in ("derivative_ticker", "liquidation"))
    ]
    # liquidations come for all contracts of a category
    args = [dict(arg) for arg in dict.fromkeys(tuple(arg.items()) for arg in args)]
    return [
        dumps({"op": "subscribe", "args": args[i : i + ARGS_PER_REQUEST]})
        for i in range(0, len(args), ARGS_PER_REQUEST)
    ]


def resubscribe(symbol: str) -> list[str]:
    """Return the requests that bring a new snapshot of one book."""
    args = [_arg(symbol, "book_delta")]
    return [dumps({"op": op, "args": args}) for op in ("unsubscribe", "subscribe")]


def _arg(symbol: str, data_type: str) -> dict[str, str]:
    name, _, category = symbol.partition(":")
    arg = {"instType": category or "spot", "topic": CHANNELS[data_type]}
    return arg if data_type == "liquidation" else arg | {"symbol": name}


def decode(payload: bytes) -> Frame:
    """Return the frame; the answer to a ping is a bare word, not JSON."""
    return PONG if payload == b"pong" else decode_json(payload)


class _Arg(msgspec.Struct):
    instType: str = ""  # noqa: N815 - as sent
    topic: str = ""
    symbol: str = ""
    channel: str = ""
    instId: str = ""  # noqa: N815 - as sent


class _Item(msgspec.Struct):
    symbol: str = ""


class _Head(msgspec.Struct):
    event: str = ""
    # an error may hold the arguments of a request
    arg: _Arg | list[Any] | None = None


class _Forced(msgspec.Struct):
    data: list[_Item] = []


_decode_head = msgspec.json.Decoder(_Head).decode
_decode_forced = msgspec.json.Decoder(_Forced).decode


def _symbol(category: str, name: str) -> str:
    category = category.lower()
    return name if category in ("spot", "sp") else f"{name}:{category}"


def classify(payload: bytes) -> Sequence[Address]:
    """Return the address that each frame names in `arg`; liquidations name theirs in the data."""
    if payload == b"pong":
        return (Address("", PONG),)
    try:
        head = _decode_head(payload)
        arg = head.arg
        if head.event == "error" or not isinstance(arg, _Arg):
            return (Address("", head.event),)
        channel, name = arg.topic or arg.channel, arg.symbol or arg.instId
        if channel == "liquidation" and not head.event:
            names = dict.fromkeys(item.symbol for item in _decode_forced(payload).data)
            named = tuple(Address(_symbol(arg.instType, name), channel) for name in names)
            return named or (Address("", channel),)
    except msgspec.MsgspecError as error:
        message = f"no JSON object of the public protocol: {error}"
        raise UnexpectedFrame(message) from None
    if not name and channel == "books":
        message = "expected a symbol in a push of books"
        raise UnexpectedFrame(message)
    return (Address(_symbol(arg.instType, name) if name else "", channel),)


def parse(frame: Frame) -> Iterable[MarketRecord]:
    """Return the records of a push; nothing for events and channels that we do not use."""
    if frame == PONG:
        return ()
    if "event" in frame:
        if frame["event"] in EVENTS:
            return ()
        message = f"expected an event of the public protocol, found {frame['event']!r}"
        raise UnexpectedFrame(message)
    if "arg" not in frame:
        message = f"expected a push with arg, found the fields {sorted(frame)}"
        raise UnexpectedFrame(message)
    arg = frame["arg"]
    channel, category = arg.get("topic") or arg["channel"], arg["instType"]
    if channel == "liquidation":
        return [_liquidation(item, category) for item in frame["data"]]
    if channel in READERS:
        name = arg["symbol"] if "topic" in arg else arg["instId"]
        return READERS[channel](frame, _symbol(category, name))
    if channel.startswith(IGNORED):
        return ()
    message = f"expected a channel of the public protocol, found {channel!r}"
    raise UnexpectedFrame(message)


def _books(frame: Frame, symbol: str) -> Iterable[MarketRecord]:
    snapshot = _is_snapshot(frame)
    return [_book(item, symbol, snapshot=snapshot) for item in frame["data"]]


def _is_snapshot(frame: Frame) -> bool:
    action = frame["action"]
    if action not in ("snapshot", "update"):
        message = f"expected the action snapshot or update, found {action!r}"
        raise UnexpectedFrame(message)
    return bool(action == "snapshot")


def _book(item: dict[str, Any], symbol: str, *, snapshot: bool) -> BookDelta:
    # without pseq numbers rise with holes: they prove nothing
    number, previous = (int(item[n]) if "pseq" in item else 0 for n in ("seq", "pseq"))
    if number and not previous and not snapshot:
        message = f"expected an update that follows another, found {number} with pseq 0"
        raise UnexpectedFrame(message)
    bids, asks = (item[short] if short in item else item[long] for short, long in _SIDES)
    return wire.book(
        bids,
        asks,
        symbol=symbol,
        is_snapshot=snapshot,
        exchange_ts=wire.ns_from_epoch(item["ts"]),
        first_seq=number,
        last_seq=number,
        prev_seq=0 if snapshot else previous,
        # 0 where it is no longer a sum
        checksum=item.get("checksum") or None,
    )


_SIDES = (("b", "bids"), ("a", "asks"))


def _trades(frame: Frame, symbol: str) -> Iterable[MarketRecord]:
    # newest first; a snapshot is what was traded before we listened
    live = () if _is_snapshot(frame) else frame["data"]
    return [_trade(item, symbol) for item in reversed(live)]


def _trade(item: Any, symbol: str) -> MarketRecord:
    if isinstance(item, list):
        # v1: no id
        ts, price, size, side = item
        number = f"{ts}-{price}-{size}"
    elif "i" in item:
        ts, price, size, side, number = (item[name] for name in ("T", "p", "v", "S", "i"))
    else:
        ts, price, size, side, number = (
            item[name] for name in ("ts", "price", "size", "side", "tradeId")
        )
    return wire.trade(
        price,
        size,
        symbol=symbol,
        exchange_ts=wire.ns_from_epoch(ts),
        trade_id=number,
        aggressor=SIDES[side],
    )


def _best(frame: Frame, symbol: str) -> Iterable[MarketRecord]:
    for item in frame["data"]:
        bids, asks = (item[short] if short in item else item[long] for short, long in _SIDES)
        number = int(item.get("seq", 0))
        yield wire.ticker(
            (bids[0][0], bids[0][1]) if bids else None,
            (asks[0][0], asks[0][1]) if asks else None,
            symbol=symbol,
            exchange_ts=wire.ns_from_epoch(item["ts"]),
            first_seq=number,
            last_seq=number,
        )


def _tickers(frame: Frame, symbol: str) -> Iterable[MarketRecord]:
    # spot has nothing of this, v1 had other names
    contract = symbol.endswith(CATEGORIES)
    return [_ticker(item, symbol, frame["ts"]) for item in frame["data"]] if contract else ()


def _ticker(item: dict[str, Any], symbol: str, ts: int) -> MarketRecord:
    funding = int(item.get("nextFundingTime") or 0)
    return DerivativeTicker(
        symbol=symbol,
        exchange_ts=wire.ns_from_epoch(item.get("ts", ts)),
        funding_ts=wire.ns_from_epoch(funding),
        funding_rate=wire.plain(item.get("fundingRate")) if funding else "",
        open_interest=wire.plain(item.get("openInterest", item.get("holdingAmount"))),
        last_price=wire.plain(item.get("lastPrice", item.get("lastPr"))),
        index_price=wire.plain(item.get("indexPrice")),
        mark_price=wire.plain(item.get("markPrice")),
    )


READERS: Mapping[str, Callable[[Frame, str], Iterable[MarketRecord]]] = {
    "books": _books,
    "publicTrade": _trades,
    "trade": _trades,
    "books1": _best,
    "ticker": _tickers,
}


def _liquidation(item: dict[str, Any], category: str) -> MarketRecord:
    return wire.liquidation(
        item["price"],
        item["amount"],
        symbol=_symbol(category, item["symbol"]),
        exchange_ts=wire.ns_from_epoch(item["ts"]),
        # the side of the position that was closed
        aggressor={"buy": SELL, "sell": BUY}[item["side"]],
    )


def parse_instruments(body: Frame) -> Iterable[Instrument]:
    """Return what one list of v2 has; contracts name the size of their steps."""
    for item in body["data"]:
        if "pricePlace" in item:
            step = Decimal(item["priceEndStep"]).scaleb(-int(item["pricePlace"]))
            yield Instrument(
                symbol=_contract(item["symbol"], item["quoteCoin"]),
                base=item["baseCoin"],
                quote=item["quoteCoin"],
                kind="future" if item.get("symbolType") == "delivery" else "perpetual",
                active=item["symbolStatus"] == "normal",
                price_increment=wire.plain(f"{step:f}"),
                size_increment=wire.plain(item.get("sizeMultiplier")),
            )
        else:
            yield Instrument(
                symbol=item["symbol"],
                base=item["baseCoin"],
                quote=item["quoteCoin"],
                kind="spot",
                active=item["status"] == "online",
                price_increment=decimals.render(1, -int(item["pricePrecision"])),
                size_increment=decimals.render(1, -int(item["quantityPrecision"])),
            )


def _contract(name: str, quote: str) -> str:
    category = {"USDT": "usdt-futures", "USDC": "usdc-futures"}.get(quote)
    return f"{name}:{category}" if category else f"{name}_CM:coin-futures"


def parse_volumes(body: Frame) -> Iterable[tuple[str, float]]:
    """Return the volume of each symbol of one list in USDT; only contracts have a mark price."""
    for item in body["data"]:
        name = item["symbol"]
        if "markPrice" in item:
            quote = "USDT" if name.endswith("USDT") else "USDC" if "PERP" in name else "USD"
            name = _contract(name, quote)
        yield name, float(item.get("usdtVolume") or 0)


EXCHANGE = Exchange(
    name="bitget",
    docs="https://www.bitget.com/api-doc/uta/websocket/public/Order-Book (v3, read 2026-11-22)",
    url="wss://ws.bitget.com/v3/ws/public",
    hosts=(
        "ws.bitget.com/v2/ws",
        "ws.bitget.com/spot/v1/stream",
        "ws.bitget.com/mix/v1/stream",
        "wspap.bitget.com/v3/ws/public",
    ),
    markets=("spot", "linear", "inverse"),
    channels=CHANNELS,
    subscribe=subscribe,
    resubscribe=resubscribe,
    classify=classify,
    parse=parse,
    decode=decode,
    # what a snapshot holds already may be repeated after it
    rule=replace(sequence.CHAN_PREV, first="spans"),
    checksum=checksum.bitget,
    checksum_depth=checksum.BITGET_DEPTH,
    book_depth=1000,
    instruments=Instruments(
        url=(
            f"{REST}/spot/public/symbols",
            *(f"{REST}/mix/market/contracts?productType={c.upper()}" for c in CATEGORIES),
        ),
        parse=parse_instruments,
        volumes_url=(
            f"{REST}/spot/market/tickers",
            *(f"{REST}/mix/market/tickers?productType={c.upper()}" for c in CATEGORIES),
        ),
        volumes=parse_volumes,
    ),
    # without a ping for 120 s the server hangs up, even while data flow
    keepalive=Keepalive(message="ping", interval_s=25, stale_s=60),
    # the server hangs up on back-to-back requests, and counts 240 an hour
    limits=Limits(symbols=40, connects_per_minute=20, sends_per_second=1),
)
