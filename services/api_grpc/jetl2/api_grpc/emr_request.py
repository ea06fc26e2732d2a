"""What EMR Serverless is told to start a job, and where it leaves the job's log: pure.

infra/terraform/modules/emr says the same for the jobs that the scheduler starts;
tests/integration/test_emr_agreement.py holds the two together.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_boto3_emr_serverless.type_defs import (
        MonitoringConfigurationTypeDef,
        StartJobRunRequestTypeDef,
    )

_ENV = "spark.emr-serverless.driverEnv."


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where jobs run, and as what.

    Attributes:
        application: Id of the EMR Serverless application.
        role: ARN of the role that jobs run as.
        folder: s3:// URL of a release of the job: `main.py` and `<name>-job.tar.gz`.
        logs: CloudWatch log group, or s3:// URL.
        timeout_minutes: After which EMR ends a job.
        conf: Further properties of Spark.
        name: Of the job, and its PEX in the archive.
    """

    application: str
    role: str
    folder: str
    logs: str
    timeout_minutes: int
    conf: Mapping[str, str] = field(default_factory=dict)
    name: str = "export"


def start(
    target: Target, job: str, attempt: int, arguments: list[str]
) -> "StartJobRunRequestTypeDef":
    """Return the request that starts a job; the same attempt of it twice is one job run."""
    return {
        "applicationId": target.application,
        "clientToken": f"{job}-{attempt}",
        "name": f"jetl2-{target.name}-{job}",
        "executionRoleArn": target.role,
        "executionTimeoutMinutes": target.timeout_minutes,
        "jobDriver": {
            "sparkSubmit": {
                "entryPoint": f"{target.folder.rstrip('/')}/main.py",
                "entryPointArguments": arguments,
            }
        },
        "configurationOverrides": {
            # As properties: parameters of spark-submit would be split at spaces and lose their quotes
            "applicationConfiguration": [
                {"classification": "spark-defaults", "properties": properties(target)}
            ],
            "monitoringConfiguration": _monitoring(target.logs),
        },
    }


def properties(target: Target) -> dict[str, str]:
    """Return Spark's properties: the PEX is the Python of driver and executors."""
    # Unpacked beside driver and executors; a plain .tar would lose the right to execute the PEX
    pex = f"./job/{target.name}.pex"
    return {
        "spark.archives": f"{target.folder.rstrip('/')}/{target.name}-job.tar.gz#job",
        f"{_ENV}PYSPARK_PYTHON": pex,
        f"{_ENV}PYSPARK_DRIVER_PYTHON": pex,
        "spark.executorEnv.PYSPARK_PYTHON": pex,
        **target.conf,
    }


def log(target: Target, run: str) -> str:
    """Return where the log of a job run lies, for a person."""
    inside = f"applications/{target.application}/jobs/{run}"
    if target.logs.startswith("s3://"):
        return f"{target.logs.rstrip('/')}/{inside}/SPARK_DRIVER/stderr.gz"
    return f"CloudWatch log group {target.logs}, streams /{inside}/SPARK_DRIVER"


def _monitoring(logs: str) -> "MonitoringConfigurationTypeDef":
    if logs.startswith("s3://"):
        return {"s3MonitoringConfiguration": {"logUri": logs}}
    return {"cloudWatchLoggingConfiguration": {"enabled": True, "logGroupName": logs}}
