"""Runs by spark-submit here what EMR Serverless is told to run (StartJobRun), as EMR would.

The release's files come from S3; the archive is unpacked beside the driver, and executors, which are
processes of their own, fetch and unpack it themselves; the properties are Spark's defaults, and those
of `driverEnv` the driver's environment.
"""

import os
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3

from jetl2.devstack import downloads, spark
from jetl2.devstack.process import Process

# One executor of two cores and 1 GiB, not in the driver's process
MASTER = "local-cluster[1,2,1024]"
_ENV = "spark.emr-serverless.driverEnv."


def submit(request: Mapping[str, Any], *, work: Path, log: Path, env: Mapping[str, str]) -> Process:
    """Start a job run; the caller waits for it and stops it.

    Args:
        request: Of StartJobRun, as boto3 takes it.
        work: Folder of the run, new.
        env: What EMR brings itself: the AWS variables.
    """
    driver = request["jobDriver"]["sparkSubmit"]
    properties: dict[str, str] = {}
    for part in request["configurationOverrides"]["applicationConfiguration"]:
        assert part["classification"] == "spark-defaults"
        properties |= part["properties"]
    work.mkdir(parents=True)
    archive, _, folder = properties["spark.archives"].partition("#")
    archive = _fetched(archive, work)
    with tarfile.open(archive) as tar:
        tar.extractall(work / folder, filter="data")
    properties["spark.archives"] = f"{archive}#{folder}"
    defaults = work / "spark-defaults.conf"
    defaults.write_text(
        "".join(f"{k}={v}\n" for k, v in properties.items() if not k.startswith(_ENV))
    )
    driver_env = {k.removeprefix(_ENV): v for k, v in properties.items() if k.startswith(_ENV)}
    home = _home(work)
    command = [
        str(home / "bin" / "spark-submit"),
        *spark.options(work=work, endpoint=env.get("AWS_ENDPOINT_URL_S3", ""), master=MASTER),
        *("--properties-file", str(defaults)),
        _fetched(driver["entryPoint"], work),
        *driver["entryPointArguments"],
    ]
    whole = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "PEX_", "SPARK_"))}
    whole |= {
        "SPARK_HOME": str(home),
        "JAVA_HOME": str(Path(downloads.java()).resolve().parent.parent),
        "SPARK_LOCAL_IP": "127.0.0.1",
        **env,
        **driver_env,
    }
    in_folder = ["sh", "-c", 'cd "$0" && exec "$@"', str(work), *command]
    return Process(request["name"], in_folder, log=log, env=whole)


def _fetched(url: str, work: Path) -> str:
    """Return the path of a file, taken from S3 where it lies there."""
    parts = urlsplit(url)
    if parts.scheme != "s3":
        return url
    path = work / Path(parts.path).name
    boto3.client("s3").download_file(parts.netloc, parts.path[1:], str(path))
    return str(path)


def _home(work: Path) -> Path:
    """Return a SPARK_HOME of the run's own: executors work below it, and that is to be cleared."""
    home = work / "spark-home"
    home.mkdir()
    for entry in spark.home().iterdir():
        (home / entry.name).symlink_to(entry)
    return home
