"""BitMEX realtime: books by rows with ids, whole in a table's `partial`, without any number.

Rows are told by id and side; a price comes with each row today, once only with new ones, so that an
id stands for its price. What the rows' field `pool` (since 2026) means is UNSURE: it is passed over.
Sizes are contracts. UNSURE: that a ping is wanted after 5 s of silence.
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from jetl2.exchanges import wire
from jetl2.exchanges.errors import UnexpectedFrame
from jetl2.exchanges.exchange import (
    Address,
    BookRows,
    Exchange,
    Frame,
    Instrument,
    Instruments,
    Keepalive,
    Limits,
    Parsed,
    decode_json,
    dumps,
)
from jetl2.orderbook import sequence
from jetl2.orderbook.rows import Row
from jetl2.schemas.records import BUY, SELL, UNKNOWN, BookDelta, DerivativeTicker

TOPICS_PER_REQUEST = 20
PONG = "pong"
CHANNELS = {
    "book_delta": "orderBookL2",
    "trade": "trade",
    "book_ticker": "quote",
    "derivative_ticker": "instrument",
    "liquidation": "liquidation",
}
BOOKS = frozenset({"orderBookL2", "orderBookL2_25"})
# Tables that may be recorded beside ours and become no record; a beginning stands for its family
IGNORED = (
    "orderBook10",
    "tradeBin",
    "quoteBin",
    "funding",
    "settlement",
    "insurance",
    "announcement",
    "publicNotifications",
    "connected",
    "chat",
)
ACTIONS = frozenset({"partial", "insert", "update", "delete"})
BIDS = {"Buy": True, "Sell": False}
AGGRESSORS = {"Buy": BUY, "Sell": SELL}
ASSETS = {"XBT": "BTC"}
KINDS = {"FFWCSX": "perpetual", "FFWCSF": "perpetual", "FFCCSX": "future", "IFXXXP": "spot"}


def subscribe(symbols: Sequence[str], data_types: Sequence[str]) -> list[str]:
    """Return requests for the tables of all symbols."""
    topics = [f"{CHANNELS[t]}:{symbol}" for symbol in symbols for t in data_types if t in CHANNELS]
    return [
        dumps({"op": "subscribe", "args": topics[i : i + TOPICS_PER_REQUEST]})
        for i in range(0, len(topics), TOPICS_PER_REQUEST)
    ]


def resubscribe(symbol: str) -> list[str]:
    """Return the requests that bring a new partial of one book."""
    args = [f"{CHANNELS['book_delta']}:{symbol}"]
    return [dumps({"op": op, "args": args}) for op in ("unsubscribe", "subscribe")]


def decode(payload: bytes) -> Frame:
    """Return the frame; the answer to a ping is a bare word, not JSON."""
    return PONG if payload == b"pong" else decode_json(payload)


class _Item(msgspec.Struct):
    symbol: str = ""


class _Head(msgspec.Struct):
    table: str = ""
    data: list[_Item] = []
    filter: _Item | None = None
    success: bool | None = None
    error: Any = None


_decode_head = msgspec.json.Decoder(_Head).decode


def classify(payload: bytes) -> Sequence[Address]:
    """Return the symbols of a table's rows; of an empty partial, the one it is filtered by."""
    if payload == b"pong":
        return (Address("", PONG),)
    try:
        head = _decode_head(payload)
    except msgspec.MsgspecError as error:
        message = f"no JSON object of the realtime protocol: {error}"
        raise UnexpectedFrame(message) from None
    if not head.table:
        failed = head.error is not None or head.success is False
        return (Address("", "error" if failed else "ack"),)
    symbols = dict.fromkeys(item.symbol for item in head.data)
    if head.table in BOOKS and "" in symbols:
        message = f"expected a symbol in each row of {head.table}"
        raise UnexpectedFrame(message)
    if symbols:
        return tuple(Address(symbol, head.table) for symbol in symbols)
    return (Address(head.filter.symbol if head.filter else "", head.table),)


def parse(frame: Frame) -> Iterable[Parsed]:
    """Return what a table's change says; nothing for what the connection says of itself."""
    if frame == PONG or not frame.keys().isdisjoint(("success", "info", "error", "op")):
        return ()
    table, action, data = frame.get("table", ""), frame.get("action"), frame.get("data")
    if not table or action not in ACTIONS:
        message = f"expected a table's change, found the table {table!r}, action {action!r}"
        raise UnexpectedFrame(message)
    if table in BOOKS:
        return _books(frame)
    if table == "trade":
        # a partial is what was traded before we listened
        return [_trade(row) for row in data if _traded(row)] if action == "insert" else ()
    if table == "quote":
        return [_quote(row) for row in data]
    if table == "instrument":
        return [found for row in data if (found := _state(row))]
    if table == "liquidation":
        return [_liquidation(row) for row in data] if action == "insert" else ()
    if table.startswith(IGNORED):
        return ()
    message = f"expected a table of the realtime protocol, found {table!r}"
    raise UnexpectedFrame(message)


def _books(frame: Frame) -> Iterable[BookRows]:
    rows: dict[str, list[dict[str, Any]]] = {}
    whole = frame["action"] == "partial"
    if whole and not frame["data"]:
        rows[frame["filter"]["symbol"]] = []
    for row in frame["data"]:
        rows.setdefault(row["symbol"], []).append(row)
    for symbol, items in rows.items():
        # none before 2022; all of one form, so that the latest is the greatest text
        newest = max((row.get("timestamp") or "" for row in items), default="")
        book = BookDelta(
            symbol=symbol,
            is_snapshot=whole,
            exchange_ts=wire.ns_from_iso(newest) if newest else 0,
        )
        yield BookRows(book=book, rows=[_row(row, frame["action"]) for row in items])


def _row(row: dict[str, Any], action: str) -> Row:
    bid, number = BIDS[row["side"]], row["id"]
    if type(number) is not int:
        message = f"expected a row's id to be a whole number, found {number!r:.100}"
        raise UnexpectedFrame(message)
    # one id may rest on both sides, for the blink of a change
    number = number if bid else -number
    if action == "delete":
        return Row(number, "0")
    size = str(row["size"])
    if action == "update":
        return Row(number, size)
    return Row(number, size, str(row["price"]), bid, new=True)


def _traded(row: dict[str, Any]) -> bool:
    """Whether a row is of an instrument, not the new value of an index."""
    return not row["symbol"].startswith(".")


def _trade(row: dict[str, Any]) -> Parsed:
    return wire.trade(
        str(row["price"]),
        str(row["size"]),
        symbol=row["symbol"],
        exchange_ts=wire.ns_from_iso(row["timestamp"]),
        trade_id=row["trdMatchID"],
        # a settlement has no side
        aggressor=AGGRESSORS[row["side"]] if row.get("side") else UNKNOWN,
    )


def _quote(row: dict[str, Any]) -> Parsed:
    sides = (
        (wire.plain(row.get(f"{s}Price")), wire.plain(row.get(f"{s}Size"))) for s in ("bid", "ask")
    )
    fields = {"symbol": row["symbol"], "exchange_ts": wire.ns_from_iso(row["timestamp"])}
    return wire.ticker(*sides, **fields)


def _state(row: dict[str, Any]) -> DerivativeTicker | None:
    """Return what an instrument's row says of funding, interest and prices, if anything."""
    numbers: dict[str, Any] = {
        "funding_rate": wire.plain(row.get("fundingRate")),
        "predicted_funding_rate": wire.plain(row.get("indicativeFundingRate")),
        "open_interest": wire.plain(row.get("openInterest")),
        "last_price": wire.plain(row.get("lastPrice")),
        "index_price": wire.plain(row.get("indicativeSettlePrice")),
        "mark_price": wire.plain(row.get("markPrice")),
    }
    if not any(numbers.values()):
        return None
    due, now = row.get("fundingTimestamp"), row.get("timestamp")
    return DerivativeTicker(
        symbol=row["symbol"],
        exchange_ts=wire.ns_from_iso(now) if now else 0,
        funding_ts=wire.ns_from_iso(due) if due else 0,
        **numbers,
    )


def _liquidation(row: dict[str, Any]) -> Parsed:
    # the order that closes the position, as large as it is left
    return wire.liquidation(
        str(row["price"]),
        str(row["leavesQty"]),
        symbol=row["symbol"],
        trade_id=row["orderID"],
        aggressor=AGGRESSORS[row["side"]],
    )


def parse_instruments(body: Frame) -> Iterable[Instrument]:
    """Return what trades; a contract is one of the quote currency where it is inverse."""
    for item in body:
        base, quote = (ASSETS.get(item[a], item[a]) for a in ("underlying", "quoteCurrency"))
        parts = item.get("underlyingToPositionMultiplier")
        yield Instrument(
            symbol=item["symbol"],
            base=base,
            quote=quote,
            kind=KINDS.get(item["typ"], item["typ"].lower()),
            active=item["state"] == "Open",
            price_increment=wire.plain(item.get("tickSize")),
            size_increment=wire.plain(item.get("lotSize")),
            contract_size="" if item.get("isInverse") or not parts else _one_of(parts),
        )


def _one_of(parts: int | str) -> str:
    return f"{1 / Decimal(str(parts)):f}"


def parse_volumes(body: Frame) -> Iterable[tuple[str, float]]:
    """Return volumes in quote currency."""
    for item in body:
        yield item["symbol"], float(item.get("foreignNotional24h") or 0)


EXCHANGE = Exchange(
    name="bitmex",
    docs="https://www.bitmex.com/app/wsAPI (changes to 2026-03-30, read 2026-11-23)",
    url="wss://ws.bitmex.com/realtime",
    hosts=("www.bitmex.com/realtime", "ws.testnet.bitmex.com/realtime"),
    markets=("inverse", "linear", "spot"),
    channels=CHANNELS,
    subscribe=subscribe,
    resubscribe=resubscribe,
    classify=classify,
    parse=parse,
    decode=decode,
    rule=sequence.KEYED_ROWS,
    instruments=Instruments(
        url="https://www.bitmex.com/api/v1/instrument/active",
        parse=parse_instruments,
        volumes=parse_volumes,
    ),
    # pings are wanted after 5 s of silence
    keepalive=Keepalive(message="ping", interval_s=5, stale_s=20),
    limits=Limits(symbols=50, connects_per_minute=10, sends_per_second=2),
)
