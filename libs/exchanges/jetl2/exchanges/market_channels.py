"""Channels named by their market, `spot.trades` and `futures.trades`: what such sites share.

The book comes by the channel `obu`: a whole one of 400 levels, then deltas whose range of numbers
begins where the last ended; a delta may be empty. Before August 2025 it was recorded by
`order_book_update`, deltas onto a REST snapshot of 100 levels: such recordings replay too.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import msgspec

from jetl2.exchanges import wire
from jetl2.exchanges.errors import UnexpectedFrame
from jetl2.exchanges.exchange import (
    RENEW,
    TIME_S,
    Address,
    Exchange,
    Frame,
    Keepalive,
    Limits,
    Parsed,
    RestSnapshot,
    dumps,
)
from jetl2.orderbook import sequence
from jetl2.schemas.records import (
    BUY,
    SELL,
    BookDelta,
    DerivativeTicker,
    MarketRecord,
)

DEPTH = 400
NAMES = {
    "book_delta": "obu",
    "trade": "trades",
    "book_ticker": "book_ticker",
    "derivative_ticker": "tickers",
    "liquidation": "public_liquidates",
}
SIDES = {"buy": BUY, "sell": SELL}
# Of an epoch time: below it is in seconds
_MILLISECONDS_FROM = 10**11


def exchange(market: str, parameter: str, data_types: Iterable[str], **fields: Any) -> Exchange:
    """Return an exchange of this protocol.

    Args:
        market: That names the channels.
        parameter: By which REST names a symbol.
        data_types: What its channels give.
        fields: The rest of it, `rest` the folder of its REST calls.
    """
    rest = fields.pop("rest")
    channels = {data_type: f"{market}.{NAMES[data_type]}" for data_type in data_types}

    def snapshot_url(symbol: str) -> str:
        query = urlencode({parameter: symbol, "limit": 100, "with_id": "true"})
        return f"{rest}/order_book?{query}"

    return Exchange(
        channels=channels,
        subscribe=subscriber(channels),
        resubscribe=resubscriber(channels["book_delta"]),
        classify=classify,
        parse=parser(market, channels),
        # the answer to a subscription joins what came before it; so did the REST snapshot
        rule=replace(sequence.CHAN_PLUS1, snapshot="request", scope="symbol"),
        snapshot=RestSnapshot(url=snapshot_url, parse=parse_snapshot),
        book_depth=DEPTH,
        # who sends nothing for 30 s is cut
        keepalive=Keepalive(message=_request(f"{market}.ping", ""), interval_s=15, stale_s=40),
        # 150 streams on one connection were seen to work; no limit is published
        limits=Limits(symbols=30, connects_per_minute=30, sends_per_second=5),
        **fields,
    )


def subscriber(
    channels: Mapping[str, str],
) -> Callable[[Sequence[str], Sequence[str]], list[str]]:
    """Return what makes requests: one a book, one of all symbols for each other channel."""

    def subscribe(symbols: Sequence[str], data_types: Sequence[str]) -> list[str]:
        requests = []
        for data_type in data_types:
            if data_type == "book_delta":
                requests += [_book_request(channels[data_type], "subscribe", s) for s in symbols]
            elif data_type in channels:
                requests.append(_request(channels[data_type], "subscribe", symbols))
        return requests

    return subscribe


def resubscriber(channel: str) -> Callable[[str], list[str]]:
    """Return what makes the requests that bring one book anew."""
    return lambda symbol: [
        _book_request(channel, event, symbol) for event in ("unsubscribe", "subscribe")
    ]


def _book_request(channel: str, event: str, symbol: str) -> str:
    return _request(channel, event, [f"ob.{symbol}.{DEPTH}"])


def _request(channel: str, event: str, payload: Sequence[str] = ()) -> str:
    more = {"event": event, "payload": list(payload)} if event else {}
    return dumps({"time": TIME_S, "channel": channel, **more})


class _Item(msgspec.Struct):
    # a size in the channel that obu and order_book_update came after
    s: str | int = ""
    currency_pair: str = ""
    contract: str = ""
    type: str = ""


class _Head(msgspec.Struct):
    channel: str
    event: str = "update"
    error: Any = None
    result: _Item | list[_Item] | None = None


_decode_head = msgspec.json.Decoder(_Head).decode


def classify(payload: bytes) -> Sequence[Address]:
    """Return the symbols of a push; futures put several items into one."""
    try:
        head = _decode_head(payload)
    except msgspec.MsgspecError as error:
        message = f"no JSON object of a market's channel: {error}"
        raise UnexpectedFrame(message) from None
    if head.event not in ("update", "all"):
        return (Address("", "error" if head.error else head.event or head.channel),)
    if head.channel.endswith(".order_book"):
        return (Address("", head.channel),)
    items = head.result if isinstance(head.result, list) else [head.result or _Item()]
    if head.channel.endswith(".system") and any(item.type == "upgrade" for item in items):
        return (Address("", RENEW),)
    symbols = (_symbol(str(i.s)) or i.currency_pair or i.contract for i in items)
    return [Address(s, head.channel) for s in dict.fromkeys(symbols)] or (
        Address("", head.channel),
    )


def _symbol(name: str) -> str:
    """Return whose book a stream is: `ob.ABC_USDT.400`."""
    return name[3:].rpartition(".")[0] if name.startswith("ob.") else name


def parser(market: str, data_types: Iterable[str]) -> Callable[[Frame], Iterable[Parsed]]:
    """Return what reads the frames of one market."""
    readers = {NAMES[data_type]: _READERS[data_type] for data_type in data_types}
    readers["order_book_update"] = _book

    def parse(frame: Frame) -> Iterable[Parsed]:
        site, _, channel = frame.get("channel", "").partition(".")
        if site != market:
            message = f"expected a channel of {market}, found {frame.get('channel')!r}"
            raise UnexpectedFrame(message)
        if frame.get("event", "update") != "update" or channel not in readers:
            return ()
        return readers[channel](frame["result"], frame)

    return parse


def _book(item: dict[str, Any], _frame: Frame) -> Iterable[Parsed]:
    snapshot = item.get("full", False)
    yield wire.book(
        _levels(item.get("b")),
        _levels(item.get("a")),
        symbol=_symbol(item["s"]),
        is_snapshot=snapshot,
        exchange_ts=wire.ns_from_epoch(item["t"]),
        first_seq=item["u"] if snapshot else item["U"],
        last_seq=item["u"],
    )


def _levels(levels: Sequence[Any] | None) -> list[tuple[str, str]]:
    # futures had objects before obu, and have whole numbers of contracts
    pairs = ((v["p"], v["s"]) if isinstance(v, dict) else v for v in levels or ())
    return [(str(price), str(size)) for price, size in pairs]


def _trades(result: Any, _frame: Frame) -> Iterable[Parsed]:
    if isinstance(result, dict):
        yield _trade(result, result["currency_pair"], result["amount"], result["side"])
        return
    for item in result:
        # an internal one is between the insurance and a position that is closed for it
        if not item.get("is_internal"):
            size = str(item["size"])
            side = "sell" if size.startswith("-") else "buy"
            yield _trade(item, item["contract"], size.lstrip("-"), side)


def _trade(item: dict[str, Any], symbol: str, size: str, side: str) -> MarketRecord:
    return wire.trade(
        str(item["price"]),
        size,
        symbol=symbol,
        exchange_ts=_ns(item.get("create_time_ms") or item["create_time"]),
        trade_id=str(item["id"]),
        aggressor=SIDES[side],
    )


def _ns(number: int | str) -> int:
    """Return ns of an epoch time in seconds or milliseconds, with decimals or not."""
    whole, _, part = str(number).partition(".")
    places = 9 if int(whole) < _MILLISECONDS_FROM else 6
    return int(whole + part[:places].ljust(places, "0"))


def _best(item: dict[str, Any], _frame: Frame) -> Iterable[Parsed]:
    yield wire.ticker(
        (item["b"], str(item["B"])),
        (item["a"], str(item["A"])),
        symbol=item["s"],
        exchange_ts=wire.ns_from_epoch(item["t"]),
        first_seq=item["u"],
        last_seq=item["u"],
    )


def _tickers(result: Any, frame: Frame) -> Iterable[Parsed]:
    for item in result if isinstance(result, list) else [result]:
        yield DerivativeTicker(
            symbol=item["contract"],
            exchange_ts=_ns(frame.get("time_ms") or frame["time"]),
            funding_rate=wire.plain(item.get("funding_rate")),
            predicted_funding_rate=wire.plain(item.get("funding_rate_indicative")),
            open_interest=wire.plain(item.get("total_size")),
            last_price=wire.plain(item.get("last")),
            index_price=wire.plain(item.get("index_price")),
            mark_price=wire.plain(item.get("mark_price")),
        )


def _liquidations(result: list[dict[str, Any]], _frame: Frame) -> Iterable[Parsed]:
    for item in result:
        size = str(item["size"])
        yield wire.liquidation(
            str(item["price"]),
            size.lstrip("-"),
            symbol=item["contract"],
            exchange_ts=_ns(item.get("time_ms") or item["time"]),
            # of the order that closes the position
            aggressor=SELL if size.startswith("-") else BUY,
        )


_READERS: Mapping[str, Callable[[Any, Frame], Iterable[Parsed]]] = {
    "book_delta": _book,
    "trade": _trades,
    "book_ticker": _best,
    "derivative_ticker": _tickers,
    "liquidation": _liquidations,
}


def parse_snapshot(symbol: str, body: Frame) -> BookDelta:
    """Return a REST snapshot, which joins the deltas of `order_book_update`."""
    if not isinstance(body, dict) or "id" not in body:
        message = f"{symbol}: expected an order book with its id, found {body!r:.200}"
        raise UnexpectedFrame(message)
    return wire.book(
        _levels(body["bids"]),
        _levels(body["asks"]),
        symbol=symbol,
        is_snapshot=True,
        exchange_ts=_ns(body["update"]) if "update" in body else 0,
        first_seq=body["id"],
        last_seq=body["id"],
    )
