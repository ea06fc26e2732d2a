"""Runs one replica of the API until SIGTERM; exit code 0, or 2 for a wrong setting."""

import asyncio
import socket
import sys

from jetl2.api_grpc import auth, launcher
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
    try:
        submit = launcher.spark_submit(settings.spark_submit)
    except launcher.LaunchError as error:
        refuse(f"{PREFIX}SPARK_SUBMIT", str(error))
    jobs = launcher.SparkSubmit(
        [submit, *settings.spark_args, str(settings.export_main)],
        launcher.environment(settings.export_pex),
        settings.jobs_folder,
        settings.max_jobs,
    )

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


if __name__ == "__main__":
    sys.exit(main())
