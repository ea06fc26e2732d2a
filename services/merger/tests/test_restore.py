"""A task that cannot prove its state refuses to start, and says what contradicts what."""

import zlib
from collections.abc import Callable

import pytest

from jetl2.exchanges.adapters import okex
from jetl2.exchanges.session import Session
from jetl2.merger import restore
from jetl2.merger.errors import RefusedError
from jetl2.merger.state import COMMIT_KEY, STATES_KEY, Feed, Store
from jetl2.merger.topology import Message, apply
from jetl2.schemas import avro
from jetl2.schemas.records import BookState, Commit, RawEvent

SYMBOLS = ("BTC-USDT", "ETH-USDT")
RAW = "raw.okex"
Tamper = Callable[[dict[bytes, bytes]], None]


def message(offset: int, symbol: str) -> Message:
    payload = (
        b'{"arg":{"channel":"trades","instId":"%b"},"data":[{"instId":"%b","tradeId":"%d",'
        b'"px":"100.5","sz":"0.25","side":"buy","ts":"1795000000001"}]}'
    ) % (symbol.encode(), symbol.encode(), offset)
    raw = RawEvent(
        exchange="okex", symbol=symbol, local_ts=offset, connection_id="c", payload=payload
    )
    return Message(RAW, offset, symbol.encode(), avro.encode(raw), 0)


# Four events of one symbol, one of another; a state of the first after two of them
MESSAGES = [message(n, SYMBOLS[n == 3]) for n in range(5)]


def empty() -> Store:
    return Store(0, 1, [Feed("okex", Session(okex.EXCHANGE))], snapshot_interval_s=10)


def changelog() -> dict[bytes, bytes]:
    store = empty()
    written: dict[bytes, bytes] = {}
    for n, m in enumerate(MESSAGES):
        apply(store, m, 0)
        if n in (1, 3):
            written |= dict(store.states(float(n)))
    return written | dict([store.commit()])


def revive(
    written: dict[bytes, bytes],
    committed: int | None = 5,
    low: int = 0,
    high: int = 5,
    messages: list[Message] | None = None,
    *,
    begin_after_loss: bool = False,
) -> Store:
    store = empty()
    last = restore.load(store, written)
    restore.start_offsets(
        store,
        last,
        {RAW: committed},
        {RAW: low},
        {RAW: high},
        begin_after_loss=begin_after_loss,
    )
    spans = restore.ranges(store, last, {RAW: low})
    wanted = [m for m in messages or MESSAGES if RAW in spans and m.offset in spans[RAW]]
    restore.replay(store, wanted)
    restore.verify(store, last, 0, 10)
    return store


def test_a_store_comes_back_as_it_was() -> None:
    store, again = empty(), revive(changelog())
    for m in MESSAGES:
        apply(store, m, 0)

    for symbol in SYMBOLS:
        was, now = store.entry("okex", symbol), again.entry("okex", symbol)
        assert was is not None
        assert now is not None
        assert (now.seq, now.chain) == (was.seq, was.chain)
    assert again.offsets == {RAW: 5}


def test_the_commit_lists_what_no_state_covers_and_input_is_read_from_there() -> None:
    written = changelog()
    commit = avro.decode(written[COMMIT_KEY])
    store = empty()
    last = restore.load(store, written)
    restore.start_offsets(store, last, {RAW: 5}, {RAW: 0}, {RAW: 5})

    assert isinstance(commit, Commit)
    assert commit.seqs == {"okex|BTC-USDT": 4, STATES_KEY: store.states_sum}
    assert restore.ranges(store, last, {RAW: 0}) == {RAW: range(2, 5)}


def test_states_of_an_exchange_that_is_not_merged_any_more_stay_where_they_are() -> None:
    store = Store(0, 1, [], snapshot_interval_s=10)

    last = restore.load(store, changelog())
    restore.start_offsets(store, last, {}, {}, {})
    restore.verify(store, last, 0, 10)

    assert store.offsets == {RAW: 5}
    assert restore.ranges(store, last, {}) == {}


def test_a_new_group_begins_at_the_beginning() -> None:
    assert revive({}, committed=None).offsets == {RAW: 0}


def test_a_new_group_does_not_pass_over_a_lost_beginning_unless_told() -> None:
    with pytest.raises(RefusedError, match="its first 3 events are gone"):
        revive({}, committed=None, low=3)

    assert revive({}, committed=None, low=3, begin_after_loss=True).offsets == {RAW: 3}


@pytest.mark.parametrize("committed", [None, 0, 4, 6])
def test_offsets_that_others_moved_are_refused(committed: int | None) -> None:
    with pytest.raises(RefusedError, match="changelog says offset 5, the group has committed"):
        revive(changelog(), committed=committed, high=9)


def test_a_lost_changelog_is_refused() -> None:
    with pytest.raises(RefusedError, match="changelog says offset none"):
        revive({}, committed=5)


def test_partitions_that_were_added_are_refused() -> None:
    # Of two partitions both symbols belong to 1
    store = Store(0, 2, [Feed("okex", Session(okex.EXCHANGE))], snapshot_interval_s=10)

    with pytest.raises(RefusedError, match=r"of 2 partitions it belongs to 1: topics must keep"):
        restore.load(store, changelog())


def test_a_topic_that_was_made_anew_is_refused() -> None:
    with pytest.raises(RefusedError, match="the topic ends at 2"):
        revive(changelog(), high=2)


def test_input_that_retention_took_is_refused() -> None:
    with pytest.raises(RefusedError, match="only those from 3 are left"):
        revive(changelog(), low=3)


def test_a_different_replay_is_refused() -> None:
    other = [*MESSAGES[:4], message(4, SYMBOLS[0])._replace(value=MESSAGES[0].value)]

    with pytest.raises(RefusedError, match="BTC-USDT: the replay came to seq, chain"):
        revive(changelog(), messages=other)


def test_a_replay_that_changes_what_the_commit_does_not_list_is_refused() -> None:
    other = [*MESSAGES[:4], message(4, SYMBOLS[1])]

    with pytest.raises(RefusedError, match=r"changed okex.ETH-USDT"):
        revive(changelog(), messages=other)


def drop_commit(written: dict[bytes, bytes]) -> None:
    del written[COMMIT_KEY]


def drop_state(written: dict[bytes, bytes]) -> None:
    del written[b"okex|BTC-USDT"]


def spoil_state(written: dict[bytes, bytes]) -> None:
    written[b"okex|BTC-USDT"] = b"\xc3\x01nonsense"


def spoil_session(written: dict[bytes, bytes]) -> None:
    state = avro.decode(written[b"okex|BTC-USDT"])
    assert isinstance(state, BookState)
    state.session = b"{}"
    written[b"okex|BTC-USDT"] = avro.encode(state)


def drop_state_that_is_not_listed(written: dict[bytes, bytes]) -> None:
    del written[b"okex|ETH-USDT"]


def put_back_state(written: dict[bytes, bytes]) -> None:
    """As if it had been written after the second event; the replay would not show it."""
    state = avro.decode(written[b"okex|ETH-USDT"])
    assert isinstance(state, BookState)
    state.seq, state.source_offset = 0, 2
    written[b"okex|ETH-USDT"] = avro.encode(state)


def swap_keys(written: dict[bytes, bytes]) -> None:
    written[COMMIT_KEY] = written[b"okex|BTC-USDT"]


def date_forward(written: dict[bytes, bytes]) -> None:
    state = avro.decode(written[b"okex|BTC-USDT"])
    assert isinstance(state, BookState)
    state.source_offset = 9
    written[b"okex|BTC-USDT"] = avro.encode(state)


@pytest.mark.parametrize(
    "tamper,problem",
    [
        (drop_commit, "no commit record"),
        (drop_state, "holds no state of okex.BTC-USDT"),
        (spoil_state, "cannot read"),
        (spoil_session, "cannot read the state of okex.BTC-USDT"),
        (drop_state_that_is_not_listed, "its states are not those"),
        (put_back_state, "its states are not those"),
        (swap_keys, "has a BookState under"),
        (date_forward, "newer than the commit"),
    ],
)
def test_a_changelog_that_was_tampered_with_is_refused(tamper: Tamper, problem: str) -> None:
    written = changelog()
    tamper(written)

    with pytest.raises(RefusedError, match=problem):
        revive(written)


def test_a_commit_of_a_release_that_made_no_sum_is_taken() -> None:
    written = changelog()
    commit = avro.decode(written[COMMIT_KEY])
    assert isinstance(commit, Commit)
    del commit.seqs[STATES_KEY]
    written[COMMIT_KEY] = avro.encode(commit)

    store = revive(written)

    assert store.offsets == {RAW: 5}
    states = [value for key, value in written.items() if key != COMMIT_KEY]
    assert store.states_sum == sum(map(zlib.crc32, states))


def test_symbols_get_their_next_states_at_different_times() -> None:
    store = revive(changelog())

    due = {entry.due for feed in store.feeds.values() for entry in feed.entries.values()}
    assert len(due) == len(SYMBOLS)
    assert all(0 <= d < 10 for d in due)
