"""The form in which one exchange's protocol is declared for the simulator and the player."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from jetl2.devstack.market import Event, Listing, Market

BOOK = "book"
TRADE = "trade"
TICKER = "ticker"
OTHER = "other"


class Frame(NamedTuple):
    """One message to the client.

    Args:
        text: A text frame, or the bytes of a binary one.
        matters: Whether its loss can be noticed by the client.
    """

    text: str | bytes
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
class Care:
    """What the exchange does so that no dead connection stays, and what it demands of its clients.

    Each time is 0 where the exchange has nothing of the kind. All messages of the client are given
    to the feed too, pings and pongs included.

    Args:
        is_ping: Whether a message of the client is its ping; answering it is the feed's part.
        ping_within_s: A connection without the client's ping for so long is cut.
        ping: time (ns) -> the exchange's own ping.
        ping_every_s: When it is sent.
        is_pong: Whether a message of the client answers it.
        pong_within_s: A connection whose ping is not answered for so long is cut.
        lifetime_s: Each connection is cut after so long.
    """

    is_ping: Callable[[str], bool] = lambda _: False
    ping_within_s: float = 0
    ping: Callable[[int], Frame] | None = None
    ping_every_s: float = 0
    is_pong: Callable[[str], bool] = lambda _: False
    pong_within_s: float = 0
    lifetime_s: float = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """One exchange's protocol, spoken from the exchange's side.

    Args:
        exchange: Its id, as the adapters name it.
        recording: A recorded session that the demo may play, below the folder of recordings; of the
            channels that we subscribe. "" is none.
        listings: What the simulator trades.
        connect: Feed of a new connection; which of several websockets it is, the path says.
        rest: (path, query, markets) -> decoded body of a REST answer, or None. The query holds the
            members of a JSON body too, those that are texts and numbers, as text.
        instruments: (path, symbols) -> body of the listing of instruments, or None: wrong path. GET
            or POST.
        token: (path, address) -> body of the call before each connection, or None: wrong path. The
            address is the simulator's own, `ws://host:port`.
        care: Of connections.
        refuse: A client's request for a subscription -> what the exchange says when it refuses it;
            None for other messages, pings for example.
    """

    exchange: str
    recording: str = ""
    listings: Sequence[Listing]
    connect: Connect
    rest: Callable[[str, Mapping[str, str], Mapping[str, Market]], Any] = lambda *_: None
    instruments: Callable[[str, Sequence[str]], Any]
    token: Callable[[str, str], Any] = lambda *_: None
    care: Care = field(default_factory=Care)
    refuse: Callable[[str], list[Frame] | None] = lambda _: None
