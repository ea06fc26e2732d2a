"""The store of a task from its changelog, and the proof that it is the one that was lost.

1. the newest value of each changelog key: BookStates and the Commit, which knows their sum
2. the Commit's offsets must be those that the group has committed, topic by topic
3. input from the oldest BookState still needed up to those offsets is applied, outputs dropped
4. seq and chain of every symbol must be those of the Commit

So every restart also shows that the output is a function of the input alone.
"""

import zlib
from collections.abc import Iterable, Mapping

from jetl2.merger.errors import RefusedError
from jetl2.merger.state import COMMIT_KEY, SEPARATOR, STATES_KEY, Entry, Store, stagger
from jetl2.merger.topology import Message, apply
from jetl2.schemas import avro, topics
from jetl2.schemas.records import BookState, Commit

# Within this time a restored store writes the states of the symbols that it had to replay
REPLAYED_DUE_S = 1.0


def load(store: Store, changelog: Mapping[bytes, bytes]) -> Commit | None:
    """Fill an empty store with the BookStates of its changelog (step 1).

    Args:
        store: Its feeds say which exchanges are wanted; states of others stay where they are.
        changelog: Newest value of each key.

    Returns:
        The newest Commit; None when the changelog is empty.

    Raises:
        RefusedError: States without a commit, a record that this release cannot read, or a symbol
            that belongs to another task: somebody added partitions to all topics alike.
    """
    last: Commit | None = None
    store.states_sum = 0
    for key, value in changelog.items():
        record = _decode(store, key, value)
        if isinstance(record, Commit):
            last = record
            continue
        crc = zlib.crc32(value)
        store.states_sum += crc
        if (feed := store.feeds.get(topics.raw(record.exchange))) is not None:
            home = topics.partition(record.symbol, store.partitions)
            if home != store.partition:
                problem = (
                    f"{record.exchange}|{record.symbol} was merged here, but of {store.partitions} "
                    f"partitions it belongs to {home}: topics must keep the number of partitions "
                    "that they began with"
                )
                raise _refused(store, problem)
            try:
                feed.session.load(record.symbol, record.session)
            except ValueError as error:
                problem = f"cannot read the state of {record.exchange}|{record.symbol}: {error}"
                raise _refused(store, problem) from error
            feed.entries[record.symbol] = Entry(
                record.exchange,
                record.symbol,
                seq=record.seq,
                chain=record.chain,
                source_offset=record.source_offset,
                state_crc=crc,
            )
    if last is None and changelog:
        raise _refused(store, "its changelog holds states but no commit record")
    return last


def start_offsets(
    store: Store,
    last: Commit | None,
    committed: Mapping[str, int | None],
    low: Mapping[str, int],
    high: Mapping[str, int],
    *,
    begin_after_loss: bool = False,
) -> None:
    """Set the store's offsets to where the task goes on (step 2).

    Args:
        store: After `load`.
        last: What `load` returned.
        committed: By raw topic, what the group has committed; None is nothing.
        low: By raw topic, the oldest offset that is still there.
        high: By raw topic, the offset that the next event will get.
        begin_after_loss: Whether a topic that was never merged may begin at a `low` above 0.

    Raises:
        RefusedError: Changelog and group disagree, or the input is no longer there.
    """
    store.offsets = dict(last.offsets) if last else {}
    for topic, feed in store.feeds.items():
        ours, groups = store.offsets.get(topic), committed[topic]
        if ours is None and groups is None and not feed.entries:
            if low[topic] > 0 and not begin_after_loss:
                raise _refused(
                    store,
                    f"{topic} was never merged and its first {low[topic]} events are gone; "
                    "JETL2_MERGER_BEGIN_AFTER_LOSS=true begins with what is left",
                )
            store.offsets[topic] = low[topic]
            continue
        if ours != groups:
            raise _refused(
                store,
                f"{topic}: the changelog says offset {_or_none(ours)}, the group has committed "
                f"{_or_none(groups)}; somebody else moved the one or lost the other",
            )
        if groups is not None and groups > high[topic]:
            raise _refused(
                store,
                f"{topic}: offset {groups} was merged, but the topic ends at {high[topic]}; "
                "it was made anew or lost its end",
            )


def ranges(store: Store, last: Commit | None, low: Mapping[str, int]) -> dict[str, range]:
    """Return the offsets of each raw topic that must be applied again (step 3).

    Raises:
        RefusedError: BookStates are missing, or not those of the commit, or input is gone.
    """
    wanted: dict[str, int] = {}
    for name in last.seqs if last else ():
        exchange, _, symbol = name.partition(SEPARATOR)
        topic = topics.raw(exchange)
        if topic not in store.feeds:
            continue
        entry = store.entry(exchange, symbol)
        if entry is None:
            raise _refused(store, f"its changelog holds no state of {name}, which it has merged")
        wanted[topic] = min(entry.source_offset, wanted.get(topic, entry.source_offset))
    for topic, feed in store.feeds.items():
        newest = max((e.source_offset for e in feed.entries.values()), default=0)
        if newest > store.offsets[topic]:
            raise _refused(
                store, f"{topic}: a state of offset {newest} is newer than the commit record"
            )
    # Those of symbols that the commit does not list, too; one of an older release has no sum
    if last is not None and last.seqs.get(STATES_KEY, store.states_sum) != store.states_sum:
        problem = (
            "its states are not those that the commit record was written with: some are missing, "
            "or older ones were put back"
        )
        raise _refused(store, problem)
    for topic, start in wanted.items():
        if start < low[topic]:
            raise _refused(
                store,
                f"{topic}: events from offset {start} are needed to restore a book, but only "
                f"those from {low[topic]} are left",
            )
    return {topic: range(start, store.offsets[topic]) for topic, start in wanted.items()}


def replay(store: Store, messages: Iterable[Message]) -> int:
    """Apply messages again, in each topic's order, outputs dropped; return how many."""
    count = 0
    ends = dict(store.offsets)
    for message in messages:
        apply(store, message, 0)
        count += 1
    store.offsets = ends
    return count


def verify(store: Store, last: Commit | None, now: float, snapshot_interval_s: float) -> None:
    """Compare the replayed symbols with the Commit (step 4), and spread the next BookStates.

    Raises:
        RefusedError: A symbol came out differently, or was changed that should not be.
    """
    seqs = last.seqs if last else {}
    ours = {n for n in seqs if topics.raw(n.partition(SEPARATOR)[0]) in store.feeds}
    if surplus := sorted(store.dirty.keys() - ours):
        raise _refused(store, f"the replay changed {surplus[0]}, which the commit does not list")
    for name in sorted(ours):
        exchange, _, symbol = name.partition(SEPARATOR)
        entry = store.entry(exchange, symbol)
        found = (entry.seq, entry.chain) if entry else None
        expected = (seqs[name], last.chains[name] if last else 0)
        if found != expected:
            raise _refused(
                store,
                f"{name}: the replay came to seq, chain {found}, but {expected} were written: "
                "the engine is not deterministic, or changelog or input were changed",
            )
    for feed in store.feeds.values():
        for entry in feed.entries.values():
            # What was replayed is written soon: deaths in a row must not make the replay longer
            # and longer
            spread_s = (
                min(snapshot_interval_s, REPLAYED_DUE_S) if entry.dirty else snapshot_interval_s
            )
            entry.due = now + spread_s * stagger(entry.name)


def _decode(store: Store, key: bytes, value: bytes) -> BookState | Commit:
    try:
        record = avro.decode(value)
    except Exception as error:
        message = f"cannot read {key!r} of its changelog: {error}"
        raise _refused(store, message) from error
    if isinstance(record, Commit if key == COMMIT_KEY else BookState):
        return record
    raise _refused(store, f"its changelog has a {type(record).__name__} under {key!r}")


def _refused(store: Store, problem: str) -> RefusedError:
    return RefusedError(f"task {store.partition}: {problem}")


def _or_none(offset: int | None) -> str:
    return "none" if offset is None else str(offset)
