"""Deribit v2: snapshot in the stream, changes that name the one before, heartbeats on demand."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from jetl2.devstack.dialect import BOOK, OTHER, TICKER, TRADE, Care, Dialect, Frame
from jetl2.devstack.market import Event, Listing, Market
from jetl2.devstack.wire import dumps, increment, levels, ms

API = "/api/v2/public/"
HEARTBEAT_S = 10
# Of so many trades one is forced
FORCED = 20
_Side = Mapping[int, int]


class DeribitFeed:
    """Channels by name, "book.BTC_USDC-PERPETUAL.100ms"."""

    def __init__(self, _path: str, markets: Mapping[str, Market], _number: int) -> None:
        """Begin with nothing subscribed."""
        self._markets = markets
        self._channels: dict[str, None] = {}

    def greet(self) -> list[Frame]:
        """Say nothing."""
        return []

    def receive(self, text: str) -> list[Frame]:
        """Answer calls; a book that was not subscribed before begins with its snapshot."""
        call = json.loads(text)
        method, asked = call["method"], call["params"].get("channels", ())
        if method == "public/subscribe":
            # unknown names are left out without a word
            found = [channel for channel in asked if self._market(channel)]
            new = [channel for channel in found if channel not in self._channels]
            self._channels.update(dict.fromkeys(found))
            return [_answer(call, found), *(f for channel in new for f in self._first(channel))]
        if method == "public/unsubscribe":
            for channel in asked:
                self._channels.pop(channel, None)
            return [_answer(call, asked)]
        return [_answer(call, {"version": "1.2.26"} if method == "public/test" else "ok")]

    def publish(self, market: Market, event: Event) -> list[Frame]:
        """Return the event on each of the instrument's channels."""
        listing, frames = market.listing, []
        for channel in self._channels:
            if self._market(channel) is not market:
                continue
            kind = channel.partition(".")[0]
            if kind == "book":
                data = _book(market, "change", (event.bids, event.asks))
                data |= {"prev_change_id": event.prev_id}
                frames.append(_push(channel, data, BOOK, listing))
            elif kind == "trades" and event.trade:
                frames.append(_push(channel, [_trade(listing, event)], TRADE, listing))
            elif kind == "quote" and event.top_changed:
                frames.append(_push(channel, _best(market), TICKER, listing))
        return frames

    def heartbeat(self) -> list[Frame]:
        """Return each ticker."""
        return [
            _push(channel, _ticker(market), OTHER, market.listing)
            for channel in self._channels
            if channel.startswith("ticker.") and (market := self._market(channel))
        ]

    def _market(self, channel: str) -> Market | None:
        return self._markets.get(channel.split(".")[1]) if "." in channel else None

    def _first(self, channel: str) -> list[Frame]:
        market = self._market(channel)
        if market is None or not channel.startswith("book."):
            return []
        bids, asks = market.top()
        data = _book(market, "snapshot", (dict(bids), dict(asks)))
        return [_push(channel, data, BOOK, market.listing)]


def _answer(call: dict[str, Any], result: Any) -> Frame:
    return Frame(dumps({"jsonrpc": "2.0", "id": call.get("id"), "result": result}))


def _push(channel: str, data: Any, kind: str, listing: Listing) -> Frame:
    params = {"channel": channel, "data": data}
    frame = {"jsonrpc": "2.0", "method": "subscription", "params": params}
    return Frame(dumps(frame), kind, listing.symbol)


def _book(market: Market, kind: str, sides: tuple[_Side, _Side]) -> dict[str, Any]:
    word = "new" if kind == "snapshot" else "change"
    bids, asks = (
        [
            [word if float(size) else "delete", float(price), float(size)]
            for price, size in levels(market.listing, side)
        ]
        for side in sides
    )
    head = {"type": kind, "timestamp": ms(market.ts), "instrument_name": market.listing.symbol}
    return head | {"change_id": market.update_id, "bids": bids, "asks": asks}


def _trade(listing: Listing, event: Event) -> dict[str, Any]:
    trade = event.trade
    if trade is None:
        return {}
    item = {
        "trade_seq": trade.trade_id,
        "trade_id": str(trade.trade_id),
        "timestamp": ms(event.ts),
        "instrument_name": listing.symbol,
        "price": float(listing.price_text(trade.price)),
        "amount": float(listing.size_text(trade.size)),
        "direction": "buy" if trade.buy else "sell",
    }
    return item if trade.trade_id % FORCED else item | {"liquidation": "T"}


def _best(market: Market) -> dict[str, Any]:
    listing, (bid, bid_size, ask, ask_size) = market.listing, market.best()
    return {
        "timestamp": ms(market.ts),
        "instrument_name": listing.symbol,
        "best_bid_price": float(listing.price_text(bid)),
        "best_bid_amount": float(listing.size_text(bid_size)),
        "best_ask_price": float(listing.price_text(ask)),
        "best_ask_amount": float(listing.size_text(ask_size)),
    }


def _ticker(market: Market) -> dict[str, Any]:
    best = _best(market)
    prices = {f"{name}_price": best["best_bid_price"] for name in ("mark", "index", "last")}
    funding = {"current_funding": 0.0, "funding_8h": 0.00001, "open_interest": 1000.0}
    return {"state": "open", **prices, **funding, **best}


def instruments(path: str, symbols: Sequence[str]) -> Any:
    """Answer the list of instruments, whatever the currency."""
    if path != f"{API}get_instruments":
        return None
    known = {listing.symbol: listing for listing in LISTINGS}
    return {"jsonrpc": "2.0", "result": [_instrument(s, known.get(s)) for s in symbols]}


def _instrument(symbol: str, listing: Listing | None) -> dict[str, Any]:
    base, _, quote = symbol.partition("-")[0].partition("_")
    price, size = (listing.price_places, listing.size_places) if listing else (4, 4)
    return {
        "instrument_name": symbol,
        "kind": "future",
        "settlement_period": "perpetual",
        "base_currency": base,
        "quote_currency": quote or "USD",
        "tick_size": float(increment(price)),
        "min_trade_amount": float(increment(size)),
        "is_active": True,
    }


def rest(path: str, query: Mapping[str, str], markets: Mapping[str, Market]) -> Any:
    """Answer the volumes of a day."""
    if path != f"{API}get_book_summary_by_currency":
        return None
    found = [m for m in markets.values() if m.listing.quote == query.get("currency")]
    result = [{"instrument_name": m.listing.symbol, "volume_usd": m.trade_id} for m in found]
    return {"jsonrpc": "2.0", "result": result}


def refuse(text: str) -> list[Frame] | None:
    """Refuse a subscription."""
    call = json.loads(text)
    if call["method"] != "public/subscribe":
        return None
    error = {"code": 10028, "message": "too_many_requests"}
    return [Frame(dumps({"jsonrpc": "2.0", "id": call.get("id"), "error": error}))]


def ask_for_test(_now: int) -> Frame:
    """Return what must be answered by a test."""
    params = {"type": "test_request"}
    return Frame(dumps({"jsonrpc": "2.0", "method": "heartbeat", "params": params}))


LISTINGS = (
    Listing("BTC_USDC-PERPETUAL", "BTC", "USDC", 1, 4, 650_000),
    Listing("ETH_USDC-PERPETUAL", "ETH", "USDC", 2, 3, 191_000),
)

DIALECT = Dialect(
    exchange="deribit",
    listings=LISTINGS,
    connect=DeribitFeed,
    instruments=instruments,
    rest=rest,
    care=Care(
        ping=ask_for_test,
        ping_every_s=HEARTBEAT_S,
        is_pong=lambda text: '"public/test"' in text,
        pong_within_s=HEARTBEAT_S,
    ),
    refuse=refuse,
)
