"""What is said of a frame that cannot be read."""

import json

import pytest

from jetl2.exchanges import adapters
from jetl2.exchanges.errors import UnexpectedFrame, reason
from jetl2.exchanges.session import Session
from jetl2.schemas import decimals
from jetl2.schemas.decimals import DecimalError
from jetl2.schemas.records import DeadLetter, RawEvent

FRAME = {"data": [{"side": "held", "price": "1", "deep": [[["x"]]]}], "n": 1}


def test_a_field_that_is_not_there_is_named() -> None:
    assert reason(KeyError("size"), FRAME) == "expected the field 'size', which is not there"
    assert reason(KeyError("size")) == "expected the field 'size', which is not there"


def test_a_value_that_has_no_meaning_is_told_from_a_missing_field() -> None:
    said = "expected another value in the field 'side', found 'held'"

    assert reason(KeyError("held"), FRAME) == said
    assert reason(KeyError("x"), FRAME).startswith("expected another value in the field 'deep'")
    assert reason(KeyError(True), FRAME) == "expected the field True, which is not there"


def test_a_text_that_was_refused_is_found_in_its_field() -> None:
    frame = {"side": "buy", "bids": [["1", "2"], ["1.x", "2"]]}
    said = "expected another value in the field 'bids': DecimalError: '1.x' is not a decimal number"

    with pytest.raises(DecimalError) as raised:
        decimals.parse_all(["1", "1.x"])
    assert reason(raised.value, frame) == said
    assert reason(ValueError("something else"), frame) == "ValueError: something else"


def test_other_errors_say_what_they_are() -> None:
    assert reason(UnexpectedFrame("expected a, found b")) == "expected a, found b"
    assert reason(IndexError("list index out of range")) == (
        "expected more items in a list (list index out of range)"
    )
    assert reason(TypeError("no")) == "TypeError: no"
    with pytest.raises(ValueError) as raised:
        json.loads("{")
    assert reason(raised.value).startswith("JSONDecodeError: ")


def test_a_dead_letter_names_the_exchange_and_the_field() -> None:
    raw = RawEvent(
        exchange="okex",
        symbol="A-B",
        channel="trades",
        local_ts=1,
        connection_id="c",
        payload=b'{"arg":{"channel":"trades","instId":"A-B"},"data":[{"instId":"A-B","tradeId":"5",'
        b'"price":"1","sz":"1","side":"buy","ts":"1795000000001"}]}',
    )

    (letter,) = Session(adapters.get("okex")).feed(raw)

    assert isinstance(letter, DeadLetter)
    assert letter.error == "okex: expected the field 'px', which is not there"
