"""Where objects lie: pure functions that readers can turn back."""

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
