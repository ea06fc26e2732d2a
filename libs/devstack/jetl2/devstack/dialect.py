"""The form in which one exchange's protocol is declared for the simulator and the player."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from jetl2.devstack.market import Event, Listing, Market

BOOK = "book"
TRADE = "trade"
TICKER = "ticker"
OTHER = "other"


class Frame(NamedTuple):
    """One message to the client; `matters` says whether its loss can be noticed by the client."""

    text: str
    kind: str = OTHER
    symbol: str = ""
    matters: bool = True


class Feed(Protocol):
    """The exchange's end of one connection: what is subscribed, and its numbering."""

    def greet(self) -> list[Frame]:
        """Return what the exchange says right after the connection is made."""

    def receive(self, text: str) -> list[Frame]:
        """Return the answers to a message of the client: acks, and snapshots that follow."""

    def publish(self, market: Market, event: Event) -> list[Frame]:
        """Return the frames of one market event, as far as they are subscribed."""

    def heartbeat(self) -> list[Frame]:
        """Return what is sent each second."""


# (the request's path with its query, markets by symbol, number of the connection) -> feed
Connect = Callable[[str, Mapping[str, Market], int], Feed]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """One exchange's protocol, spoken from the exchange's side.

    Args:
        exchange: Its id, as the adapters name it.
        recording: The recorded session that the demo plays, below the folder of recordings.
        listings: What the simulator trades.
        connect: Feed of a new connection.
        rest: (path, query, markets) -> decoded body of a REST answer, or None.
        instruments: (path, symbols) -> body of the listing of instruments, or None: wrong path.
    """

    exchange: str
    recording: str
    listings: Sequence[Listing]
    connect: Connect
    rest: Callable[[str, Mapping[str, str], Mapping[str, Market]], Any] = lambda *_: None
    instruments: Callable[[str, Sequence[str]], Any]
