"""Exchanges over FIX: how a session is declared, and how its market data is read; no I/O.

Messages are tag=value fields, each ended by SOH. What the exchanges have in common is here: fields,
entries of W and X, times. Header (but for MsgType), trailer and the session itself are the
transport's, see the ingestor.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from jetl2.exchanges import wire
from jetl2.exchanges.errors import UnexpectedFrame
from jetl2.orderbook.sequence import Rule
from jetl2.schemas.records import BUY, SELL, UNKNOWN, BookDelta, Trade

if TYPE_CHECKING:
    from jetl2.exchanges.exchange import Limits, Parsed

SOH = "\x01"
# What every message begins with, and no JSON
START = b"8=FIX"
# Of fix:// and fix+tls://
SCHEME = b"fix"

Fields = Sequence[tuple[int, str | int]]

SNAPSHOT, INCREMENT, SECURITIES, STATUS = "W", "X", "y", "f"
HEARTBEAT, TEST, RESEND, REJECT, RESET, LOGOUT, LOGON = "0", "1", "2", "3", "4", "5", "A"
# Refusals: of a message's form, of a request by its business, of a subscription
REFUSALS = frozenset({REJECT, "j", "Y"})
# Read, and without market data of itself: session, news, trading session, instruments
SILENT = frozenset(
    {*REFUSALS, HEARTBEAT, TEST, RESEND, RESET, LOGOUT, LOGON, SECURITIES, STATUS, "B", "h"}
)

# Entry types and actions
BID, OFFER, TRADE = "0", "1", "2"
NEW, DELETE = "0", "2"
SIDES = {"1": BUY, "2": SELL}

# Tags whose values are never written down: RawData, Username, Password
SECRET_TAGS = frozenset({"96", "553", "554"})

# By the first tag of its repeating group a message is split
_GROUPS = {SNAPSHOT: "\x01269=", INCREMENT: "\x01279=", SECURITIES: "\x0155="}
_COUNTS = {SNAPSHOT: "268", INCREMENT: "268", SECURITIES: "146"}
_KIND = re.compile(rb"\x0135=([^\x01]+)\x01")
_SYMBOLS = re.compile(rb"\x0155=([^\x01]+)")
_BOOK_ENTRY = re.compile(rb"\x01269=[01]\x01")
_NAMES = re.compile("\x01(?:49|56)=[^\x01]*")
# "10=" with three digits and the separators around it
_TRAILER = 8


class Message(NamedTuple):
    """One message: its type, the fields before its repeating group, the group's entries.

    Fields after the group stand in its last entry. A tag that is repeated has its last value.

    Args:
        number: MsgSeqNum; the exchange counts every message of the connection.
    """

    kind: str
    number: int
    head: dict[str, str]
    entries: list[dict[str, str]]

    def common(self, tag: str) -> str | None:
        """Return a field that stands before the group or after it, None where there is none."""
        found = self.head.get(tag)
        return self.entries[-1].get(tag) if found is None and self.entries else found


class Login(NamedTuple):
    """All that a Logon can be made of; what an exchange does not use is empty.

    Args:
        sender: SenderCompID as it is sent.
        number, sent: MsgSeqNum and SendingTime as they are sent, since some sign them.
        ms: The same time in milliseconds since the epoch.
        nonce: 32 random bytes.
    """

    sender: str
    target: str
    key: str
    secret: str
    passphrase: str
    number: str
    sent: str
    ms: int
    nonce: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Fix:
    """The FIX side of an exchange: a second transport to the same books.

    Args:
        docs: Page or sheet that the parsing follows, and the date it was read.
        url: fix+tls://host:port, or fix:// without TLS.
        begin: BeginString.
        target: TargetCompID.
        heartbeat_s: HeartBtInt that is asked for.
        sender_is_key: SenderCompID is the API key; else it is a setting.
        needs: What of `sender`, `key`, `secret`, `passphrase` must be set.
        logon: Login -> fields of the Logon's body.
        data_types: What can be subscribed.
        subscribe: (symbols, data types) -> bodies of the messages to send after the logon, each as
            `request` makes it.
        resubscribe: symbol -> bodies of the messages that make the exchange send that book anew.
        parse: message -> records, as `Exchange.parse`.
        rule: How deltas must follow each other here. MsgSeqNum counts the connection through.
        limits: What the exchange allows on such connections.
    """

    docs: str
    url: str
    begin: str = "FIX.4.4"
    target: str
    heartbeat_s: int = 30
    sender_is_key: bool = False
    needs: Sequence[str]
    logon: Callable[[Login], Fields]
    data_types: Sequence[str] = ("book_delta", "trade")
    subscribe: Callable[[Sequence[str], Sequence[str]], list[str]]
    resubscribe: Callable[[str], list[str]]
    parse: Callable[[Message], Iterable["Parsed"]]
    rule: Rule
    limits: "Limits"


def request(kind: str, *fields: tuple[int, str | int]) -> str:
    """Return the body of a message, MsgType first, as text for the transport."""
    return SOH.join([f"35={kind}", *(f"{tag}={value}" for tag, value in fields)]) + SOH


def market_data(
    name: str,
    symbol: str,
    entry_types: Sequence[str],
    *options: tuple[int, str | int],
    end: bool = False,
) -> str:
    """Return a MarketDataRequest that subscribes, or ends what it subscribed."""
    return request(
        "V",
        (262, name),
        (263, 2 if end else 1),
        *options,
        (146, 1),
        (55, symbol),
        (267, len(entry_types)),
        *((269, entry_type) for entry_type in entry_types),
    )


def decode(payload: bytes) -> Message:
    """Return a message split into its fields.

    Raises:
        UnexpectedFrame: It is cut, or is not as long as it says of its group.
    """
    text = payload.decode()
    if not text.startswith("8=FIX") or text[-_TRAILER:-4] != "\x0110=" or text[-1] != SOH:
        message = f"expected a FIX message from BeginString to CheckSum, found {text!r:.100}"
        raise UnexpectedFrame(message)
    text = text[:-_TRAILER]
    kind = text[text.index("\x0135=") + 4 :].partition(SOH)[0]
    mark = _GROUPS.get(kind)
    if mark is None:
        head = _fields(text)
        return Message(kind, int(head["34"]), head, [])
    first, *groups = text.split(mark)
    head = _fields(first)
    tag = mark[1:-1]
    entries = [_fields(f"{tag}={group}") for group in groups]
    if len(entries) != int(head.get(_COUNTS[kind], 0)):
        message = f"expected {head.get(_COUNTS[kind], 0)} entries of {tag}, found {len(entries)}"
        raise UnexpectedFrame(message)
    return Message(kind, int(head["34"]), head, entries)


def _fields(text: str) -> dict[str, str]:
    # a value may hold "=", a tag may not
    return dict([field.split("=", 1) for field in text.split(SOH)])


def kind_of(payload: bytes) -> str:
    """Return the MsgType of raw bytes.

    Raises:
        UnexpectedFrame: There is none.
    """
    found = _KIND.search(payload, 0, 64)
    if found is None:
        message = f"expected a FIX message with its MsgType, found {payload[:60]!r}"
        raise UnexpectedFrame(message)
    return found[1].decode()


def addresses(payload: bytes) -> list[tuple[str, str]]:
    """Return (symbol, data type) of raw bytes; of what is no market data ("", what it is).

    A message with both book and trade entries is one of the book.

    Raises:
        UnexpectedFrame: Market data without a symbol, or no FIX message.
    """
    kind = kind_of(payload)
    if kind in (SNAPSHOT, INCREMENT, SECURITIES, STATUS):
        symbols = dict.fromkeys(_SYMBOLS.findall(payload))
        if not symbols and kind != SECURITIES:
            message = f"expected a symbol in a message of type {kind}"
            raise UnexpectedFrame(message)
        trades = kind == INCREMENT and not _BOOK_ENTRY.search(payload)
        trades = trades and b"\x01269=2\x01" in payload
        return [(symbol.decode(), "trade" if trades else "book_delta") for symbol in symbols]
    return [("", "error" if kind in REFUSALS else f"fix {kind}")]


def shown(payload: bytes, most_bytes: int) -> str:
    """Return raw bytes as text for people; of FIX without the sides' names, of which one may be a key."""
    text = payload[:most_bytes].decode(errors="replace")
    if not payload.startswith(START):
        return text
    return _NAMES.sub("", text).replace(SOH, "|")


def refuse_unknown(message: Message) -> None:
    """Let what is read and says nothing of a market pass.

    Raises:
        UnexpectedFrame: A message of another type.
    """
    if message.kind not in SILENT:
        found = f"expected market data (W, X) or a session's message, found type {message.kind!r}"
        raise UnexpectedFrame(found)


def book(entries: Iterable[Mapping[str, str]], **fields: Any) -> BookDelta:
    """Return the BookDelta of entries in the order sent; what is deleted, or has no size, goes."""
    sides: dict[str, list[tuple[str, str]]] = {BID: [], OFFER: []}
    for entry in entries:
        kind = entry["269"]
        if kind in sides:
            size = "0" if entry.get("279") == DELETE else entry.get("271", "0")
            sides[kind].append((entry["270"], size))
        elif kind != TRADE:
            message = f"expected an entry of type (269) 0, 1 or 2, found {kind!r:.100}"
            raise UnexpectedFrame(message)
    return wire.book(sides[BID], sides[OFFER], **fields)


def trade(entry: Mapping[str, str], side_tag: str, **fields: Any) -> Trade:
    """Return the Trade of an entry; its aggressor is told by 1 (buy) or 2 (sell), or not at all."""
    side = entry.get(side_tag)
    if side is not None and side not in SIDES:
        message = f"expected 1 or 2 in the field {side_tag}, found {side!r:.100}"
        raise UnexpectedFrame(message)
    aggressor = UNKNOWN if side is None else SIDES[side]
    return wire.trade(entry["270"], entry["271"], aggressor=aggressor, **fields)


def ns(text: str) -> int:
    """Return ns of a UTC timestamp, "20260102-03:04:05.678" with up to nine decimals."""
    whole, _, part = text.partition(".")
    return _second(whole) + int(part[:9].ljust(9, "0"))


def ns_of_day(text: str, sent: str) -> int:
    """Return ns of a time of day, "03:04:05.678", the latest one that is not an hour after `sent`."""
    sent_ns = ns(sent)
    found = ns(f"{sent[:8]}-{text}")
    return found if found < sent_ns + 3600 * wire.SECOND else found - 24 * 3600 * wire.SECOND


@lru_cache(maxsize=64)
def _second(text: str) -> int:
    # "20260102-03:04:05" is nearly ISO
    date, _, time = text.partition("-")
    return wire.ns_from_iso(f"{date[:4]}-{date[4:6]}-{date[6:]}T{time}Z")
