"""Records to bytes and back; the schemas say what the dataclasses say."""

import dataclasses
import types
import typing
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jetl2.schemas import avro, records

SCHEMAS = {schema["name"]: schema for _, schema in avro.schemas()}
NAMES = sorted(avro.type_by_name)

LONGS = st.integers(-(2**63), 2**63 - 1)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "string": TEXTS,
    "bytes": st.binary(max_size=50),
    "long": LONGS,
    "int": st.integers(-(2**31), 2**31 - 1),
    "boolean": st.booleans(),
    "array": st.lists(LONGS, max_size=10),
    "map": st.dictionaries(TEXTS, LONGS, max_size=5),
    "union": st.none() | LONGS,
}


def kind(avro_type: Any) -> str:
    if isinstance(avro_type, list):
        assert avro_type == ["null", "long"]
        return "union"
    return str(avro_type["type"] if isinstance(avro_type, dict) else avro_type)


@st.composite
def any_record(draw: st.DrawFn) -> Any:
    """Return a record of any type with any values that its schema allows."""
    name = draw(st.sampled_from(NAMES))
    values = {f["name"]: draw(VALUES[kind(f["type"])]) for f in SCHEMAS[name]["fields"]}
    return avro.type_by_name[name](**values)


@given(any_record())
def test_a_record_comes_back_as_it_was(record: Any) -> None:
    value = avro.encode(record)

    assert avro.decode(value) == record
    assert avro.record_type(value) is type(record)


@given(any_record(), st.integers(0, 2**63 - 1))
def test_merge_ts_is_stamped_without_encoding_anew(record: Any, merge_ts: int) -> None:
    if not isinstance(record, records.MarketRecord):
        return
    record.merge_ts = 0
    encoded = avro.encode(record)
    record.merge_ts = merge_ts

    assert encoded.endswith(avro.ZERO)
    assert avro.stamp(encoded, merge_ts) == avro.encode(record)


@pytest.mark.parametrize("name", NAMES)
def test_a_schema_has_the_fields_of_its_dataclass(name: str) -> None:
    cls = avro.type_by_name[name]
    python = {"string": str, "bytes": bytes, "long": int, "int": int, "boolean": bool}
    python |= {"array": list[int], "map": dict[str, int]}
    hints = typing.get_type_hints(cls)
    told = {f["name"]: kind(f["type"]) for f in SCHEMAS[name]["fields"]}

    # merge_ts of the base class comes last on the wire, so that it can be stamped
    names = [f.name for f in dataclasses.fields(cls) if f.name != "merge_ts"]
    expected = [*names, "merge_ts"] if issubclass(cls, records.MarketRecord) else names
    assert list(told) == expected
    for field, avro_kind in told.items():
        if avro_kind == "union":
            assert isinstance(hints[field], types.UnionType)
            assert set(typing.get_args(hints[field])) == {int, type(None)}
        else:
            assert hints[field] == python[avro_kind]


def test_every_record_has_a_schema_and_every_schema_a_record() -> None:
    assert set(SCHEMAS) == set(NAMES)


@pytest.mark.parametrize(
    "value", [b"", b"\x00", b"\xc3\x01", b"\xc3\x01short", b"\xc3\x01" + b"x" * 30]
)
def test_bytes_that_are_not_ours_are_refused(value: bytes) -> None:
    with pytest.raises(avro.UnknownSchemaError):
        avro.decode(value)


def test_a_fingerprint_sees_what_the_standard_one_overlooks() -> None:
    plain = {"type": "record", "name": "R", "fields": [{"name": "f", "type": "long"}]}
    fields = [{"name": "f", "type": {"type": "long", "logicalType": "timestamp-micros"}}]
    logical = {**plain, "fields": fields}
    default = {**plain, "fields": [{"name": "f", "type": "long", "default": 0}]}

    assert len({avro.fingerprint(s) for s in (plain, logical, default)}) == 3
    assert avro.fingerprint({**plain, "doc": "words"}) == avro.fingerprint(plain)
