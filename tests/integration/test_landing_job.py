"""Landing on a real broker, a real S3 server and real Spark: each committed record once."""

import io
import itertools
import json
import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

import jetl2
from jetl2.api_grpc import emr_request
from jetl2.devstack import emr, folders, kafka, s3, spark
from jetl2.landing import crash, run, task
from jetl2.landing.errors import FencedError
from jetl2.landing.offsets import Offsets
from jetl2.landing.plan import Range
from jetl2.landing.report import Report
from jetl2.landing.settings import Settings
from jetl2.landing.sink import Lake
from jetl2.schemas import avro, lake, records, topics

pytestmark = pytest.mark.integration

MAIN = folders.root() / "jobs" / "landing" / "main.py"
PARTITIONS = 2
# Two of one partition, one of the other
SYMBOLS = ["BTC/USD", "XRP_USDT", "a:b c"]
DAY = 1_795_219_200_000_000_000  # 2026-11-21, 00:00 UTC

Submit = Callable[..., tuple[int, str]]


class Source:
    """A transactional writer of one exchange's market topic, as the merger is."""

    def __init__(self, broker: kafka.Broker, exchange: str) -> None:
        self.broker = broker
        self.exchange = exchange
        self.topic = topics.market(exchange)
        self.committed: list[tuple[str, int]] = []
        self._open: list[tuple[str, int]] = []
        self._seqs = dict.fromkeys(SYMBOLS, 0)
        kafka.create_topics(broker.bootstrap_servers, {self.topic: PARTITIONS})
        self._producer = Producer(
            {
                "bootstrap.servers": broker.bootstrap_servers,
                "transactional.id": f"source-{exchange}",
                # One stays open over many runs of the job
                "transaction.timeout.ms": 900_000,
            }
        )
        self._producer.init_transactions(20)

    def write(self, count: int, *, end: str = "commit") -> None:
        """Write records in one transaction: commit it, abort it, or leave it open."""
        self._producer.begin_transaction()
        before = dict(self._seqs)
        self._open = written = []
        for n in range(count):
            symbol = SYMBOLS[n % len(SYMBOLS)]
            self._seqs[symbol] += 1
            seq = self._seqs[symbol]
            written.append((symbol, seq))
            self._producer.produce(
                self.topic,
                key=symbol.encode(),
                value=avro.encode(self._record(symbol, seq)),
                partition=topics.partition(symbol, PARTITIONS),
            )
        self._producer.flush(20)
        if end == "commit":
            self.commit()
        elif end == "abort":
            self._producer.abort_transaction(20)
            # The merger does an aborted transaction again: the numbers come a second time
            self._seqs = before

    def commit(self) -> None:
        """Commit the transaction that was left open."""
        self._producer.commit_transaction(20)
        self.committed += self._open

    def _record(self, symbol: str, seq: int) -> records.MarketRecord:
        common: dict[str, Any] = {
            "exchange": self.exchange,
            "symbol": symbol,
            "seq": seq,
            # From one day into the next
            "local_ts": DAY - 40_000_000_000 + seq * 1_000_000_000,
            "source_topic": topics.raw(self.exchange),
            "source_offset": seq,
            "merge_ts": DAY + seq,
        }
        if seq % 3 == 0:
            return records.Trade(
                **common,
                trade_id=str(seq),
                aggressor="buy",
                price=seq * 10**16 + 1,
                price_exponent=-18,
                size=7,
                size_exponent=-2,
            )
        return records.BookDelta(
            **common,
            is_snapshot=seq == 1,
            price_exponent=-2,
            size_exponent=-8,
            bid_prices=[seq * 100, seq * 100 - 1],
            bid_sizes=[1, 0],
            ask_prices=[seq * 100 + 1],
            ask_sizes=[123456789],
            verified=records.PASSED,
        )


@pytest.fixture
def source(kafka: kafka.Broker, unique: str) -> Source:
    return Source(kafka, unique)


@pytest.fixture
def settings(source: Source, bucket: str, s3: s3.S3, monkeypatch: pytest.MonkeyPatch) -> Settings:
    for name, value in s3.env().items():
        monkeypatch.setenv(name, value)
    return Settings(
        bootstrap_servers=source.broker.bootstrap_servers,
        lake=f"s3://{bucket}/lake",
        datasets="market",
        exchanges=[source.exchange],
        group=f"test.{source.exchange}",
        max_offsets=100,
        max_rows=40,
    )


@pytest.fixture
def submit(settings: Settings, s3: s3.S3, tmp_path: Path) -> Submit:
    """Give a function that runs the job under spark-submit, to be killed at a step if one is given."""
    runs = itertools.count()

    def once(crash_at: str = "") -> tuple[int, str]:
        log = tmp_path / f"landing-{next(runs)}.log"
        env = s3.env() | _environment(settings, crash_at)
        process = spark.submit(
            "landing", Path(sys.executable), MAIN, [], work=tmp_path / "spark", log=log, env=env
        )
        try:
            return process.wait(240), log.read_text(errors="replace")
        finally:
            process.stop()

    return once


@pytest.mark.timeout(900)
def test_a_run_killed_at_every_step_lands_each_committed_record_once(
    source: Source, settings: Settings, submit: Submit, s3: s3.S3
) -> None:
    source.write(30)
    source.write(45, end="abort")
    source.write(60)
    source.write(9, end="abort")
    source.write(50)
    source.write(20, end="open")
    seen: dict[str, str] = {}

    for at in crash.POINTS:
        code, output = submit(at)
        assert code != 0, output
        # Only the Python worker dies there, and Spark gives the run up
        assert ("Spark failed" in output) == (at == "object"), output
        assert '"status"' not in output or at == "object", output
        now = _etags(s3, settings)
        assert now | seen == now, f"the run killed at {at} changed or removed an object"
        seen = now
    source.commit()
    summaries: list[dict[str, Any]] = []
    while not summaries or summaries[-1]["status"] != "idle":
        code, output = submit()
        assert code == 0, output
        summaries.append(_summary(output))

    assert _landed(s3, settings) == sorted(source.committed)
    now = _etags(s3, settings)
    assert now | seen == now, "a later run changed an object"


@pytest.mark.timeout(1200)
def test_the_archive_of_a_release_lands_as_emr_runs_it(
    source: Source, settings: Settings, s3: s3.S3, bucket: str, tmp_path: Path
) -> None:
    folder = _release(s3, bucket)
    source.write(30)
    source.write(10, end="abort")
    driver_env = {k: v for k, v in _environment(settings).items() if k != "PYTHONPATH"}
    target = emr_request.Target(
        application="00f1abcd2efg3h01",
        role="arn:aws:iam::123456789012:role/landing",
        folder=folder,
        logs="/jetl2/landing",
        timeout_minutes=60,
        conf={f"spark.emr-serverless.driverEnv.{k}": v for k, v in driver_env.items()},
        name="landing",
    )
    request = emr_request.start(target, "tick", 1, [])
    code, output = 3, ""
    # Of a new broker that is not ready for groups yet: the schedule runs it again, too
    for attempt in range(5):
        log = tmp_path / f"landing-{attempt}.log"
        process = emr.submit(request, work=tmp_path / f"run-{attempt}", log=log, env=s3.env())
        try:
            code = process.wait(900)
        finally:
            process.stop()
        output = log.read_text(errors="replace")
        if code != 3:
            break

    assert code == 0, output
    assert f"Running Spark version {spark.version()}" in output
    assert _summary(output)["records"] == 30
    assert _landed(s3, settings) == sorted(source.committed)


def test_an_overlapping_newer_run_fences_the_older_one(source: Source, settings: Settings) -> None:
    source.write(40)
    writes: dict[str, list[bytes]] = {}

    def overtaken(ranges: Sequence[Range]) -> list[Report]:
        reports = _land(settings, ranges, writes)
        newer = _run(settings, lambda again: _land(settings, again, writes))
        assert newer.repeated == len(ranges)
        return reports

    with pytest.raises(FencedError):
        _run(settings, overtaken)

    assert writes
    assert all(len(bodies) == 2 and bodies[0] == bodies[1] for bodies in writes.values())
    assert _run(settings, lambda ranges: _land(settings, ranges, writes)).ranges == {}


def test_records_deleted_before_they_landed_stop_the_run_by_name(
    source: Source, settings: Settings
) -> None:
    source.write(90)
    summary = _run(settings, lambda ranges: _land(settings, ranges, {}))
    landed = summary.ranges[source.topic][1][1]
    source.write(90)
    admin = AdminClient({"bootstrap.servers": settings.bootstrap_servers})
    for deleted in admin.delete_records([TopicPartition(source.topic, 1, landed + 10)]).values():
        deleted.result()

    ended = _main(settings)

    assert ended.returncode == 4
    assert (
        f"{source.topic}-1: offsets [{landed}, {landed + 10}) were deleted by retention"
        in ended.stderr
    )
    assert json.loads(ended.stdout)["status"] == "failed"


def test_records_deleted_before_they_landed_are_passed_over_when_told(
    source: Source, settings: Settings
) -> None:
    source.write(90)
    admin = AdminClient({"bootstrap.servers": settings.bootstrap_servers})
    for deleted in admin.delete_records([TopicPartition(source.topic, 1, 20)]).values():
        deleted.result()
    told = settings.model_copy(update={"accept_lost": True})

    summary = _run(told, lambda ranges: _land(told, ranges, {}))

    assert summary.ranges[source.topic][1][0] == 20


@pytest.mark.usefixtures("source")
def test_an_idle_run_ends_without_spark(settings: Settings) -> None:
    # Plain Python, no spark-submit: a session could not even be made in the time
    ended = _main(settings)

    assert ended.returncode == 0, ended.stderr
    assert _summary(ended.stdout) | {"seconds": 0, "datasets": {}} == {
        "status": "idle",
        "topics": 1,
        "ranges": {},
        "repeated": 0,
        "records": 0,
        "rows": 0,
        "objects": 0,
        "size_bytes": 0,
        "seconds": 0,
        "datasets": {},
    }


def _release(s3: s3.S3, bucket: str) -> str:
    """Put what a release of the job consists of onto S3; return its folder."""
    archive = folders.binary("landing").with_name("landing-job.tar.gz")
    if not archive.exists():
        pytest.skip(f"{archive} is not built: make package")
    for path in (archive, MAIN):
        s3.client().upload_file(str(path), bucket, f"landing/0.1.0/{path.name}")
    return f"s3://{bucket}/landing/0.1.0"


def _environment(settings: Settings, crash_at: str = "") -> dict[str, str]:
    fields = settings.model_dump() | {"crash_at": crash_at}
    return {
        "PYTHONPATH": ":".join(str(Path(folder).parent) for folder in jetl2.__path__),
        **{
            f"JETL2_LANDING_{name}".upper(): v if isinstance(v, str) else json.dumps(v)
            for name, v in fields.items()
        },
    }


def _main(settings: Settings) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, **_environment(settings)}
    return subprocess.run(
        [sys.executable, str(MAIN)],
        env=env,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def _run(settings: Settings, land: run.Land) -> run.Summary:
    """Run the protocol in this process, without Spark."""
    offsets = Offsets(settings.bootstrap_servers, f"{settings.group}.market")
    try:
        return run.run(
            "market",
            settings,
            offsets=offsets,
            store=Lake(settings.lake),
            land=land,
            plan_id=uuid.uuid4().hex,
        )
    finally:
        offsets.close()


def _land(
    settings: Settings, ranges: Sequence[Range], writes: dict[str, list[bytes]]
) -> list[Report]:
    """Land as the Spark job does, the rows read by a plain consumer; note each object's bytes."""
    target = Lake(settings.lake)

    def put(key: str, body: bytes) -> None:
        writes.setdefault(key, []).append(body)
        target.put(key, body)

    reports = []
    for of in ranges:
        plan = {(of.topic, of.partition): of}
        report = task.land(_rows(settings.bootstrap_servers, of), plan, put)
        if report is not None:
            reports.append(report)
    return reports


def _rows(bootstrap_servers: str, of: Range) -> list[task.KafkaRow]:
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap_servers,
            "group.id": "unused",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
        }
    )
    consumer.assign([TopicPartition(of.topic, of.partition, of.start)])
    rows: list[task.KafkaRow] = []
    while (message := consumer.poll(20)) is not None and message.error() is None:
        offset = message.offset()
        if offset is not None and offset < of.end:
            rows.append((of.topic, of.partition, offset, message.value()))
    consumer.close()
    return rows


def _summary(output: str) -> dict[str, Any]:
    lines = [line for line in output.splitlines() if line.startswith('{"status"')]
    summary: dict[str, Any] = json.loads(lines[-1])
    return summary


def _objects(s3: s3.S3, settings: Settings) -> list[str]:
    bucket = settings.lake.removeprefix("s3://").partition("/")[0]
    pages = s3.client().get_paginator("list_objects_v2").paginate(Bucket=bucket)
    return [found["Key"] for page in pages for found in page.get("Contents", [])]


def _etags(s3: s3.S3, settings: Settings) -> dict[str, str]:
    bucket = settings.lake.removeprefix("s3://").partition("/")[0]
    client = s3.client()
    return {
        key: client.head_object(Bucket=bucket, Key=key)["ETag"] for key in _objects(s3, settings)
    }


def _landed(s3: s3.S3, settings: Settings) -> list[tuple[str, int]]:
    """Return (symbol, seq) of each landed record, sorted; a record twice is there twice."""
    bucket = settings.lake.removeprefix("s3://").partition("/")[0]
    client = s3.client()
    found = []
    for key in _objects(s3, settings):
        fields = lake.parse_folder(key)
        if fields.get("data_type") not in lake.DATA_TYPES:
            continue
        body = client.get_object(Bucket=bucket, Key=key)["Body"].read()
        columns = pq.read_table(io.BytesIO(body)).to_pydict()
        levels = columns.get("level", [0] * len(columns["seq"]))
        found += [
            (fields["symbol"], seq)
            for seq, level in zip(columns["seq"], levels, strict=True)
            if level == 0
        ]
    return sorted(found)
