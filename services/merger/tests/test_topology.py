"""One raw message: what comes out of it, and what is put aside."""

import zlib

from jetl2.exchanges.adapters import okex
from jetl2.exchanges.session import Session
from jetl2.merger.state import Feed, Store
from jetl2.merger.topology import UNDECODED, Message, Output, apply
from jetl2.schemas import avro, topics
from jetl2.schemas.records import (
    BookDelta,
    DeadLetter,
    Gap,
    MarketRecord,
    RawEvent,
    Resync,
    Trade,
)

SYMBOL = "BTC-USDT"
PARTITIONS = 4
HOME = topics.partition(SYMBOL, PARTITIONS)
NOW = 1_795_000_000_000_000_000

SNAPSHOT = (
    b'{"arg":{"channel":"books","instId":"BTC-USDT"},"action":"snapshot","data":[{"asks":[["101",'
    b'"1","0","1"]],"bids":[["99","2","0","1"]],"ts":"1795000000000","prevSeqId":-1,"seqId":7}]}'
)
TRADE = (
    b'{"arg":{"channel":"trades","instId":"BTC-USDT"},"data":[{"instId":"BTC-USDT","tradeId":"5",'
    b'"px":"100.5","sz":"0.25","side":"buy","ts":"1795000000001"}]}'
)


class Broken:
    """A session with a mistake in it."""

    def __init__(self, *kinds: str) -> None:
        self.kinds = kinds

    def feed(self, raw: RawEvent) -> list[MarketRecord | Resync | DeadLetter]:
        if raw.kind in self.kinds:
            raise KeyError("px")
        return [Gap(exchange="okex", symbol=raw.symbol, reason=raw.kind)]

    def dump(self, symbol: str) -> bytes:
        return symbol.encode()

    def load(self, symbol: str, state: bytes) -> None:
        assert symbol.encode() == state


def okex_store() -> Store:
    return Store(HOME, PARTITIONS, [Feed("okex", Session(okex.EXCHANGE))])


def message(offset: int, payload: bytes, **fields: str) -> Message:
    raw = RawEvent(
        exchange=fields.get("exchange", "okex"),
        symbol=fields.get("symbol", SYMBOL),
        local_ts=NOW + offset,
        connection_id="c1",
        counter=offset,
        payload=payload,
    )
    return Message("raw.okex", offset, raw.symbol.encode(), avro.encode(raw), NOW // 10**6)


def test_a_record_carries_its_lineage_and_both_clocks() -> None:
    store = okex_store()

    (output,) = apply(store, message(41, TRADE), NOW + 10**9)

    assert output[:2] == ("market.okex", b"BTC-USDT")
    trade = avro.decode(output.value)
    assert isinstance(trade, Trade)
    assert (trade.source_topic, trade.source_partition) == ("raw.okex", HOME)
    assert (trade.source_offset, trade.source_index, trade.seq) == (41, 0, 1)
    assert (trade.local_ts, trade.merge_ts) == (NOW + 41, NOW + 10**9)
    assert store.offsets == {"raw.okex": 42}


def test_seq_counts_records_of_every_type_and_the_chain_leaves_merge_ts_out() -> None:
    store = okex_store()
    outputs = [o for n, p in enumerate([SNAPSHOT, TRADE]) for o in apply(store, message(n, p), NOW)]

    records = [avro.decode(output.value) for output in outputs]
    chain = 0
    for record in records:
        record.merge_ts = 0
        chain = zlib.crc32(avro.encode(record)[:-1], chain)

    assert [(type(r), r.seq) for r in records] == [(BookDelta, 1), (Trade, 2)]
    entry = store.entry("okex", SYMBOL)
    assert entry is not None
    assert (entry.seq, entry.chain) == (2, chain)


def dead_letter(output: Output) -> DeadLetter:
    assert output.topic == "dead.okex"
    letter = avro.decode(output.value)
    assert isinstance(letter, DeadLetter)
    return letter


def test_bytes_that_are_no_raw_event_are_put_aside_verbatim_and_the_book_has_a_gap() -> None:
    store = okex_store()
    apply(store, message(0, SNAPSHOT), NOW)

    poison = Message("raw.okex", 1, SYMBOL.encode(), b"\x00garbage", NOW // 10**6)
    first, second, third = apply(store, poison, NOW)

    letter = dead_letter(first)
    assert (letter.payload, letter.kind, letter.source_offset) == (b"\x00garbage", UNDECODED, 1)
    assert "not an Avro single object" in letter.error
    gap, resync = avro.decode(second.value), avro.decode(third.value)
    assert isinstance(gap, Gap)
    assert (gap.reason, gap.seq, gap.source_offset) == ("lost", 2, 1)
    assert isinstance(resync, Resync)
    assert third.topic == "control.okex"
    assert store.offsets == {"raw.okex": 2}


def test_poison_under_an_unknown_key_concerns_no_book() -> None:
    store = okex_store()

    for key in (b"NEW-USDT", b"\xff\xfe", None):
        outputs = apply(store, Message("raw.okex", 0, key, None, 0), NOW)
        assert [o.topic for o in outputs] == ["dead.okex"]

    assert store.dirty == {}


def test_a_record_that_is_no_raw_event_is_put_aside() -> None:
    resync = Resync(exchange="okex", symbol=SYMBOL)
    outputs = apply(okex_store(), Message("raw.okex", 0, None, avro.encode(resync), 0), NOW)

    assert dead_letter(outputs[0]).error == "not a raw event but a Resync"


def test_an_event_of_another_exchange_is_put_aside() -> None:
    outputs = apply(okex_store(), message(0, TRADE, exchange="kraken"), NOW)

    assert dead_letter(outputs[0]).error == "exchange 'kraken' in raw.okex"


def test_a_symbol_on_a_wrong_partition_is_put_aside() -> None:
    stray = next(s for s in "ABCDEFGH" if topics.partition(s, PARTITIONS) != HOME)
    outputs = apply(okex_store(), message(0, TRADE, symbol=stray), NOW)

    assert "belongs to partition" in dead_letter(outputs[0]).error


def test_an_unreadable_frame_is_put_aside_verbatim_and_the_feed_goes_on() -> None:
    store = okex_store()

    outputs = apply(store, message(0, b"{nonsense"), NOW)
    (after,) = apply(store, message(1, TRADE), NOW)

    assert dead_letter(outputs[0]).payload == b"{nonsense"
    assert after.kind == "Trade"


def test_a_session_that_fails_costs_its_symbol_a_gap_and_no_more() -> None:
    store = Store(HOME, PARTITIONS, [Feed("okex", Broken("frame"))])

    letter, gap = apply(store, message(3, TRADE), NOW)

    assert dead_letter(letter).error == "the session failed: KeyError: 'px'"
    assert dead_letter(letter).payload == TRADE
    assert gap.kind == "Gap:lost"


def test_a_session_that_takes_not_even_a_loss_costs_two_dead_letters() -> None:
    store = Store(HOME, PARTITIONS, [Feed("okex", Broken("frame", "lost"))])

    outputs = apply(store, message(3, TRADE), NOW)

    assert [dead_letter(output).kind for output in outputs] == ["frame", "lost"]


def test_a_symbol_of_an_exchange_that_is_not_merged_is_unknown() -> None:
    assert okex_store().entry("kraken", SYMBOL) is None


def test_a_message_that_the_state_covers_is_skipped() -> None:
    store = okex_store()
    apply(store, message(5, SNAPSHOT), NOW)
    list(store.states(0, every=True))

    assert apply(store, message(5, SNAPSHOT), NOW) == []
    assert apply(store, Message("raw.okex", 4, SYMBOL.encode(), b"poison", 0), NOW) == []
    assert store.dirty == {}
