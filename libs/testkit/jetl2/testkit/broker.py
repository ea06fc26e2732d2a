"""Fixtures with the real components: Kafka broker, S3 server, spark-submit; or a skip that says why.

A test module or conftest takes them by `pytest_plugins = ["jetl2.testkit.broker"]`.
"""

import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from jetl2.devstack import kafka as devstack_kafka
from jetl2.devstack import s3 as devstack_s3
from jetl2.devstack import spark
from jetl2.devstack.errors import DownloadError, MissingToolError

SparkSubmit = Callable[..., str]


@pytest.fixture(scope="session")
def kafka() -> Iterator[devstack_kafka.Broker]:
    """One real broker for the whole run; tests keep apart by topic names (`unique`)."""
    yield from _broker()


@pytest.fixture
def fresh_kafka() -> Iterator[devstack_kafka.Broker]:
    """Give a broker of the test's own, for services whose topic names are fixed (about 3 s)."""
    yield from _broker()


@pytest.fixture(scope="session")
def s3() -> Iterator[devstack_s3.S3]:
    """One real S3 server for the whole run; tests keep apart by bucket."""
    try:
        with devstack_s3.server() as server:
            yield server
    except MissingToolError as error:
        pytest.skip(str(error))


@pytest.fixture
def unique() -> str:
    """Give a name that no other test has: lower-case letters and digits."""
    return f"t{uuid.uuid4().hex[:10]}"


@pytest.fixture
def topic(kafka: devstack_kafka.Broker, unique: str) -> str:
    """Give the name of a new topic with one partition on the shared broker."""
    devstack_kafka.create_topics(kafka.bootstrap_servers, {unique: 1})
    return unique


@pytest.fixture
def bucket(s3: devstack_s3.S3, unique: str) -> str:
    """Give the name of a new, empty bucket on the shared server."""
    devstack_s3.create_bucket(s3, unique)
    return unique


@pytest.fixture
def spark_submit(tmp_path: Path) -> SparkSubmit:
    """Give a function that runs a job to its end and returns what it printed.

    Its arguments: the job's PEX file, its `main.py`, command-line words, environment, timeout_s.
    It fails the test with the tail of the job's log when the exit code is not 0.
    """

    def run(
        python: Path,
        main: Path,
        args: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
        timeout_s: float = 240,
    ) -> str:
        log = tmp_path / f"{main.parent.name}-{uuid.uuid4().hex[:6]}.log"
        process = spark.submit(
            main.parent.name, python, main, args, work=tmp_path / "spark", log=log, env=env or {}
        )
        try:
            code = process.wait(timeout_s)
        finally:
            process.stop()
        text = log.read_text(errors="replace")
        assert code == 0, f"{main} ended with exit code {code}:\n{text[-4000:]}"
        return text

    return run


def _broker() -> Iterator[devstack_kafka.Broker]:
    try:
        with devstack_kafka.broker() as broker:
            yield broker
    except (MissingToolError, DownloadError) as error:
        pytest.skip(str(error))
