"""A launcher whose calls to EMR Serverless are foretold, for release emr-spark-8.0.0."""

from typing import Any

import boto3
from botocore.stub import Stubber

from jetl2.api_grpc.documents import Run, decode
from jetl2.api_grpc.emr_request import Target
from jetl2.api_grpc.emr_serverless import EmrServerless
from tests.s3 import store

RELEASE = "emr-spark-8.0.0"
APPLICATION = "00f1abcd2efg3h01"
RUN = "00f1run"
JOB = "7e1a2b3c4d5e6f70deadbeef"
SPEC = f"s3://downloads/jobs/{JOB}/spec.json"
KEY = f"jobs/{JOB}/run.json"
APPLICATION_ARN = f"arn:aws:emr-serverless:eu-central-1:123456789012:/applications/{APPLICATION}"
RUN_ARN = f"{APPLICATION_ARN}/jobruns/{RUN}"
ROLE = "arn:aws:iam::123456789012:role/jetl2-export"
TARGET = Target(
    application=APPLICATION,
    role=ROLE,
    folder="s3://artifacts/export/1.2.0",
    logs="/jetl2/export",
    timeout_minutes=240,
    conf={"spark.executor.cores": "2"},
)
REQUEST = {
    "applicationId": APPLICATION,
    "clientToken": f"{JOB}-1",
    "name": f"jetl2-export-{JOB}",
    "executionRoleArn": ROLE,
    "executionTimeoutMinutes": 240,
    "jobDriver": {
        "sparkSubmit": {
            "entryPoint": "s3://artifacts/export/1.2.0/main.py",
            "entryPointArguments": ["--spec", SPEC],
        }
    },
    "configurationOverrides": {
        "applicationConfiguration": [
            {
                "classification": "spark-defaults",
                "properties": {
                    "spark.archives": "s3://artifacts/export/1.2.0/export-job.tar.gz#job",
                    "spark.emr-serverless.driverEnv.PYSPARK_PYTHON": "./job/export.pex",
                    "spark.emr-serverless.driverEnv.PYSPARK_DRIVER_PYTHON": "./job/export.pex",
                    "spark.executorEnv.PYSPARK_PYTHON": "./job/export.pex",
                    "spark.executor.cores": "2",
                },
            }
        ],
        "monitoringConfiguration": {
            "cloudWatchLoggingConfiguration": {"enabled": True, "logGroupName": "/jetl2/export"}
        },
    },
}
INSIDE = f"applications/{APPLICATION}/jobs/{RUN}/SPARK_DRIVER"
STARTED = {"applicationId": APPLICATION, "jobRunId": RUN, "arn": RUN_ARN}
ASKED = {"applicationId": APPLICATION, "jobRunId": RUN}


class Stage:
    """A launcher whose calls to EMR are foretold, over its own downloads."""

    def __init__(self, max_jobs: int = 1) -> None:
        self.emr: Any = boto3.client(
            "emr-serverless",
            region_name="eu-central-1",
            aws_access_key_id="testing",
            aws_secret_access_key="testing",
        )
        self.stub = Stubber(self.emr)
        self.store = store()
        self.now = 0.0
        self.jobs = self.launcher(max_jobs)

    def launcher(self, max_jobs: int = 1) -> EmrServerless:
        """Return one more replica's."""
        return EmrServerless(self.emr, self.store, TARGET, max_jobs, lambda: self.now)

    def starts(self, attempt: int = 1, run: str = RUN) -> None:
        request = REQUEST | {"clientToken": f"{JOB}-{attempt}"}
        self.stub.add_response("start_job_run", STARTED | {"jobRunId": run}, request)

    def runs(self, state: str, details: str = "-", run: str = RUN) -> None:
        found = job_run(state, details, run)
        self.stub.add_response("get_job_run", {"jobRun": found}, ASKED | {"jobRunId": run})

    def refuses(self, call: str, code: str, status: int = 400) -> None:
        self.stub.add_client_error(call, code, "arn:aws:iam::123456789012:user/x", status)

    def noted(self) -> Run:
        stored = self.store.get(KEY)
        assert stored is not None
        return decode(stored.body, Run)


def job_run(state: str, details: str, run: str) -> dict[str, Any]:
    return {
        "applicationId": APPLICATION,
        "jobRunId": run,
        "arn": RUN_ARN,
        "createdBy": "arn:aws:sts::123456789012:assumed-role/api/x",
        "createdAt": 0,
        "updatedAt": 0,
        "executionRole": ROLE,
        "state": state,
        "stateDetails": details,
        "releaseLabel": RELEASE,
        "jobDriver": REQUEST["jobDriver"],
    }
