"""Local Spark as the jobs meet it on EMR: spark-submit, with the job's PEX file as its Python."""

import importlib.util
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from jetl2.devstack import downloads
from jetl2.devstack.errors import MissingToolError
from jetl2.devstack.process import Process

MASTER = "local[2]"


def home() -> Path:
    """Return SPARK_HOME: JETL2_SPARK_HOME, else the Spark that the pyspark wheel carries.

    Raises:
        MissingToolError: There is no Spark there, or pyspark is not installed in this environment.
    """
    if named := os.environ.get("JETL2_SPARK_HOME"):
        if not (Path(named) / "bin" / "spark-submit").exists():
            message = f"JETL2_SPARK_HOME={named!r}: there is no bin/spark-submit"
            raise MissingToolError(message)
        return Path(named)
    spec = importlib.util.find_spec("pyspark")
    if spec is None or spec.origin is None:
        message = "pyspark is not installed in this environment"
        raise MissingToolError(message)
    return Path(spec.origin).parent


def version() -> str:
    """Return the version of the Spark in `home()`."""
    (core,) = (home() / "jars").glob("spark-core_*.jar")
    return core.stem.rpartition("-")[2]


def environment(python: Path, extra: Mapping[str, str]) -> dict[str, str]:
    """Return the whole environment of a spark-submit.

    Args:
        python: The job's PEX file (or an interpreter): driver and workers run on it.
        extra: The job's settings and the AWS variables.
    """
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "PEX_", "SPARK_"))}
    java_home = Path(downloads.java()).resolve().parent.parent
    return (
        kept
        | {
            "SPARK_HOME": str(home()),
            "JAVA_HOME": str(java_home),
            "PYSPARK_PYTHON": str(python),
            "PYSPARK_DRIVER_PYTHON": str(python),
            "SPARK_LOCAL_IP": "127.0.0.1",
        }
        | dict(extra)
    )


def options(*, work: Path, endpoint: str = "", master: str = MASTER) -> list[str]:
    """Return the options of spark-submit that stand before `main.py`.

    Args:
        work: Folder for Spark's scratch files and Ivy's cache.
        endpoint: S3 server for s3a://; "" means AWS itself.
    """
    old = version().startswith("3.")
    jars = downloads.jars(downloads.SPARK_35 if old else downloads.SPARK)
    # As on EMR 7, where Spark 3.5 stands on a later Hadoop than its own
    first = [str(jar) for jar in jars if old and jar.name.startswith("hadoop-client-")]
    conf = {
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.local.dir": str(work / "spark"),
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.memory": "1g",
        # Short jobs on few cores: what a better compiler would gain, its work costs
        "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
        "spark.sql.shuffle.partitions": "4",
        "spark.sql.session.timeZone": "UTC",
        "spark.jars.ivy": str(work / "ivy"),
    }
    if first:
        conf |= {f"spark.{who}.extraClassPath": ":".join(first) for who in ("driver", "executor")}
    if endpoint:
        conf |= {
            "spark.hadoop.fs.s3a.endpoint": endpoint,
            "spark.hadoop.fs.s3a.endpoint.region": "us-east-1",
            "spark.hadoop.fs.s3a.path.style.access": "true",
            "spark.hadoop.fs.s3a.connection.ssl.enabled": "false",
        }
    settings = [word for name, value in conf.items() for word in ("--conf", f"{name}={value}")]
    return ["--master", master, "--jars", ",".join(map(str, jars)), *settings]


def command(main: Path, args: Sequence[str], *, work: Path, endpoint: str = "") -> list[str]:
    """Return the whole command line of a job; arguments as `options`."""
    submit_file = str(home() / "bin" / "spark-submit")
    return [submit_file, *options(work=work, endpoint=endpoint), str(main), *args]


def submit(
    name: str,
    python: Path,
    main: Path,
    args: Sequence[str],
    *,
    work: Path,
    log: Path,
    env: Mapping[str, str],
) -> Process:
    """Start a job; the caller waits for it and stops it.

    Args:
        env: Settings of the job and the AWS variables; AWS_ENDPOINT_URL_S3 also serves s3a://.
    """
    work.mkdir(parents=True, exist_ok=True)
    line = command(main, args, work=work, endpoint=env.get("AWS_ENDPOINT_URL_S3", ""))
    return Process(name, line, log=log, env=environment(python, env))
