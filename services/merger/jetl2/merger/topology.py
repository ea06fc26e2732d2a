"""One raw message in, its records out: the whole work of a task without any I/O.

What comes out, and the store after it, depend only on the messages before: no clock, no
randomness, no order between topics.
"""

import zlib
from typing import NamedTuple

from jetl2.merger.state import Entry, Feed, Store
from jetl2.schemas import avro, topics
from jetl2.schemas.records import LOST, DeadLetter, Gap, MarketRecord, RawEvent, Resync

# Kind of a dead letter whose payload is the whole value of the raw message, not a frame
UNDECODED = "undecoded"


class Message(NamedTuple):
    """A record of a raw topic as Kafka gives it."""

    topic: str
    offset: int
    key: bytes | None
    value: bytes | None
    timestamp_ms: int


class Output(NamedTuple):
    """A record to produce: market topics at the task's own partition, others by the key."""

    topic: str
    key: bytes
    value: bytes
    kind: str  # name of the record's class; a gap's reason after a colon


def apply(store: Store, message: Message, merge_ts: int) -> list[Output]:
    """Apply one raw message to the store, its offset included, and return what it yields.

    A message that the state of its symbol already covers is skipped, which happens only while a
    store is restored.

    Args:
        store: Of the task whose partition the message is from.
        message: The next one of its topic, in order of offsets.
        merge_ts: To stamp on market records.
    """
    feed = store.feeds[message.topic]
    store.offsets[message.topic] = message.offset + 1
    raw, problem = _read(message, feed, store)
    if raw is None:
        return _undecodable(store, feed, message, problem, merge_ts)
    entry = feed.entries.get(raw.symbol)
    if entry is None:
        entry = feed.entries[raw.symbol] = Entry(feed.exchange, raw.symbol)
    elif message.offset < entry.source_offset:
        return []
    return _feed(store, feed, entry, raw, message, merge_ts)


def _feed(
    store: Store, feed: Feed, entry: Entry, raw: RawEvent, message: Message, merge_ts: int
) -> list[Output]:
    if not entry.dirty:
        store.touch(entry)
    key = raw.symbol.encode()
    outputs = []
    for record in _records(feed, raw):
        if isinstance(record, MarketRecord):
            value = _chain(entry, record, message, store.partition)
            kind = type(record).__name__
            if type(record) is Gap:
                kind += f":{record.reason}"
            outputs.append(Output(feed.market_topic, key, avro.stamp(value, merge_ts), kind))
        elif isinstance(record, Resync):
            outputs.append(Output(feed.control_topic, key, avro.encode(record), "Resync"))
        else:
            outputs.append(_dead_letter(feed, record, message, store.partition))
    return outputs


def _records(feed: Feed, raw: RawEvent) -> list[MarketRecord | Resync | DeadLetter]:
    """Return what the session makes of an event; one that it chokes on is put aside.

    The session promises not to raise. Should it do so all the same, then one symbol has a gap
    that the data shows, instead of a partition that stands still.
    """
    try:
        return feed.session.feed(raw)
    except Exception as error:  # noqa: BLE001 - whatever a mistake in a parser leads to
        letter = DeadLetter(
            exchange=raw.exchange,
            symbol=raw.symbol,
            channel=raw.channel,
            local_ts=raw.local_ts,
            connection_id=raw.connection_id,
            counter=raw.counter,
            kind=raw.kind,
            payload=raw.payload,
            error=f"the session failed: {type(error).__name__}: {error}",
        )
        if raw.kind == LOST:
            return [letter]
        lost = _lost(feed, raw.symbol, raw.local_ts, raw.connection_id)
        return [letter, *_records(feed, lost)]


def _lost(feed: Feed, symbol: str, local_ts: int, connection_id: str = "") -> RawEvent:
    """Return the event that tells a book that one message is missing; "" is of any connection."""
    return RawEvent(
        exchange=feed.exchange,
        symbol=symbol,
        local_ts=local_ts,
        connection_id=connection_id,
        kind=LOST,
        payload=b'{"from_ts":%d,"to_ts":%d,"messages":1}' % (local_ts, local_ts),
    )


def _chain(entry: Entry, record: MarketRecord, message: Message, partition: int) -> bytes:
    """Stamp lineage and seq, take the record into the chain; return it encoded, merge_ts 0."""
    record.source_topic = message.topic
    record.source_partition = partition
    record.source_offset = message.offset
    # The session's own number is the same, unless it once failed halfway through an event
    entry.seq += 1
    record.seq = entry.seq
    value = avro.encode(record)
    # Without merge_ts, the last byte: the chain must come out the same at any time
    entry.chain = zlib.crc32(value[:-1], entry.chain)
    return value


def _read(message: Message, feed: Feed, store: Store) -> tuple[RawEvent | None, str]:
    """Return the raw event, or None and why there is none to work on."""
    try:
        raw = avro.decode(message.value or b"")
    except Exception as error:  # noqa: BLE001 - fastavro raises whatever the bytes lead it to
        return None, f"not a raw event: {type(error).__name__}: {error}"
    if type(raw) is not RawEvent:
        return None, f"not a raw event but a {type(raw).__name__}"
    if raw.exchange != feed.exchange:
        return None, f"exchange {raw.exchange!r} in {message.topic}"
    if raw.symbol not in feed.entries:
        home = topics.partition(raw.symbol, store.partitions)
        if home != store.partition:
            return None, f"symbol {raw.symbol!r} belongs to partition {home}"
    return raw, ""


def _undecodable(
    store: Store, feed: Feed, message: Message, problem: str, merge_ts: int
) -> list[Output]:
    """Put a message aside, and tell the book of its key that something is missing."""
    symbol = (message.key or b"").decode(errors="replace")
    entry = feed.entries.get(symbol)
    if entry is not None and message.offset < entry.source_offset:
        return []
    # The message's own time, as kept in Kafka: the same at every replay
    local_ts = message.timestamp_ms * 1_000_000
    letter = DeadLetter(
        exchange=feed.exchange,
        symbol=symbol,
        local_ts=local_ts,
        connection_id="",
        kind=UNDECODED,
        payload=message.value or b"",
        error=problem,
    )
    outputs = [_dead_letter(feed, letter, message, store.partition)]
    if entry is not None:
        lost = _lost(feed, symbol, local_ts)
        outputs += _feed(store, feed, entry, lost, message, merge_ts)
    return outputs


def _dead_letter(feed: Feed, letter: DeadLetter, message: Message, partition: int) -> Output:
    letter.source_topic = message.topic
    letter.source_partition = partition
    letter.source_offset = message.offset
    return Output(feed.dead_topic, letter.symbol.encode(), avro.encode(letter), "DeadLetter")
