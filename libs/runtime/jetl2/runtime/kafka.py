"""Kafka clients with our defaults, and the topics of a fresh cluster.

`JETL2_KAFKA_PROPERTIES`, a JSON object of librdkafka properties, reaches every client made here:
TLS and SASL go in by it, or by `JETL2_KAFKA_LOGIN`. It cannot loosen what the guarantees stand on (idempotence, acks, no time
after which a message is given up, the transaction guard's backoff and log).
"""

import functools
from collections.abc import Callable, Mapping
from typing import Any, Literal, Protocol

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict
from tenacity import RetryCallState, Retrying, retry_if_exception_type, wait_random_exponential

from jetl2.runtime import log, msk
from jetl2.runtime.settings import example, read, refuse
from jetl2.schemas import topics

PREFIX = "JETL2_KAFKA_"

# A whole book in one frame: 5 MB of JSON were seen; the broker counts the compressed batch
MESSAGE_BYTES = 64 * 1024 * 1024

_log = log.get()

LogHook = Callable[[str, str], None]


class Settings(BaseSettings):
    """What holds for every Kafka client of the process."""

    model_config = SettingsConfigDict(frozen=True)

    properties: dict[str, str | int | float | bool] = Field(
        {},
        description="librdkafka properties for every client, such as TLS and SASL",
        examples=[{"security.protocol": "SASL_SSL", "sasl.mechanisms": "SCRAM-SHA-512"}],
    )
    login: Literal["properties", "msk-iam"] = Field(
        "properties",
        description="properties: as they say; msk-iam: to Amazon MSK as who the process is to AWS",
    )


class Unavailable(Exception):  # noqa: N818 - says what the broker is
    """No broker answered before we were asked to stop; nothing was done."""


class TopicError(Exception):
    """A topic could not be made or read; the message says which and why."""


class KnowsTopics(Protocol):
    """An AdminClient, a Producer or a Consumer."""

    def list_topics(self, *, timeout: float) -> Any:
        """Return the cluster's metadata."""


def check() -> None:
    """End the process, as for any wrong setting, if librdkafka does not take the properties."""
    properties = _properties()
    if not properties:
        return
    try:
        # Without brokers it opens no connection
        AdminClient(dict(properties))
    except KafkaException as error:
        refuse(f"{PREFIX}PROPERTIES", error.args[0].str(), example(Settings, "properties"))


def producer(
    bootstrap_servers: str,
    *,
    client_id: str,
    properties: Mapping[str, Any] | None = None,
    on_log: LogHook | None = None,
) -> Producer:
    """Return an idempotent producer: acks=all, zstd, nothing given up by time.

    A message stays in the bounded queue until the broker has it, so that an outage shows as
    BufferError from `produce` and never as a silent loss.

    Args:
        properties: The caller's own, such as the queue's bounds or callbacks.
        on_log: Called with (facility, text) of each librdkafka log line, from `poll`.
    """
    given = _common(bootstrap_servers, client_id, properties)
    given.pop("delivery.timeout.ms", None)  # the other name of message.timeout.ms
    return Producer(
        {
            "compression.type": "zstd",
            "linger.ms": 5,
            "message.max.bytes": MESSAGE_BYTES,
            **given,
            "message.timeout.ms": 0,
            "enable.idempotence": True,
            "acks": "all",
        },
        logger=_Logger(on_log),
    )


def transactional_producer(
    bootstrap_servers: str,
    *,
    client_id: str,
    transactional_id: str,
    properties: Mapping[str, Any] | None = None,
    on_log: LogHook | None = None,
) -> Producer:
    """Return a producer for transactions, `init_transactions` not yet called.

    librdkafka retries a commit inside itself and says so only in its log, which is why a caller
    who must know (rotate on doubt) needs `on_log` and the fixed backoff: nothing can have been
    retried in less than 75 ms.
    """
    return Producer(
        {
            "compression.type": "zstd",
            "linger.ms": 5,
            "message.max.bytes": MESSAGE_BYTES,
            "transaction.timeout.ms": 10_000,
            "socket.timeout.ms": 5_000,
            **_common(bootstrap_servers, client_id, properties),
            "transactional.id": transactional_id,
            "enable.idempotence": True,
            "acks": "all",
            "retry.backoff.ms": 100,
            "reconnect.backoff.ms": 100,
            "log_level": 6,
            "log.connection.close": True,
        },
        logger=_Logger(on_log),
    )


def consumer(
    bootstrap_servers: str,
    *,
    client_id: str,
    group_id: str,
    properties: Mapping[str, Any] | None = None,
    on_log: LogHook | None = None,
) -> Consumer:
    """Return a consumer of committed records that commits nothing by itself.

    It stops with an error where it has no valid offset, instead of jumping to an end of the topic.
    """
    return Consumer(
        {
            "auto.offset.reset": "error",
            "isolation.level": "read_committed",
            "partition.assignment.strategy": "range",
            "max.poll.interval.ms": 60_000,
            "session.timeout.ms": 20_000,
            "fetch.wait.max.ms": 50,
            **_common(bootstrap_servers, client_id, properties),
            "group.id": group_id,
            "enable.auto.commit": False,
        },
        logger=_Logger(on_log),
    )


def admin(bootstrap_servers: str, *, client_id: str = "jetl2-admin") -> AdminClient:
    """Return an admin client; keep it until its futures have resolved."""
    return AdminClient(_common(bootstrap_servers, client_id, None), logger=_Logger(None))


def wait(
    bootstrap_servers: str,
    *,
    stopped: Callable[[], bool] = lambda: False,
    timeout_s: float = 5,
) -> None:
    """Return when a broker answers; until then try again with backoff, and say so in the log.

    Args:
        stopped: Asked between attempts, at least every two seconds.
        timeout_s: How long one attempt may take.

    Raises:
        Unavailable: `stopped` said so first.
    """
    client = admin(bootstrap_servers)
    attempts = Retrying(
        retry=retry_if_exception_type(KafkaException),
        wait=wait_random_exponential(multiplier=0.2, max=2),
        stop=lambda _: stopped(),
        before_sleep=functools.partial(_log_attempt, bootstrap_servers),
        reraise=True,
    )
    try:
        attempts(client.list_topics, timeout=timeout_s)
    except KafkaException as error:
        message = f"stopped while no broker answered at {bootstrap_servers}"
        raise Unavailable(message) from error


def ensure_topics(
    bootstrap_servers: str, partitions: Mapping[str, int], *, replication: int = -1
) -> dict[str, int]:
    """Make the topics that are missing, with the settings that `topics.config` gives them.

    Topics that exist are left as they are, whatever their partition count.

    Args:
        partitions: Topic -> partitions to make it with.
        replication: Copies of each partition; -1 leaves it to the broker.

    Returns:
        Topic -> partitions that it really has.

    Raises:
        TopicError: A topic could not be made.
    """
    client = admin(bootstrap_servers)
    existing = client.list_topics(timeout=10).topics
    missing = [
        NewTopic(topic, count, replication, config=topics.config(topic))
        for topic, count in partitions.items()
        if topic not in existing
    ]
    if missing:
        for topic, future in client.create_topics(missing, operation_timeout=10).items():
            try:
                future.result()
            except KafkaException as error:
                if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                    message = f"could not make topic {topic}: {error.args[0].str()}"
                    raise TopicError(message) from error
            else:
                _log.info("topic_made", topic=topic, partitions=partitions[topic])
    return {topic: partition_count(client, topic) for topic in partitions}


def partition_count(client: KnowsTopics, topic: str, *, timeout_s: float = 10) -> int:
    """Return how many partitions a topic has; a new topic is waited for.

    Raises:
        TopicError: There is no such topic.
        KafkaException: No broker answers.
    """
    attempts = Retrying(
        retry=retry_if_exception_type(TopicError),
        wait=wait_random_exponential(multiplier=0.05, max=0.5),
        stop=lambda state: (state.seconds_since_start or 0) > timeout_s,
        reraise=True,
    )
    return attempts(_partition_count, client, topic, timeout_s)


def _partition_count(client: KnowsTopics, topic: str, timeout_s: float) -> int:
    # Asked for all: naming one makes it, where the broker makes topics by itself
    found = client.list_topics(timeout=timeout_s).topics.get(topic)
    if found is None or found.error is not None or not found.partitions:
        problem = found.error.str() if found is not None and found.error else "not there"
        message = f"topic {topic}: {problem}"
        raise TopicError(message)
    return len(found.partitions)


def _common(
    bootstrap_servers: str, client_id: str, properties: Mapping[str, Any] | None
) -> dict[str, Any]:
    return {
        "bootstrap.servers": bootstrap_servers,
        "client.id": client_id,
        # A storm of reconnects meets a broker's limit of new connections a second
        "reconnect.backoff.max.ms": 10_000,
        **_properties(),
        **(properties or {}),
    }


@functools.cache
def _properties() -> dict[str, Any]:
    settings = read(Settings, PREFIX)
    if settings.login == "properties":
        return dict(settings.properties)
    try:
        return msk.properties() | settings.properties
    except msk.NoRegionError as error:
        refuse(f"{PREFIX}LOGIN", str(error))


class _Logger:
    """Takes librdkafka's log lines, as confluent-kafka hands them to a `logging.Logger`."""

    def __init__(self, on_log: LogHook | None) -> None:
        self._on_log = on_log

    def log(self, level: int, _form: str, facility: str, client: str, text: str) -> None:
        if self._on_log is not None:
            self._on_log(facility, text)
        _log.log(min(level, 30), "kafka_client", facility=facility, client=client, text=text)


def _log_attempt(bootstrap_servers: str, state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    _log.warning(
        "kafka_unreachable",
        bootstrap_servers=bootstrap_servers,
        attempt=state.attempt_number,
        error=error.args[0].str() if isinstance(error, KafkaException) else str(error),
    )
