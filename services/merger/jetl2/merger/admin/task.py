"""`admin task`: what a merger's task has committed, and whether it would start again.

It goes the way of a restart, without the replay: changelog, the group's offsets, what the raw
topics still hold. What would be refused then is told in the same words now.
"""

import time
from collections.abc import Mapping
from typing import Any, NamedTuple

from confluent_kafka import Consumer

from jetl2.exchanges.exchange import Exchange
from jetl2.exchanges.session import Session
from jetl2.merger import restore, source
from jetl2.merger.admin.errors import AdminError, UsageError
from jetl2.merger.admin.reading import Cluster
from jetl2.merger.errors import DoubtError, RefusedError
from jetl2.merger.settings import Settings
from jetl2.merger.state import COMMIT_KEY, Feed, Store
from jetl2.runtime import kafka
from jetl2.schemas import avro, topics
from jetl2.schemas.records import Commit


class _Changelog(NamedTuple):
    """One reading: newest value of each key, when each was written (ms), the commit record."""

    values: dict[bytes, bytes]
    written: dict[bytes, int]

    def commit(self) -> Commit | None:
        """Return the newest commit record, None without one that can be read."""
        try:
            found = avro.decode(self.values[COMMIT_KEY])
        except Exception:  # noqa: BLE001 - restore says what is wrong with it
            return None
        return found if isinstance(found, Commit) else None


def look(
    cluster: Cluster, settings: Settings, exchanges: Mapping[str, Exchange], number: int
) -> dict[str, Any]:
    """Return what there is to know of a task.

    Raises:
        AdminError: No such task, or Kafka did not answer.
    """
    count = cluster.of(settings.changelog)
    if not 0 <= number < count:
        message = f"there is no task {number}: {settings.changelog} has {count}, 0 to {count - 1}"
        raise UsageError(message)
    raw = [topics.raw(name) for name in exchanges]
    for topic in raw:
        if number >= cluster.of(topic):
            message = f"{topic} has {cluster.of(topic)} partitions, {settings.changelog} {count}"
            raise AdminError(message)

    def make_reader() -> Consumer:
        return kafka.consumer(
            settings.bootstrap_servers, client_id="jetl2-admin", group_id=settings.group_id
        )

    before = _read(cluster, settings.changelog, number)
    try:
        offsets = source.offsets(make_reader, raw, number)
    except DoubtError as error:
        raise AdminError(str(error)) from error
    after = _read(cluster, settings.changelog, number)
    first, last = before.commit(), after.commit()
    at_work = first is not None and last is not None and first != last
    committed = dict(offsets.committed)
    if at_work and first and last:
        # A merger went on between two readings: offsets between both commits are in order
        for topic, offset in committed.items():
            low, high = first.offsets.get(topic, 0), last.offsets.get(topic)
            if offset is not None and high is not None and low <= offset <= high:
                committed[topic] = high
    store = Store(number, count, [Feed(n, Session(e)) for n, e in exchanges.items()])
    refusal, replays = _judge(store, settings, after, offsets._replace(committed=committed))
    now = time.time()
    written_ms = after.written.get(COMMIT_KEY)
    return {
        "task": number,
        "transactional_id": f"{settings.group_id}.task-{number}",
        "at_work": at_work,
        "commit_age_s": None if written_ms is None else _age_s(now, written_ms),
        "next_start": refusal or "ok",
        "refused": bool(refusal),
        "replays": replays,
        "topics": [
            {
                "topic": topic,
                "changelog": last.offsets.get(topic) if last else None,
                "committed": offsets.committed[topic],
                "written": _written(cluster, exchange, number),
                "low": offsets.low[topic],
                "high": offsets.high[topic],
                "lag": max(offsets.high[topic] - (offsets.committed[topic] or 0), 0),
            }
            for exchange, topic in zip(exchanges, raw, strict=True)
        ],
        "symbols": list(_symbols(store, after, now)),
    }


def _written(cluster: Cluster, exchange: str, number: int) -> int | None:
    """Return the offset after the newest raw event of which the market topic has a record.

    What the changelog says may not be less: then it is an old one, and the group's offsets must not
    be set back to it.
    """
    topic = topics.market(exchange)
    if topic not in cluster.partitions:
        return None
    low, high = cluster.bounds(topic, number)
    span = 100
    while high > low:
        newest = None
        for message in cluster.read(topic, number, max(low, high - span)):
            newest = message
        if newest is not None:
            return int(avro.decode(newest.value() or b"").source_offset) + 1
        if span >= high - low:
            break
        # Markers and what was aborted take offsets, too
        span *= 100
    return None


def _read(cluster: Cluster, topic: str, number: int) -> _Changelog:
    found = _Changelog({}, {})
    for message in cluster.read(topic, number):
        key, value = message.key() or b"", message.value()
        if value is None:
            found.values.pop(key, None)
        else:
            found.values[key] = value
            found.written[key] = message.timestamp()[1]
    return found


def _judge(
    store: Store, settings: Settings, changelog: _Changelog, offsets: source.Offsets
) -> tuple[str, int]:
    """Return why the task would not start, and how many raw events it would apply again."""
    try:
        last = restore.load(store, changelog.values)
        restore.start_offsets(
            store,
            last,
            offsets.committed,
            offsets.low,
            offsets.high,
            begin_after_loss=settings.begin_after_loss,
        )
        spans = restore.ranges(store, last, offsets.low)
    except RefusedError as error:
        return str(error), 0
    return "", sum(len(span) for span in spans.values())


def _symbols(store: Store, changelog: _Changelog, now: float) -> Any:
    last = changelog.commit()
    for feed in store.feeds.values():
        for symbol, entry in sorted(feed.entries.items()):
            yield {
                "exchange": feed.exchange,
                "symbol": symbol,
                # What the exchange's session knows; Store asks no more of it than dump and load
                "status": feed.session.state(symbol),  # type: ignore[attr-defined]
                "seq": last.seqs.get(entry.name, entry.seq) if last else entry.seq,
                "state_offset": entry.source_offset,
                "state_age_s": _age_s(now, changelog.written.get(entry.name.encode(), 0)),
            }


def _age_s(now: float, written_ms: int) -> float:
    return round(max(now - written_ms / 1000, 0), 1)
