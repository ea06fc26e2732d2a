"""Channels named by their market, `spot.obu` and `futures.obu`, as two simulated markets speak them.

A whole book comes after its subscription, then deltas whose ranges follow each other.
"""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from jetl2.devstack.dialect import BOOK, OTHER, TICKER, TRADE, Care, Dialect, Frame
from jetl2.devstack.market import Event, Listing, Market
from jetl2.devstack.wire import dumps, levels, ms

# Who sends nothing for so long is cut
IDLE_S = 30
# Of so many trades one is a liquidation
FORCED = 20


class ChannelFeed:
    """Streams of books, and channels by symbol."""

    def __init__(self, market: str, markets: Mapping[str, Market]) -> None:
        """Begin with nothing subscribed.

        Args:
            market: That names the channels.
            markets: All that are traded.
        """
        self._market = market
        self._markets = markets
        self._topics: dict[tuple[str, str], None] = {}

    def greet(self) -> list[Frame]:
        """Say nothing."""
        return []

    def receive(self, text: str) -> list[Frame]:
        """Acknowledge a request; a book comes before its acknowledgement."""
        request = json.loads(text)
        channel, event = request["channel"], request.get("event", "")
        if channel == f"{self._market}.ping":
            return [_frame(f"{self._market}.pong", time.time_ns(), event="", result=None)]
        frames = []
        for name in request["payload"]:
            symbol = _symbol(name)
            if event == "subscribe" and (channel, symbol) in self._topics:
                return [_refusal(request, f"Alert sub {name}")]
            self._topics.pop((channel, symbol), None)
            # an unknown symbol is acknowledged all the same
            if event == "subscribe" and symbol in self._markets:
                self._topics[channel, symbol] = None
                frames += self._first(channel, self._markets[symbol])
        answer = {"event": event, "payload": request["payload"], "result": {"status": "success"}}
        return [*frames, _frame(channel, time.time_ns(), **answer)]

    def publish(self, market: Market, event: Event) -> list[Frame]:
        """Return the event on each of the symbol's channels."""
        symbol, listing, frames = market.listing.symbol, market.listing, []
        site = self._market
        if (f"{site}.obu", symbol) in self._topics:
            sides = {"b": levels(listing, event.bids), "a": levels(listing, event.asks)}
            # a side without a change is left out
            sides = {name: side for name, side in sides.items() if side}
            frames.append(_book(site, market, {"U": event.first_id, "u": event.last_id, **sides}))
        if event.trade and (f"{site}.trades", symbol) in self._topics:
            frames.append(_TRADES[site](listing, event))
        if event.top_changed and (f"{site}.book_ticker", symbol) in self._topics:
            frames.append(_ticker(site, market))
        if event.trade and (f"{site}.public_liquidates", symbol) in self._topics:
            frames += _liquidation(listing, event)
        return frames

    def heartbeat(self) -> list[Frame]:
        """Return the tickers of contracts, once they trade; else only pings are answered."""
        channel = f"{self._market}.tickers"
        return [
            _tickers(channel, market)
            for symbol, market in self._markets.items()
            if (channel, symbol) in self._topics and market.ts
        ]

    def _first(self, channel: str, market: Market) -> list[Frame]:
        if channel != f"{self._market}.obu":
            return []
        bids, asks = market.top()
        sides = {"b": levels(market.listing, bids), "a": levels(market.listing, asks)}
        return [_book(self._market, market, {"full": True, "u": market.update_id, **sides})]


def _symbol(name: str) -> str:
    return name.split(".")[1] if name.startswith("ob.") else name


def _frame(channel: str, ts: int, kind: str = OTHER, symbol: str = "", **fields: Any) -> Frame:
    head = {"time": ms(ts) // 1000, "time_ms": ms(ts), "channel": channel}
    return Frame(dumps(head | fields), kind, symbol)


def _push(channel: str, ts: int, kind: str, symbol: str, result: Any) -> Frame:
    return _frame(channel, ts, kind, symbol, event="update", result=result)


def _refusal(request: Mapping[str, Any], text: str) -> Frame:
    error = {"code": 2, "message": text}
    fields = {"event": request["event"], "payload": request["payload"], "error": error}
    return _frame(request["channel"], time.time_ns(), **fields, result=None)


def _book(site: str, market: Market, result: dict[str, Any]) -> Frame:
    symbol = market.listing.symbol
    stream = {"t": ms(market.ts), "s": f"ob.{symbol}.400"}
    return _push(f"{site}.obu", market.ts, BOOK, symbol, stream | result)


def _spot_trade(listing: Listing, event: Event) -> Frame:
    trade = event.trade
    assert trade is not None
    times = {"create_time": ms(event.ts) // 1000, "create_time_ms": f"{ms(event.ts)}.123"}
    amount = {"amount": listing.size_text(trade.size), "price": listing.price_text(trade.price)}
    head = {"id": trade.trade_id, "currency_pair": listing.symbol}
    result = {**head, **times, **amount, "side": "buy" if trade.buy else "sell"}
    return _push("spot.trades", event.ts, TRADE, listing.symbol, result)


def _contract_trade(listing: Listing, event: Event) -> Frame:
    trade = event.trade
    assert trade is not None
    size = trade.size if trade.buy else -trade.size
    head = {"id": trade.trade_id, "contract": listing.symbol, "size": size}
    times = {"create_time": ms(event.ts) // 1000, "create_time_ms": ms(event.ts)}
    result = [head | times | {"price": listing.price_text(trade.price)}]
    return _push("futures.trades", event.ts, TRADE, listing.symbol, result)


_TRADES = {"spot": _spot_trade, "futures": _contract_trade}


def _liquidation(listing: Listing, event: Event) -> list[Frame]:
    trade = event.trade
    if trade is None or trade.trade_id % FORCED:
        return []
    size = trade.size if trade.buy else -trade.size
    item = {"contract": listing.symbol, "price": listing.price_text(trade.price), "size": size}
    result = [item | {"time": ms(event.ts) // 1000, "time_ms": ms(event.ts)}]
    return [_push("futures.public_liquidates", event.ts, OTHER, listing.symbol, result)]


def _tickers(channel: str, market: Market) -> Frame:
    listing = market.listing
    price = listing.price_text(market.best()[0])
    prices = {"last": price, "mark_price": price, "index_price": price}
    rates = {"funding_rate": "0.0001", "total_size": f"{market.update_id}"}
    result = [{"contract": listing.symbol} | prices | rates]
    return _push(channel, market.ts, OTHER, listing.symbol, result)


def _ticker(site: str, market: Market) -> Frame:
    listing, (bid, bid_size, ask, ask_size) = market.listing, market.best()
    result = {
        "t": ms(market.ts),
        "u": market.update_id,
        "s": listing.symbol,
        "b": listing.price_text(bid),
        "B": listing.size_text(bid_size),
        "a": listing.price_text(ask),
        "A": listing.size_text(ask_size),
    }
    return _push(f"{site}.book_ticker", market.ts, TICKER, listing.symbol, result)


def dialect(
    market: str,
    listings: Sequence[Listing],
    instruments: Callable[[str, Sequence[str]], Any],
    **fields: Any,
) -> Dialect:
    """Return the dialect of a market.

    Args:
        market: That names the channels, spot or futures.
        instruments: See Dialect.
        fields: The rest of it.
    """

    def connect(_path: str, markets: Mapping[str, Market], _number: int) -> ChannelFeed:
        return ChannelFeed(market, markets)

    return Dialect(
        listings=listings,
        connect=connect,
        instruments=instruments,
        care=Care(
            is_ping=lambda text: json.loads(text)["channel"] == f"{market}.ping",
            ping_within_s=IDLE_S,
        ),
        refuse=refuse,
        **fields,
    )


def refuse(text: str) -> list[Frame] | None:
    """Refuse a subscription."""
    request = json.loads(text)
    if request.get("event") != "subscribe":
        return None
    return [_refusal(request, "too many requests")]
