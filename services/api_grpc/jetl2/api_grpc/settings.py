"""What the API can be told; read once, in `__main__`."""

import re
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

PREFIX = "JETL2_API_GRPC_"
# What AWS takes, and how we say it
_EMR = {
    "emr_application": (r"[0-9a-z]{1,64}", "the id of an application: lower-case letters, digits"),
    "emr_role": (r"arn:aws[\w-]*:iam::\d{12}:role/[\w+=,.@/-]+", "the ARN of an IAM role"),
    "emr_job": (r"s3://[^/]+/.+", "the s3:// URL of a folder"),
    "emr_logs": (r"s3://[^/]+(/.*)?|[\w./#-]{1,512}", "a CloudWatch log group or an s3:// URL"),
}
LOOPBACK = ("127.0.0.1", "localhost", "::1")


class Settings(BaseSettings):
    """Where the API listens, where the data lies, how jobs are started, and how much it allows."""

    model_config = SettingsConfigDict(frozen=True)

    host: str = Field("127.0.0.1", description="address to serve gRPC on")
    port: int = Field(50051, ge=0, le=65535, description="its port; 0 takes a free one")
    http_host: str = Field("127.0.0.1", description="where /healthz, /readyz and /metrics listen")
    http_port: int = Field(0, ge=0, le=65535, description="their port; 0 takes a free one")
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["auto", "json", "console"] = Field(
        "auto", description="auto: console on a terminal, else JSON"
    )
    lake: str = Field(
        description="the lake", pattern=r"^s3://[^/]+(/.*)?$", examples=["s3://lake/prefix"]
    )
    downloads: str = Field(
        description="where files, jobs and the state of exports are kept",
        pattern=r"^s3://[^/]+(/.*)?$",
        examples=["s3://downloads/prefix"],
    )
    public_s3_endpoint: str = Field(
        "", description="endpoint in download URLs, if clients reach S3 by another address than we"
    )
    keys: Path | None = Field(
        None, description="JSON file of API keys; without one, only loopback is served"
    )
    tls_certificate: Path | None = Field(None, description="PEM chain; unset: no TLS")
    tls_key: Path | None = Field(None, description="PEM private key of that certificate")
    launcher: Literal["spark-submit", "emr-serverless"] = Field(
        "spark-submit", description="where jobs run: here, or on EMR Serverless"
    )
    spark_submit: str = Field("", description="unset: that of SPARK_HOME, of pyspark, or on PATH")
    spark_args: list[str] = Field(
        [], description="JSON list put before main.py", examples=['["--master", "local[2]"]']
    )
    export_main: Path = Field(Path("main.py"), description="main.py of jobs/export")
    export_pex: Path | None = Field(
        None, description="PEX of jobs/export, as PYSPARK_PYTHON; unset: the environment's"
    )
    jobs_folder: Path = Field(Path("jobs"), description="logs and process ids of local jobs")
    emr_application: str = Field(
        "",
        description="id of the EMR Serverless application",
        examples=["00f1abcd2efg3h01"],
    )
    emr_role: str = Field(
        "",
        description="ARN of the role that jobs run as",
        examples=["arn:aws:iam::123456789012:role/jetl2-export"],
    )
    emr_job: str = Field(
        "",
        description="release of jobs/export on S3: the folder of main.py and export-job.tar.gz",
        examples=["s3://artifacts/export/0.1.0"],
    )
    emr_logs: str = Field(
        "",
        description="where EMR writes the jobs' logs: CloudWatch log group, or s3:// URL",
        examples=["/jetl2/export"],
    )
    emr_conf: dict[str, str] = Field(
        {},
        description="JSON object: further properties of Spark on EMR",
        examples=['{"spark.executor.cores": "4"}'],
    )
    emr_timeout_minutes: int = Field(
        240, ge=5, le=1_000_000, description="after which EMR ends a job"
    )
    max_jobs: int = Field(1, ge=1, description="jobs that run at the same time, of each replica")
    max_files: int = Field(4000, ge=1, description="files of one export")
    keep_days: int = Field(
        30, ge=1, description="age at which the bucket's lifecycle deletes; not above its rule"
    )
    lease_s: float = Field(15, gt=0, description="a replica silent for this long loses its jobs")
    poll_s: float = Field(1, gt=0, description="how often jobs are looked at")
    catalog_s: float = Field(5, ge=0, description="how long a listing of the lake is believed")
    drain_s: float = Field(10, ge=0, description="for calls in flight, after SIGTERM")

    @field_validator(*_EMR)
    @classmethod
    def _formed(cls, value: str, info: ValidationInfo) -> str:
        pattern, wanted = _EMR[info.field_name or ""]
        if value and not re.fullmatch(pattern, value, re.ASCII):
            message = f"expected {wanted}"
            raise ValueError(message)
        return value

    @field_validator("emr_conf")
    @classmethod
    def _of_spark(cls, value: dict[str, str]) -> dict[str, str]:
        if wrong := [name for name in value if not name.startswith("spark.")]:
            message = f"expected properties of Spark, which begin with spark.; found {wrong[0]!r}"
            raise ValueError(message)
        return value

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.tls_certificate is None) != (self.tls_key is None):
            message = f"{PREFIX}TLS_CERTIFICATE and {PREFIX}TLS_KEY must be set together"
            raise ValueError(message)
        if self.keys is None and self.host not in LOOPBACK:
            message = f"{PREFIX}HOST={self.host} is not loopback: {PREFIX}KEYS must name a key file"
            raise ValueError(message)
        missing = [f"{PREFIX}{name}".upper() for name in _EMR if not getattr(self, name)]
        if self.launcher == "emr-serverless" and missing:
            message = f"{PREFIX}LAUNCHER=emr-serverless needs {', '.join(missing)}"
            raise ValueError(message)
        return self
