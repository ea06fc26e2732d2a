"""The form in which an exchange is declared: data and small pure functions, one module each."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec

from jetl2.exchanges.errors import UNREADABLE, UnexpectedFrame
from jetl2.orderbook.checksum import Checksum
from jetl2.orderbook.sequence import Rule
from jetl2.schemas.records import BookDelta, MarketRecord, Trade

Frame = Any  # a decoded JSON document

# Number tokens with a fraction come as their text, so that no digit is lost; whole ones as int
decode_json: Callable[[bytes], Frame] = msgspec.json.Decoder(float_hook=str).decode


def dumps(request: object) -> str:
    """Return a request as compact JSON text."""
    return msgspec.json.encode(request).decode()


class Address(NamedTuple):
    """Which symbol a frame is about, and on which of the exchange's channels; symbol "" is none."""

    symbol: str
    channel: str


class Instrument(NamedTuple):
    """One listed instrument: the exchange's symbol, and what it is made of."""

    symbol: str
    base: str
    quote: str
    kind: str  # spot, perpetual, future, option
    active: bool = True
    price_increment: str = ""
    size_increment: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Book:
    """Said by `parse` for an acknowledged book subscription: how deep this book is kept."""

    symbol: str
    depth: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RestSnapshot:
    """A book snapshot by REST, where the stream carries none.

    Args:
        url: symbol -> URL.
        parse: (symbol, decoded body) -> the snapshot as a BookDelta with `is_snapshot`, its
            `last_seq` set. Raises UnexpectedFrame for an error body.
        weight: What one request costs of `weight_per_minute`, the address's allowance.
    """

    url: Callable[[str], str]
    parse: Callable[[str, Frame], BookDelta]
    weight: int = 1
    weight_per_minute: int = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Instruments:
    """How to list what the exchange offers: REST URL and body -> instruments."""

    url: str
    parse: Callable[[Frame], Iterable[Instrument]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Keepalive:
    """What to send so that the connection stays, and how long a silence is bearable.

    Args:
        message: Sent as a text frame each `interval_s`; "" sends nothing.
        stale_s: No frame of any kind for this long means that the connection is dead.
    """

    message: str = ""
    interval_s: float = 0
    stale_s: float = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What the exchange allows; the ingestor stays under it.

    Args:
        symbols: Symbols on one connection.
        connects_per_minute, sends_per_second: Of one address, of one connection.
        lifetime_s: The exchange cuts after this long: renewed before, with an overlap. 0: never.
        frame_bytes: The largest frame to accept.
    """

    symbols: int = 50
    connects_per_minute: int = 30
    sends_per_second: float = 5
    lifetime_s: int = 0
    frame_bytes: int = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One exchange (or one of its markets) as the ingestor and the merger need to know it.

    Args:
        name: Id in topics, metrics and files, as the field's tools use it; the module's name with
            "-" for "_".
        docs: Page or sheet that the parsing follows, API version, and the date it was read.
        url: Public websocket.
        aliases: Other names under which recordings and people know it.
        market: What is traded here, as recordings name it.
        hosts: Further endpoints of the same protocol, "host" or "host/path": by them a recording
            finds its exchange.
        channels: Our data type -> the exchange's channel, for what this module can subscribe.
        subscribe: (symbols, data types) -> text frames to send after connecting.
        resubscribe: symbol -> text frames that make the exchange send that book anew, where the
            snapshot comes in the channel; None: the REST snapshot is fetched, or reconnect.
        classify: raw payload -> addresses of the frame. Must be quick. Frames of the connection
            itself (acks, heartbeats, errors) have symbol "" unless they name one. Raises
            UnexpectedFrame when unreadable.
        parse: frame -> records (symbol, exchange_ts, numbering, content set; the rest is stamped by
            the session), or Book; nothing for acks and heartbeats. Raises UnexpectedFrame.
        decode: raw payload -> frame.
        rule: How deltas must follow each other.
        checksum: (book, record) -> the sum that the exchange must have sent; None where it has none.
        checksum_depth: Levels a side that the sum covers.
        depths: Depths that a book can be subscribed at, ascending, where we must cut it to that depth
            ourselves after each delta; empty where the exchange removes levels itself.
        connection_seq: frame -> number in the connection-wide counter; None where there is none.
            Raises UnexpectedFrame.
        since, until: Dates (YYYY-MM-DD) between which this protocol is spoken; "" is open.
    """

    name: str
    docs: str
    url: str
    aliases: Sequence[str] = ()
    market: str = "spot"
    hosts: Sequence[str] = ()
    channels: Mapping[str, str]
    subscribe: Callable[[Sequence[str], Sequence[str]], list[str]]
    resubscribe: Callable[[str], list[str]] | None = None
    classify: Callable[[bytes], Sequence[Address]]
    parse: Callable[[Frame], Iterable[MarketRecord | Book]]
    decode: Callable[[bytes], Frame] = decode_json
    rule: Rule
    checksum: Checksum | None = None
    checksum_depth: int = 0
    depths: Sequence[int] = ()
    connection_seq: Callable[[Frame], int | None] | None = None
    snapshot: RestSnapshot | None = None
    instruments: Instruments
    keepalive: Keepalive = field(default_factory=Keepalive)
    limits: Limits = field(default_factory=Limits)
    since: str = ""
    until: str = ""


def read(exchange: Exchange, payload: bytes) -> tuple[Frame, list[MarketRecord | Book]]:
    """Return a frame and its records, each of them fit to be encoded.

    Raises:
        UnexpectedFrame: The payload cannot be read, for whatever reason.
    """
    try:
        frame = exchange.decode(payload)
        found = list(exchange.parse(frame))
        for record in found:
            check(record)
    except UNREADABLE as error:
        message = f"{exchange.name}: {type(error).__name__}: {error}"
        raise UnexpectedFrame(message) from error
    return frame, found


def check(record: MarketRecord | Book) -> None:
    """Refuse what JSON may hold in place of a number or a text, and numbers beyond 64 bits.

    Raises:
        UnexpectedFrame: Says what was found.
    """
    if isinstance(record, Book):
        numbers: tuple[object, ...] = (record.depth,)
    else:
        numbers = (record.exchange_ts, record.first_seq, record.last_seq, record.prev_seq)
        if isinstance(record, BookDelta) and record.checksum is not None:
            numbers += (record.checksum,)
    for number in numbers:
        if type(number) is not int or not -_INT64 <= number < _INT64:
            message = f"expected a whole number of 64 bits, found {number!r:.100}"
            raise UnexpectedFrame(message)
    text = record.trade_id if isinstance(record, Trade) else ""
    if type(record.symbol) is not str or type(text) is not str:
        message = f"expected texts, found the symbol {record.symbol!r:.100}, id {text!r:.100}"
        raise UnexpectedFrame(message)


_INT64 = 2**63
