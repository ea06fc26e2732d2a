"""A protocol for the simulator's own tests: small enough to be seen through."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from jetl2.devstack.dialect import BOOK, Care, Dialect, Frame
from jetl2.devstack.market import Event, Listing, Market
from jetl2.devstack.wire import dumps


class ToyFeed:
    """Sends each event's number to who asked for the symbol, as bytes on /binary."""

    def __init__(self, path: str, _markets: Mapping[str, Market], number: int) -> None:
        """Begin with nothing subscribed."""
        self._path = path
        self._number = number
        self._symbols: set[str] = set()

    def greet(self) -> list[Frame]:
        """Say where the client is."""
        return [Frame(dumps({"path": self._path, "number": self._number}))]

    def receive(self, text: str) -> list[Frame]:
        """Answer a ping, or subscribe."""
        if text == "ping":
            return [Frame("pong")]
        if text != "pong":
            self._symbols.add(text)
        return []

    def publish(self, market: Market, event: Event) -> list[Frame]:
        """Return the event's number."""
        if market.listing.symbol not in self._symbols:
            return []
        text = dumps({"event": event.last_id, "checksum": 1})
        binary = self._path.startswith("/binary")
        return [Frame(text.encode() if binary else text, BOOK, market.listing.symbol)]

    def heartbeat(self) -> list[Frame]:
        """Say nothing."""
        return []


def rest(path: str, query: Mapping[str, str], markets: Mapping[str, Market]) -> Any:
    """Answer with the number of a book."""
    market = markets.get(query.get("pair", ""))
    return {"number": market.update_id} if path == "/book" and market else None


def instruments(path: str, symbols: Sequence[str]) -> Any:
    """Answer the symbols."""
    return list(symbols) if path == "/list" else None


def token(path: str, address: str) -> Any:
    """Answer with an address that holds a token."""
    return {"url": f"{address}/private?token=abc"} if path == "/token" else None


def refuse(text: str) -> list[Frame] | None:
    """Refuse what is no ping."""
    return None if text in ("ping", "pong") else [Frame(dumps({"error": json.dumps(text)}))]


CARE = Care(
    is_ping=lambda text: text == "ping",
    ping=lambda ts: Frame(dumps({"ping": ts})),
    is_pong=lambda text: text == "pong",
)
TOY = Dialect(
    exchange="toy",
    listings=(Listing("AB", "A", "B", 2, 4, 10_000),),
    connect=ToyFeed,
    rest=rest,
    instruments=instruments,
    token=token,
    care=CARE,
    refuse=refuse,
)
