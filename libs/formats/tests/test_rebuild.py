"""Whatever the records, a reader of the file holds the books that they describe."""

from collections.abc import Iterable

from hypothesis import given, settings
from hypothesis import strategies as st

from jetl2.formats.table import Table
from jetl2.schemas.records import BookDelta, Gap, MarketRecord
from jetl2.testkit.making import START_TS, book, gap, numbered

Side = dict[int, int]

_levels = st.lists(st.tuples(st.integers(1, 6), st.integers(0, 3)), max_size=4)
_steps = st.integers(-2, 3)


@st.composite
def histories(draw: st.DrawFn) -> list[MarketRecord]:
    """Records of one symbol as the merger may write them: times may even fall."""
    records: list[MarketRecord] = []
    us = 100
    for kind in draw(st.lists(st.sampled_from(["delta", "delta", "resync", "periodic", "gap"]))):
        us = max(us + draw(_steps), 1)
        if kind == "gap":
            records.append(gap(us))
            continue
        bids, asks = draw(_levels), [(price + 10, size) for price, size in draw(_levels)]
        reason = "" if kind == "delta" else kind
        if kind == "periodic":
            known = _states(records)
            if known and not isinstance(records[-1], Gap):
                bids, asks = (list(side.items()) for side in known[-1])
        records.append(book(us, bids, asks, reason))
    return list(numbered(records))


def _states(records: Iterable[MarketRecord]) -> list[tuple[Side, Side]]:
    """Return the book after each record while it is known: slow and obvious."""
    states: list[tuple[Side, Side]] = []
    bids: Side = {}
    asks: Side = {}
    known = False
    for record in records:
        if isinstance(record, Gap):
            known = False
        if not isinstance(record, BookDelta):
            continue
        if record.is_snapshot:
            bids, asks, known = {}, {}, True
        if not known:
            continue
        for side, prices, sizes in (
            (bids, record.bid_prices, record.bid_sizes),
            (asks, record.ask_prices, record.ask_sizes),
        ):
            for price, size in zip(prices, sizes, strict=True):
                side[price] = size
                if not size:
                    del side[price]
        states.append((dict(bids), dict(asks)))
    return states


def _read(text: str) -> list[tuple[Side, Side]]:
    """Return the book after each message, read as Tardis documents it."""
    states: list[tuple[Side, Side]] = []
    bids: Side = {}
    asks: Side = {}
    before = ["", "", "", "", "false"]
    snapshot_seen = False
    for line in text.splitlines():
        row = line.split(",")
        if row[3] == before[3]:
            assert row[2] == before[2], "one message, one timestamp"
        elif states or before[3]:
            assert int(row[3]) > int(before[3]), "messages in order, none with another's time"
            states.append((dict(bids), dict(asks)))
        if row[4] == "true" and before[4] == "false":
            bids, asks, snapshot_seen = {}, {}, True
        elif row[4] == "true":
            assert row[3] == before[3], "a block is one message"
        assert snapshot_seen
        side = bids if row[5] == "bid" else asks
        price, size = round(float(row[6]) * 10), round(float(row[7]) * 100)
        assert row[4] == "false" or price not in side
        side[price] = size
        if not size:
            del side[price]
        before = row
    assert before[4] == "false", "a block is followed by another row"
    states.append((dict(bids), dict(asks)))
    return states


def _distinct(states: list[tuple[Side, Side]]) -> list[tuple[Side, Side]]:
    """Return the states without repetitions, from the empty book on."""
    result: list[tuple[Side, Side]] = [({}, {})]
    for state in states:
        if state != result[-1]:
            result.append(state)
    return result


def _text(data_type: str, records: Iterable[MarketRecord], start_ts: int = 0) -> str:
    table = Table(data_type, start_ts=start_ts)
    return "".join(table.feed(record) for record in records) + table.finish()


@settings(deadline=None)
@given(histories())
def test_the_book_read_back_is_the_book_of_the_records_at_every_message(
    records: list[MarketRecord],
) -> None:
    read = _distinct(_read(_text("incremental_book_L2", records)))

    assert read == _distinct(_states(records))


@settings(deadline=None)
@given(histories(), st.integers(95, 115))
def test_a_clip_ends_with_the_same_book_as_the_whole_file(
    records: list[MarketRecord], start_us: int
) -> None:
    text = _text("incremental_book_L2", records, START_TS + start_us * 1000)

    known = _states(records)
    if text and known:
        assert _read(text)[-1] == known[-1]


@settings(deadline=None)
@given(histories())
def test_quotes_show_each_best_level_once(records: list[MarketRecord]) -> None:
    quotes = [line.split(",")[4:] for line in _text("quotes", records).splitlines()]

    best = []
    for bids, asks in _states(records):
        bid, ask = max(bids, default=0), min(asks, default=0)
        best.append((bids.get(bid, 0), bid, asks.get(ask, 0), ask))
    seen = [row for i, row in enumerate(best) if not i or row != best[i - 1]]
    assert [_numbers(row) for row in quotes] == seen


def _numbers(row: list[str]) -> tuple[int, ...]:
    ask_size, ask_price, bid_price, bid_size = (float(c or 0) for c in row)
    return tuple(map(round, (bid_size * 100, bid_price * 10, ask_size * 100, ask_price * 10)))
