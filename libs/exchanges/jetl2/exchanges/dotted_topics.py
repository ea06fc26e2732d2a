"""Topics named `orderbook.200.BTCUSDT`: requests, frames and lists that the sites of one house share.

The book comes in its topic and holds so many levels as the topic says: what falls out of it is
removed by the exchange itself (so in recorded traffic). Numbers rise by one; number 1 is a snapshot
whatever its type says. Recorded traffic shows that for 200 levels; for other depths it is UNSURE.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from jetl2.exchanges import wire
from jetl2.exchanges.errors import UnexpectedFrame
from jetl2.exchanges.exchange import (
    Address,
    Exchange,
    Frame,
    Instrument,
    Keepalive,
    Limits,
    dumps,
)
from jetl2.orderbook import sequence
from jetl2.schemas.records import (
    BUY,
    SELL,
    BookDelta,
    BookTicker,
    DerivativeTicker,
    Liquidation,
    MarketRecord,
    Trade,
)

DEPTH = 200
SPOT = {
    "book_delta": f"orderbook.{DEPTH}",
    "trade": "publicTrade",
    "book_ticker": "orderbook.1",
}
DERIVATIVES = SPOT | {"derivative_ticker": "tickers", "liquidation": "allLiquidation"}

# Spot allows so many a request
TOPICS_PER_REQUEST = 10
# Topics that may come and become no record
IGNORED = frozenset(
    {
        "tickers",  # of spot: no price that is not in another topic
        "kline",
        "kline_lt",
        "tickers_lt",
        "lt",
        "liquidation",
        "priceLimit",
        "insurance",
        "adlAlert",
        "system",
    }
)
SIDES = {"Buy": BUY, "Sell": SELL}


def exchange(**fields: Any) -> Exchange:
    """Return an exchange of this protocol, `channels` of a site and what is given."""
    channels: Mapping[str, str] = fields["channels"]
    return Exchange(
        subscribe=subscriber(channels),
        resubscribe=resubscribe,
        classify=classify,
        parse=parser(channels),
        rule=sequence.CHAN_PLUS1,
        book_depth=DEPTH,
        # each ping is answered
        keepalive=Keepalive(message=dumps({"op": "ping"}), interval_s=20, stale_s=45),
        limits=Limits(symbols=100, connects_per_minute=60, sends_per_second=5),
        **fields,
    )


def subscriber(
    channels: Mapping[str, str],
) -> Callable[[Sequence[str], Sequence[str]], list[str]]:
    """Return the `subscribe` of an exchange whose data types have these channels."""

    def subscribe(symbols: Sequence[str], data_types: Sequence[str]) -> list[str]:
        """Return requests for the topics of all symbols, some at a time."""
        topics = [f"{channels[t]}.{s}" for s in symbols for t in data_types if t in channels]
        parts = range(0, len(topics), TOPICS_PER_REQUEST)
        return [_request("subscribe", topics[i : i + TOPICS_PER_REQUEST]) for i in parts]

    return subscribe


def resubscribe(symbol: str) -> list[str]:
    """Return the requests that bring a new snapshot of one book."""
    topics = [f"{SPOT['book_delta']}.{symbol}"]
    return [_request(op, topics) for op in ("unsubscribe", "subscribe")]


def _request(op: str, topics: Sequence[str]) -> str:
    return dumps({"op": op, "args": topics})


class _Head(msgspec.Struct):
    topic: str = ""
    op: str = ""
    success: bool = True
    retCode: int = 0  # noqa: N815 - as sent


_decode_head = msgspec.json.Decoder(_Head).decode
_OURS = frozenset(channel.partition(".")[0] for channel in DERIVATIVES.values())


def classify(payload: bytes) -> Sequence[Address]:
    """Return the address that the topic names."""
    try:
        head = _decode_head(payload)
    except msgspec.MsgspecError as error:
        message = f"no JSON object of a topic: {error}"
        raise UnexpectedFrame(message) from None
    if not head.topic:
        return (Address("", "error" if head.retCode or not head.success else head.op or "ack"),)
    channel, _, symbol = head.topic.rpartition(".")
    return (Address(symbol if channel.partition(".")[0] in _OURS else "", channel),)


def parser(channels: Mapping[str, str]) -> Callable[[Frame], Iterable[MarketRecord]]:
    """Return the `parse` of an exchange whose data types have these channels."""
    readers = {name: read for name, read in _READERS.items() if name in channels.values()}

    def parse(frame: Frame) -> Iterable[MarketRecord]:
        """Return the records of a topic's message."""
        topic = frame.get("topic")
        if topic is None and not frame.keys().isdisjoint(("op", "success", "retCode")):
            return ()
        name, *rest = (topic or "").split(".")
        if name == "orderbook" and len(rest) > 1:
            if not rest[0].isdigit():
                return ()  # with hidden orders ("rpi"), or onto a REST snapshot ("full")
            return _best(frame) if rest[0] == "1" else (_book(frame),)
        if name in readers:
            return readers[name](frame)
        if name in IGNORED:
            return ()
        message = f"expected a topic of the v5 protocol, found {topic!r}"
        raise UnexpectedFrame(message)

    return parse


def _book(frame: Frame) -> BookDelta:
    data, kind = frame["data"], frame["type"]
    if kind not in ("snapshot", "delta"):
        message = f"expected a book's snapshot or delta, found {kind!r}"
        raise UnexpectedFrame(message)
    number = data["u"]
    return wire.book(
        data["b"],
        data["a"],
        symbol=data["s"],
        # the service was started anew: a whole book
        is_snapshot=kind == "snapshot" or number == 1,
        exchange_ts=_matched(frame),
        first_seq=number,
        last_seq=number,
    )


def _best(frame: Frame) -> Iterable[BookTicker]:
    data = frame["data"]
    bid, ask = (next((lv for lv in data[side] if lv[1].strip("0.")), None) for side in "ba")
    # until 2024 there were changes too: a side that one leaves out is not empty
    if frame["type"] != "snapshot" and not (bid and ask):
        return ()
    return (
        wire.ticker(
            bid,
            ask,
            symbol=data["s"],
            exchange_ts=_matched(frame),
            first_seq=data["u"],
            last_seq=data["u"],
        ),
    )


def _matched(frame: Frame) -> int:
    """Return when the engine matched; frames of before 2023-08 have only when it was sent."""
    return wire.ns_from_epoch(frame.get("cts") or frame["ts"])


def _trades(frame: Frame) -> Iterable[Trade]:
    # block trades were agreed elsewhere
    return [_trade(item) for item in frame["data"] or () if not item.get("BT")]


def _trade(item: dict[str, Any]) -> Trade:
    return wire.trade(
        item["p"],
        item["v"],
        symbol=item["s"],
        exchange_ts=wire.ns_from_epoch(item["T"]),
        trade_id=item["i"],
        aggressor=SIDES[item["S"]],
    )


def _ticker(frame: Frame) -> Iterable[DerivativeTicker]:
    data = frame["data"]
    fields = {ours: data[theirs] for ours, theirs in _TICKER.items() if data.get(theirs)}
    # most changes are of the best prices alone
    if not fields:
        return ()
    return (
        DerivativeTicker(
            symbol=data["symbol"],
            exchange_ts=wire.ns_from_epoch(frame["ts"]),
            funding_ts=wire.ns_from_epoch(data.get("nextFundingTime") or 0),
            **fields,
        ),
    )


_TICKER = {
    "funding_rate": "fundingRate",
    "open_interest": "openInterest",
    "last_price": "lastPrice",
    "index_price": "indexPrice",
    "mark_price": "markPrice",
}


def _liquidations(frame: Frame) -> Iterable[Liquidation]:
    return [_liquidation(item) for item in frame["data"]]


def _liquidation(item: dict[str, Any]) -> Liquidation:
    # S is the position's side: of a long one the order sells
    return wire.liquidation(
        item["p"],
        item["v"],
        symbol=item["s"],
        exchange_ts=wire.ns_from_epoch(item["T"]),
        aggressor={"Buy": SELL, "Sell": BUY}[item["S"]],
    )


_READERS: Mapping[str, Callable[[Frame], Iterable[MarketRecord]]] = {
    "publicTrade": _trades,
    "tickers": _ticker,
    "allLiquidation": _liquidations,
}


def parse_instruments(body: Frame) -> Iterable[Instrument]:
    """Return what is listed, a thousand at most: all there are of each kind today."""
    for item in body["result"]["list"]:
        contract = item.get("contractType", "")
        lots = item["lotSizeFilter"]
        perpetual = "perpetual" if contract.endswith("Perpetual") else "future"
        yield Instrument(
            symbol=item["symbol"],
            base=item["baseCoin"],
            quote=item["quoteCoin"],
            kind=perpetual if contract else "spot",
            active=item["status"] == "Trading",
            price_increment=item["priceFilter"]["tickSize"],
            size_increment=lots.get("qtyStep") or lots.get("basePrecision", ""),
        )
