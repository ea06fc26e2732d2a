"""Where objects lie: pure functions that readers can turn back."""

import itertools
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jetl2.schemas import lake


def test_a_folder_says_type_exchange_day_and_symbol_in_this_order() -> None:
    assert (
        lake.folder("book_delta", "kraken", "2026-11-22", "BTC/USD")
        == "data_type=book_delta/exchange=kraken/date=2026-11-22/symbol=BTC%2FUSD/"
    )


@given(st.sampled_from(lake.DATA_TYPES), st.text(max_size=20))
def test_a_folder_can_be_read_back(data_type: str, symbol: str) -> None:
    try:
        folder = lake.folder(data_type, "okex", "2026-11-22", symbol)
    except UnicodeEncodeError:
        return  # half of a surrogate pair is no symbol

    assert folder.count("/") == 4
    assert lake.parse_folder(folder + "x.parquet") == {
        "data_type": data_type,
        "exchange": "okex",
        "date": "2026-11-22",
        "symbol": symbol,
    }


def test_an_object_is_named_by_its_offset_range() -> None:
    assert (
        lake.object_name("market.okex", 3, 5, 1200)
        == "market.okex-0003-000000000005-000000001200.parquet"
    )


@given(st.integers(0, 10**9), st.integers(0, 10**9))
def test_names_sort_as_their_offsets_do(one: int, other: int) -> None:
    names = [lake.object_name("t", 0, start, start + 1) for start in (one, other)]

    assert (names[0] < names[1]) == (one < other)


@pytest.mark.parametrize(
    "moment,day",
    [
        (datetime(2026, 11, 22, tzinfo=UTC), "2026-11-22"),
        (datetime(2026, 11, 21, 23, 59, 59, tzinfo=UTC), "2026-11-21"),
        (datetime(1970, 1, 1, tzinfo=UTC), "1970-01-01"),
    ],
)
def test_days_are_cut_at_midnight_utc(moment: datetime, day: str) -> None:
    start = int(moment.timestamp()) * 10**9

    assert lake.date(start) == lake.date(start + 10**9 - 1) == day


FOLDER = lake.folder("trade", "okex", "2026-11-22", "BTC/USD")


def _landed(start: int, end: int, topic: str = "market.okex", partition: int = 3) -> str:
    return FOLDER + lake.object_name(topic, partition, start, end)


def _compacted(start: int, end: int) -> str:
    return FOLDER + lake.compacted_name("market.okex", 3, start, end)


@pytest.mark.parametrize("topic", ["market.okex", "market.binance-futures", "raw.x-0001"])
def test_the_name_of_an_object_can_be_read_back(topic: str) -> None:
    names = (lake.object_name(topic, 12, 5, 1200), lake.compacted_name(topic, 12, 5, 1200))

    assert [lake.parse_object(FOLDER + name) for name in names] == [
        (topic, 12, 5, 1200, False),
        (topic, 12, 5, 1200, True),
    ]


@pytest.mark.parametrize("name", ["all.parquet", "market.okex-0003-5-10.parquet", ""])
def test_what_is_no_name_of_ours_is_told_apart(name: str) -> None:
    assert lake.parse_object(FOLDER + name) is None


def test_a_compacted_object_stands_for_those_within_its_offsets() -> None:
    outside = [
        _landed(0, 50),
        _landed(200, 260),
        _landed(110, 150, partition=4),
        _landed(110, 150, topic="raw.okex"),
        _landed(110, 150).replace("BTC", "ETH"),
        FOLDER + "all.parquet",
    ]
    within = [_landed(100, 120), _landed(150, 200), _landed(100, 200), _compacted(100, 180)]
    whole = _compacted(100, 200)

    assert lake.current([*within, whole, *outside]) == [whole, *outside]
    assert lake.current([*within[:3], *outside]) == [*within[:3], *outside]
    assert lake.current([whole]) == [whole]


@given(st.lists(st.integers(1, 10**9), min_size=3, max_size=9, unique=True).map(sorted))
def test_a_compacted_object_is_listed_behind_those_that_it_stands_for(edges: list[int]) -> None:
    landed = [_landed(a, b) for a, b in itertools.pairwise(edges)]
    first, second = (_compacted(edges[0], end) for end in edges[-2:])

    assert sorted([second, first, *landed])[-2:] == [first, second]


_EDGES = st.lists(st.integers(1, 10**9), min_size=4, max_size=9, unique=True).map(sorted)


@given(_EDGES, st.data())
def test_a_listing_that_goes_on_while_objects_are_taken_away_holds_each_row_once(
    edges: list[int], data: st.DataObject
) -> None:
    landed = [_landed(a, b) for a, b in itertools.pairwise(edges)]
    first, second = (_compacted(edges[0], end) for end in edges[-2:])
    # All that there is, from one step to the next; any of those taken away may go first
    states = [
        set(landed[:-1]),
        {*landed[:-1], first},
        {first, *data.draw(st.sets(st.sampled_from(landed[:-1])))},
        {first},
        {first, landed[-1]},
        {first, landed[-1], second},
        {second, *data.draw(st.sets(st.sampled_from([first, landed[-1]])))},
        {second},
    ]
    # At each key the listing sees how it stands then, and time only goes on
    keys = sorted({key for state in states for key in state})
    moments = sorted(data.draw(st.lists(st.integers(0, 7), min_size=len(keys), max_size=len(keys))))
    listed = [key for key, n in zip(keys, moments, strict=True) if key in states[n]]

    read = [part for key in lake.current(listed) if (part := lake.parse_object(key))]
    for key in landed[:-1]:
        part = lake.parse_object(key)
        assert part
        assert sum(other.covers(part) for other in read) == 1, listed
