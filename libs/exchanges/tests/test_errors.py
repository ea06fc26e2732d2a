"""What is said of a frame that cannot be read."""

import json

import pytest

from jetl2.exchanges.errors import UnexpectedFrame, reason

FRAME = {"data": [{"side": "held", "price": "1", "deep": [[["x"]]]}], "n": 1}


def test_a_field_that_is_not_there_is_named() -> None:
    assert reason(KeyError("size"), FRAME) == "expected the field 'size', which is not there"
    assert reason(KeyError("size")) == "expected the field 'size', which is not there"


def test_a_value_that_has_no_meaning_is_told_from_a_missing_field() -> None:
    said = "expected another value in the field 'side', found 'held'"

    assert reason(KeyError("held"), FRAME) == said
    assert reason(KeyError("x"), FRAME).startswith("expected another value in the field 'deep'")
    assert reason(KeyError(True), FRAME) == "expected the field True, which is not there"


def test_other_errors_say_what_they_are() -> None:
    assert reason(UnexpectedFrame("expected a, found b")) == "expected a, found b"
    assert reason(IndexError("list index out of range")) == (
        "expected more items in a list (list index out of range)"
    )
    assert reason(TypeError("no")) == "TypeError: no"
    with pytest.raises(ValueError) as raised:
        json.loads("{")
    assert reason(raised.value).startswith("JSONDecodeError: ")
