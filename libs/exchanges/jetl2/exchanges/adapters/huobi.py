"""HTX (Huobi) spot: gzip frames; deltas that name their predecessor onto a snapshot asked for.

Books are at /feed: their snapshot is requested on the same connection, and one that comes before
the first delta is too old and asked for again. All else is at /ws. That levels which leave the
window of 400 are removed by the exchange is UNSURE: we cut. The whole books of `depth.step0`, which
other recorders keep, replace the book. Sizes that market orders left behind carry a binary float's
noise, up to 17 digits: in books they are rounded to what the finest amounts need. Contracts are
other exchanges, see `contract_topics`. UNSURE: whether all symbols have books of 400 levels, the
fields of `bbo`, how many topics a connection may have.
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal
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
from jetl2.exchanges.market_topics import decode, plain, told, trade
from jetl2.orderbook import sequence
from jetl2.schemas.records import BookDelta

DEPTH = 400
CHANNELS = {"book_delta": f"mbp.{DEPTH}", "trade": "trade.detail", "book_ticker": "bbo"}
WHOLE = "depth.step0"
# Channels that may be recorded beside ours and become no record; a beginning stands for its family
IGNORED = ("mbp.refresh.", "depth.", "kline.", "detail", "ticker", "etp")
HOST = "wss://api.huobi.pro"
# A book's sizes share one exponent, and whole ones are up to some billions
FINEST = Decimal("1E-8")


def route(_symbol: str, data_type: str) -> str:
    """Return the websocket of a data type: books are only at /feed."""
    return f"{HOST}/feed" if data_type == "book_delta" else f"{HOST}/ws"


def subscribe(symbols: Sequence[str], data_types: Sequence[str]) -> list[str]:
    """Return subscriptions, and behind them the requests for the books' snapshots."""
    topics = [
        _topic(symbol, CHANNELS[t]) for symbol in symbols for t in data_types if t in CHANNELS
    ]
    asked = [text for symbol in symbols for text in resubscribe(symbol)]
    return [dumps({"sub": topic, "id": topic}) for topic in topics] + (
        asked if "book_delta" in data_types else []
    )


def resubscribe(symbol: str) -> list[str]:
    """Return the request for a new snapshot of one book, whose deltas go on meanwhile."""
    topic = _topic(symbol, CHANNELS["book_delta"])
    return [dumps({"req": topic, "id": topic})]


def _topic(symbol: str, channel: str) -> str:
    return f"market.{symbol}.{channel}"


class _Head(msgspec.Struct):
    ch: str = ""
    rep: str = ""
    subbed: str = ""
    unsubbed: str = ""
    ping: Any = None
    status: str = ""


_decode_head = msgspec.json.Decoder(_Head).decode


def classify(payload: bytes) -> Sequence[Address]:
    """Return the address that the topic names."""
    try:
        head = _decode_head(plain(payload))
    except msgspec.MsgspecError as error:
        message = f"no JSON object of the market protocol: {error}"
        raise UnexpectedFrame(message) from None
    if head.ping is not None:
        return (Address("", PING),)
    if head.rep:
        # a channel of its own: an answer does not tell whether deltas come
        return (Address(told(head.rep)[0], "rep"),)
    topic = head.ch or head.subbed or head.unsubbed
    if topic:
        return (Address(*told(topic)),)
    return (Address("", head.status or "ack"),)


def answer(payload: bytes) -> str:
    """Return the pong of a ping."""
    return dumps({"pong": decode(payload)["ping"]})


def parse(frame: Frame) -> Iterable[Parsed]:
    """Return the records of a topic's message, or the depth of an acknowledged book."""
    if "subbed" in frame:
        symbol, channel = told(frame["subbed"])
        kind, _, depth = channel.partition(".")
        return (Book(symbol=symbol, depth=int(depth)),) if _is_book(kind, depth) else ()
    if "rep" in frame:
        symbol, channel = told(frame["rep"])
        # null while the exchange has none yet
        if not _is_book(*channel.split(".")[:2]) or frame.get("data") is None:
            return ()
        return (_book(frame, frame["data"], symbol, is_snapshot=True),)
    if "ch" not in frame:
        if frame.keys().isdisjoint(("ping", "pong", "status", "unsubbed", "op", "action")):
            message = f"expected a topic, found the fields {sorted(frame)}"
            raise UnexpectedFrame(message)
        return ()
    symbol, channel = told(frame["ch"])
    if _is_book(*channel.split(".")[:2]) or channel == WHOLE:
        # with `update` only what changed, as sent until 2019
        whole = channel == WHOLE and not frame.get("update")
        return (_book(frame, frame["tick"], symbol, is_snapshot=whole),)
    if channel == CHANNELS["trade"]:
        return [trade(item, symbol) for item in frame["tick"]["data"]]
    if channel == CHANNELS["book_ticker"]:
        return (_ticker(frame["tick"], symbol),)
    if channel.startswith(IGNORED):
        return ()
    message = f"expected a topic of the spot market, found {frame['ch']!r}"
    raise UnexpectedFrame(message)


def _is_book(kind: str, depth: str = "") -> bool:
    return kind == "mbp" and depth.isdigit()


def _book(frame: Frame, tick: dict[str, Any], symbol: str, *, is_snapshot: bool) -> BookDelta:
    number = tick.get("seqNum", 0)
    return wire.book(
        *([(str(price), _size(size)) for price, size in tick.get(s, ())] for s in ("bids", "asks")),
        symbol=symbol,
        is_snapshot=is_snapshot,
        exchange_ts=wire.ns_from_epoch(frame["ts"]) if "ts" in frame else 0,
        first_seq=number,
        last_seq=number,
        prev_seq=tick.get("prevSeqNum", 0),
    )


def _size(number: int | str) -> str:
    text = str(number)
    # a point and more behind it than the finest needs, or an exponent
    if len(text) > len("0.12345678") or "E" in text:
        value = Decimal(text)
        return f"{value.quantize(FINEST) if value % FINEST else value:f}"
    return text


def _ticker(tick: dict[str, Any], symbol: str) -> Parsed:
    number = tick.get("seqId", 0)
    return wire.ticker(
        *((wire.plain(tick[s]), wire.plain(tick[f"{s}Size"])) for s in ("bid", "ask")),
        symbol=symbol,
        exchange_ts=wire.ns_from_epoch(tick["quoteTime"]),
        first_seq=number,
        last_seq=number,
    )


def parse_instruments(body: Frame) -> Iterable[Instrument]:
    """Return what is listed."""
    for item in body["data"]:
        yield Instrument(
            symbol=item["sc"],
            base=item["bc"].upper(),
            quote=item["qc"].upper(),
            kind="spot",
            active=item["state"] == "online",
            price_increment=_increment(item["tpp"]),
            size_increment=_increment(item["tap"]),
        )


def _increment(places: int) -> str:
    return f"0.{'1'.rjust(places, '0')}" if places else "1"


def parse_volumes(body: Frame) -> Iterable[tuple[str, float]]:
    """Return volumes in quote currency."""
    for item in body["data"]:
        yield item["symbol"], float(item["vol"])


EXCHANGE = Exchange(
    name="huobi",
    aliases=("htx",),
    docs="https://www.htx.com/en-us/opend/newApiPages/ (spot, read 2026-11-23)",
    url=f"{HOST}/ws",
    hosts=("api.huobi.pro/feed", "api-aws.huobi.pro/ws", "api-aws.huobi.pro/feed"),
    route=route,
    channels=CHANNELS,
    subscribe=subscribe,
    resubscribe=resubscribe,
    classify=classify,
    parse=parse,
    decode=decode,
    rule=sequence.REQ_PREV,
    book_depth=DEPTH,
    instruments=Instruments(
        url="https://api.huobi.pro/v2/settings/common/symbols",
        parse=parse_instruments,
        volumes_url="https://api.huobi.pro/market/tickers",
        volumes=parse_volumes,
    ),
    # a ping comes each 5 s
    keepalive=Keepalive(answer=answer, stale_s=20),
    limits=Limits(symbols=50, sends_per_second=10),
)
