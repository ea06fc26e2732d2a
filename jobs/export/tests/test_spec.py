"""What the job accepts, and what it says of what it does not."""

import json
from typing import Any

import pytest

from jetl2.export.errors import WrongSpec
from jetl2.export.spec import parse
from jetl2.export.store import Folder


def _spec(**unit: Any) -> str:
    units = [
        {
            "exchange": "example",
            "data_type": "trades",
            "symbol": "BTC/USD",
            "date": "2026-11-22",
            "key": "units/a.csv.gz",
            "objects": ["a.parquet"],
        }
        | unit
    ]
    spec = {"job": "j1", "lake": "s3://lake/x", "downloads": "s3://out", "units": units}
    return json.dumps(spec)


def test_a_unit_is_open_unless_it_is_clipped() -> None:
    (unit,) = parse(_spec()).units

    assert (unit.start_ts, unit.end_ts, unit.gap_objects) == (0, 0, ())
    assert unit.sidecar == "units/a.csv.gz.json"


def test_fields_of_a_later_release_are_passed_over() -> None:
    assert parse(_spec(colour="red")).job == "j1"


@pytest.mark.parametrize(
    "unit, message",
    [
        (
            {"data_type": "ohlc"},
            r"units\.0\.data_type: unknown data type 'ohlc', expected one of tr",
        ),
        ({"date": "22.11.2026"}, r"units\.0\.date: .* \(found '22.11.2026'\)"),
        ({"format": "xlsx"}, r"units\.0\.format: .*'csv.gz'"),
        ({"start_ts": -1}, r"units\.0\.start_ts"),
        ({"objects": None}, r"units\.0\.objects"),
    ],
)
def test_a_wrong_field_is_named_with_what_was_found(unit: dict[str, Any], message: str) -> None:
    with pytest.raises(WrongSpec, match=message):
        parse(_spec(**unit))


def test_what_is_no_json_is_refused_in_one_line() -> None:
    with pytest.raises(WrongSpec, match=r"^wrong specification: document: Invalid JSON") as error:
        parse(b"{")

    assert "\n" not in str(error.value)


def test_keys_are_relative_to_the_prefix() -> None:
    assert Folder("s3://bucket/a/b/").url("x=1/y%2Fz") == "s3a://bucket/a/b/x=1/y%2Fz"
    assert Folder("s3://bucket").key("x") == "x"


@pytest.mark.parametrize("url", ["bucket/x", "https://bucket/x", "s3:///x"])
def test_only_s3_urls_are_places(url: str) -> None:
    with pytest.raises(WrongSpec, match=r"expected an s3://bucket/prefix URL, found"):
        Folder(url)
