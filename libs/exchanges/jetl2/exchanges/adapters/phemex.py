"""Phemex: snapshot in the stream and again each minute, deltas whose numbers only rise.

Contracts in USDT and USDC (BTCUSDT) have channels of texts, "_p"; spot (sBTCUSDT) and contracts in
coins (BTCUSD) have scaled integers: 8 decimals of price and size for spot, 4 of price and whole
contracts of 1 USD else. The frames do not name these scales, so that a product listed with another
one is not offered; UNSURE for spot. A sequence is shared by several books and proves order only;
what was lost shows when the snapshot of the minute differs from the book of its own number.
There is no channel of best prices or liquidations, and trades have no id. UNSURE: whether asking
again for a book brings its snapshot before the next one that comes by itself.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import msgspec

from jetl2.exchanges import wire
from jetl2.exchanges.errors import UnexpectedFrame
from jetl2.exchanges.exchange import (
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
from jetl2.schemas import decimals
from jetl2.schemas.records import BUY, SELL, BookDelta, DerivativeTicker, MarketRecord

CHANNELS = {"book_delta": "orderbook", "trade": "trade", "derivative_ticker": "market24h"}
SIDES = {"Buy": BUY, "Sell": SELL}
IGNORED = frozenset({"spot_market24h", "tick", "tick_p", "kline", "kline_p"})
PACK = "perp_market24h_pack_p"
# Places of what we read in a row of the pack; the documented order, which its first message names
SYMBOL, LAST, OPEN_INTEREST, INDEX, MARK, FUNDING, PREDICTED = 0, 4, 7, 8, 9, 10, 11


def _is_spot(symbol: str) -> bool:
    return symbol.startswith("s")


def _is_scaled(symbol: str) -> bool:
    return _is_spot(symbol) or symbol.endswith("USD")


def _scales(symbol: str) -> tuple[int, int]:
    """Return the decimals of a price and of a size that are sent as integers."""
    return (8, 8) if _is_spot(symbol) else (4, 0)


def subscribe(symbols: Sequence[str], data_types: Sequence[str]) -> list[str]:
    """Return a request for each channel of each symbol; tickers come for all contracts."""
    found = []
    for data_type in data_types:
        if data_type == "derivative_ticker":
            contracts = [s for s in symbols if not _is_spot(s)]
            methods = dict.fromkeys("market24h" if _is_scaled(s) else PACK for s in contracts)
            found += [_request(method, []) for method in methods]
        elif data_type in CHANNELS:
            found += [_request(_channel(s, CHANNELS[data_type]), [s]) for s in symbols]
    return found


def resubscribe(symbol: str) -> list[str]:
    """Return the request for a book again: giving one back is documented for all at once only."""
    return [_request(_channel(symbol, CHANNELS["book_delta"]), [symbol])]


def _channel(symbol: str, name: str) -> str:
    return name if _is_scaled(symbol) else f"{name}_p"


def _request(channel: str, params: list[str]) -> str:
    return dumps({"id": 1, "method": f"{channel}.subscribe", "params": params})


class _Named(msgspec.Struct):
    symbol: str


class _Head(msgspec.Struct):
    symbol: str = ""
    type: str = ""
    method: str = ""
    event: str = ""
    error: Any = None
    trades: msgspec.Raw = msgspec.Raw()
    trades_p: msgspec.Raw = msgspec.Raw()
    market24h: _Named | None = None
    market24h_p: _Named | None = None
    data: list[list[Any]] = []


_decode_head = msgspec.json.Decoder(_Head).decode


def classify(payload: bytes) -> Sequence[Address]:
    """Return the symbol that a frame names at its top, or those in tickers."""
    try:
        head = _decode_head(payload)
    except msgspec.MsgspecError as error:
        message = f"no JSON object of the public protocol: {error}"
        raise UnexpectedFrame(message) from None
    if head.symbol:
        trades = bytes(head.trades) or bytes(head.trades_p)
        return (Address(head.symbol, CHANNELS["trade" if trades else "book_delta"]),)
    if ticker := head.market24h or head.market24h_p:
        return (Address(ticker.symbol, CHANNELS["derivative_ticker"]),)
    if head.method.startswith(PACK) and head.data:
        return tuple(Address(row[0], CHANNELS["derivative_ticker"]) for row in head.data)
    if head.type:
        message = f"expected a symbol beside the type {head.type!r}"
        raise UnexpectedFrame(message)
    failed = head.error or head.event == "error"
    return (Address("", "error" if failed else head.method or "ack"),)


def parse(frame: Frame) -> Iterable[Parsed]:
    """Return the records of a push; what a frame is shows by the field that it has."""
    if "book" in frame:
        return _book(frame, frame["book"], _scales(frame["symbol"]))
    if "orderbook_p" in frame:
        return _book(frame, frame["orderbook_p"], (0, 0))
    if "trades" in frame:
        return _trades(frame, frame["trades"], _scales(frame["symbol"]))
    if "trades_p" in frame:
        return _trades(frame, frame["trades_p"], (0, 0))
    if "market24h" in frame:
        return (_scaled_ticker(frame["market24h"], frame["timestamp"]),)
    if "market24h_p" in frame:
        return (_ticker(frame["market24h_p"], frame["timestamp"]),)
    if frame.get("method") == f"{PACK}.update":
        return [_row(row, frame["timestamp"]) for row in frame["data"]]
    if "id" in frame or frame.get("event") == "error" or not IGNORED.isdisjoint(frame):
        return ()
    message = f"expected a frame of the public protocol, found the fields {sorted(frame)}"
    raise UnexpectedFrame(message)


def _kind(frame: dict[str, Any]) -> bool:
    """Return whether it is a snapshot."""
    kind = frame["type"]
    if kind not in ("snapshot", "incremental"):
        message = f"expected the type snapshot or incremental, found {kind!r}"
        raise UnexpectedFrame(message)
    return bool(kind == "snapshot")


def _book(
    frame: dict[str, Any], sides: dict[str, Any], scales: tuple[int, int]
) -> Iterable[BookDelta | Book]:
    snapshot = _kind(frame)
    if snapshot:
        # 0 is all there are
        yield Book(symbol=frame["symbol"], depth=frame["depth"])
    record = wire.book(
        [_level(level, scales) for level in sides["bids"]],
        [_level(level, scales) for level in sides["asks"]],
        symbol=frame["symbol"],
        is_snapshot=snapshot,
        exchange_ts=frame["timestamp"],
        first_seq=frame["sequence"],
        last_seq=frame["sequence"],
    )
    record.price_exponent -= scales[0]
    record.size_exponent -= scales[1]
    yield record


def _level(level: Sequence[Any], scales: tuple[int, int]) -> tuple[str, str]:
    price, size = level
    if scales[0] and not (type(price) is type(size) is int):
        message = f"expected scaled integers, found the price {price!r}, the size {size!r}"
        raise UnexpectedFrame(message)
    return str(price), str(size)


def _trades(
    frame: dict[str, Any], trades: list[Any], scales: tuple[int, int]
) -> Iterable[MarketRecord]:
    if _kind(frame):
        return  # what was traded before we listened
    same: Counter[int] = Counter()
    for ts, side, price, size in trades:
        record = wire.trade(
            *_level((price, size), scales),
            symbol=frame["symbol"],
            exchange_ts=ts,
            trade_id=f"{ts}-{same[ts]}",
            aggressor=SIDES[side],
        )
        same[ts] += 1
        record.price_exponent -= scales[0]
        record.size_exponent -= scales[1]
        yield record


def _scaled_ticker(item: dict[str, Any], ts: int) -> MarketRecord:
    price = _scales(item["symbol"])[0]
    return DerivativeTicker(
        symbol=item["symbol"],
        exchange_ts=ts,
        funding_rate=_unscaled(item.get("fundingRate"), 8),
        predicted_funding_rate=_unscaled(item.get("predFundingRate"), 8),
        open_interest=wire.plain(item.get("openInterest")),
        last_price=_unscaled(item.get("close"), price),
        index_price=_unscaled(item.get("indexPrice"), price),
        mark_price=_unscaled(item.get("markPrice"), price),
    )


def _unscaled(number: int | None, scale: int) -> str:
    return "" if number is None else decimals.render(int(number), -scale)


def _ticker(item: dict[str, Any], ts: int) -> MarketRecord:
    return DerivativeTicker(
        symbol=item["symbol"],
        exchange_ts=ts,
        funding_rate=wire.plain(item.get("fundingRateRr")),
        predicted_funding_rate=wire.plain(item.get("predFundingRateRr")),
        open_interest=wire.plain(item.get("openInterestRv")),
        last_price=wire.plain(item.get("closeRp")),
        index_price=wire.plain(item.get("indexPriceRp")),
        mark_price=wire.plain(item.get("markPriceRp")),
    )


def _row(row: list[Any], ts: int) -> MarketRecord:
    return DerivativeTicker(
        symbol=row[SYMBOL],
        exchange_ts=ts,
        funding_rate=wire.plain(row[FUNDING]),
        predicted_funding_rate=wire.plain(row[PREDICTED]),
        open_interest=wire.plain(row[OPEN_INTEREST]),
        last_price=wire.plain(row[LAST]),
        index_price=wire.plain(row[INDEX]),
        mark_price=wire.plain(row[MARK]),
    )


def parse_instruments(body: Frame) -> Iterable[Instrument]:
    """Return the contracts of texts, and what is scaled as we read it."""
    for item in body["data"].get("perpProductsV2", ()):
        yield Instrument(
            symbol=item["symbol"],
            base=item.get("baseCurrency") or item.get("contractUnderlyingAssets", ""),
            quote=item["quoteCurrency"],
            kind="perpetual",
            active=item["status"] == "Listed",
            price_increment=wire.plain(item.get("tickSize")),
            size_increment=wire.plain(item.get("qtyStepSize")),
        )
    for item in body["data"]["products"]:
        symbol, spot = item["symbol"], item["type"] == "Spot"
        known = _is_scaled(symbol) and item["priceScale"] == _scales(symbol)[0]
        price = item.get("quoteTickSize" if spot else "tickSize")
        size = item.get("baseTickSize") if spot else 1
        yield Instrument(
            symbol=symbol,
            base=item.get("baseCurrency") or item.get("settleCurrency", ""),
            quote=item["quoteCurrency"],
            kind="spot" if spot else "perpetual",
            active=item["status"] == "Listed" and known,
            price_increment=_number(price),
            size_increment=_number(size),
            contract_size="" if spot else _number(item.get("contractSize")),
        )


def _number(amount: int | str | None) -> str:
    # "0.01 USDT", or the number alone
    return wire.plain(str(amount or "").partition(" ")[0])


def parse_volumes(body: Frame) -> Iterable[tuple[str, float]]:
    """Return the turnover of the contracts of texts."""
    for item in body["result"]:
        yield item["symbol"], float(item.get("turnoverRv") or 0)


EXCHANGE = Exchange(
    name="phemex",
    docs="https://phemex-docs.github.io/#hedged-contract-websocket-api (read 2026-11-22)",
    url="wss://ws.phemex.com",
    hosts=("phemex.com/ws",),
    markets=("spot", "linear", "inverse"),
    channels=CHANNELS,
    subscribe=subscribe,
    resubscribe=resubscribe,
    classify=classify,
    parse=parse,
    rule=replace(sequence.UNPROVEN, follow="rising"),
    book_depth=30,
    instruments=Instruments(
        url="https://api.phemex.com/public/products",
        parse=parse_instruments,
        volumes_url="https://api.phemex.com/md/v3/ticker/24hr/all",
        volumes=parse_volumes,
    ),
    # the server hangs up 31 s after our last ping, even while data flow
    keepalive=Keepalive(
        message=dumps({"id": 0, "method": "server.ping", "params": []}), interval_s=8, stale_s=30
    ),
    # 20 channels are documented, 101 were measured
    limits=Limits(symbols=40, connects_per_minute=20, sends_per_second=10),
)
