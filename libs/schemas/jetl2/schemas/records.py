"""The records that travel between packages: raw events as received, market records as merged.

Prices and sizes are integer mantissas with one exponent per record and field: value =
mantissa * 10 ** exponent, exponent <= 0. No float holds a price or a size anywhere.
All times are int nanoseconds since the epoch, UTC; 0 means not given.
"""

from dataclasses import dataclass, field

# Kinds of a raw event
FRAME = "frame"  # a message from the exchange, payload verbatim
SNAPSHOT = "snapshot"  # the body of a REST book snapshot, payload verbatim
CONNECTED = "connected"  # one for each symbol of the connection; payload is the URL
SUBSCRIBED = "subscribed"  # a request that we sent, payload verbatim
DISCONNECTED = "disconnected"  # one for each symbol; payload is the reason
# Received but not kept (buffer full); payload is JSON {"from_ts", "to_ts", "messages"}
LOST = "lost"
# A frame that names no symbol could not be read; one for each symbol of the connection, no payload
UNREADABLE = "unreadable"

# Who took liquidity in a trade
BUY = "buy"
SELL = "sell"
UNKNOWN = "unknown"

# Why a record that replaces the book was written
INITIAL = "initial"
RESYNC = "resync"
PERIODIC = "periodic"
HANDOVER = "handover"  # the book goes on by another connection, which missed nothing
UPDATE = "update"  # the exchange sends nothing but whole books

# What is known of the book after a record, beyond that no number is missing
UNCHECKED = "none"
PASSED = "passed"  # the exchange's checksum is that of the book
UNPROVEN = "unproven"  # neither numbers nor a sum could show that something is missing


@dataclass(slots=True, kw_only=True)
class RawEvent:
    """One thing that happened on a connection, as the ingestor saw it, nothing interpreted.

    Args:
        symbol: The exchange's own string; "" when the frame belongs to no symbol (heartbeats, acks).
        local_ts: Taken right after the socket read.
        counter: Running number of readable frames on this connection, from 0. A frame that names
            several symbols is written once for each, with the same counter. One that cannot be
            read does not count: if the exchange counted it, its own numbers are ahead from then on.
            Nor does one that the exchange leaves out of its connection-wide counter.
        payload: The bytes that came, untouched.
    """

    exchange: str
    symbol: str
    channel: str = ""
    local_ts: int
    connection_id: str
    counter: int = 0
    kind: str = FRAME
    payload: bytes


@dataclass(slots=True, kw_only=True)
class MarketRecord:
    """What every merged record carries: clocks, own and exchange's numbering, lineage.

    Args:
        seq: Own number per exchange and symbol, +1 each record of whatever type.
        first_seq: Exchange's numbering of this message; 0 where it numbers nothing.
        source_index: Running number of the record within its raw event.
    """

    exchange: str = ""
    symbol: str
    exchange_ts: int = 0
    local_ts: int = 0
    seq: int = 0
    first_seq: int = 0
    last_seq: int = 0
    prev_seq: int = 0
    source_topic: str = ""
    source_partition: int = 0
    source_offset: int = 0
    source_index: int = 0
    merge_ts: int = 0


@dataclass(slots=True, kw_only=True)
class BookDelta(MarketRecord):
    """Changed levels of one exchange message, or with `is_snapshot` a whole book.

    Sizes are absolute; 0 removes the level. The four lists are parallel by pairs: bid_prices with
    bid_sizes, ask_prices with ask_sizes, in the order sent (snapshots: best first).

    Args:
        checksum: The sum that the exchange sent with this message, if any.
        verified: UNCHECKED, PASSED when the book after this record gave that sum, or UNPROVEN.
        duplicates: Messages of this symbol dropped as already applied since the last book record.
        crossed: Best bid >= best ask after this record.
    """

    is_snapshot: bool = False
    reason: str = ""
    price_exponent: int = 0
    size_exponent: int = 0
    bid_prices: list[int] = field(default_factory=list)
    bid_sizes: list[int] = field(default_factory=list)
    ask_prices: list[int] = field(default_factory=list)
    ask_sizes: list[int] = field(default_factory=list)
    checksum: int | None = None
    verified: str = UNCHECKED
    crossed: bool = False
    duplicates: int = 0


@dataclass(slots=True, kw_only=True)
class Trade(MarketRecord):
    """One trade; `aggressor` is who took liquidity."""

    trade_id: str = ""
    aggressor: str = UNKNOWN
    price: int
    price_exponent: int
    size: int
    size_exponent: int


@dataclass(slots=True, kw_only=True)
class BookTicker(MarketRecord):
    """Best bid and ask as the exchange itself publishes them; None where a side is empty."""

    price_exponent: int
    size_exponent: int
    bid_price: int | None = None
    bid_size: int | None = None
    ask_price: int | None = None
    ask_size: int | None = None


@dataclass(slots=True, kw_only=True)
class DerivativeTicker(MarketRecord):
    """Funding, open interest, index and mark price; numbers as exact decimal text, "" if not given."""

    funding_ts: int = 0
    funding_rate: str = ""
    predicted_funding_rate: str = ""
    open_interest: str = ""
    last_price: str = ""
    index_price: str = ""
    mark_price: str = ""


@dataclass(slots=True, kw_only=True)
class Liquidation(MarketRecord):
    """A forced trade; `aggressor` buy means that a short was liquidated."""

    trade_id: str = ""
    aggressor: str = UNKNOWN
    price: int
    price_exponent: int
    size: int
    size_exponent: int


@dataclass(slots=True, kw_only=True)
class Gap(MarketRecord):
    """The book of this symbol is unknown from here until the next record with `is_snapshot`.

    Args:
        first_seq: First number missing, as far as it is known; last_seq: last number missing.
        reason: disconnected, sequence, checksum, connection_sequence, crossed, row, lost, unreadable,
            resnapshot.
        detail: Expected and found, for a person.
        from_ts: local_ts of the last message that was surely applied; 0 when there was none.
    """

    reason: str = ""
    detail: str = ""
    from_ts: int = 0


@dataclass(slots=True, kw_only=True)
class Resync:
    """Merger to ingestor, on control.<exchange>: this book must be taken anew."""

    exchange: str
    symbol: str
    connection_id: str = ""
    reason: str = ""
    local_ts: int = 0


@dataclass(slots=True, kw_only=True)
class DeadLetter:
    """A raw event that could not be read, verbatim, with what did not fit and where it came from."""

    exchange: str
    symbol: str
    channel: str = ""
    local_ts: int
    connection_id: str
    counter: int = 0
    kind: str = FRAME
    payload: bytes
    error: str
    source_topic: str = ""
    source_partition: int = 0
    source_offset: int = 0


@dataclass(slots=True, kw_only=True)
class BookState:
    """Changelog: one symbol's whole state in the merger after the input before `source_offset`.

    Args:
        session: State of the merge session of this symbol, as `Session.dump` gives it (JSON bytes).
        source_offset: Offset of the next raw event to apply.
        chain: CRC-32 over all records of the symbol so far, chained; equal after any replay.
    """

    exchange: str
    symbol: str
    seq: int
    chain: int
    source_topic: str
    source_partition: int
    source_offset: int
    session: bytes


@dataclass(slots=True, kw_only=True)
class Commit:
    """Changelog: how far a task has come with its newest transaction.

    Args:
        offsets: Next offset to read, by raw topic.
        seqs, chains: Last seq, and chain, of each symbol changed since its newest BookState, by
            "exchange|symbol"; all others are as their BookState says. The seq of "" is the sum of
            the CRC-32 of every BookState record, as bytes in Kafka; not there before 0.2.0.
    """

    offsets: dict[str, int]
    seqs: dict[str, int]
    chains: dict[str, int]
