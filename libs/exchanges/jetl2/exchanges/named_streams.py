"""Streams named `btcusdt@depth@100ms`: requests and frames that the sites of one house share.

A frame is an event, bare or in the wrapper {"stream", "data"} of a combined connection. Books are
deltas with a range of numbers onto a REST snapshot; on the derivatives' sites each also names the
number before it ("pu"), for ids are counted over all symbols there.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from jetl2.exchanges import wire
from jetl2.exchanges.errors import UnexpectedFrame
from jetl2.exchanges.exchange import RENEW, Address, Frame, Keepalive, dumps
from jetl2.schemas.records import (
    BUY,
    SELL,
    BookDelta,
    DerivativeTicker,
    Liquidation,
    MarketRecord,
    Trade,
)

STREAMS_PER_REQUEST = 200
SPOT = {"book_delta": "depth@100ms", "trade": "trade", "book_ticker": "bookTicker"}
# The raw trades of derivatives are not documented
DERIVATIVES = {
    "book_delta": "depth@100ms",
    "trade": "aggTrade",
    "book_ticker": "bookTicker",
    "derivative_ticker": "markPrice@1s",
    "liquidation": "forceOrder",
}

# Allowed are five messages a second to spot and ten to derivatives: pings of ours and answers to
# theirs count too, and may come with the list
SPOT_SENDS, DERIVATIVES_SENDS = 2, 6

# The servers' own pings are no frames, and quiet symbols send nothing: the list is always answered
KEEPALIVE = Keepalive(
    message=dumps({"method": "LIST_SUBSCRIPTIONS", "id": 0}), interval_s=20, stale_s=60
)

# Said before the server closes all connections
GOING_DOWN = "serverShutdown"

# Events that streams may carry and that become no record
IGNORED = frozenset(
    {
        "kline",
        "24hrTicker",
        "24hrMiniTicker",
        "1hTicker",
        "4hTicker",
        "1dTicker",
        "avgPrice",
        "blockTrade",
        "referencePrice",
        GOING_DOWN,
        "continuous_kline",
        "indexPriceUpdate",
        "indexPrice_kline",
        "markPrice_kline",
        "compositeIndex",
        "contractInfo",
        "assetIndexUpdate",
    }
)

Event = dict[str, Any]
Reader = Callable[[Event], Iterable[MarketRecord]]


def subscriber(
    channels: Mapping[str, str],
) -> Callable[[Sequence[str], Sequence[str]], list[str]]:
    """Return the `subscribe` of an exchange whose data types have these channels."""

    def subscribe(symbols: Sequence[str], data_types: Sequence[str]) -> list[str]:
        """Return requests for the streams of all symbols, each under the size of one request."""
        names = [f"{s.lower()}@{channels[t]}" for s in symbols for t in data_types if t in channels]
        parts = range(0, len(names), STREAMS_PER_REQUEST)
        return [
            dumps(
                {"method": "SUBSCRIBE", "params": names[i : i + STREAMS_PER_REQUEST], "id": i + 1}
            )
            for i in parts
        ]

    return subscribe


class _Order(msgspec.Struct):
    s: str


class _Data(msgspec.Struct):
    e: str = ""
    s: str = ""
    u: int = 0
    # of a forced order an object, of other events anything
    o: msgspec.Raw = msgspec.Raw(b"{}")


class _Head(_Data):
    stream: str = ""
    data: _Data | list[msgspec.Raw] | None = None
    code: Any = None
    error: Any = None


_decode_head = msgspec.json.Decoder(_Head).decode
_decode_order = msgspec.json.Decoder(_Order).decode


def classify(payload: bytes) -> Sequence[Address]:
    """Return the address by the stream's name, for a bare event by its own fields."""
    try:
        head = _decode_head(payload)
        event = head.data if isinstance(head.data, _Data) else head
        symbol = _decode_order(event.o).s if event.e == "forceOrder" else event.s
    except msgspec.MsgspecError as error:
        message = f"no JSON object of a stream: {error}"
        raise UnexpectedFrame(message) from None
    if event.e == GOING_DOWN:
        return (Address("", RENEW),)
    if head.stream:
        name, _, channel = head.stream.partition("@")
        # a list in a stream over all symbols ("!ticker@arr") is about none
        return (Address(symbol or ("" if name.startswith("!") else name.upper()), channel),)
    if symbol:
        return (Address(symbol, head.e or "bookTicker"),)
    return (Address("", "error" if head.code is not None or head.error else head.e or "ack"),)


def parser(readers: Mapping[str, Reader], what: str) -> Callable[[Frame], Iterable[MarketRecord]]:
    """Return the `parse` of an exchange.

    Args:
        readers: Event -> its records. The best prices of spot are of no event: "".
        what: The kind of streams, for messages.
    """

    def parse(frame: Frame) -> Iterable[MarketRecord]:
        """Return the records of one stream's event, in the combined wrapper or bare."""
        stream, data = "", frame
        if "stream" in frame:
            stream, data = frame["stream"], frame["data"]
        if isinstance(data, list):
            if stream.startswith("!"):
                return ()
            message = f"expected an event, found a list in stream {stream!r}"
            raise UnexpectedFrame(message)
        event = data.get("e", "" if "B" in data and "A" in data else None)
        if event in readers:
            return () if event == "depthUpdate" and _other_book(stream) else readers[event](data)
        if event in IGNORED or (stream and "lastUpdateId" in data):
            return ()
        if event is None and not data.keys().isdisjoint(("id", "code", "error")):
            return ()
        message = f"expected an event of a {what} stream, found {event!r} in stream {stream!r}"
        raise UnexpectedFrame(message)

    return parse


def _other_book(stream: str) -> bool:
    """Whether a stream gives a top of the book ("depth20@100ms") or one with hidden orders."""
    channel = stream.partition("@")[2]
    return bool(stream) and channel != "depth" and not channel.startswith("depth@")


def ranged(data: Event) -> Iterable[BookDelta]:
    """Read a delta of spot."""
    if "pu" in data:
        message = "expected a spot depthUpdate, found one with pu: that is a futures stream"
        raise UnexpectedFrame(message)
    return (_delta(data, wire.ns_from_epoch(data["E"]), 0),)


def linked(data: Event) -> Iterable[BookDelta]:
    """Read a delta of a derivative; T is the matching engine's time, E that of the push."""
    if "pu" not in data:
        message = "expected a futures depthUpdate, found one without pu: that is a spot stream"
        raise UnexpectedFrame(message)
    return (_delta(data, wire.ns_from_epoch(data["T"]), data["pu"]),)


def _delta(data: Event, exchange_ts: int, prev_seq: int) -> BookDelta:
    return wire.book(
        data["b"],
        data["a"],
        symbol=data["s"],
        exchange_ts=exchange_ts,
        first_seq=data["U"],
        last_seq=data["u"],
        prev_seq=prev_seq,
    )


def trade(data: Event) -> Iterable[Trade]:
    """Read a trade, or one order's trades at one price; those of no book ("ADL") are left out."""
    if data.get("X", "MARKET") != "MARKET":
        return ()
    number = data["t"] if data["e"] == "trade" else data["a"]
    return (
        wire.trade(
            data["p"],
            data["q"],
            symbol=data["s"],
            exchange_ts=wire.ns_from_epoch(data["T"]),
            trade_id=str(number),
            # m: the buyer was the maker, so the seller took
            aggressor=SELL if data["m"] else BUY,
        ),
    )


def best(data: Event) -> Iterable[MarketRecord]:
    """Read the best prices; those of spot carry no time of their own."""
    return (
        wire.ticker(
            (data["b"], data["B"]),
            (data["a"], data["A"]),
            symbol=data["s"],
            exchange_ts=wire.ns_from_epoch(data["T"]) if "T" in data else 0,
            first_seq=data["u"],
            last_seq=data["u"],
        ),
    )


def mark_price(data: Event) -> Iterable[DerivativeTicker]:
    """Read mark price, index and funding; of a dated future the rate is "" and its time 0."""
    funding_ts = data.get("T", 0)
    return (
        DerivativeTicker(
            symbol=data["s"],
            exchange_ts=wire.ns_from_epoch(data["E"]),
            funding_ts=wire.ns_from_epoch(funding_ts),
            funding_rate=data.get("r", "") if funding_ts else "",
            index_price=data.get("i", ""),
            mark_price=data["p"],
        ),
    )


def forced_order(data: Event) -> Iterable[Liquidation]:
    """Read a liquidation: the order's side is that of who took."""
    order = data["o"]
    if order["X"] != "FILLED":
        return ()
    return (
        wire.liquidation(
            order["p"],
            order["z"],
            symbol=order["s"],
            exchange_ts=wire.ns_from_epoch(order["T"]),
            aggressor={"BUY": BUY, "SELL": SELL}[order["S"]],
        ),
    )


spot = parser({"depthUpdate": ranged, "trade": trade, "aggTrade": trade, "": best}, "spot")
derivatives = parser(
    {
        "depthUpdate": linked,
        "trade": trade,
        "aggTrade": trade,
        "bookTicker": best,
        "markPriceUpdate": mark_price,
        "forceOrder": forced_order,
    },
    "futures",
)
