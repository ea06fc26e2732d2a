"""OKX, WebSocket v5, spot and derivatives: snapshot in the stream, each delta names the one before.

Until 2021 deltas carried no numbers, and until June 2026 a live CRC-32; since then the checksum is
always 0 and only the link counts. Presence decides, so recordings of all times replay.

That the snapshot in the stream will end was announced for August 2026; in September it still came.
Nothing could take its place: what REST tells of a book has no number. Should it end, books stay
unknown and are asked for again; none is begun from deltas.

Sizes of derivatives are contracts. Options can be subscribed; only their families list them. Liquidations and index prices come for whole families: those of
the instruments subscribed on the connection are taken.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import msgspec

from jetl2.exchanges import wire
from jetl2.exchanges.errors import UnexpectedFrame
from jetl2.exchanges.exchange import (
    RENEW,
    Address,
    Classify,
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
from jetl2.schemas.records import BUY, SELL, BookDelta, DerivativeTicker, MarketRecord

ARGS_PER_REQUEST = 100
CHANNELS = {
    "book_delta": "books",
    "trade": "trades",
    "book_ticker": "bbo-tbt",
    "derivative_ticker": "mark-price",
    "liquidation": "liquidation-orders",
}
BOOKS = frozenset({"books", "books-l2-tbt", "books50-l2-tbt"})
# A derivative's numbers, each by a channel of its own; one name for what becomes the same record
DERIVATIVES = frozenset({"mark-price", "open-interest", "funding-rate"})
# Channels of many instruments, and how we call them
FAMILIES = {"index-tickers": "mark-price", "liquidation-orders": "liquidation-orders"}
EVENTS = frozenset(
    {
        "subscribe",
        "unsubscribe",
        "error",
        "login",
        "notice",
        "channel-conn-count",
        "channel-conn-count-error",
    }
)
# Channels that may be recorded beside ours and become no record; a prefix stands for its family
IGNORED = (
    "books5",
    "books-elp",
    "candle",
    "mark-price-candle",
    "index-candle",
    "instruments",
    "price-limit",
    "estimated-price",
    "opt-summary",
    "option-trades",
    "liquidation-warning",
    "liquidations",
    "adl-warning",
    "status",
    "sprd-",
    "block-",
    "public-",
    "economic-calendar",
)
PONG = "pong"
TYPES = {"SPOT": "spot", "SWAP": "perpetual", "FUTURES": "future", "OPTION": "option"}


def subscribe(symbols: Sequence[str], data_types: Sequence[str]) -> list[str]:
    """Return requests of many arguments each: 480 requests an hour are allowed."""
    named = dict.fromkeys(a for s in symbols for t in data_types for a in _arguments(s, t))
    args = [{"channel": channel, field: value} for channel, field, value in named]
    return [
        dumps({"op": "subscribe", "args": args[i : i + ARGS_PER_REQUEST]})
        for i in range(0, len(args), ARGS_PER_REQUEST)
    ]


def _arguments(symbol: str, data_type: str) -> list[tuple[str, str, str]]:
    """Return channel, field and value of each subscription; spot has the first three types only."""
    kind = _type(symbol)
    if data_type == "derivative_ticker":
        channels = ["mark-price", "open-interest"] if kind != "SPOT" else []
        channels += ["funding-rate"] if kind == "SWAP" else []
        index = [("index-tickers", "instId", _index(symbol))] if channels else []
        return [*((channel, "instId", symbol) for channel in channels), *index]
    if data_type == "liquidation":
        return [(CHANNELS[data_type], "instType", kind)] if kind != "SPOT" else []
    return [(CHANNELS[data_type], "instId", symbol)] if data_type in CHANNELS else []


def _type(symbol: str) -> str:
    # BTC-USDT, BTC-USDT-SWAP, BTC-USDT-260925, BTC-USD-260925-50000-C
    parts = symbol.split("-")
    if len(parts) < 3:
        return "SPOT"
    return "OPTION" if len(parts) > 3 else "SWAP" if parts[2] == "SWAP" else "FUTURES"


def _index(symbol: str) -> str:
    return "-".join(symbol.split("-")[:2])


def resubscribe(symbol: str) -> list[str]:
    """Return the requests that bring a new snapshot of one book."""
    args = [{"channel": CHANNELS["book_delta"], "instId": symbol}]
    return [dumps({"op": op, "args": args}) for op in ("unsubscribe", "subscribe")]


def decode(payload: bytes) -> Frame:
    """Return the frame; the answer to a ping is a bare word, not JSON."""
    return PONG if payload == b"pong" else decode_json(payload)


class _Arg(msgspec.Struct):
    channel: str = ""
    instId: str = ""  # noqa: N815 - as sent


class _Head(msgspec.Struct):
    event: str = ""
    arg: _Arg | None = None


class _Liquidations(msgspec.Struct):
    data: list[_Arg] = []


_decode_head = msgspec.json.Decoder(_Head).decode
_decode_liquidations = msgspec.json.Decoder(_Liquidations).decode


def classifier() -> Classify:
    """Return what names a frame's instruments: `arg` does, or those it is of that are subscribed."""
    subscribed: set[str] = set()

    def classify(payload: bytes) -> Sequence[Address]:
        if payload == b"pong":
            return (Address("", PONG),)
        try:
            head = _decode_head(payload)
            if head.event.endswith("error"):
                return (Address("", "error"),)
            if head.arg is None:
                # a notice comes before the server closes, for an upgrade (UNSURE)
                return (Address("", RENEW if head.event == "notice" else head.event),)
            channel, symbol = head.arg.channel, head.arg.instId
            if channel in FAMILIES:
                named = [] if head.event else _concerned(channel, symbol, payload, subscribed)
                ours = FAMILIES[channel]
                return tuple(Address(s, ours) for s in named) or (Address("", ours),)
        except msgspec.MsgspecError as error:
            message = f"no JSON object of the v5 protocol: {error}"
            raise UnexpectedFrame(message) from None
        if head.event == "subscribe":
            subscribed.add(symbol)
        if channel in DERIVATIVES:
            channel = CHANNELS["derivative_ticker"]
        return (Address(symbol, channel),)

    return classify


def _concerned(channel: str, index: str, payload: bytes, subscribed: set[str]) -> list[str]:
    if channel == "index-tickers":
        return sorted(s for s in subscribed if s.startswith(f"{index}-"))
    named = dict.fromkeys(item.instId for item in _decode_liquidations(payload).data)
    return [s for s in named if s in subscribed or not subscribed]


def parse_at(frame: Frame, address: Address) -> Iterable[MarketRecord]:
    """Return the records of a push; nothing for events and channels that we do not use."""
    if frame == PONG or frame.get("event") in EVENTS:
        return ()
    if "event" in frame or "arg" not in frame:
        message = (
            f"expected a push with arg, found {frame.get('event')!r}, the fields {sorted(frame)}"
        )
        raise UnexpectedFrame(message)
    symbol, channel = frame["arg"].get("instId", ""), frame["arg"]["channel"]
    if channel in BOOKS:
        return [_book(item, symbol, frame["action"]) for item in frame["data"]]
    if channel in READERS:
        return [READERS[channel](item, symbol) for item in frame["data"]]
    # of many instruments, the address says of which
    if channel == "index-tickers":
        return [_derivative(item, address.symbol) for item in frame["data"] if address.symbol]
    if channel == "liquidation-orders":
        found = (item for item in frame["data"] if item["instId"] == address.symbol)
        return [_liquidation(d, address.symbol) for item in found for d in item["details"]]
    if channel.startswith(IGNORED):
        return ()
    message = f"expected a channel of the v5 protocol, found {channel!r}"
    raise UnexpectedFrame(message)


def _book(item: dict[str, Any], symbol: str, action: str) -> BookDelta:
    if action not in ("snapshot", "update"):
        message = f"expected a book's snapshot or update, found {action!r}"
        raise UnexpectedFrame(message)
    snapshot = action == "snapshot"
    return wire.book(
        item["bids"],
        item["asks"],
        symbol=symbol,
        is_snapshot=snapshot,
        exchange_ts=wire.ns_from_epoch(item["ts"]),
        first_seq=item.get("seqId", 0),
        last_seq=item.get("seqId", 0),
        # a snapshot says -1: it follows nothing
        prev_seq=0 if snapshot else item.get("prevSeqId", 0),
        # 0 since June 2026: no longer a sum
        checksum=item.get("checksum") or None,
    )


def _trade(item: dict[str, Any], symbol: str) -> MarketRecord:
    return wire.trade(
        item["px"],
        item["sz"],
        symbol=symbol,
        exchange_ts=wire.ns_from_epoch(item["ts"]),
        trade_id=item["tradeId"],
        aggressor={"buy": BUY, "sell": SELL}[item["side"]],
    )


def _best(item: dict[str, Any], symbol: str) -> MarketRecord:
    bids, asks = item["bids"], item["asks"]
    return wire.ticker(
        (bids[0][0], bids[0][1]) if bids else None,
        (asks[0][0], asks[0][1]) if asks else None,
        symbol=symbol,
        exchange_ts=wire.ns_from_epoch(item["ts"]),
        first_seq=item.get("seqId", 0),
        last_seq=item.get("seqId", 0),
    )


def _ticker(item: dict[str, Any], symbol: str) -> MarketRecord:
    return wire.ticker(
        (item["bidPx"], item["bidSz"]),
        (item["askPx"], item["askSz"]),
        symbol=symbol,
        exchange_ts=wire.ns_from_epoch(item["ts"]),
    )


def _derivative(item: dict[str, Any], symbol: str) -> MarketRecord:
    return DerivativeTicker(
        symbol=symbol,
        exchange_ts=wire.ns_from_epoch(item.get("ts") or 0),
        funding_ts=wire.ns_from_epoch(item.get("fundingTime") or 0),
        funding_rate=wire.plain(item.get("fundingRate")),
        predicted_funding_rate=wire.plain(item.get("nextFundingRate")),
        open_interest=wire.plain(item.get("oi")),
        index_price=wire.plain(item.get("idxPx")),
        mark_price=wire.plain(item.get("markPx")),
    )


def _liquidation(item: dict[str, Any], symbol: str) -> MarketRecord:
    # at the price of bankruptcy; the side is that of the order which closes the position
    return wire.liquidation(
        item["bkPx"],
        item["sz"],
        symbol=symbol,
        exchange_ts=wire.ns_from_epoch(item["ts"]),
        aggressor={"buy": BUY, "sell": SELL}[item["side"]],
    )


READERS: dict[str, Callable[[dict[str, Any], str], MarketRecord]] = {
    "trades": _trade,
    "trades-all": _trade,  # one by one, not aggregated for each order: never both
    "bbo-tbt": _best,
    "tickers": _ticker,
    "mark-price": _derivative,
    "open-interest": _derivative,
    "funding-rate": _derivative,
}


def parse_instruments(body: Frame) -> Iterable[Instrument]:
    """Return what one instType lists; of derivatives the index names base and quote."""
    for item in body["data"]:
        base, _, quote = _index(item["instId"]).partition("-")
        size = item.get("ctVal", "")
        multiplied = size and item.get("ctMult", "") not in ("", "1")
        yield Instrument(
            symbol=item["instId"],
            base=item.get("baseCcy") or base,
            quote=item.get("quoteCcy") or quote,
            kind=TYPES.get(item["instType"], item["instType"].lower()),
            active=item.get("state") == "live",
            price_increment=item.get("tickSz", ""),
            size_increment=item.get("lotSz", ""),
            contract_size=f"{Decimal(size) * Decimal(item['ctMult']):f}" if multiplied else size,
        )


def parse_volumes(body: Frame) -> Iterable[tuple[str, float]]:
    """Return the volumes in quote currency; derivatives tell them in their base."""
    for item in body["data"]:
        price = 1.0 if item["instType"] == "SPOT" else float(item["last"] or 0)
        yield item["instId"], float(item["volCcy24h"] or 0) * price


REST = "https://www.okx.com/api/v5"
LISTED = ("SPOT", "SWAP", "FUTURES")

EXCHANGE = Exchange(
    name="okex",
    aliases=("okx",),
    markets=("spot", "linear", "inverse"),
    docs="https://www.okx.com/docs-v5/en/ (2026-07-08, read 2026-11-23)",
    url="wss://ws.okx.com:8443/ws/v5/public",
    hosts=(
        "ws.okx.com/ws/v5",
        "wseea.okx.com/ws/v5",
        "wsus.okx.com/ws/v5",
        "wspap.okx.com/ws/v5",
        "ws.okex.com/ws/v5",
        "real.okcoin.com/ws/v5",
    ),
    channels=CHANNELS,
    subscribe=subscribe,
    resubscribe=resubscribe,
    classifier=classifier,
    parse_at=parse_at,
    decode=decode,
    rule=replace(sequence.CHAN_PREV, allow_id_decrease=True),
    checksum=checksum.okx,
    checksum_depth=checksum.OKX_DEPTH,
    book_depth=400,
    instruments=Instruments(
        url=[f"{REST}/public/instruments?instType={t}" for t in LISTED],
        parse=parse_instruments,
        volumes_url=[f"{REST}/market/tickers?instType={t}" for t in LISTED],
        volumes=parse_volumes,
    ),
    # without any traffic for 30 s the server hangs up
    keepalive=Keepalive(message="ping", interval_s=20, stale_s=40),
    limits=Limits(symbols=25, connects_per_minute=60, connects_per_second=2, sends_per_second=2),
)
