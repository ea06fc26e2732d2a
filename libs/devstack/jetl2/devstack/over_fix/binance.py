"""Binance spot over FIX: ranges of update numbers, entries that leave out what repeats."""

import base64
from collections.abc import Mapping, Sequence

from jetl2.devstack.fix_acceptor import BOOK, TRADE, Body, Fields, Push, Received, utc, value
from jetl2.devstack.market import Event, Listing, Market

# 32 bytes that are nobody's
_KEY = base64.b64encode(
    bytes.fromhex("302e020100300506032b657004220420") + bytes(range(32))
).decode()


class Speaker:
    """Keeps nothing but the markets."""

    exchange = "binance"
    begin = "FIX.4.4"
    comp_id = "SPOT"
    listings: Sequence[Listing] = (
        Listing("BTCUSDT", "BTC", "USDT", 2, 5, 3_000_000),
        Listing("ETHUSDT", "ETH", "USDT", 2, 4, 190_000),
    )
    credentials: Mapping[str, str] = {"sender": "JETL2", "key": "demo-key", "secret": _KEY}

    def open(self, markets: Mapping[str, Market]) -> None:
        """Begin with these markets."""
        self._markets = markets

    def refusal(self, logon: Received) -> str:
        """Want the key, a signature of the length it says, and how answers are ordered."""
        signature = value(logon, 96)
        if value(logon, 553) != self.credentials["key"]:
            return "Invalid API-key, IP, or permissions for action."
        if len(base64.b64decode(signature)) != 64 or value(logon, 95) != str(len(signature)):
            return "Signature for this request is not valid."
        return "" if value(logon, 25035) in ("1", "2") else "Required tag missing: 25035."

    def confirmed(self, _: Received) -> Fields:
        """Return the session's id."""
        return [(25037, "4392a152-3481")]

    def listed(self, symbol: str) -> Body | None:
        """Return no more than the symbol."""
        return Body("y", [(146, 1), (55, symbol)]) if symbol in self._markets else None

    def snapshot(self, symbol: str) -> list[Body]:
        """Return the whole book and its number."""
        market = self._markets[symbol]
        entries: Fields = []
        for kind, levels in zip(("0", "1"), market.top(), strict=True):
            for price, size in levels:
                listing = market.listing
                entries += [(269, kind), (270, listing.price_text(price))]
                entries += [(271, listing.size_text(size))]
        count = len(entries) // 3
        return [Body("W", [(55, symbol), (25044, market.update_id), (268, count), *entries])]

    def publish(self, market: Market, event: Event) -> list[Push]:
        """Return the trade, and the range of the event."""
        symbol, listing, found = market.listing.symbol, market.listing, []
        if event.trade:
            price, size = listing.price_text(event.trade.price), listing.size_text(event.trade.size)
            trade: Fields = [(268, 1), (279, 0), (269, 2), (270, price), (271, size), (55, symbol)]
            trade += [(1003, event.trade.trade_id), (60, utc(event.ts, 6))]
            trade += [(2446, 1 if event.trade.buy else 2)]
            found.append(Push(symbol, TRADE, Body("X", trade)))
        entries: Fields = []
        for kind, side in (("0", event.bids), ("1", event.asks)):
            for price_ticks, lots in side.items():
                first = not entries
                entries += [(279, 1 if lots else 2), (269, kind)]
                entries += [(270, listing.price_text(price_ticks))]
                entries += [(271, listing.size_text(lots))] if lots else []
                if first:
                    entries += [(55, symbol), (25043, event.first_id), (25044, event.last_id)]
        count = len(event.bids) + len(event.asks)
        return [*found, Push(symbol, BOOK, Body("X", [(268, count), *entries]))]
