"""Kraken over FIX: floats, a checksum after the entries, precision by the Security List."""

import zlib
from collections.abc import Mapping, Sequence

from jetl2.devstack.fix_acceptor import BOOK, TRADE, Body, Fields, Push, Received, utc, value
from jetl2.devstack.market import Event, Listing, Market


class Speaker:
    """Keeps nothing but the markets."""

    exchange = "kraken"
    begin = "FIX.4.4"
    comp_id = "KRAKEN-MD"
    # The second one's sizes rarely need all their decimals
    listings: Sequence[Listing] = (
        Listing("BTC/USD", "BTC", "USD", 1, 8, 300_000),
        Listing("DOGE/USD", "DOGE", "USD", 7, 8, 1_900_000),
    )
    credentials: Mapping[str, str] = {"sender": "DEMOCLIENT"}

    def open(self, markets: Mapping[str, Market]) -> None:
        """Begin with these markets."""
        self._markets = markets

    def refusal(self, logon: Received) -> str:
        """Know the client by its name."""
        known = value(logon, 49) == self.credentials["sender"]
        return "" if known else "Invalid SenderCompID"

    def confirmed(self, _: Received) -> Fields:
        """Return nothing."""
        return []

    def listed(self, symbol: str) -> Body | None:
        """Return a pair's precision."""
        market = self._markets.get(symbol)
        if market is None:
            return None
        listing = market.listing
        places: Fields = [(5010, listing.size_places), (2349, listing.price_places)]
        return Body("y", [(146, 1), (55, symbol), (562, "0.00000001"), *places])

    def snapshot(self, symbol: str) -> list[Body]:
        """Return the whole book, asks first."""
        market = self._markets[symbol]
        bids, asks = market.top()
        entries: Fields = []
        for kind, letter, levels in (("1", "O", asks), ("0", "B", bids)):
            for price, size in levels:
                entries += [(269, kind), *_level(market, letter, price, size)]
        return [Body("W", [(55, symbol), (268, len(bids) + len(asks)), *entries])]

    def publish(self, market: Market, event: Event) -> list[Push]:
        """Return the trade, and the event with the sum of the book after it."""
        symbol, found = market.listing.symbol, []
        if event.trade:
            trade: Fields = [(268, 1), (279, 0), (269, 2), (278, f"T{event.trade.trade_id}")]
            trade += _numbers(market, event.trade.price, event.trade.size)
            trade += [(273, utc(event.ts)[9:]), (40, 1), (2446, 1 if event.trade.buy else 2)]
            found.append(Push(symbol, TRADE, Body("X", [(55, symbol), *trade])))
        entries: Fields = []
        for kind, letter, side in (("0", "B", event.bids), ("1", "O", event.asks)):
            for price, size in side.items():
                entries += [(279, 1 if size else 2), (269, kind)]
                entries += _level(market, letter, price, size)
        count = len(event.bids) + len(event.asks)
        bids, asks = market.top(10)
        # Numbers with all decimals, without point and leading zeros, are just our integers
        text = "".join(f"{price}{size}" for price, size in (*asks, *bids))
        book: Fields = [(55, symbol), (268, count), *entries]
        book.append((5041, zlib.crc32(text.encode())))
        return [*found, Push(symbol, BOOK, Body("X", book))]


def _level(market: Market, letter: str, price: int, size: int) -> Fields:
    name: Fields = [(278, f"{letter}{_float(market.listing.price_text(price))}")]
    return [*name, *_numbers(market, price, size), (273, utc(market.ts or 0)[9:])]


def _numbers(market: Market, price: int, size: int) -> Fields:
    listing = market.listing
    return [
        (270, _float(listing.price_text(price))),
        (271, _float(listing.size_text(size)) if size else "0"),
    ]


def _float(text: str) -> str:
    short = text.rstrip("0")
    return f"{short}0" if short.endswith(".") else short
