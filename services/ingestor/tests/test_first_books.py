"""Which frames begin a book: found by their address, by REST only where the rule says so."""

import json
from collections.abc import Sequence
from dataclasses import replace

import pytest

from jetl2.exchanges.exchange import Address, BookRows, Exchange, Frame
from jetl2.ingestor.first_books import FirstBooks
from jetl2.orderbook import sequence
from jetl2.orderbook.rows import Row
from jetl2.schemas.records import BookDelta
from tests.toy_exchange import REST, TOY, TOY_REST, book

WHOLE, DELTA = book("A").encode(), book("A", kind="delta").encode()
AT = (Address("A", "books"),)


def begun(
    exchange: Exchange, payload: bytes, at: Sequence[Address] = AT
) -> tuple[list[str], set[str]]:
    books = FirstBooks(exchange, ["A", "B"], ["book_delta"], renews=False)
    return list(books.seen(at, payload)), books.missing


def test_a_book_of_the_stream_begins_with_a_whole_one() -> None:
    assert begun(TOY, DELTA) == ([], {"A", "B"})
    assert begun(TOY, WHOLE) == (["A"], {"B"})


def test_a_book_by_rest_is_asked_for_with_its_first_delta_and_missing_until_it_comes() -> None:
    assert begun(TOY_REST, DELTA) == (["A"], {"A", "B"})


def test_a_requested_book_may_be_addressed_apart_from_its_deltas() -> None:
    requested = replace(TOY, rule=sequence.REQ_PREV)
    answers = (Address("A", "answers"),)

    assert begun(TOY, WHOLE, answers) == ([], {"A", "B"})
    assert begun(requested, WHOLE, answers) == (["A"], {"B"})
    assert begun(requested, DELTA, answers) == ([], {"A", "B"})


def test_a_rest_snapshot_that_only_recordings_need_is_not_waited_for() -> None:
    assert begun(replace(TOY, snapshot=REST), WHOLE) == (["A"], {"B"})


def test_a_frame_is_read_with_its_address() -> None:
    def parse_at(_: Frame, address: Address) -> list[BookDelta]:
        return [BookDelta(symbol=address.symbol, is_snapshot=True)] if address.symbol else []

    numbered = replace(TOY, classifier=lambda: TOY.classify, parse_at=parse_at)

    assert begun(numbered, WHOLE)[0] == ["A"]


@pytest.mark.parametrize("whole", [True, False])
def test_rows_begin_a_book_too(*, whole: bool) -> None:
    def parse(frame: Frame) -> list[BookRows]:
        head = BookDelta(symbol=frame["symbols"][0], is_snapshot=whole)
        return [BookRows(book=head, rows=[Row(1, "1", "5", bid=True)])]

    rows = replace(TOY, parse=parse, rule=sequence.KEYED_ROWS)

    assert begun(rows, json.dumps({"symbols": ["A"]}).encode())[0] == (["A"] if whole else [])
