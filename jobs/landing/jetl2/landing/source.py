"""Kafka to rows in Spark, and the task run over them: the only file that knows Spark.

Spark's defaults would show aborted records, and pass over what retention deleted: both are set
here and nowhere else.
"""

import functools
import json
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from pyspark.sql import DataFrame, SparkSession

from jetl2.landing import crash, report, task
from jetl2.landing.errors import KINDS, LandingError
from jetl2.landing.plan import Range
from jetl2.landing.report import Failure, Report
from jetl2.landing.settings import Settings
from jetl2.landing.sink import Lake
from jetl2.runtime import log

_PROGRESS_S = 5.0

_log = log.get()


def land(spark: SparkSession, settings: Settings, ranges: Sequence[Range]) -> list[Report]:
    """Write the objects of all ranges, one Spark task each, and return the reports.

    Raises:
        LandingError: What a task met, of the kind that it raised; or Spark itself failed.
    """
    plan = {(of.topic, of.partition): of for of in ranges}
    frame = records(spark, settings, ranges)
    work = functools.partial(_task, ranges=plan, lake=settings.lake, crash_at=settings.crash_at)
    try:
        with progress(spark, len(ranges)):
            outcomes = [report.load(text) for text in frame.rdd.mapPartitions(work).collect()]
    # Whatever Java threw comes as py4j's own error, or as one of Spark's, by release
    except Exception as error:
        message = f"Spark failed: {first_lines(error)}"
        raise LandingError(message) from error
    for outcome in outcomes:
        if isinstance(outcome, Failure):
            raise KINDS[outcome.kind](outcome.message)
    return [outcome for outcome in outcomes if isinstance(outcome, Report)]


def records(spark: SparkSession, settings: Settings, ranges: Sequence[Range]) -> DataFrame:
    """Return topic, partition, offset and value of the committed records of ranges.

    Each range is one partition of the result, in offset order.
    """
    assigned: dict[str, list[int]] = {}
    starts: dict[str, dict[str, int]] = {}
    ends: dict[str, dict[str, int]] = {}
    for of in ranges:
        assigned.setdefault(of.topic, []).append(of.partition)
        starts.setdefault(of.topic, {})[str(of.partition)] = of.start
        ends.setdefault(of.topic, {})[str(of.partition)] = of.end
    options = {
        **{f"kafka.{name}": value for name, value in settings.spark_kafka.items()},
        "kafka.bootstrap.servers": settings.bootstrap_servers,
        "kafka.isolation.level": "read_committed",
        "failOnDataLoss": "true",
        "assign": json.dumps(assigned),
        "startingOffsets": json.dumps(starts),
        "endingOffsets": json.dumps(ends),
    }
    return (
        spark.read.format("kafka")
        .options(**options)
        .load()
        .select("topic", "partition", "offset", "value")
    )


def _task(
    rows: Iterable[tuple[str, int, int, bytearray | None]],
    *,
    ranges: Mapping[tuple[str, int], Range],
    lake: str,
    crash_at: str,
) -> Iterator[str]:
    # Spark hands binary values over as bytearray
    # The worker is a process of its own
    crash.arm(crash_at)
    with_bytes = ((t, p, o, None if v is None else bytes(v)) for t, p, o, v in rows)
    try:
        outcome = task.land(with_bytes, ranges, Lake(lake).put)
    except LandingError as error:
        # Told, not raised: trying again would not help, and Spark would bury it in a trace
        yield report.dump(Failure(kind=type(error).__name__, message=str(error)))
        return
    if outcome is not None:
        yield report.dump(outcome)


def first_lines(error: Exception) -> str:
    """Return what Spark says, without the Java trace that follows it."""
    text = str(getattr(error, "java_exception", error))
    lines = [line.strip() for line in text.splitlines() if not line.lstrip().startswith("at ")]
    return " ".join(lines)[:500]


@contextmanager
def progress(spark: SparkSession, tasks: int, event: str = "landing") -> Iterator[None]:
    """Log how many tasks are done, every few seconds."""
    ended = threading.Event()
    tracker = spark.sparkContext.statusTracker()

    def watch() -> None:
        while not ended.wait(_PROGRESS_S):
            stages = [tracker.getStageInfo(stage) for stage in tracker.getActiveStageIds()]
            done = sum(stage.numCompletedTasks for stage in stages if stage)
            _log.info(event, tasks_done=done, tasks=tasks)

    watcher = threading.Thread(target=watch, name="progress", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()
