"""The landing job: settings, Spark session, one run per dataset, one JSON line at the end."""

import dataclasses
import json
import sys
import time
import uuid
from collections.abc import Sequence
from typing import Any, get_args

from pyspark.sql import SparkSession

from jetl2.landing import crash, run, source
from jetl2.landing.compaction import job as compaction
from jetl2.landing.errors import LandingError
from jetl2.landing.offsets import Offsets
from jetl2.landing.plan import Range
from jetl2.landing.report import Report
from jetl2.landing.settings import Dataset, Settings
from jetl2.landing.sink import Lake
from jetl2.runtime import cli, log

_ABOUT = """
Land what is new in Kafka as Parquet objects in S3, each record once, and end. Offsets are kept in
Kafka; a run that died is repeated exactly by the next one. Prints one JSON line at the end.
`main.py compact` puts the objects of closed days together: see `main.py compact --help`.

exit codes: 0 landed, or nothing was new; 1 unexpected; 2 wrong setting; 3 Kafka or S3 does not
answer; 4 retention deleted what was not landed; 5 a newer run took over; 6 offsets and lake do not
belong together; 7 a record cannot be read or is missing.
"""
_EXAMPLE = (
    "JETL2_LANDING_LAKE=s3://jetl2-lake PYSPARK_PYTHON=landing.pex "
    "PYSPARK_DRIVER_PYTHON=landing.pex spark-submit main.py"
)

_log = log.get()


def main(argv: Sequence[str] | None = None) -> int:
    """Run the job and return its exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    if words[:1] == ["compact"]:
        return compaction.main(words[1:])
    settings = cli.start("landing", Settings, about=_ABOUT, example=_EXAMPLE, argv=words)
    log.setup(settings.log_level, settings.log_format)
    crash.arm(settings.crash_at)
    datasets: Sequence[Dataset] = (
        get_args(Dataset) if settings.datasets == "all" else (settings.datasets,)
    )
    started = time.monotonic()
    summaries: dict[str, run.Summary] = {}
    failure: LandingError | None = None
    for dataset in datasets:
        try:
            summaries[dataset] = _run(dataset, settings)
        except LandingError as error:
            _log.error("landing_failed", dataset=dataset, error=str(error), exc_info=_trace(error))
            failure = failure or error
    sys.stdout.write(json.dumps(_line(summaries, failure, time.monotonic() - started)) + "\n")
    return failure.exit_code if failure else 0


def _trace(error: LandingError) -> BaseException | None:
    """Return what to log a trace of: what we have a name for needs none."""
    return error.__cause__ if type(error) is LandingError else None


def _run(dataset: Dataset, settings: Settings) -> run.Summary:
    offsets = Offsets(settings.bootstrap_servers, f"{settings.group}.{dataset}")

    def land(ranges: Sequence[Range]) -> list[Report]:
        return source.land(_session(), settings, ranges)

    try:
        return run.run(
            dataset,
            settings,
            offsets=offsets,
            store=Lake(settings.lake),
            land=land,
            plan_id=uuid.uuid4().hex[:16],
        )
    finally:
        offsets.close()


def _session() -> SparkSession:
    # Made when there is something to land: an idle run does not wait for Spark
    session = SparkSession.builder.appName("jetl2-landing").getOrCreate()
    session.sparkContext.setLogLevel("WARN")
    return session


def _line(
    summaries: dict[str, run.Summary], failure: LandingError | None, seconds: float
) -> dict[str, Any]:
    """Return the totals over all datasets, and each of them."""
    each = list(summaries.values())
    line: dict[str, Any] = {
        "status": "failed" if failure else "landed" if any(s.ranges for s in each) else "idle",
        "topics": sum(s.topics for s in each),
        "ranges": {topic: of for s in each for topic, of in s.ranges.items()},
        "repeated": sum(s.repeated for s in each),
        "records": sum(s.records for s in each),
        "rows": sum(sum(s.rows.values()) for s in each),
        "objects": sum(s.objects for s in each),
        "size_bytes": sum(s.size for s in each),
        "seconds": round(seconds, 3),
        "datasets": {name: dataclasses.asdict(s) for name, s in summaries.items()},
    }
    if failure:
        line |= {"error": str(failure), "exit_code": failure.exit_code}
    return line


if __name__ == "__main__":
    sys.exit(main())
