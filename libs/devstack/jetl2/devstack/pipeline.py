"""The built services and jobs as real processes, configured as in production: by the environment."""

import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from jetl2.devstack import downloads, folders, kafka, spark
from jetl2.devstack.errors import ProcessError, StackError
from jetl2.devstack.process import Process, free_ports, running, wait_until
from jetl2.devstack.sources import Source
from jetl2.devstack.stack import DOWNLOADS, LAKE, Stack
from jetl2.exchanges import adapters
from jetl2.schemas import topics

MERGER_GROUP = "jetl2.merger"
SERVICES = ("ingestor", "merger", "api_grpc")
JOBS = ("landing", "export")
PARTITIONS = 4


@dataclass
class Pipeline:
    """The stack, and how services are started on it.

    Args:
        folder: Logs of the processes, and what Spark and the API keep on disk.
        extra: Settings added to the environment of every process.
    """

    stack: Stack
    folder: Path
    lake: str = LAKE
    downloads: str = DOWNLOADS
    partitions: int = PARTITIONS
    extra: Mapping[str, str] = field(default_factory=dict)

    @property
    def bootstrap_servers(self) -> str:
        """Address of the broker."""
        return self.stack.broker.bootstrap_servers

    def prepare(self, exchanges: Sequence[str]) -> None:
        """Make the topics of these exchanges."""
        kafka.create_exchange_topics(self.bootstrap_servers, exchanges, self.partitions)

    @contextmanager
    def ingestor(self, sources: Sequence[Source], data_types: Sequence[str]) -> Iterator[Process]:
        """Run the ingestor on all sources, for what of the types each has, until the block ends."""
        wanted = {
            source.exchange: {
                "symbols": source.symbols,
                "data_types": [
                    t for t in data_types if t in adapters.get(source.exchange).channels
                ],
            }
            for source in sources
        }
        endpoints = {s.exchange: s.endpoints for s in sources if s.endpoints}
        settings = {
            "JETL2_INGESTOR_BOOTSTRAP_SERVERS": self.bootstrap_servers,
            "JETL2_INGESTOR_SUBSCRIPTIONS": json.dumps(wanted),
            "JETL2_INGESTOR_ENDPOINTS": json.dumps(endpoints),
            "JETL2_INGESTOR_PARTITIONS": str(self.partitions),
        }
        with self._service("ingestor", settings) as process:
            yield process

    @contextmanager
    def merger(self, exchanges: Sequence[str]) -> Iterator[Process]:
        """Run the merger for the length of the block."""
        settings = {
            "JETL2_MERGER_BOOTSTRAP_SERVERS": self.bootstrap_servers,
            "JETL2_MERGER_EXCHANGES": json.dumps(list(exchanges)),
            "JETL2_MERGER_GROUP_ID": MERGER_GROUP,
        }
        with self._service("merger", settings) as process:
            yield process

    @contextmanager
    def api(self) -> Iterator[str]:
        """Run the API; yields its address, host:port, when it accepts connections."""
        [port, http_port] = free_ports(2)
        settings = {
            "JETL2_API_GRPC_PORT": str(port),
            "JETL2_API_GRPC_HTTP_PORT": str(http_port),
            "JETL2_API_GRPC_LAKE": f"s3://{self.lake}",
            "JETL2_API_GRPC_DOWNLOADS": f"s3://{self.downloads}",
            "JETL2_API_GRPC_SPARK_SUBMIT": str(spark.home() / "bin" / "spark-submit"),
            "JETL2_API_GRPC_SPARK_ARGS": json.dumps(
                spark.options(work=self.folder / "spark", endpoint=self.stack.s3.endpoint)
            ),
            "JETL2_API_GRPC_EXPORT_MAIN": str(folders.root() / "jobs" / "export" / "main.py"),
            "JETL2_API_GRPC_EXPORT_PEX": str(built("export")),
            "JETL2_API_GRPC_JOBS_FOLDER": str(self.folder / "jobs"),
            "JETL2_API_GRPC_POLL_S": "0.3",
            "JETL2_API_GRPC_CATALOG_S": "0",
            "SPARK_HOME": str(spark.home()),
            "SPARK_LOCAL_IP": "127.0.0.1",
            "JAVA_HOME": str(Path(downloads.java()).resolve().parent.parent),
        }
        with self._service("api_grpc", settings) as process:
            ready = f"http://127.0.0.1:{http_port}/readyz"
            wait_until(lambda: answers(ready), "the API is ready", processes=[process])
            yield f"127.0.0.1:{port}"

    def land(self, timeout_s: float = 240) -> dict[str, Any]:
        """Run the landing job to its end; return the summary that it prints.

        Raises:
            ProcessError: It failed.
        """
        log = self.folder / "landing.log"
        process = spark.submit(
            "landing",
            built("landing"),
            folders.root() / "jobs" / "landing" / "main.py",
            [],
            work=self.folder / "spark",
            log=log,
            env=self._environment(
                {
                    "JETL2_LANDING_BOOTSTRAP_SERVERS": self.bootstrap_servers,
                    "JETL2_LANDING_LAKE": f"s3://{self.lake}",
                }
            ),
        )
        try:
            code = process.wait(timeout_s)
        finally:
            process.stop()
        lines = [line for line in log.read_text().splitlines() if line.startswith("{")]
        for line in reversed(lines):
            summary = _json(line)
            if code == 0 and "ranges" in summary and "rows" in summary:
                return summary
        message = f"landing ended with exit code {code} and no summary"
        raise ProcessError(message, log)

    def lag(self, exchanges: Sequence[str]) -> int:
        """Return how many raw events are not merged yet."""
        raw = [topics.raw(exchange) for exchange in exchanges]
        return kafka.lag(self.bootstrap_servers, MERGER_GROUP, raw)

    def merged(self, exchanges: Sequence[str]) -> bool:
        """Whether the merger has written anything yet."""
        market = [topics.market(exchange) for exchange in exchanges]
        return any(kafka.ends(self.bootstrap_servers, market).values())

    def wait_merged(
        self, exchanges: Sequence[str], processes: Sequence[Process], timeout_s: float = 60
    ) -> None:
        """Wait until every raw event is merged and no new one comes.

        Raises:
            ProcessError: A process ended, or it takes too long.
        """
        raw = [topics.raw(exchange) for exchange in exchanges]
        deadline = time.monotonic() + timeout_s
        before = None
        while True:
            # Signs of life go on for as long as a connection: few events are no news
            written = sum(kafka.ends(self.bootstrap_servers, raw).values())
            lag = self.lag(exchanges)
            if before is not None and written - before < 20 and lag < 20:
                return
            before = written
            for process in processes:
                process.check()
            if time.monotonic() > deadline:
                message = f"{lag} raw events are not merged after {timeout_s:.0f} s"
                raise ProcessError(message, self.folder / "merger.log")
            time.sleep(0.5)

    @contextmanager
    def _service(self, name: str, settings: Mapping[str, str]) -> Iterator[Process]:
        log = self.folder / f"{name}.log"
        env = self._environment(settings)
        with running(name, [str(built(name))], log=log, env=env, grace_s=20) as process:
            yield process

    def _environment(self, settings: Mapping[str, str]) -> dict[str, str]:
        return environment(self.stack.s3.env() | dict(self.extra) | dict(settings))


def environment(settings: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a built service that is told these settings.

    The PEX files must stand alone: nothing of the development environment reaches them.
    """
    unlike = ("PYTHON", "JETL2_", "PEX_")
    return {k: v for k, v in os.environ.items() if not k.startswith(unlike)} | dict(settings)


def built(package: str) -> Path:
    """Return the built PEX file of a service or job.

    Raises:
        StackError: It is not there; names the command that builds it.
    """
    path = folders.binary(package)
    if not path.exists():
        message = f"{path} is missing: build it by ./pants package ::  (make demo does)"
        raise StackError(message)
    return path


def answers(url: str) -> bool:
    """Whether a service says 200 at an address, /readyz for example."""
    try:
        return httpx.get(url, timeout=1, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


def _json(line: str) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except json.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}
