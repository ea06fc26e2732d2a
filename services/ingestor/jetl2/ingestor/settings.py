"""What the ingestor can be told; a wrong value names the variable and what is accepted."""

import re
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from jetl2.exchanges import adapters
from jetl2.ingestor import subscription
from jetl2.ingestor.credentials import Credentials
from jetl2.ingestor.errors import FeedsError
from jetl2.ingestor.subscription import Subscription
from jetl2.runtime.settings import ServiceSettings, refuse

PREFIX = "JETL2_INGESTOR_"
EXAMPLE = "feeds.toml"


class Endpoint(BaseModel):
    """Other hosts to speak to, in place of the exchange's own; paths are kept."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    ws: str = ""
    rest: str = ""
    fix: str = ""

    @field_validator("ws", "rest", "fix")
    @classmethod
    def _has_host(cls, value: str) -> str:
        if value and not (urlsplit(value).scheme and urlsplit(value).hostname):
            message = f"expected scheme://host:port, found {value!r}"
            raise ValueError(message)
        return value


class Settings(ServiceSettings):
    """Which exchanges and symbols, and the bounds of what is kept while Kafka is away."""

    feeds: str = Field(
        "",
        description="file that says what to take from which exchanges, see feeds.example.toml",
        examples=[EXAMPLE],
    )
    subscriptions: dict[str, Subscription] = Field(
        {},
        description="the same in short, in place of the file: exchange -> symbols, data types; JSON",
        examples=[{"kraken": {"symbols": ["BTC/USD"], "data_types": ["book_delta", "trade"]}}],
    )
    shards: int = Field(1, gt=0, description="replicas that the symbols are divided over")
    shard: int = Field(
        0,
        ge=0,
        description="which of them this is, from 0; or a name that ends in it, as of a StatefulSet",
    )
    refresh_s: float = Field(
        3600, ge=0, description="between two looks for what is listed anew; 0: only at the start"
    )
    endpoints: dict[str, Endpoint] = Field(
        {},
        description="exchange -> ws, rest, fix hosts in place of its own (tests, proxies); JSON",
        examples=[{"kraken": {"ws": "ws://127.0.0.1:1234", "rest": "http://127.0.0.1:1235"}}],
    )
    fix: dict[str, Credentials] = Field(
        {},
        description="exchange -> sender, key, secret, passphrase: take it over FIX; JSON",
        examples=[{"kraken": {"sender": "..."}}],
        json_schema_extra={"secret": True},
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
        return subscription.checked(given)

    @field_validator("shard", mode="before")
    @classmethod
    def _ordinal(cls, given: object) -> object:
        found = re.fullmatch(r".*-(\d+)", given) if isinstance(given, str) else None
        return found[1] if found else given

    @field_validator("shard")
    @classmethod
    def _one_of_them(cls, shard: int, info: ValidationInfo) -> int:
        if shard >= info.data.get("shards", shard + 1):
            message = f"expected a number below {PREFIX}SHARDS={info.data['shards']}"
            raise ValueError(message)
        return shard

    @property
    def source(self) -> str:
        """Where it is said what to take: the file, or the variable."""
        return self.feeds or f"{PREFIX}SUBSCRIPTIONS"

    @field_validator("endpoints")
    @classmethod
    def _known_too(cls, given: dict[str, Endpoint]) -> dict[str, Endpoint]:
        return {subscription.exchange_named(n).name: endpoint for n, endpoint in given.items()}

    @field_validator("fix")
    @classmethod
    def _complete(cls, given: dict[str, Credentials]) -> dict[str, Credentials]:
        found: dict[str, Credentials] = {}
        for name, credentials in given.items():
            exchange = subscription.exchange_named(name)
            if exchange.fix is None:
                message = f"{name} is not known over FIX: expected one of {', '.join(_over_fix())}"
                raise ValueError(message)
            if missing := credentials.missing(exchange.fix):
                message = f"{name} needs {' and '.join(missing)}"
                raise ValueError(message)
            found[exchange.name] = credentials
        return found


def _over_fix() -> list[str]:
    return [name for name, exchange in adapters.load().items() if exchange.fix]


def wanted(settings: Settings) -> Settings:
    """Return the settings with `subscriptions` from the file of feeds, where one is named.

    Raises:
        SystemExit: Code 2; none or both are given, or the file is wrong.
    """
    variable = f"{PREFIX}FEEDS"
    if bool(settings.feeds) == bool(settings.subscriptions):
        problem = "is given too: one of the two" if settings.feeds else "neither is set"
        refuse(variable, f"{problem}, or {PREFIX}SUBSCRIPTIONS", EXAMPLE)
    if not settings.feeds:
        return settings
    try:
        found = subscription.read(Path(settings.feeds))
    except FeedsError as error:
        refuse(variable, str(error))
    return settings.model_copy(update={"subscriptions": found})
