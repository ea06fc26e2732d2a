"""The judge of the lake finds whatever is wrong with it, each thing by its name."""

import hashlib
import io
import json
from collections.abc import Callable
from typing import Any, cast

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jetl2.campaign.lake import Lake
from jetl2.campaign.writer import Written

TOPIC = "market.kraken"
FOLDER = "data_type=gap/exchange=kraken/date=2026-11-21/symbol=BTC%2FUSD"
OBJECT = f"{FOLDER}/{TOPIC}-0001-000000000000-000000000009.parquet"
COVERAGE = "data_type=coverage/exchange=kraken/date=2026-11-21/all.parquet"
MANIFEST = f"_manifest/{TOPIC}/0001/000000000000-000000000009.json"
MIDNIGHT = 1_795_219_200_000_000_000

Objects = dict[str, bytes]
Rows = list[dict[str, Any]]


class Client:
    """As much of an S3 client as the judge uses."""

    def __init__(self, objects: Objects) -> None:
        self.objects = objects

    def get_paginator(self, _: str) -> "Client":
        return self

    def paginate(self, **_: object) -> list[dict[str, Any]]:
        etags = {key: hashlib.sha256(body).hexdigest() for key, body in self.objects.items()}
        return [{"Contents": [{"Key": key, "ETag": etag} for key, etag in etags.items()]}]

    def list_multipart_uploads(self, **_: object) -> dict[str, Any]:
        return {}

    def get_object(self, *, Key: str, **_: object) -> dict[str, Any]:  # noqa: N803 - as boto3 has it
        return {"Body": io.BytesIO(self.objects[Key])}


def _fields(seq: int) -> dict[str, Any]:
    return {
        "exchange": "kraken",
        "symbol": "BTC/USD",
        "exchange_ts": MIDNIGHT,
        "local_ts": MIDNIGHT + seq,
        "seq": seq,
        "first_seq": 0,
        "last_seq": 0,
        "prev_seq": 0,
        "source_topic": "raw.kraken",
        "source_partition": 1,
        "source_offset": seq,
        "source_index": 0,
        "reason": "sequence",
        "detail": f"no. {seq}",
        "from_ts": 5,
        "merge_ts": MIDNIGHT + seq,
    }


# Offset 2 is of a record that was aborted
TRUTH = [Written("Gap", _fields(seq), TOPIC, 1, offset) for seq, offset in ((1, 0), (2, 1), (3, 3))]


def _rows() -> Rows:
    left_out = ("exchange", "symbol", "source_topic")
    return [{n: v for n, v in w.fields.items() if n not in left_out} for w in TRUTH]


def _lake(rows: Rows, **says: Any) -> Objects:
    """Return a lake of one object with these rows, and what its manifest says besides."""
    counts = {"rows": len(rows), "messages": len(rows)}
    hour = {"exchange": "kraken", "symbol": "BTC/USD", "data_type": "gap", "hour": MIDNIGHT}
    objects = {OBJECT: _parquet(rows), COVERAGE: _parquet([hour | counts])}
    written = [
        {
            "key": key,
            "rows": len(rows) if key == OBJECT else 1,
            "size": len(body),
            "sha256": hashlib.sha256(body).hexdigest(),
        }
        for key, body in objects.items()
    ]
    manifest = {"records": len(TRUTH), "lost": None, "objects": written} | says
    return objects | {MANIFEST: json.dumps(manifest).encode()}


def _parquet(rows: Rows) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), buffer)
    return buffer.getvalue()


def _judge(objects: Objects) -> tuple[int, list[str]]:
    verdict = Lake(cast("Any", Client(objects)), "lake").judge(TRUTH)
    assert verdict.good == (not verdict.examples)
    return verdict.records, verdict.examples


def test_a_right_lake_is_good() -> None:
    assert _judge(_lake(_rows())) == (3, [])


COMPACTED = OBJECT.replace("0001-", "0001-compact-")


def _compacted(rows: Rows, objects: Objects, **says: Any) -> bytes:
    """Return a compacted object with these rows, made of the object of the lake."""
    body = objects[OBJECT]
    told = {"rows": 3, "size": len(body), "sha256": hashlib.sha256(body).hexdigest()} | says
    made_of = [[told.get("name", OBJECT.rpartition("/")[2]), *list(told.values())[:3]]]
    table = pa.Table.from_pylist(rows)
    said = {"jetl2.compacted_from": json.dumps({"sources": made_of})}
    buffer = io.BytesIO()
    pq.write_table(table.replace_schema_metadata(said), buffer)
    return buffer.getvalue()


@pytest.mark.parametrize("left", [[], [OBJECT]])
def test_a_compacted_lake_is_good_with_and_without_what_it_was_made_of(left: list[str]) -> None:
    objects = _lake(_rows())
    client = Client(dict(objects))
    lake = Lake(cast("Any", client), "lake")
    assert lake.judge(TRUTH).good
    client.objects[COMPACTED] = _compacted(_rows(), objects)
    if not left:
        del client.objects[OBJECT]

    verdict = lake.judge(TRUTH)

    assert (verdict.records, verdict.examples) == (3, [])


@pytest.mark.parametrize(
    "spoil, says, found",
    [
        (lambda rows: rows[:2], {}, "missing: market.kraken-1 offset 3"),
        (lambda rows: [*rows, rows[2]], {}, "duplicated: "),
        (lambda rows: rows[::-1], {}, "is not sorted"),
        (lambda rows: rows, {"sha256": "other"}, "but not as landed"),
        (
            lambda rows: rows,
            {"name": OBJECT.rpartition("/")[2].replace("09.", "10.")},
            "which is not within it",
        ),
    ],
)
def test_a_wrong_compacted_object_is_found(
    spoil: Callable[[Rows], Rows], says: dict[str, Any], found: str
) -> None:
    objects = _lake(_rows())
    objects[COMPACTED] = _compacted(spoil(_rows()), objects, **says)
    del objects[OBJECT]

    _, examples = _judge(objects)

    assert any(found in example for example in examples), examples


def test_a_compacted_object_that_does_not_say_so_lets_nothing_vanish() -> None:
    objects = _lake(_rows())
    objects[COMPACTED] = objects.pop(OBJECT)

    _, examples = _judge(objects)

    assert examples == [f"missing: {OBJECT} is in a manifest, and not there"]


def _twice(rows: Rows) -> Rows:
    return [*rows, rows[2]]


def _without_one(rows: Rows) -> Rows:
    return rows[:2]


def _with_another_value(rows: Rows) -> Rows:
    return [rows[0], rows[1] | {"detail": "no. 3"}, rows[2]]


def _with_an_aborted_one(rows: Rows) -> Rows:
    return [*rows, rows[2] | {"seq": 4, "local_ts": MIDNIGHT + 4}]


def _in_another_order(rows: Rows) -> Rows:
    return rows[::-1]


@pytest.mark.parametrize(
    "spoil, found",
    [
        (_twice, "duplicated: "),
        (_without_one, "missing: market.kraken-1 offset 3, Gap in "),
        (_with_another_value, "has a row of nothing that was committed"),
        (_with_an_aborted_one, "has a row of nothing that was committed"),
        (_in_another_order, "is not sorted"),
    ],
)
def test_wrong_rows_are_found(spoil: Callable[[Rows], Rows], found: str) -> None:
    _, examples = _judge(_lake(spoil(_rows())))

    assert any(found in example for example in examples), examples


def test_an_object_of_no_manifest_is_found() -> None:
    stray = OBJECT.replace("000000000000-", "000000000003-")

    _, examples = _judge(_lake(_rows()) | {stray: b""})

    assert examples == [f"wrong: {stray} is of no manifest"]


def test_an_object_that_is_not_there_is_found() -> None:
    objects = _lake(_rows())
    del objects[OBJECT]

    _, examples = _judge(objects)

    assert examples[0] == f"missing: {OBJECT} is in a manifest, and not there"


def test_an_object_in_the_folder_of_another_day_is_found() -> None:
    objects = _lake(_rows())
    elsewhere = OBJECT.replace("11-21", "11-22")
    objects[elsewhere] = objects.pop(OBJECT)
    objects[MANIFEST] = objects[MANIFEST].replace(OBJECT.encode(), elsewhere.encode())

    _, examples = _judge(objects)

    assert f"wrong: {elsewhere} has a row of nothing that was committed" in examples[0]


@pytest.mark.parametrize(
    "says, found",
    [
        ({"records": 4}, "says 4 records, there are 3"),
        ({"lost": [0, 7]}, "says that [0, 7] is lost"),
    ],
)
def test_a_manifest_that_lies_is_found(says: dict[str, Any], found: str) -> None:
    _, [example] = _judge(_lake(_rows(), **says))

    assert found in example


def test_a_hole_between_manifests_is_found() -> None:
    objects = _lake(_rows())
    later = MANIFEST.replace("000000000000-000000000009", "000000000012-000000000020")
    empty = json.dumps({"records": 0, "lost": None, "objects": []}).encode()

    _, examples = _judge(objects | {later: empty})

    assert any("has the holes [(9, 12)]" in example for example in examples), examples


def test_an_object_that_changes_from_one_look_to_the_next_is_found() -> None:
    objects = _lake(_rows())
    lake = Lake(cast("Any", Client(objects)), "lake")
    assert lake.judge(TRUTH).good
    objects[COVERAGE] += b" "
    del objects[MANIFEST]

    verdict = lake.judge(TRUTH)

    assert f"wrong: {COVERAGE} has changed" in verdict.examples
    assert f"wrong: {MANIFEST} has vanished" in verdict.examples
