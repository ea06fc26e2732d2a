"""Which dead letters may go back to the raw topic: those that cannot change a book.

A letter comes back at the end of its partition, hours after its neighbours. For a trade with an id
that is right: it has its own time, and the session knows the ids of the latest ones. A book's
message, a ticker, or what says something of a connection would be taken for the newest of all: the
book would get a gap or a wrong level, the ticker an old value. Books have had their gap and their
snapshot since; what is missing of them is made from the raw topic, by `admin rebuild`.
"""

from dataclasses import dataclass, field
from typing import Any

from jetl2.exchanges.errors import UnexpectedFrame
from jetl2.exchanges.exchange import Address, Exchange, read
from jetl2.merger.topology import UNDECODED
from jetl2.schemas.records import FRAME, DeadLetter, Liquidation, RawEvent, Trade

# What a letter may be, beside REDRIVE each a reason to leave it
REDRIVE = "redrive"
BOOK = "could change a book: it has had its gap and resync; see `admin rebuild`"
NO_SYMBOL = "names no symbol: it is about a connection that is long gone"
NO_FRAME = "is no frame of the exchange"
NEWEST_WINS = "is not a trade or liquidation: its old values would be taken for the newest"
NO_ID = "has a trade without id: nobody could tell it from one that came another way"
NOTHING = "can be read, and holds no trade of its symbol"
UNREADABLE = "still cannot be read"
DONE = "was redriven"
MERGED = "its trades are in the market topic, by another connection"
TWICE = "its trades come by an earlier letter, of another connection"
PARTLY = "some of its trades are in the market topic: they would come twice"
TOO_OLD = "the market topic no longer holds its time: nobody can tell whether its trades came"
IN_DOUBT = "a redrive was cut off, and the raw topic no longer holds its time"

_KINDS = ("trade", "liquidation")


@dataclass(slots=True)
class Found:
    """A dead letter, where it lies, and what is to become of it.

    Args:
        ids: Of its trades and liquidations, as `identity` gives them.
        detail: Of the verdict.
    """

    topic: str
    partition: int
    offset: int
    letter: DeadLetter
    verdict: str = REDRIVE
    detail: str = ""
    ids: set[str] = field(default_factory=set)

    @property
    def key(self) -> str:
        """Return what it is noted by: a letter's place never changes."""
        return f"{self.topic}-{self.partition}-{self.offset}"

    def described(self) -> dict[str, Any]:
        """Return it as JSON holds it."""
        letter = self.letter
        try:
            payload = {"payload": letter.payload.decode()}
        except UnicodeDecodeError:
            payload = {"payload_hex": letter.payload.hex()}
        return {
            "topic": self.topic,
            "partition": self.partition,
            "offset": self.offset,
            "exchange": letter.exchange,
            "symbol": letter.symbol,
            "channel": letter.channel,
            "local_ts": letter.local_ts,
            "connection_id": letter.connection_id,
            "counter": letter.counter,
            "kind": letter.kind,
            "error": letter.error,
            "source": [letter.source_topic, letter.source_partition, letter.source_offset],
            "verdict": self.verdict,
            "detail": self.detail,
            **payload,
        }


def identity(record: Trade | Liquidation) -> str:
    """Return what a trade or liquidation is known by, within its symbol."""
    return f"{type(record).__name__} {record.trade_id}"


def judge(exchange: Exchange, found: Found) -> None:
    """Set the verdict that the letter itself allows, and the ids of its trades."""
    letter = found.letter
    channels = {exchange.channels[kind] for kind in _KINDS if kind in exchange.channels}
    if letter.kind == UNDECODED or letter.kind != FRAME:
        found.verdict, found.detail = NO_FRAME, letter.kind
    elif not letter.symbol:
        found.verdict = NO_SYMBOL
    elif not letter.channel or letter.channel == exchange.channels.get("book_delta"):
        found.verdict, found.detail = BOOK, letter.channel
    elif letter.channel not in channels:
        found.verdict, found.detail = NEWEST_WINS, letter.channel
    else:
        _read(exchange, found)


def _read(exchange: Exchange, found: Found) -> None:
    letter = found.letter
    try:
        _, records = read(exchange, letter.payload, Address(letter.symbol, letter.channel))
    except UnexpectedFrame as error:
        found.verdict, found.detail = UNREADABLE, str(error)
        return
    for record in records:
        if not isinstance(record, Trade | Liquidation):
            found.verdict, found.detail = BOOK, type(record).__name__
            return
        if record.symbol != letter.symbol:
            continue
        if not record.trade_id:
            found.verdict = NO_ID
            return
        found.ids.add(identity(record))
    if not found.ids:
        found.verdict = NOTHING


def event(found: Found) -> RawEvent:
    """Return the raw event that a letter goes back as.

    Its connection is one of its own, which nothing else came by: it can neither refresh one that
    is gone, nor be measured by the counter of one that lives.
    """
    letter = found.letter
    return RawEvent(
        exchange=letter.exchange,
        symbol=letter.symbol,
        channel=letter.channel,
        local_ts=letter.local_ts,
        connection_id=f"redriven-{found.key}",
        counter=letter.counter,
        kind=letter.kind,
        payload=letter.payload,
    )
