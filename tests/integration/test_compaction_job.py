"""Compaction on a real S3 server under real Spark, killed at each of its points, beside late rows.

The judge knows the promise by itself: object names by an expression of its own, rows by DuckDB.
"""

import itertools
import json
import random
import re
import sys
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import duckdb
import pytest

import jetl2
from jetl2.api_grpc import store
from jetl2.api_grpc.catalog import Catalog
from jetl2.devstack import folders, spark
from jetl2.devstack.s3 import S3
from jetl2.export.run import Job
from jetl2.export.spec import Unit, parse
from jetl2.formats import tardis
from jetl2.landing import crash
from jetl2.landing.compaction import run, task
from jetl2.landing.compaction.plan import Work
from jetl2.landing.compaction.run import Summary
from jetl2.landing.compaction.shelf import Shelf
from jetl2.landing.compaction.task import Done
from jetl2.landing.errors import LandingError
from jetl2.landing.plan import Range
from jetl2.landing.settings import Settings
from jetl2.landing.sink import Lake
from jetl2.landing.task import land
from jetl2.schemas import avro, lake, records, topics

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]

JOBS = folders.root() / "jobs"
DAY = 1_795_219_200_000_000_000  # 2026-11-21, 00:00 UTC
DATE = "2026-11-21"
EXCHANGE = "example"
SYMBOLS = ["BTC/USD", "a:b c"]
TYPES = ("book_delta", "trade", "gap", "raw", "coverage")
_NAME = re.compile(r"(.+)-(\d{4})-(compact-)?(\d{12})-(\d{12})\.parquet")

Submit = Callable[..., tuple[int, str]]


class World:
    """A lake on S3, what landed in it, and the judge of it."""

    def __init__(self, s3: S3, bucket: str, folder: Path) -> None:
        self.url = f"s3://{bucket}/lake"
        self._s3 = s3
        self._bucket = bucket
        self._folder = folder
        self._chance = random.Random(7)
        self._ends: dict[str, int] = defaultdict(int)
        self._seqs: dict[str, int] = defaultdict(int)
        self._judged = itertools.count()
        self.truth = folder / "truth"

    def land(self, count: int = 60) -> None:
        """Land a range of each topic by the job's own code, and keep a copy as the truth."""
        lake_ = Lake(self.url)

        def put(key: str, body: bytes) -> None:
            lake_.put(key, body)
            path = self.truth / key
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(body)

        for topic in (topics.market(EXCHANGE), topics.raw(EXCHANGE)):
            start = self._ends[topic]
            end = self._ends[topic] = start + count
            of = Range(
                topic=topic,
                partition=3,
                start=start,
                end=end,
                plan="p",
                max_rows=70,
                committed=start,
            )
            rows = [(topic, 3, n, avro.encode(self._record(topic, n))) for n in range(start, end)]
            land(rows, {(topic, 3): of}, put)
            lake_.put(f"_manifest/{topic}/0003/{start:012d}-{end:012d}.json", b"{}")

    def _record(self, topic: str, offset: int) -> Any:
        symbol = self._chance.choice(SYMBOLS)
        self._seqs[topic + symbol] += 1
        seq = self._seqs[topic + symbol]
        local_ts = DAY + seq * 10**9
        common: dict[str, Any] = {"exchange": EXCHANGE, "symbol": symbol, "local_ts": local_ts}
        if topic.startswith("raw"):
            payload = self._chance.randbytes(20)
            return records.RawEvent(**common, connection_id="c", counter=offset, payload=payload)
        common |= {"seq": seq, "source_topic": topics.raw(EXCHANGE), "source_offset": offset}
        if seq % 10 == 9:
            return records.Gap(**common, reason="checksum", detail="x")
        if seq % 3 == 0:
            size: dict[str, Any] = {"size": 3, "size_exponent": -18}
            price: dict[str, Any] = {"price": 2**63 - seq, "price_exponent": -18}
            return records.Trade(**common, trade_id=str(offset), aggressor="buy", **price, **size)
        return records.BookDelta(
            **common,
            is_snapshot=seq % 20 == 1,
            reason="initial" if seq % 20 == 1 else "",
            price_exponent=-2,
            size_exponent=-8,
            bid_prices=[seq * 100 - n for n in range(3)],
            bid_sizes=[1, 0, seq],
            ask_prices=[seq * 200],
            ask_sizes=[123456789],
            verified=records.PASSED,
        )

    def objects(self) -> list[str]:
        """Return every object with rows that there is."""
        pages = self._s3.client().get_paginator("list_objects_v2").paginate(Bucket=self._bucket)
        keys = (o["Key"] for page in pages for o in page.get("Contents", []))
        return [k.removeprefix("lake/") for k in keys if k.startswith("lake/data_type=")]

    def seen(self) -> list[str]:
        """Return what a reader takes who knows what names say."""
        keys = self.objects()
        return [key for key in keys if not any(_stands_for(other, key) for other in keys)]

    def judge(self, keys: Sequence[str]) -> None:
        """Compare the rows of objects with all that landed, and look at the order in each."""
        folder = self._folder / f"judged-{next(self._judged)}"
        client = self._s3.client()
        for key in keys:
            path = folder / key
            path.parent.mkdir(parents=True, exist_ok=True)
            client.download_file(self._bucket, f"lake/{key}", str(path))
            if "data_type=coverage" not in key:
                _sorted(path)
        for data_type in TYPES:
            found, wanted = (_rows(at / f"data_type={data_type}") for at in (folder, self.truth))
            for one, other in ((found, wanted), (wanted, found)):
                difference = duckdb.execute(f"({one}) except all ({other})").fetchall()
                assert difference == [], data_type


def _stands_for(one: str, other: str) -> bool:
    (folder, _, name), (of, _, within) = one.rpartition("/"), other.rpartition("/")
    a, b = _NAME.fullmatch(name), _NAME.fullmatch(within)
    assert a
    assert b
    return (
        one != other
        and folder == of
        and bool(a[3])
        and a.group(1, 2) == b.group(1, 2)
        and int(a[4]) <= int(b[4])
        and int(b[5]) <= int(a[5])
    )


def _rows(folder: Path) -> str:
    # Coverage names its own data_type in a column, which the folder's would hide
    hive = "false" if folder.name == "data_type=coverage" else "true"
    return f"select * from read_parquet('{folder}/**/*.parquet', hive_partitioning = {hive})"


def _sorted(path: Path) -> None:
    rows = f"select * from read_parquet('{path}')"
    columns = [of[0] for of in duckdb.execute(f"describe {rows}").fetchall()]
    number = "seq" if "seq" in columns else "source_offset"
    by = ", ".join(["local_ts", number, *(["level"] if "level" in columns else [])])
    found = duckdb.execute(rows.replace("*", by)).fetchall()
    assert found == sorted(found), path


@pytest.fixture
def world(s3: S3, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    for name, value in s3.env().items():
        monkeypatch.setenv(name, value)
    made = World(s3, bucket, tmp_path)
    for _ in range(5):
        made.land()
    return made


@pytest.fixture
def submit(world: World, s3: S3, tmp_path: Path) -> Submit:
    """Give a function that runs a job under spark-submit and returns its exit code and output."""
    runs = itertools.count()

    def once(
        job: str = "landing", args: Sequence[str] = ("compact",), crash_at: str = ""
    ) -> tuple[int, str]:
        log = tmp_path / f"{job}-{next(runs)}.log"
        env = s3.env() | {
            "PYTHONPATH": ":".join(str(Path(folder).parent) for folder in jetl2.__path__),
            "JETL2_LANDING_LAKE": world.url,
            "JETL2_LANDING_COMPACT_DAYS": "36500",
            "JETL2_LANDING_CRASH_AT": crash_at,
        }
        main, python = JOBS / job / "main.py", Path(sys.executable)
        process = spark.submit(job, python, main, args, work=tmp_path / "spark", log=log, env=env)
        try:
            return process.wait(240), log.read_text(errors="replace")
        finally:
            process.stop()

    return once


def _summary(output: str) -> dict[str, Any]:
    lines = [line for line in output.splitlines() if line.startswith('{"status"')]
    summary: dict[str, Any] = json.loads(lines[-1])
    return summary


def _api_sees(world: World) -> list[str]:
    """Return what the API would plan exports of."""
    catalog = Catalog(store.store(store.client(), world.url), 0)
    try:
        folders = [(t, EXCHANGE, DATE, s) for t in TYPES[:4] for s in SYMBOLS]
        return sorted(key for keys in catalog.objects(folders).values() for key in keys)
    finally:
        catalog.close()


def test_killed_at_each_point_it_leaves_each_row_once_for_our_readers(
    world: World, submit: Submit, s3: S3, bucket: str
) -> None:
    planned = _units("planned", world.seen())
    before = _export(submit, s3, bucket, "before", planned)

    for point in crash.COMPACTION_POINTS:
        code, output = submit(crash_at=point)
        assert code != 0, output
        if point == "published":
            # As if it had died amid taking away
            gone = [key for key in world.objects() if key not in world.seen()]
            assert len(gone) > 3
            for key in gone[::2]:
                s3.client().delete_object(Bucket=bucket, Key=f"lake/{key}")
        world.judge(world.seen())
        data = [key for key in world.seen() if "data_type=coverage" not in key]
        assert _api_sees(world) == sorted(data), point
    code, output = submit()
    assert code == 0, output
    assert _summary(output)["status"] == "compacted"

    # What any tool finds that reads folders
    world.judge(world.objects())
    assert len(world.objects()) == 2 * 4 + 2
    assert all("-compact-" in key for key in world.objects())
    # Names of before, which are gone; names of now; and the files are the same
    for number, unit in enumerate(_units("again", world.seen())):
        planned.append(unit | {"key": f"units/now-{number}.csv.gz"})
    after = _export(submit, s3, bucket, "after", planned)
    assert after[: len(before)] == before
    assert after[len(before) :] == before
    assert all(len(body) > 100 for body in before)
    # Late rows of the day come to the rest
    world.land(30)
    world.judge(world.seen())
    code, output = submit()
    assert code == 0, output
    assert _summary(output)["replaced"] > _summary(output)["objects"] > 0
    world.judge(world.objects())
    assert len(world.objects()) == 2 * 4 + 2
    code, output = submit()
    assert (code, _summary(output)["status"]) == (0, "idle"), output


def test_two_runs_and_landing_beside_each_other_do_no_harm(world: World) -> None:
    summaries: list[Summary] = []
    failures: list[Any] = []

    def once() -> None:
        try:
            summary, problems = _compact(world)
            summaries.append(summary)
            failures.extend(problems)
        except Exception as error:  # noqa: BLE001 - told below
            failures.append(error)

    for _ in range(4):
        threads = [threading.Thread(target=once) for _ in range(2)]
        for thread in threads:
            thread.start()
        world.land(20)
        for thread in threads:
            thread.join()
        assert failures == []
        world.judge(world.seen())
    once()

    assert failures == []
    assert sum(summary.objects for summary in summaries) > 10
    world.judge(world.objects())
    assert len(world.objects()) == 2 * 4 + 2


def test_an_export_goes_on_when_its_objects_are_compacted_while_it_reads_them(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = {"lake": world.url, "downloads": world.url.replace("/lake", "/out")}
    units = [*_units("x", world.seen())]
    units.append(units[0] | {"key": "units/never.csv.gz", "objects": ["never.parquet"]})
    job = Job(parse(json.dumps({"job": "j", **places, "units": units})), lambda *_: None)
    planned = job.prepare()
    calls: list[list[Unit]] = []

    def make(job: Job, _: object, units: Mapping[int, Unit]) -> None:
        calls.append(list(units.values()))
        if len(calls) == 1:
            assert _compact(world)[1] == []
            message = "Caused by: java.io.FileNotFoundException"
            raise RuntimeError(message)
        job.done.update(units)

    monkeypatch.setattr(Job, "_make", make)
    job.make(cast("Any", None), planned)

    assert (job.done, job.failed) == ({0, 1, 2}, {3})
    assert [len(call) for call in calls] == [3, 1, 1, 1]
    for [unit] in calls[1:]:
        names = (*unit.objects, *unit.gap_objects)
        assert len(names) == 2
        assert all("-compact-" in name for name in names)


def _compact(world: World) -> tuple[Summary, list[LandingError]]:
    """Compact in this process, without Spark; return what was done, and what went wrong."""
    settings, summary = Settings(lake=world.url, compact_days=36500), Summary()

    def compact(works: Sequence[Work]) -> Iterator[Done | LandingError]:
        shelf = Shelf(world.url)
        for work in works:
            try:
                yield task.compact(work, shelf)
            except LandingError as error:
                yield error

    now_ts = DAY + 30 * 3600 * 10**9
    store = Shelf(world.url)
    failures = run.run(settings, summary, store=store, compact=compact, now_ts=now_ts)
    return summary, list(failures)


def _units(name: str, keys: Sequence[str]) -> list[dict[str, Any]]:
    units = []
    for number, data_type in enumerate(("trades", "incremental_book_L2", "book_snapshot_5")):
        kinds = {kind: f"data_type={kind}/" for kind in (tardis.lake_type(data_type), "gap")}
        place = lake.folder("", EXCHANGE, DATE, SYMBOLS[0]).partition("/")[2]
        objects = {
            kind: [key for key in keys if key.startswith(prefix + place)]
            for kind, prefix in kinds.items()
        }
        units.append(
            {
                "exchange": EXCHANGE,
                "data_type": data_type,
                "symbol": SYMBOLS[0],
                "date": DATE,
                "format": "csv.gz",
                "start_ts": 0,
                "end_ts": 0,
                "key": f"units/{name}-{number}.csv.gz",
                "objects": objects[tardis.lake_type(data_type)],
                "gap_objects": objects["gap"],
            }
        )
    return units


def _export(
    submit: Submit, s3: S3, bucket: str, job: str, units: Sequence[dict[str, Any]]
) -> list[bytes]:
    """Run an export job into a folder of its own; return its files."""
    places = {"lake": f"s3://{bucket}/lake", "downloads": f"s3://{bucket}/{job}"}
    spec = json.dumps({"job": job, **places, "units": list(units)}).encode()
    s3.client().put_object(Bucket=bucket, Key=f"{job}/jobs/{job}/spec.json", Body=spec)
    code, output = submit("export", ["--spec", f"s3://{bucket}/{job}/jobs/{job}/spec.json"])
    assert code == 0, output
    client = s3.client()
    return [
        client.get_object(Bucket=bucket, Key=f"{job}/{unit['key']}")["Body"].read()
        for unit in units
    ]
