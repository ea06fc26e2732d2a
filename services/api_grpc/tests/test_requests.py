"""What comes over the wire, in the one form that equal requests share."""

from contextlib import suppress
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st

from jetl2.api_grpc import answers, requests
from jetl2.api_grpc.errors import ApiError
from jetl2.schemas.pb import export_pb2

DAY = 1_795_305_600


def query(instruments: Any, types: Any, start: int = DAY, end: int = DAY + 1) -> Any:
    return export_pb2.ExportQuery(
        instruments=[export_pb2.Instrument(exchange=e, symbol=s) for e, s in instruments],
        data_types=types,
        start_time=Timestamp(seconds=start, nanos=7),
        end_time=Timestamp(seconds=end),
    )


@given(st.permutations([("a", "X"), ("b", "X"), ("a", "Y")]), st.permutations(["trades", "quotes"]))
def test_order_and_repetition_make_no_difference(instruments: Any, types: Any) -> None:
    found = requests.query(query(instruments * 2, types * 2))

    assert found.instruments == (("a", "X"), ("a", "Y"), ("b", "X"))
    assert found.data_types == ("quotes", "trades")
    assert (found.start_ts, found.end_ts) == (DAY * 10**9 + 7, (DAY + 1) * 10**9)


def test_a_query_told_back_is_understood_the_same() -> None:
    found = requests.query(query([("a", "X")], ["trades"]))

    assert requests.query(answers.query(found)) == found


@given(
    st.sets(st.text(min_size=1, max_size=3), min_size=1, max_size=30),
    st.integers(min_value=1, max_value=7),
)
def test_pages_hold_every_item_once(names: set[str], size: int) -> None:
    items = sorted(names)
    seen: list[str] = []
    token = ""
    while True:
        page = requests.page(size, token, 5, 10, "names")
        shown, token = requests.cut(items, page, "names")
        assert 0 < len(shown) <= size
        seen += shown
        if not token:
            break

    assert seen == items


def test_a_page_token_serves_only_the_list_it_came_from() -> None:
    _, token = requests.cut(["a", "b"], requests.Page(1, ""), "symbols", "binance")

    assert requests.page(1, token, 5, 10, "symbols", "binance").after == "a"
    for bound in (("symbols", "kraken"), ("dates", "binance")):
        with pytest.raises(ApiError, match="page_token"):
            requests.page(1, token, 5, 10, *bound)


@given(st.text(max_size=60))
def test_no_text_given_as_a_page_token_breaks_anything(token: str) -> None:
    with suppress(ApiError):
        requests.page(1, token, 5, 10, "names")


def test_sizes_are_bounded() -> None:
    sizes = [requests.page(size, "", 5, 10, "x").size for size in (0, 3, 10, 10_000)]

    assert sizes == [5, 3, 10, 10]


def test_a_retry_key_does_not_stand_in_its_own_digest() -> None:
    one = export_pb2.CreateExportRequest(query=query([("a", "X")], ["trades"]), request_id="1")
    two = export_pb2.CreateExportRequest(query=query([("a", "X")], ["trades"]), request_id="2")
    other = export_pb2.CreateExportRequest(query=query([("a", "Y")], ["trades"]), request_id="1")

    assert requests.digest(one) == requests.digest(two) != requests.digest(other)
