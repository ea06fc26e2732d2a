"""Deribit over FIX: no numbers of the book, ticker fields in the head, the logon told back."""

import base64
import hashlib
from collections.abc import Mapping, Sequence

from jetl2.devstack.fix_acceptor import BOOK, TRADE, Body, Fields, Push, Received, utc, value
from jetl2.devstack.market import Event, Listing, Market


class Speaker:
    """Keeps nothing but the markets."""

    exchange = "deribit"
    begin = "FIX.4.4"
    comp_id = "DERIBITSERVER"
    listings: Sequence[Listing] = (
        Listing("BTC-PERPETUAL", "BTC", "USD", 4, 4, 300_000_000),
        Listing("ETH-PERPETUAL", "ETH", "USD", 4, 4, 19_000_000),
    )
    credentials: Mapping[str, str] = {
        "sender": "demo",
        "key": "demo-id",
        "secret": "demo-secret",
    }

    def open(self, markets: Mapping[str, Market]) -> None:
        """Begin with these markets."""
        self._markets = markets

    def refusal(self, logon: Received) -> str:
        """Want the hash of RawData and the secret."""
        raw = value(logon, 96)
        time, _, nonce = raw.partition(".")
        digest = hashlib.sha256(f"{raw}{self.credentials['secret']}".encode()).digest()
        if value(logon, 553) != self.credentials["key"] or not time.isdigit():
            return "bad username"
        if len(base64.b64decode(nonce)) < 32:
            return "nonce too short"
        return "" if value(logon, 554) == base64.b64encode(digest).decode() else "bad password"

    def confirmed(self, logon: Received) -> Fields:
        """Repeat what is secret, as the exchange does."""
        return [(tag, value(logon, tag)) for tag in (96, 553, 554)]

    def listed(self, symbol: str) -> Body | None:
        """Return no more than the symbol."""
        return Body("y", [(146, 1), (55, symbol)]) if symbol in self._markets else None

    def snapshot(self, symbol: str) -> list[Body]:
        """Return the whole book."""
        market = self._markets[symbol]
        entries: Fields = []
        for kind, levels in zip(("0", "1"), market.top(), strict=True):
            for price, size in levels:
                entries += [(269, kind), *_numbers(market, price, size), (272, utc(market.ts))]
        head: Fields = [*_head(market), (268, len(entries) // 4)]
        return [Body("W", [*head, *entries])]

    def publish(self, market: Market, event: Event) -> list[Push]:
        """Return the trade, and the event."""
        symbol, found = market.listing.symbol, []
        at = utc(event.ts)
        if event.trade:
            trade: Fields = [(55, symbol), (268, 1), (279, 0), (269, 2)]
            trade += [*_numbers(market, event.trade.price, event.trade.size), (272, at)]
            trade += [(100009, event.trade.trade_id), (54, 1 if event.trade.buy else 2)]
            found.append(Push(symbol, TRADE, Body("X", trade)))
        entries: Fields = []
        for kind, side in (("0", event.bids), ("1", event.asks)):
            for price, size in side.items():
                entries += [(279, 1 if size else 2), (269, kind)]
                entries += [*_numbers(market, price, size), (272, at)]
        count = len(event.bids) + len(event.asks)
        return [*found, Push(symbol, BOOK, Body("X", [*_head(market), (268, count), *entries]))]


def _head(market: Market) -> Fields:
    mark = market.listing.price_text(market.best()[0])
    return [(55, market.listing.symbol), (100087, "1"), (100090, mark), (746, "1000.0000")]


def _numbers(market: Market, price: int, size: int) -> Fields:
    return [(270, market.listing.price_text(price)), (271, market.listing.size_text(size))]
