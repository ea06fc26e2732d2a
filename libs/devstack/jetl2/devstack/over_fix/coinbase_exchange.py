"""Coinbase Exchange over FIX: orders that make the market's levels, numbered by symbol."""

import base64
import hashlib
import hmac
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from jetl2.devstack.fix_acceptor import BOOK, TRADE, Body, Fields, Push, Received, utc, value
from jetl2.devstack.market import Event, Listing, Market

_SECRET = base64.b64encode(b"nobody's secret").decode()
# Entries of one message of a snapshot
_FRAGMENT = 25


@dataclass
class Orders:
    """The orders of one market, and how many messages its clients were sent."""

    number: int = 1000
    made: int = 0
    # (bid, price) -> order id -> size
    levels: dict[tuple[bool, int], dict[str, int]] = field(default_factory=dict)

    def new(self, bid: bool, price: int, size: int) -> str:  # noqa: FBT001
        """Add an order; return its id."""
        self.made += 1
        order = f"order-{self.made:06}"
        self.levels.setdefault((bid, price), {})[order] = size
        return order


class Speaker:
    """Keeps the orders."""

    exchange = "coinbase-exchange"
    begin = "FIXT.1.1"
    comp_id = "Coinbase"
    listings: Sequence[Listing] = (
        Listing("BTC-USD", "BTC", "USD", 2, 8, 3_000_000),
        Listing("ETH-USD", "ETH", "USD", 2, 8, 190_000),
    )
    credentials: Mapping[str, str] = {
        "key": "demo-key",
        "secret": _SECRET,
        "passphrase": "demo-pass",
    }

    def open(self, markets: Mapping[str, Market]) -> None:
        """Divide the opening levels into orders."""
        self._markets = markets
        self._orders = {symbol: Orders() for symbol in markets}
        for symbol, market in markets.items():
            for bid, levels in zip((True, False), market.top(), strict=True):
                for price, size in levels:
                    for part in (size // 3, size - size // 3):
                        if part:
                            self._orders[symbol].new(bid, price, part)

    def refusal(self, logon: Received) -> str:
        """Want the signature."""
        signed = [value(logon, tag) for tag in (52, 35, 34, 49, 56, 554)]
        key = base64.b64decode(self.credentials["secret"])
        digest = hmac.new(key, "\x01".join(signed).encode(), hashlib.sha256).digest()
        good = value(logon, 49) == value(logon, 553) == self.credentials["key"]
        good = good and value(logon, 96) == base64.b64encode(digest).decode()
        return "" if good and value(logon, 1137) == "9" else "Invalid logon"

    def confirmed(self, _: Received) -> Fields:
        """Return the version that the messages are in."""
        return [(1137, 9)]

    def listed(self, _: str) -> Body | None:
        """Know no such request."""
        return None

    def snapshot(self, symbol: str) -> list[Body]:
        """Return all orders, in as many messages as they need."""
        orders, listing = self._orders[symbol], self._markets[symbol].listing
        rows = [
            [
                (269, 0 if bid else 1),
                (278, order),
                (270, listing.price_text(price)),
                (271, listing.size_text(size)),
            ]
            for (bid, price), level in orders.levels.items()
            for order, size in level.items()
        ]
        parts = [rows[at : at + _FRAGMENT] for at in range(0, len(rows), _FRAGMENT)]
        found = []
        for at, part in enumerate(parts):
            head: Fields = [(83, orders.number), (893, "NY"[at == len(parts) - 1]), (55, symbol)]
            entries: Fields = [pair for row in part for pair in row]
            found.append(Body("W", [*head, (1682, 2), (268, len(part)), *entries]))
        return found

    def publish(self, market: Market, event: Event) -> list[Push]:
        """Return one message for each order that changes, and some that change none."""
        symbol = market.listing.symbol
        found = []
        if event.trade:
            fields = _numbers(market, event.trade.price, event.trade.size)
            side: Fields = [(5797, 1 if event.trade.buy else 2)]
            found.append(self._push(market, event, TRADE, [(279, 0), (269, 2), *fields, *side]))
        if event.last_id % 7 == 0:
            # an order that has not matched yet: no MDEntryID
            ack = _numbers(market, market.best()[0], 1)
            found.append(self._push(market, event, BOOK, [(279, 0), (269, 0), *ack, (40, 1)]))
        if event.last_id % 11 == 0:
            # one that ends without having rested in the book
            taker: Fields = [(279, 2), (269, 1), (278, f"taker-{event.last_id}")]
            fields = [*taker, *_numbers(market, market.best()[2], 0)]
            found.append(self._push(market, event, BOOK, fields))
        changes = [
            change
            for bid, levels in ((True, event.bids), (False, event.asks))
            for price, size in levels.items()
            for change in _changes(self._orders[symbol], market, bid, price, size)
        ]
        # what is new last: the book is not to be crossed between
        changes.sort(key=lambda change: change[0] == (279, 0))
        return [*found, *(self._push(market, event, BOOK, change) for change in changes)]

    def _push(self, market: Market, event: Event, data_type: str, fields: Fields) -> Push:
        symbol = market.listing.symbol
        orders = self._orders[symbol]
        orders.number += 1
        more: Fields = [(83, orders.number), (55, symbol), (60, utc(event.ts, 6))]
        return Push(symbol, data_type, Body("X", [(268, 1), *fields, *more]))


def _changes(
    orders: Orders,
    market: Market,
    bid: bool,  # noqa: FBT001
    price: int,
    size: int,
) -> Iterator[Fields]:
    """Yield what brings a level to its size: a new order, or the latest ones reduced."""
    level = orders.levels.setdefault((bid, price), {})
    kind = 0 if bid else 1
    more = size - sum(level.values())
    if more > 0:
        order = orders.new(bid, price, more)
        yield [(279, 0), (269, kind), (278, order), *_numbers(market, price, more)]
    for order in reversed(list(level)):
        if more >= 0:
            break
        gone = min(level[order], -more)
        more += gone
        level[order] -= gone
        left = level[order]
        if not left:
            del level[order]
        yield [(279, 1 if left else 2), (269, kind), (278, order), *_numbers(market, price, left)]
    if not level:
        del orders.levels[bid, price]


def _numbers(market: Market, price: int, size: int) -> Fields:
    return [(270, market.listing.price_text(price)), (271, market.listing.size_text(size))]
