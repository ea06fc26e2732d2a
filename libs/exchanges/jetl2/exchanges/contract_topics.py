"""Contracts under market.<contract>.<channel> and public.<contract>.<channel>: what they share.

Books begin with a snapshot in the channel, then each message's version is the last one's + 1, on
its connection only. Whole books, `depth.step0`, which other recorders keep, replace the book. Sizes
are numbers of contracts. Funding and liquidations come over a second websocket. The index price is
only told beside candles, open interest and mark price only by REST: they are left out.

UNSURE: that a level which leaves the window of 150 is removed by the exchange; we cut. That
`direction` of a liquidation is the side of the order which closes the position.
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
from jetl2.exchanges.market_topics import SIDES, decode, plain, told, trade
from jetl2.orderbook import sequence
from jetl2.schemas.records import BookDelta, DerivativeTicker

DEPTH = 150
CHANNELS = {
    "book_delta": f"depth.size_{DEPTH}.high_freq",
    "trade": "trade.detail",
    "book_ticker": "bbo",
    "derivative_ticker": "funding_rate",
    "liquidation": "liquidation_orders",
}
# At the second websocket, under topics public.<contract>.<channel>
PUBLIC = ("derivative_ticker", "liquidation")
WHOLE = "depth.step0"
# Channels that may be recorded beside ours and become no record; a beginning stands for its family
IGNORED = (
    "depth.step",
    "kline.",
    "detail",
    "basis.",
    "index.",
    "premium_index.",
    "estimated_rate.",
    "mark_price.",
    "open_interest",
    "contract_info",
    "contract_elements",
    "heartbeat",
)
# Fields of what is about the connection itself
ABOUT = ("ping", "pong", "status", "unsubbed", "op", "action")
HOST = "api.hbdm.com"
# The same behind another network, for machines at Amazon
HOSTS = (HOST, "api.hbdm.vn", "api.btcgateway.pro")


def exchange(folder: str, query: str = "", **fields: Any) -> Exchange:
    """Return an exchange of this protocol.

    Args:
        folder: By which all paths of its contracts begin.
        query: Of REST calls about all contracts.
        fields: The rest of it.
    """
    market, public = f"wss://{HOST}/{folder}-ws", f"wss://{HOST}/{folder}-notification"
    return Exchange(
        url=market,
        hosts=[f"{host}/{folder}-{path}" for host in HOSTS for path in ("ws", "notification")],
        route=lambda _symbol, data_type: public if data_type in PUBLIC else market,
        channels=CHANNELS,
        subscribe=subscribe,
        resubscribe=resubscribe,
        classify=classify,
        parse=parse,
        decode=decode,
        rule=sequence.CHAN_PLUS1,
        book_depth=DEPTH,
        instruments=Instruments(
            url=f"https://{HOST}/{folder}-api/v1/swap_contract_info{query}",
            parse=parse_instruments,
            volumes_url=f"https://{HOST}/v2/{folder}-ex/market/detail/batch_merged{query}",
            volumes=parse_volumes,
        ),
        # a ping comes each 5 s
        keepalive=Keepalive(answer=answer, stale_s=20),
        # 40 subscriptions a second are allowed
        limits=Limits(symbols=50, sends_per_second=20),
        **fields,
    )


def subscribe(symbols: Sequence[str], data_types: Sequence[str]) -> list[str]:
    """Return one request for each topic."""
    return [
        _request("sub", symbol, data_type)
        for symbol in symbols
        for data_type in data_types
        # contracts with a date of delivery pay no funding
        if data_type in CHANNELS and (data_type != "derivative_ticker" or _perpetual(symbol))
    ]


def resubscribe(symbol: str) -> list[str]:
    """Return the requests that bring a new snapshot of one book."""
    return [_request(op, symbol, "book_delta") for op in ("unsub", "sub")]


def _request(op: str, symbol: str, data_type: str) -> str:
    channel = CHANNELS[data_type]
    if data_type in PUBLIC:
        topic = f"public.{symbol}.{channel}"
        return dumps({"op": op, "cid": topic, "topic": topic})
    topic = f"market.{symbol}.{channel}"
    more = {"data_type": "incremental"} if data_type == "book_delta" else {}
    return dumps({op: topic, **more, "id": topic})


def _perpetual(symbol: str) -> bool:
    return symbol.count("-") == 1


class _Item(msgspec.Struct):
    contract_code: str = ""


class _Head(msgspec.Struct):
    ch: str = ""
    rep: str = ""
    subbed: str = ""
    unsubbed: str = ""
    ping: Any = None
    status: str = ""
    op: str = ""
    topic: str = ""
    # a number at the second websocket, a text at the first
    error: Any = msgspec.field(name="err-code", default=0)


class _Notice(msgspec.Struct):
    data: list[_Item]


_decode_head = msgspec.json.Decoder(_Head).decode
_decode_notice = msgspec.json.Decoder(_Notice).decode


def classify(payload: bytes) -> Sequence[Address]:
    """Return the address that the topic names; a notice may be about several contracts."""
    text = plain(payload)
    try:
        head = _decode_head(text)
        if head.op == "notify":
            _, channel = told(head.topic, "public")
            if not _is_ours(channel):
                return (Address("", channel),)
            symbols = dict.fromkeys(i.contract_code for i in _decode_notice(text).data)
            return [Address(s, channel) for s in symbols] or (Address("", channel),)
    except msgspec.MsgspecError as error:
        message = f"no JSON object of the contracts' protocol: {error}"
        raise UnexpectedFrame(message) from None
    if head.ping is not None or head.op == PING:
        return (Address("", PING),)
    if head.error or head.status == "error":
        return (Address("", "error"),)
    topic = head.ch or head.rep or head.subbed or head.unsubbed
    if topic:
        return (Address(*told(topic)),)
    if head.topic:
        return (Address(*told(head.topic, "public")),)
    return (Address("", head.status or head.op or "ack"),)


def _is_ours(channel: str) -> bool:
    return channel in (CHANNELS[t] for t in PUBLIC)


def answer(payload: bytes) -> str:
    """Return the pong of a ping; each websocket has its own form."""
    frame = decode(payload)
    if "op" in frame:
        return dumps({"op": "pong", "ts": frame["ts"]})
    return dumps({"pong": frame["ping"]})


def parse(frame: Frame) -> Iterable[Parsed]:
    """Return the records of a topic's message, or the depth of an acknowledged book."""
    if frame.get("op") == "notify":
        return _noticed(frame)
    if "subbed" in frame:
        symbol, channel = told(frame["subbed"])
        depth = _depth(channel)
        return (Book(symbol=symbol, depth=depth),) if depth else ()
    if "ch" not in frame:
        if "rep" not in frame and frame.keys().isdisjoint(ABOUT):
            message = f"expected a topic, found the fields {sorted(frame)}"
            raise UnexpectedFrame(message)
        return ()
    symbol, channel = told(frame["ch"])
    if _depth(channel):
        return (_book(frame, symbol),)
    if channel == WHOLE:
        return (_levels(frame, symbol, is_snapshot=True),)
    if channel == CHANNELS["trade"]:
        return [trade(item, symbol) for item in frame["tick"]["data"]]
    if channel == CHANNELS["book_ticker"]:
        return (_ticker(frame, symbol),)
    if channel.startswith(IGNORED):
        return ()
    message = f"expected a topic of contracts, found {frame['ch']!r:.100}"
    raise UnexpectedFrame(message)


def _depth(channel: str) -> int:
    """Return how deep a book of this channel is, 0 where it is no incremental book."""
    size, _, rest = channel.removeprefix("depth.size_").partition(".")
    return int(size) if rest == "high_freq" and size.isdigit() else 0


def _book(frame: Frame, symbol: str) -> BookDelta:
    tick = frame["tick"]
    event = tick.get("event", "snapshot")
    if event not in ("snapshot", "update"):
        message = f"expected the event snapshot or update, found {event!r:.100}"
        raise UnexpectedFrame(message)
    number = tick["version"]
    return _levels(
        frame, symbol, is_snapshot=event == "snapshot", first_seq=number, last_seq=number
    )


def _levels(frame: Frame, symbol: str, **fields: Any) -> BookDelta:
    tick = frame["tick"]
    return wire.book(
        # a side without a level is left out
        *([(str(price), str(size)) for price, size in tick.get(s) or ()] for s in ("bids", "asks")),
        symbol=symbol,
        exchange_ts=wire.ns_from_epoch(frame["ts"]),
        **fields,
    )


def _ticker(frame: Frame, symbol: str) -> Parsed:
    tick = frame["tick"]
    number = tick["version"]
    return wire.ticker(
        *(_best(tick.get(s)) for s in ("bid", "ask")),
        symbol=symbol,
        exchange_ts=wire.ns_from_epoch(frame["ts"]),
        first_seq=number,
        last_seq=number,
    )


def _best(level: Sequence[int | str] | None) -> tuple[str, str] | None:
    return (wire.plain(level[0]), wire.plain(level[1])) if level else None


def _noticed(frame: Frame) -> Iterable[Parsed]:
    _, channel = told(frame["topic"], "public")
    if channel == CHANNELS["derivative_ticker"]:
        return [_funding(item, frame["ts"]) for item in frame["data"]]
    if channel == CHANNELS["liquidation"]:
        return [_liquidation(item) for item in frame["data"]]
    if channel.startswith(IGNORED):
        return ()
    message = f"expected a topic of contracts, found {frame['topic']!r:.100}"
    raise UnexpectedFrame(message)


def _funding(item: dict[str, Any], ts: int | str) -> Parsed:
    return DerivativeTicker(
        symbol=item["contract_code"],
        exchange_ts=wire.ns_from_epoch(ts),
        funding_ts=wire.ns_from_epoch(item.get("settlement_time") or 0),
        funding_rate=wire.plain(item["funding_rate"]),
        predicted_funding_rate=wire.plain(item.get("estimated_rate")),
    )


def _liquidation(item: dict[str, Any]) -> Parsed:
    return wire.liquidation(
        str(item["price"]),
        str(item["volume"]),
        symbol=item["contract_code"],
        exchange_ts=wire.ns_from_epoch(item["created_at"]),
        aggressor=SIDES[item["direction"]],
    )


def parse_instruments(body: Frame) -> Iterable[Instrument]:
    """Return what is listed."""
    for item in body["data"]:
        symbol = item["contract_code"]
        base, quote, *_ = symbol.split("-")
        yield Instrument(
            symbol=symbol,
            base=base,
            quote=quote,
            kind="perpetual" if _perpetual(symbol) else "future",
            active=item["contract_status"] == 1,
            price_increment=wire.plain(item["price_tick"]),
            size_increment="1",
            contract_size=wire.plain(item["contract_size"]),
        )


def parse_volumes(body: Frame) -> Iterable[tuple[str, float]]:
    """Return the volume of each contract in its quote currency."""
    for item in body["ticks"]:
        turnover = item.get("trade_turnover")
        known = turnover is not None
        # of coins' contracts only the coins are told
        volume = float(turnover) if known else float(item["amount"]) * float(item["close"] or 0)
        yield item["contract_code"], volume
