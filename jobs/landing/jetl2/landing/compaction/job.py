"""The compaction job: settings, Spark session, one JSON line at the end."""

import dataclasses
import functools
import json
import sys
import time
from collections.abc import Iterator, Sequence

from pyspark.sql import SparkSession

from jetl2.landing import crash, report, source
from jetl2.landing.compaction import run, task
from jetl2.landing.compaction.plan import Work
from jetl2.landing.compaction.run import Summary
from jetl2.landing.compaction.shelf import Shelf
from jetl2.landing.compaction.task import Done
from jetl2.landing.errors import KINDS, LandingError
from jetl2.landing.report import Failure
from jetl2.landing.settings import Settings
from jetl2.runtime import cli, log

_ABOUT = """
Put the objects of closed days in the lake together, one for each data type, exchange, day and symbol,
and take those away that it was made of. It may run at any time, also beside landing or itself; a run
that died is finished by the next one. Prints one JSON line at the end. Of the settings below it takes
LAKE, DATASETS, EXCHANGES, COMPACT_DAYS, LOG_... and CRASH_AT.

exit codes: 0 compacted, or there was nothing to; 1 unexpected; 2 wrong setting; 3 S3 does not answer;
6 objects do not belong together; 7 an object cannot be read; 8 the result is not what it was made of.
"""
_EXAMPLE = (
    "JETL2_LANDING_LAKE=s3://jetl2-lake PYSPARK_PYTHON=landing.pex "
    "PYSPARK_DRIVER_PYTHON=landing.pex spark-submit main.py compact"
)

_log = log.get()


def main(argv: Sequence[str]) -> int:
    """Run the job and return its exit code; `argv` is what follows `compact`."""
    settings = cli.start("landing", Settings, about=_ABOUT, example=_EXAMPLE, argv=argv)
    log.setup(settings.log_level, settings.log_format)
    crash.arm(settings.crash_at)
    started = time.monotonic()
    summary = Summary()
    failures: list[LandingError] = []
    compact = functools.partial(_on_spark, settings=settings)
    try:
        for failure in run.run(
            settings, summary, store=Shelf(settings.lake), compact=compact, now_ts=time.time_ns()
        ):
            _tell(failure)
            failures.append(failure)
    except LandingError as error:
        _tell(error)
        failures.append(error)
    line = dict(run.status(summary, failures)) | dataclasses.asdict(summary)
    line |= {"failed": len(failures), "seconds": round(time.monotonic() - started, 3)}
    sys.stdout.write(json.dumps(line) + "\n")
    return failures[0].exit_code if failures else 0


def _tell(error: LandingError) -> None:
    _log.error("compaction_failed", error=str(error))


def _on_spark(works: Sequence[Work], *, settings: Settings) -> Iterator[Done | LandingError]:
    """Do the works of a day, one Spark task each; nothing passes between them."""
    spark = SparkSession.builder.appName("jetl2-compaction").getOrCreate()
    context = spark.sparkContext
    context.setLogLevel("WARN")
    texts = [task.dump(work) for work in works]
    do = functools.partial(_task, lake=settings.lake, crash_at=settings.crash_at)
    try:
        with source.progress(spark, len(works), "compacting_folders"):
            answers = context.parallelize(texts, len(texts)).map(do).collect()
    # Whatever Java threw comes as py4j's own error, or as one of Spark's, by release
    except Exception as error:
        message = f"Spark failed: {source.first_lines(error)}"
        raise LandingError(message) from error
    for text in answers:
        fields = json.loads(text)
        yield KINDS[fields["kind"]](fields["message"]) if "kind" in fields else Done(**fields)


def _task(text: str, *, lake: str, crash_at: str) -> str:
    # The worker is a process of its own
    crash.arm(crash_at)
    try:
        done = task.compact(task.load(text), Shelf(lake))
    except LandingError as error:
        # Told, not raised: trying again would not help, and the other folders go on
        return report.dump(Failure(kind=type(error).__name__, message=str(error)))
    return json.dumps(dataclasses.asdict(done))
