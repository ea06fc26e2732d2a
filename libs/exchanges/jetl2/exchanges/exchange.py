"""The form in which an exchange is declared: data and small pure functions, one module each."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import msgspec

from jetl2.exchanges import fix
from jetl2.exchanges.errors import UNREADABLE, UnexpectedFrame, reason
from jetl2.exchanges.fix import Fix
from jetl2.orderbook.checksum import Checksum
from jetl2.orderbook.rows import Row
from jetl2.orderbook.sequence import Rule
from jetl2.schemas.decimals import DecimalError, parse
from jetl2.schemas.records import BookDelta, DerivativeTicker, Liquidation, MarketRecord, Trade

Frame = Any  # a decoded JSON document

# Number tokens with a fraction come as their text, so that no digit is lost; whole ones as int
decode_json: Callable[[bytes], Frame] = msgspec.json.Decoder(float_hook=str).decode


def dumps(request: object) -> str:
    """Return a request as compact JSON text."""
    return msgspec.json.encode(request).decode()


def timed(text: str, now_s: int) -> str:
    """Return a request with the time where it holds TIME_S."""
    return text.replace(f'"{TIME_S}"', str(now_s))


class Address(NamedTuple):
    """Which symbol a frame is about, and on which of the exchange's channels; symbol "" is none."""

    symbol: str
    channel: str


# Of a frame about the connection itself
CONNECTION = Address("", "")


# The channel of a frame that must be answered, see Keepalive
PING = "ping"
# Of a frame that says that the server goes away: another connection is opened before
RENEW = "renew"

# In a request, in place of a number: when it is sent, in seconds
TIME_S = "{time_s}"


class Instrument(NamedTuple):
    """One listed instrument: the exchange's symbol, and what it is made of."""

    symbol: str
    base: str
    quote: str
    kind: str  # spot, perpetual, future, option
    active: bool = True
    price_increment: str = ""
    size_increment: str = ""
    # What one unit of size is of the base (or, of inverse contracts, of the quote); "" is one
    contract_size: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Book:
    """Said by `parse` of a book that is subscribed: how deep it is kept, how fine its numbers are.

    Args:
        depth: Levels a side; 0: not said.
        price_exponent, size_exponent: What a checksum's numbers are written at, where the messages
            leave zeros out; 0: not said.
    """

    symbol: str
    depth: int = 0
    price_exponent: int = 0
    size_exponent: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class BookRows:
    """Said by `parse` where the exchange sends rows by id; the session makes levels of them.

    Only for books whose snapshot comes in the channel.

    Args:
        book: Symbol, times and numbering of the BookDelta that comes of it; without levels.
        strict: A row that changes or goes and was never known means that something is missing;
            else it is passed over.
        more: The snapshot goes on in the symbol's next message.
    """

    book: BookDelta
    rows: Sequence[Row]
    strict: bool = True
    more: bool = False

    @property
    def symbol(self) -> str:
        """Whose rows they are."""
        return self.book.symbol


Parsed = MarketRecord | Book | BookRows


@dataclass(frozen=True, slots=True, kw_only=True)
class RestSnapshot:
    """A book snapshot by REST, where the stream carries none, as the rule says, or once carried none.

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
    """How to list what the exchange offers.

    Args:
        url: One URL, or several that list different kinds.
        parse: Decoded body -> instruments; each body is given apart.
        body: JSON to send by POST; "" is a GET.
        volumes_url: Where the volume of the last 24 h is told of every symbol; "" where `url` is
            the place itself, if `volumes` is given.
        volumes: Decoded body -> symbol and volume, in one measure for all that are compared
            (quote currency or USD where there is a choice); None: the exchange does not tell.
    """

    url: str | Sequence[str]
    parse: Callable[[Frame], Iterable[Instrument]]
    body: str = ""
    volumes_url: str | Sequence[str] = ""
    volumes: Callable[[Frame], Iterable[tuple[str, float]]] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A call before each connection, where the exchange gives a token for it.

    Args:
        url: Asked by POST without a body.
        parse: Decoded body -> URL of the websocket, the token in it. It is written nowhere: logs
            and raw events name the URL without its query.
    """

    url: str
    parse: Callable[[Frame], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Keepalive:
    """What to send so that the connection stays, and how long a silence is bearable.

    Args:
        message: Sent as a text frame each `interval_s`; "" sends nothing.
        stale_s: No frame of any kind for this long means that the connection is dead.
        answer: Frame that `classify` addresses to ("", PING) -> the text that must be sent back.
    """

    message: str = ""
    interval_s: float = 0
    stale_s: float = 30
    answer: Callable[[bytes], str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What the exchange allows; the ingestor stays under it.

    Args:
        symbols: Symbols on one connection.
        connects_per_minute, sends_per_second: Of one address, of one connection.
        connects_per_second: Of one address too; 0: as many as the minute allows.
        lifetime_s: The exchange cuts after this long: renewed before, with an overlap. 0: never.
        frame_bytes: The largest frame to accept.
        wait_s: Between connecting and the first request.
    """

    symbols: int = 50
    connects_per_minute: int = 30
    connects_per_second: float = 0
    sends_per_second: float = 5
    lifetime_s: int = 0
    frame_bytes: int = 64 * 1024 * 1024
    wait_s: float = 0


Classify = Callable[[bytes], Sequence[Address]]


def _no_frame(frame: object) -> Sequence[Any]:
    message = f"expected to be asked with a connection, found {frame!r:.100}"
    raise UnexpectedFrame(message)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One exchange (or one of its markets) as the ingestor and the merger need to know it.

    Args:
        name: Id in topics, metrics and files, as the field's tools use it; the module's name with
            "-" for "_".
        docs: Page or sheet that the parsing follows, API version, and the date it was read.
        url: Public websocket.
        route: (symbol, data type) -> websocket, where not all are at `url`; one of `url` and others
            with the same protocol. Symbols and types of one URL share connections.
        token: The call that tells the websocket's URL, in place of `url`.
        aliases: Other names under which recordings and people know it.
        family: The name that it shares with others in recordings, told apart by `markets` and by
            what their frames look like.
        markets: What is traded here, as recordings name it: spot, linear, inverse, option.
        hosts: Further endpoints of the same protocol, "host" or "host/path": by them a recording
            finds its exchange.
        channels: Our data type -> the exchange's channel, for what this module can subscribe.
        subscribe: (symbols, data types) -> text frames to send after connecting.
        resubscribe: symbol -> text frames that make the exchange send that book anew, where the
            snapshot comes in the channel; None: the REST snapshot is fetched, or reconnect.
        classify: raw payload -> addresses of the frame. Must be quick. Frames of the connection
            itself (acks, heartbeats, errors) have symbol "" unless they name one. Raises
            UnexpectedFrame when unreadable.
        classifier: Makes the `classify` of one connection, in place of it, where frames name their
            channel by a number that the connection's acknowledgements explain.
        parse: frame -> records (symbol, exchange_ts, numbering, content set; the rest is stamped by
            the session), Book or BookRows; nothing for acks and heartbeats. Raises UnexpectedFrame.
        parse_at: The same, in place of it, with the frame's address: with a `classifier`.
        decode: raw payload -> frame.
        rule: How deltas must follow each other.
        checksum: (book, record) -> the sum that the exchange must have sent; None where it has none.
        checksum_depth: Levels a side that the sum covers.
        book_depth: Levels a side that the subscribed book holds at most; 0: all there are.
        depths: Depths that a book can be subscribed at, ascending, where we must cut it to that depth
            ourselves after each delta; empty where the exchange removes levels itself.
        connection_seq: frame -> number in the connection-wide counter; None where there is none.
            Raises UnexpectedFrame.
        uncounted: Channels of the frames, by their first address, that this counter leaves out.
        late: frame -> whether its number was given when it was asked for: it may come after frames
            with higher ones. None: numbers come in order.
        fix: The exchange over FIX, where it is. Any payload that is a FIX message is read by it.
        since, until: Dates (YYYY-MM-DD) between which this protocol is spoken; "" is open.
    """

    name: str
    docs: str
    url: str
    aliases: Sequence[str] = ()
    family: str = ""
    markets: Sequence[str] = ("spot",)
    hosts: Sequence[str] = ()
    route: Callable[[str, str], str] | None = None
    token: Token | None = None
    channels: Mapping[str, str]
    subscribe: Callable[[Sequence[str], Sequence[str]], list[str]]
    resubscribe: Callable[[str], list[str]] | None = None
    classify: Classify = _no_frame
    classifier: Callable[[], Classify] | None = None
    parse: Callable[[Frame], Iterable[Parsed]] = _no_frame
    parse_at: Callable[[Frame, Address], Iterable[Parsed]] | None = None
    decode: Callable[[bytes], Frame] = decode_json
    rule: Rule
    checksum: Checksum | None = None
    checksum_depth: int = 0
    book_depth: int = 0
    depths: Sequence[int] = ()
    connection_seq: Callable[[Frame], int | None] | None = None
    uncounted: Collection[str] = ()
    late: Callable[[Frame], bool] | None = None
    snapshot: RestSnapshot | None = None
    instruments: Instruments
    keepalive: Keepalive = field(default_factory=Keepalive)
    limits: Limits = field(default_factory=Limits)
    fix: Fix | None = None
    since: str = ""
    until: str = ""

    def counts(self, addresses: Sequence[Address]) -> bool:
        """Whether a frame of these addresses is one that the connection's counter counts."""
        return bool(addresses) and addresses[0].channel not in self.uncounted

    def new_classifier(self, *, mixed: bool = True) -> Classify:
        """Return what classifies the frames of one connection, from its first on.

        Args:
            mixed: It may be one over FIX, as in a recording; else it is of this declaration's own
                transport, and no frame is looked at for that.
        """
        classify = self.classifier() if self.classifier else self.classify
        if self.fix is None or not mixed:
            return classify
        return lambda payload: (
            self._classify_fix(payload) if payload.startswith(fix.START) else classify(payload)
        )

    def number(self, frame: Frame) -> int | None:
        """Return the number of a frame in the connection-wide counter; None where there is none.

        Raises:
            UnexpectedFrame: It should have one.
        """
        if isinstance(frame, fix.Message):
            return frame.number
        return self.connection_seq(frame) if self.connection_seq else None

    def ahead(self, frame: Frame, offset: int, before: int | None) -> tuple[int, bool]:
        """Return how far the exchange's count is ahead of ours now, and whether frames are missing.

        Args:
            offset: Number of this frame minus our count of frames.
            before: What was returned for the connection's frame before; None for the first one.
        """
        if self.late is None:
            return offset, before not in (None, offset)
        if self.late(frame):
            return _ANY_OFFSET if before is None else before, False
        # Less than before: what was late has come
        return offset, before is not None and offset > before

    def over_fix(self) -> "Exchange":
        """Return the exchange as it is to be received over FIX; it has no other transport then."""
        assert self.fix is not None
        return replace(
            self,
            url=self.fix.url,
            route=None,
            token=None,
            channels={t: self.channels[t] for t in self.fix.data_types},
            subscribe=self.fix.subscribe,
            resubscribe=self.fix.resubscribe,
            classify=self._classify_fix,
            classifier=None,
            rule=self.fix.rule,
            # the transport counts, and a hole ends the connection
            connection_seq=None,
            uncounted=(),
            late=None,
            snapshot=None,
            # the transport asks whether the exchange is there, before
            keepalive=Keepalive(stale_s=2.5 * self.fix.heartbeat_s),
            limits=self.fix.limits,
        )

    def _classify_fix(self, payload: bytes) -> Sequence[Address]:
        return [
            Address(symbol, self.channels.get(what, what))
            for symbol, what in fix.addresses(payload)
        ]


def read(
    exchange: Exchange, payload: bytes, address: Address = CONNECTION
) -> tuple[Frame, list[Parsed]]:
    """Return a frame and its records, each of them fit to be encoded.

    Args:
        address: As `classify` gave it.

    Raises:
        UnexpectedFrame: The payload cannot be read, for whatever reason.
    """
    frame: Frame = None
    try:
        if exchange.fix is not None and payload.startswith(fix.START):
            frame = fix.decode(payload)
            found = list(exchange.fix.parse(frame))
        elif exchange.parse_at is None:
            frame = exchange.decode(payload)
            found = list(exchange.parse(frame))
        else:
            frame = exchange.decode(payload)
            found = list(exchange.parse_at(frame, address))
        for record in found:
            check(record)
    except UNREADABLE as error:
        message = f"{exchange.name}: {reason(error, frame)}"
        raise UnexpectedFrame(message) from error
    return frame, found


def check(record: Parsed) -> None:
    """Refuse what JSON may hold in place of a number or a text, and numbers beyond 64 bits.

    Raises:
        UnexpectedFrame: Says what was found.
    """
    if isinstance(record, BookRows):
        record = record.book
    if isinstance(record, Book):
        numbers: tuple[object, ...] = (record.depth, record.price_exponent, record.size_exponent)
        decimals = -min(record.price_exponent, record.size_exponent)
        if decimals > _DECIMALS:
            message = f"expected at most {_DECIMALS} decimals, found {decimals}"
            raise UnexpectedFrame(message)
    else:
        numbers = (record.exchange_ts, record.first_seq, record.last_seq, record.prev_seq)
        if isinstance(record, BookDelta) and record.checksum is not None:
            numbers += (record.checksum,)
        if isinstance(record, DerivativeTicker):
            numbers += (record.funding_ts,)
            _check_numbers(record)
    for number in numbers:
        if type(number) is not int or not -_INT64 <= number < _INT64:
            message = f"expected a whole number of 64 bits, found {number!r:.100}"
            raise UnexpectedFrame(message)
    text = record.trade_id if isinstance(record, Trade | Liquidation) else ""
    if type(record.symbol) is not str or type(text) is not str:
        message = f"expected texts, found the symbol {record.symbol!r:.100}, id {text!r:.100}"
        raise UnexpectedFrame(message)


def _check_numbers(record: DerivativeTicker) -> None:
    for name in DERIVATIVE_NUMBERS:
        value = getattr(record, name)
        try:
            if value != "":
                parse(value)
        except (DecimalError, TypeError, AttributeError):
            message = f"expected a decimal number of 18 decimals as {name}, found {value!r:.100}"
            raise UnexpectedFrame(message) from None


_INT64 = 2**63
# Before the first frame whose number is in order: that one's is right
_ANY_OFFSET = 2**62
_DECIMALS = 18

# The fields of a DerivativeTicker that are numbers as text
DERIVATIVE_NUMBERS = (
    "funding_rate",
    "predicted_funding_rate",
    "open_interest",
    "last_price",
    "index_price",
    "mark_price",
)
