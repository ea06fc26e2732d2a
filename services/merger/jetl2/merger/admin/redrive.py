"""`admin redrive`: dead letters back to the raw topic, each at most once, whatever dies meanwhile.

Raw topics hold no transactions: landing wants a record at each of their offsets, where a
transaction would leave its markers. So each letter is noted in `redrive.changelog`, twice:

1. intended, in a transaction, with the end of its raw partition at that time
2. the raw event, with the letter's place as a header
3. done, in a transaction

Who finds an intention without an end looks for the header behind that offset. Two at the same time
fence each other in 1; one that was fenced later than that is waited for, by `AT_WORK_S`.
"""

import json
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka import Message as KafkaMessage

from jetl2.exchanges.exchange import Exchange
from jetl2.merger.admin import verdicts
from jetl2.merger.admin.errors import AdminError
from jetl2.merger.admin.reading import Cluster
from jetl2.merger.admin.verdicts import Found
from jetl2.runtime import kafka
from jetl2.schemas import avro, topics
from jetl2.schemas.records import DeadLetter, Liquidation, Trade

NOTES = f"redrive{topics.CHANGELOG_SUFFIX}"
HEADER = "jetl2.redriven"
TRANSACTIONAL_ID = "jetl2.admin.redrive"
SEND_S = 30.0
# Sending begins within this time of its intention, or not at all
BEGIN_S = 10.0
# An intention older than this belongs to nobody who could still send
AT_WORK_S = 120.0
# Clocks of recorders and of the merger differ by less
MARGIN_NS = 600 * 10**9


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which dead letters.

    Args:
        symbols: Empty: of every symbol.
        from_ts, to_ts: local_ts in ns, from inclusive, to exclusive; 0: no bound.
    """

    symbols: frozenset[str] = frozenset()
    from_ts: int = 0
    to_ts: int = 0

    def takes(self, letter: DeadLetter) -> bool:
        """Return whether a letter is one of them."""
        return (
            (not self.symbols or letter.symbol in self.symbols)
            and letter.local_ts >= self.from_ts
            and (not self.to_ts or letter.local_ts < self.to_ts)
        )


def find(cluster: Cluster, exchange: Exchange, wanted: Wanted) -> list[Found]:
    """Return the dead letters of an exchange, in the order of their times, each with its verdict.

    Raises:
        AdminError: No such topic, or Kafka did not answer.
    """
    topic = topics.dead_letter(exchange.name)
    found = []
    for number in range(cluster.of(topic)):
        for message in cluster.read(topic, number):
            place = f"{topic}-{number} offset {message.offset()}"
            letter = _decoded(message, place)
            if isinstance(letter, DeadLetter) and wanted.takes(letter):
                found.append(Found(topic, number, message.offset() or 0, letter))
    for each in found:
        verdicts.judge(exchange, each)
    found.sort(key=lambda each: each.letter.local_ts)
    _leave_noted(cluster, found)
    _leave_merged(cluster, exchange, found)
    leave_repeated(found)
    return found


def apply(
    cluster: Cluster, exchange: Exchange, wanted: Wanted, limit: int
) -> tuple[list[Found], list[Found]]:
    """Send what may be redriven.

    Returns:
        (every letter with its verdict as it was before, those that were sent now).

    Raises:
        AdminError: Another one is at work, or Kafka did not take it; what was sent is noted, or
            will be found by the next run.
    """
    kafka.ensure_topics(cluster.bootstrap_servers, {NOTES: 1})
    cluster.partitions.setdefault(NOTES, 1)
    notes = _notes_producer(cluster)
    # After the one before is fenced, or its intentions could come unseen
    found = find(cluster, exchange, wanted)
    chosen = [each for each in found if each.verdict == verdicts.REDRIVE][:limit]
    if not chosen:
        return found, []
    raw = topics.raw(exchange.name)
    count = cluster.of(raw)
    ends = {n: cluster.bounds(raw, n)[1] for n in {_home(each, count) for each in chosen}}
    began = time.monotonic()
    _note(
        notes,
        (
            (each, {"state": "intended", "topic": raw, "partition": n, "end": ends[n]})
            for each in chosen
            for n in [_home(each, count)]
        ),
    )
    if time.monotonic() - began > BEGIN_S:
        message = f"Kafka is too slow: nothing was sent; run it again in {AT_WORK_S:.0f} s"
        raise AdminError(message)
    sent = _send(cluster, chosen, raw, count)
    _note(notes, ((each, {"state": "done"}) for each in sent))
    if len(sent) < len(chosen):
        message = (
            f"Kafka took {len(sent)} of {len(chosen)} letters in {SEND_S:.0f} s; run it again in "
            f"{AT_WORK_S:.0f} s: it finds out which of the others came"
        )
        raise AdminError(message)
    return found, sent


def _decoded(message: KafkaMessage, place: str) -> object:
    """Return a record.

    Raises:
        AdminError: Its bytes are not ours, or of a newer release that may know better.
    """
    try:
        return avro.decode(message.value() or b"")
    except Exception as error:
        text = f"{place} cannot be read: {error}; use the release that writes there"
        raise AdminError(text) from error


def _home(found: Found, partitions: int) -> int:
    return topics.partition(found.letter.symbol, partitions)


def _send(cluster: Cluster, chosen: Sequence[Found], topic: str, partitions: int) -> list[Found]:
    producer = kafka.producer(
        cluster.bootstrap_servers,
        client_id="jetl2-admin",
        properties={"message.timeout.ms": int(SEND_S * 1000)},
    )
    sent: list[Found] = []

    def send(each: Found) -> None:
        def delivered(error: KafkaError | None, _: KafkaMessage) -> None:
            if error is None:
                sent.append(each)

        producer.produce(
            topic,
            avro.encode(verdicts.event(each)),
            each.letter.symbol.encode(),
            _home(each, partitions),
            on_delivery=delivered,
            headers={HEADER: each.key.encode()},
        )

    for each in chosen:
        send(each)
    producer.flush(SEND_S + 5)
    return sent


def _notes_producer(cluster: Cluster) -> Producer:
    producer = kafka.transactional_producer(
        cluster.bootstrap_servers,
        client_id="jetl2-admin",
        transactional_id=TRANSACTIONAL_ID,
    )
    try:
        producer.init_transactions(SEND_S)
    except KafkaException as error:
        message = f"cannot note what is redriven: {error.args[0].str()}"
        raise AdminError(message) from error
    return producer


def _note(producer: Producer, notes: Iterable[tuple[Found, dict[str, Any]]]) -> None:
    try:
        producer.begin_transaction()
        for found, note in notes:
            producer.produce(NOTES, json.dumps(note).encode(), found.key.encode(), 0)
        producer.commit_transaction(SEND_S)
    except (KafkaException, BufferError) as error:
        text = error.args[0].str() if isinstance(error, KafkaException) else str(error)
        message = f"cannot note what is redriven: {text}; is another redrive at work?"
        raise AdminError(message) from error


def _leave_noted(cluster: Cluster, found: Sequence[Found]) -> None:
    """Leave what was redriven; find out how the intentions ended that say nothing of it."""
    if NOTES not in cluster.partitions:
        return
    notes: dict[str, dict[str, Any]] = {}
    for message in cluster.read(NOTES, 0):
        if message.value() is not None:
            key = (message.key() or b"").decode()
            notes[key] = {"at_ms": message.timestamp()[1], **json.loads(message.value() or b"{}")}
    open_: dict[tuple[str, int], list[tuple[Found, dict[str, Any]]]] = defaultdict(list)
    for each in found:
        note = notes.get(each.key)
        if note is None:
            continue
        if note["state"] == "done":
            each.verdict, each.detail = verdicts.DONE, ""
        elif each.verdict == verdicts.REDRIVE:
            open_[note["topic"], note["partition"]].append((each, note))
    for (topic, number), intended in open_.items():
        _settle(cluster, topic, number, intended)


def _settle(
    cluster: Cluster, topic: str, number: int, intended: Sequence[tuple[Found, dict[str, Any]]]
) -> None:
    newest_s = time.time() - max(note["at_ms"] for _, note in intended) / 1000
    if newest_s < AT_WORK_S:
        message = (
            f"another redrive began {newest_s:.0f} s ago and has not ended; "
            f"run it again in {AT_WORK_S - newest_s:.0f} s"
        )
        raise AdminError(message)
    low, _ = cluster.bounds(topic, number)
    start = min(note["end"] for _, note in intended)
    came: set[str] = set()
    for event in cluster.read(topic, number, max(start, low)):
        # Its type says more than there ever is
        headers: Any = event.headers() or ()
        came.update(value.decode() for name, value in headers if name == HEADER)
    for each, note in intended:
        if each.key in came:
            each.verdict = verdicts.DONE
        elif note["end"] < low:
            each.verdict = verdicts.IN_DOUBT


def _leave_merged(cluster: Cluster, exchange: Exchange, found: Sequence[Found]) -> None:
    """Leave what has come another way, by a second recorder or after a reconnect."""
    topic = topics.market(exchange.name)
    count = cluster.of(topic)
    by_partition: dict[int, list[Found]] = defaultdict(list)
    for each in found:
        if each.verdict == verdicts.REDRIVE:
            by_partition[_home(each, count)].append(each)
    for number, letters in by_partition.items():
        _leave_old(cluster, topic, number, letters)
        left = [each for each in letters if each.verdict == verdicts.REDRIVE]
        if not left:
            continue
        from_ts = min(each.letter.local_ts for each in left) - MARGIN_NS
        merged = _merged(cluster, topic, number, max(from_ts, 0), left)
        for each in left:
            there = each.ids & merged[each.letter.symbol]
            if there == each.ids:
                each.verdict = verdicts.MERGED
            elif there:
                each.verdict, each.detail = verdicts.PARTLY, ", ".join(sorted(there))


def leave_repeated(found: Iterable[Found]) -> None:
    """Leave what a second recorder could not read either: of equal letters the first goes."""
    taken: dict[str, set[str]] = defaultdict(set)
    for each in found:
        if each.verdict != verdicts.REDRIVE:
            continue
        ids = taken[each.letter.symbol]
        if each.ids & ids:
            each.verdict = verdicts.TWICE if each.ids <= ids else verdicts.PARTLY
        ids |= each.ids


def _leave_old(cluster: Cluster, topic: str, number: int, letters: Iterable[Found]) -> None:
    low, high = cluster.bounds(topic, number)
    if low == 0:
        return
    first_ms = None
    if low < high:
        for message in cluster.read(topic, number, low):
            first_ms = message.timestamp()[1]
            break
    for each in letters:
        if first_ms is None or each.letter.local_ts // 1_000_000 < first_ms:
            each.verdict = verdicts.TOO_OLD


def _merged(
    cluster: Cluster, topic: str, number: int, from_ts: int, letters: Iterable[Found]
) -> dict[str, set[str]]:
    """Return the trades that a partition holds since a time, by symbol, of the letters' symbols."""
    there: dict[str, set[str]] = {each.letter.symbol: set() for each in letters}
    keys = {symbol.encode() for symbol in there}
    start = cluster.offset_at(topic, number, from_ts)
    for message in cluster.read(topic, number, start):
        if message.key() in keys:
            record = _decoded(message, f"{topic}-{number} offset {message.offset()}")
            if isinstance(record, Trade | Liquidation):
                there[record.symbol].add(verdicts.identity(record))
    return there
