"""What the ingestor can be told; a wrong value names the variable and what is accepted."""

from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator

from jetl2.exchanges import adapters
from jetl2.exchanges.exchange import Exchange
from jetl2.runtime.settings import ServiceSettings

PREFIX = "JETL2_INGESTOR_"
DATA_TYPES = ("book_delta", "trade", "book_ticker")


class Subscription(BaseModel):
    """What to take from one exchange."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    symbols: tuple[str, ...] = Field(min_length=1)
    data_types: tuple[str, ...] = Field(DATA_TYPES, min_length=1)

    @field_validator("symbols", "data_types")
    @classmethod
    def _each_once(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        if not all(values):
            message = "an entry is empty"
            raise ValueError(message)
        return tuple(dict.fromkeys(values))


class Endpoint(BaseModel):
    """Other hosts to speak to, in place of the exchange's own; paths are kept."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    ws: str = ""
    rest: str = ""

    @field_validator("ws", "rest")
    @classmethod
    def _has_host(cls, value: str) -> str:
        if value and not (urlsplit(value).scheme and urlsplit(value).hostname):
            message = f"expected scheme://host:port, found {value!r}"
            raise ValueError(message)
        return value


class Settings(ServiceSettings):
    """Which exchanges and symbols, and the bounds of what is kept while Kafka is away."""

    subscriptions: dict[str, Subscription] = Field(
        min_length=1,
        description="exchange -> symbols, and data types if not all; JSON",
        examples=[{"kraken": {"symbols": ["BTC/USD"], "data_types": ["book_delta", "trade"]}}],
    )
    endpoints: dict[str, Endpoint] = Field(
        {},
        description="exchange -> ws and rest hosts in place of its own (tests, proxies); JSON",
        examples=[{"kraken": {"ws": "ws://127.0.0.1:1234", "rest": "http://127.0.0.1:1235"}}],
    )
    partitions: int = Field(
        12, gt=0, description="of topics made here; topics that exist must have as many"
    )
    replication: int = Field(
        -1, ge=-1, description="copies of topics made here; -1: the broker's own default"
    )
    buffer_messages: int = Field(
        500_000, gt=0, description="kept at most while Kafka is away; then connections close"
    )
    buffer_mb: int = Field(512, gt=0, le=2048, description="the same bound in MiB")
    first_book_s: float = Field(
        30, gt=0, description="alarm when a subscribed book has not come after this time"
    )
    resync_s: float = Field(2, ge=0, description="at most one resync of a symbol in this time")
    backoff_s: float = Field(0.5, gt=0, description="before the first reconnect; doubles")
    backoff_most_s: float = Field(30, gt=0, description="between two reconnects at most")
    drain_s: float = Field(20, gt=0, description="for Kafka to take the rest after SIGTERM")

    @field_validator("subscriptions")
    @classmethod
    def _known(cls, given: dict[str, Subscription]) -> dict[str, Subscription]:
        known: dict[str, Subscription] = {}
        for name, subscription in given.items():
            exchange = _exchange(name)
            for data_type in subscription.data_types:
                if data_type not in exchange.channels:
                    message = (
                        f"{name}: unknown data type {data_type!r}: "
                        f"expected one of {', '.join(exchange.channels)}"
                    )
                    raise ValueError(message)
            if exchange.name in known:
                message = f"{exchange.name} is given twice, once as {name}"
                raise ValueError(message)
            known[exchange.name] = subscription
        return known

    @field_validator("endpoints")
    @classmethod
    def _known_too(cls, given: dict[str, Endpoint]) -> dict[str, Endpoint]:
        return {_exchange(name).name: endpoint for name, endpoint in given.items()}


def _exchange(name: str) -> Exchange:
    known = adapters.load()
    for exchange in known.values():
        if name == exchange.name or name in exchange.aliases:
            return exchange
    message = f"unknown exchange {name!r}: expected one of {', '.join(known)}"
    raise ValueError(message)
