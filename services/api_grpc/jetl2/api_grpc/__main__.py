"""Runs one replica of the API until SIGTERM; exit code 0, or 2 for a wrong setting."""

import asyncio
import socket
import sys

from botocore.exceptions import BotoCoreError

from jetl2.api_grpc import auth, emr_serverless, spark_submit, store
from jetl2.api_grpc.emr_request import Target
from jetl2.api_grpc.launcher import Launcher, LaunchError, LauncherUnavailable
from jetl2.api_grpc.server import Api
from jetl2.api_grpc.settings import PREFIX, Settings
from jetl2.runtime import cli, health, lifecycle, log
from jetl2.runtime.settings import refuse

_log = log.get()


def main() -> int:
    """Read the settings, serve, drain."""
    settings = cli.start(
        "api_grpc",
        Settings,
        about="Serves exports, catalog, coverage and books over gRPC.",
        example=f"{PREFIX}LAKE=s3://lake {PREFIX}DOWNLOADS=s3://downloads api_grpc.pex",
    )
    log.setup(settings.log_level, settings.log_format)
    try:
        keys = auth.read(settings.keys)
    except ValueError as error:
        refuse(f"{PREFIX}KEYS", str(error))
    for name in ("tls_certificate", "tls_key", "export_pex"):
        path = getattr(settings, name)
        if path is not None and not path.is_file():
            refuse(f"{PREFIX}{name}".upper(), "no such file")
    try:
        # gRPC itself would say it in several lines, none of which names the setting
        family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
        socket.create_server((settings.host, settings.port), family=family).close()
    except OSError as error:
        refuse(f"{PREFIX}PORT", f"cannot listen on {settings.host}: {error.strerror}")
    jobs = _emr_serverless(settings) if settings.launcher == "emr-serverless" else _here(settings)

    async def serve(stop: asyncio.Event) -> int:
        api = Api(settings, jobs, keys)
        try:
            served = health.serve(api.health, settings.http_host, settings.http_port)
        except OSError as error:
            refuse(f"{PREFIX}HTTP_PORT", str(error))
        async with api:
            await stop.wait()
            api.health.not_ready("stop", "draining")
        served.close()
        return lifecycle.EXIT_OK

    return lifecycle.run(serve)


def _here(settings: Settings) -> Launcher:
    try:
        submit = spark_submit.find(settings.spark_submit)
    except LaunchError as error:
        refuse(f"{PREFIX}SPARK_SUBMIT", str(error))
    return spark_submit.SparkSubmit(
        [submit, *settings.spark_args, str(settings.export_main)],
        spark_submit.environment(settings.export_pex),
        settings.jobs_folder,
        settings.max_jobs,
    )


def _emr_serverless(settings: Settings) -> Launcher:
    target = Target(
        application=settings.emr_application,
        role=settings.emr_role,
        folder=settings.emr_job,
        logs=settings.emr_logs,
        timeout_minutes=settings.emr_timeout_minutes,
        conf=settings.emr_conf,
    )
    try:
        emr = emr_serverless.client()
    except BotoCoreError as error:
        refuse("AWS_DEFAULT_REGION", str(error))
    downloads = store.store(store.client(), settings.downloads)
    jobs = emr_serverless.EmrServerless(emr, downloads, target, settings.max_jobs)
    try:
        jobs.check()
    except LaunchError as error:
        refuse(f"{PREFIX}EMR_APPLICATION", str(error))
    except LauncherUnavailable as error:
        # Catalog, coverage and finished exports do not need it
        _log.warning("launcher_unavailable", error=str(error))
    return jobs


if __name__ == "__main__":
    sys.exit(main())
