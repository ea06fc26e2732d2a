"""The command that spark-submit runs: arguments, the Spark session, what is printed, exit codes."""

import argparse
import json
import os
import sys
from collections.abc import Mapping
from importlib import metadata

from botocore.exceptions import BotoCoreError, ClientError
from pyspark.sql import SparkSession

from jetl2.export.errors import ExportError, WrongSpec
from jetl2.export.run import Job, load

DONE, FAILED, WRONG = 0, 1, 2

_ABOUT = """
Makes the files of one export: reads the lake's Parquet objects that the specification lists, and
writes each unit's csv.gz, then its sidecar (size, sha256, rows, times, gaps), to the downloads.
A unit whose sidecar is there is kept; one that fails is recorded in jobs/<job>/errors, and the
others are made.

S3 is found by the standard AWS variables (AWS_ENDPOINT_URL_S3, AWS_ACCESS_KEY_ID, ...).
Standard output: one JSON line for each step of progress, the last with "event": "finished".
Exit code: 0 all units are there, 1 some are not, 2 the arguments or the specification are wrong.
"""


def main() -> None:
    """Run the job and exit."""
    sys.exit(run(sys.argv[1:], os.environ))


def run(argv: list[str], environ: Mapping[str, str]) -> int:
    """Run the job; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="export",
        description=_ABOUT,
        epilog="example:\n  spark-submit main.py --spec s3://downloads/jobs/4f2a/spec.json",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"export {_version()}")
    parser.add_argument(
        "--spec", required=True, metavar="URL", help="s3:// URL of the specification"
    )
    url: str = parser.parse_args(argv).spec
    try:
        spec = load(url)
        total = len(spec.units)
        job = Job(spec, lambda done, failed: _say("progress", done, failed, total))
        units = job.prepare()
        if units:
            spark = _spark(spec.job, environ)
            try:
                job.make(spark, units)
            finally:
                spark.stop()
    except WrongSpec as error:
        sys.stderr.write(f"export: {error}\n")
        return WRONG
    except (ExportError, BotoCoreError, ClientError) as error:
        sys.stderr.write(f"export: {' '.join(str(error).split())}\n")
        return FAILED
    _say("finished", len(job.done), len(job.failed), total)
    return FAILED if job.failed else DONE


def _spark(job: str, environ: Mapping[str, str]) -> SparkSession:
    builder = SparkSession.builder.appName(f"jetl2-export-{job}")
    conf = {
        # 64 Ki rows of at most 200 bytes a batch: some 10 MB in a worker
        "spark.sql.execution.arrow.maxRecordsPerBatch": str(1 << 16),
        "spark.sql.session.timeZone": "UTC",
        "spark.ui.showConsoleProgress": "false",
    }
    endpoint = environ.get("AWS_ENDPOINT_URL_S3")
    if endpoint:
        # Spark's S3 client knows its own names for what the AWS variables say
        conf |= {
            "spark.hadoop.fs.s3a.endpoint": endpoint,
            "spark.hadoop.fs.s3a.endpoint.region": environ.get("AWS_REGION", "us-east-1"),
            "spark.hadoop.fs.s3a.path.style.access": "true",
            "spark.hadoop.fs.s3a.connection.ssl.enabled": str(endpoint.startswith("https")).lower(),
        }
    for name, value in conf.items():
        builder = builder.config(name, value)
    return builder.getOrCreate()


def _say(event: str, done: int, failed: int, total: int) -> None:
    line = {"event": event, "done": done, "failed": failed, "total": total}
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def _version() -> str:
    try:
        return metadata.version("jetl2-export")
    except metadata.PackageNotFoundError:
        return "(from sources)"


if __name__ == "__main__":
    main()
