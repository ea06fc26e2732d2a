"""The export job as it runs: spark-submit, objects of the landing's layout on a real S3, files out."""

import gzip
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest

from jetl2.devstack import folders, spark
from jetl2.devstack.s3 import S3
from jetl2.formats import tardis
from jetl2.formats.table import Table
from jetl2.landing import layout
from jetl2.schemas import lake
from jetl2.schemas.records import BookDelta, MarketRecord
from jetl2.testkit import making
from jetl2.testkit.making import (
    START_TS,
    book,
    derivative,
    gap,
    liquidation,
    numbered,
    ticker,
    trade,
)

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]

MAIN = folders.root() / "jobs" / "export" / "main.py"
DATE = lake.date(START_TS)
PREFIX = "lake/v1"


def _records() -> Sequence[MarketRecord]:
    """Return a day of one symbol: every kind, a large message, a gap, precision that grows."""
    fine = book(40, [(3, 7)], [])
    fine.price_exponent, fine.size_exponent = -18, -15
    huge = [(price, price % 97 + 1) for price in range(90_000, 1, -1)]
    records = [
        book(1, [(100_000, 1), (99_999, 5)], [(100_110, 150)], "initial", exchange_us=-5),
        trade(2, "a"),
        ticker(3),
        book(10, [(100_000, 0)], [(100_110, 3)]),
        gap(20),
        book(21, [(99_998, 1)], []),
        book(30, huge, [(100_200, 1)], "resync"),
        fine,
        trade(50, "b", exchange_us=45),
        ticker(60, asks=False),
        book(61, [], [], "resync"),
        book(70, [(99_000, 1)], []),
        derivative(80, funding_rate="0.0001", mark_price="9.876"),
        liquidation(81, "c"),
    ]
    for offset, record in enumerate(records):
        record.source_offset = offset
    return numbered(records)


def _lay_down(s3: S3, bucket: str, records: Iterable[MarketRecord]) -> dict[str, list[str]]:
    """Write records as landing does, in two objects for each type; return the keys by type."""
    by_type: dict[str, list[MarketRecord]] = {}
    for record in records:
        by_type.setdefault(layout.data_type(record), []).append(record)
    keys: dict[str, list[str]] = {}
    for data_type, of in by_type.items():
        for half, (start, end) in enumerate(((0, 6), (6, 100))):
            entries = [(r.local_ts, r.seq, r) for r in of if start <= r.source_offset < end]
            if not entries:
                continue
            folder = lake.folder(data_type, making.EXCHANGE, DATE, making.SYMBOL)
            key = folder + lake.object_name("market.example", 0, half * 6, half * 6 + 6)
            body = layout.parquet(layout.table(data_type, entries, 0))
            s3.client().put_object(Bucket=bucket, Key=f"{PREFIX}/{key}", Body=body)
            keys.setdefault(data_type, []).append(key)
    return keys


def _unit(data_type: str, keys: dict[str, list[str]], **other: Any) -> dict[str, Any]:
    return {
        "exchange": making.EXCHANGE,
        "data_type": data_type,
        "symbol": making.SYMBOL,
        "date": DATE,
        "format": "csv.gz",
        "start_ts": 0,
        "end_ts": 0,
        "key": f"units/{tardis.file_name(making.EXCHANGE, data_type, DATE, making.SYMBOL)}",
        "objects": keys.get(tardis.lake_type(data_type), []),
        "gap_objects": keys.get("gap", []),
    } | other


def _export(
    s3: S3, bucket: str, units: list[dict[str, Any]], work: Path, job: str = "j1"
) -> tuple[int, str]:
    """Run a job; return its exit code and what it printed."""
    spec = {"job": job, "lake": f"s3://{bucket}/{PREFIX}", "downloads": f"s3://{bucket}/out"}
    body = json.dumps(spec | {"units": units}).encode()
    s3.client().put_object(Bucket=bucket, Key=f"out/jobs/{job}/spec.json", Body=body)
    args = ["--spec", f"s3://{bucket}/out/jobs/{job}/spec.json"]
    python, env = _python()
    work.mkdir(exist_ok=True)
    log = work / "export.log"
    process = spark.submit(
        "export", python, MAIN, args, work=work / "spark", log=log, env=s3.env() | env
    )
    try:
        code = process.wait(400)
    finally:
        process.stop()
    return code, log.read_text(errors="replace")


def _python() -> tuple[Path, dict[str, str]]:
    """Return the built PEX file, or this interpreter with our sources."""
    pex = folders.binary("export")
    return (pex, {}) if pex.exists() else _sources()


def _sources() -> tuple[Path, dict[str, str]]:
    sources = [str(path) for kind in ("libs", "jobs") for path in (folders.root() / kind).iterdir()]
    return Path(sys.executable), {"PYTHONPATH": os.pathsep.join(sources)}


def _get(s3: S3, bucket: str, key: str) -> bytes:
    return s3.client().get_object(Bucket=bucket, Key=f"out/{key}")["Body"].read()


def _expected(data_type: str, records: Iterable[MarketRecord], start_ts: int = 0) -> str:
    table = Table(data_type, start_ts=start_ts)
    rows = "".join(table.feed(record) for record in records) + table.finish()
    return f"{tardis.header(data_type)}\n{rows}"


def test_every_type_is_what_the_records_say_and_bad_units_stop_no_other(
    s3: S3, bucket: str, tmp_path: Path
) -> None:
    records = _records()
    keys = _lay_down(s3, bucket, records)
    start_ts = START_TS + 25_000
    broken = lake.folder("trade", making.EXCHANGE, DATE, "BROKEN") + "x.parquet"
    s3.client().put_object(Bucket=bucket, Key=f"{PREFIX}/{broken}", Body=b"no Parquet at all")
    units = [_unit(data_type, keys) for data_type in tardis.DATA_TYPES]
    units += [
        _unit("incremental_book_L2", keys, start_ts=start_ts, key="units/clipped.csv.gz"),
        _unit("trades", {}, symbol="NONE", key="units/none.csv.gz"),
        _unit("trades", {"trade": [broken]}, symbol="BROKEN", key="units/broken.csv.gz"),
        _unit("trades", {"trade": ["gone.parquet"]}, symbol="GONE", key="units/gone.csv.gz"),
    ]

    code, printed = _export(s3, bucket, units, tmp_path)

    assert code == 1, printed
    count = len(units)
    totals = {"done": count - 2, "failed": 2, "total": count}
    assert json.dumps({"event": "finished", **totals}) in printed
    for unit in units[: count - 3]:
        stored = _get(s3, bucket, unit["key"])
        text = gzip.decompress(stored).decode()
        assert text == _expected(unit["data_type"], records, unit["start_ts"]), unit["data_type"]
        sidecar = json.loads(_get(s3, bucket, unit["key"] + ".json"))
        assert sidecar["sha256"] == hashlib.sha256(stored).hexdigest()
        assert (sidecar["size"], sidecar["rows"]) == (len(stored), len(text.splitlines()) - 1)
        assert [found["reason"] for found in sidecar["gaps"]] == ["checksum"]
    assert gzip.decompress(_get(s3, bucket, "units/none.csv.gz")).decode().count("\n") == 1
    errors = [
        json.loads(_get(s3, bucket, f"jobs/j1/errors/{n}.json")) for n in (count - 2, count - 1)
    ]
    assert [error["unit"]["symbol"] for error in errors] == ["BROKEN", "GONE"]
    assert "not a Parquet file" in errors[0]["error"]
    assert "gone.parquet" in errors[1]["error"]


def test_a_unit_that_is_there_is_not_made_again_and_a_repeat_gives_the_same_bytes(
    s3: S3, bucket: str, tmp_path: Path
) -> None:
    keys = _lay_down(s3, bucket, _records())
    unit = _unit("trades", keys)
    _export(s3, bucket, [unit, _unit("quotes", keys)], tmp_path / "1")
    first = _get(s3, bucket, unit["key"])
    s3.client().delete_object(Bucket=bucket, Key=f"out/{unit['key']}.json")
    kept = _unit("quotes", keys)["key"]
    s3.client().put_object(Bucket=bucket, Key=f"out/{kept}", Body=b"untouched")

    code, printed = _export(s3, bucket, [unit, _unit("quotes", keys)], tmp_path / "2")

    assert code == 0, printed
    assert _get(s3, bucket, unit["key"]) == first
    assert _get(s3, bucket, kept) == b"untouched"
    assert '{"event": "progress", "done": 1, "failed": 0, "total": 2}' in printed


def _command(args: list[str], env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run the job's main without Spark, which it does not start for these."""
    python, sources = _sources()
    return subprocess.run(
        [python, MAIN, *args],
        env=os.environ | sources | env,
        capture_output=True,
        text=True,
        check=False,
    )


def test_help_says_what_goes_in_and_out() -> None:
    done = _command(["--help"], {})

    assert done.returncode == 0
    assert "spark-submit main.py --spec s3://" in done.stdout
    assert "Exit code: 0 all units are there" in done.stdout


@pytest.mark.parametrize(
    "name, message",
    [
        ("spec.json", "wrong specification: units.0.data_type: unknown data type 'ohlc'"),
        ("gone.json", "no specification at s3://"),
    ],
)
def test_a_wrong_or_missing_specification_is_one_line_and_exit_code_2(
    s3: S3, bucket: str, name: str, message: str
) -> None:
    spec = {"job": "j", "lake": "s3://x", "downloads": "s3://x"}
    body = json.dumps(spec | {"units": [_unit("trades", {}) | {"data_type": "ohlc"}]}).encode()
    s3.client().put_object(Bucket=bucket, Key="spec.json", Body=body)

    done = _command(["--spec", f"s3://{bucket}/{name}"], s3.env())

    assert done.returncode == 2
    assert done.stderr.startswith(f"export: {message}"), done.stderr
    assert done.stderr.count("\n") == 1


def test_an_s3_that_is_away_is_one_line_and_exit_code_1(s3: S3) -> None:
    away = s3.env() | {"AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9"}

    done = _command(["--spec", "s3://bucket/spec.json"], away)

    assert done.returncode == 1
    assert "Could not connect to the endpoint URL" in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_fixture_holds_what_it_is_for() -> None:
    sizes = [len(r.bid_prices) for r in _records() if isinstance(r, BookDelta)]

    assert max(sizes) > 1 << 16, "a message larger than a batch"
