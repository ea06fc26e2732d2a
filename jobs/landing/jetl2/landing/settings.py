"""What a run can be told, from the environment."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from jetl2.landing import crash

PREFIX = "JETL2_LANDING_"

Dataset = Literal["market", "raw"]


class Settings(BaseSettings):
    """Read once in `__main__`; the defaults are here and nowhere else."""

    model_config = SettingsConfigDict(frozen=True)

    bootstrap_servers: str = Field(
        default="localhost:9092", description="Kafka brokers, host:port,..."
    )
    lake: str = Field(
        description="where to land: s3://bucket or s3://bucket/prefix",
        examples=["s3://jetl2-lake"],
        pattern=r"^s3://[^/]+(/.*)?$",
    )
    datasets: Literal["market", "raw", "all"] = Field(
        default="all", description="market, raw or all"
    )
    exchanges: list[str] = Field(
        default=[],
        description="land only these; empty: every exchange that has a topic",
        examples=[["kraken", "binance"]],
    )
    group: str = Field(
        default="dev.landing",
        min_length=1,
        description="consumer group and transactional id, with .<dataset> appended: one run each",
    )
    max_offsets: int = Field(
        default=1_000_000,
        ge=1,
        description="most offsets of a partition in one run; the rest waits",
    )
    max_rows: int = Field(
        default=1_000_000, ge=1, description="most rows of an object, and held in memory"
    )
    accept_lost: bool = Field(
        default=False,
        description="go on where retention deleted records that were never landed; "
        "the manifest names what is lost",
    )
    compact_days: int = Field(
        default=7, ge=1, description="compact: how many closed days it looks at, the newest first"
    )
    spark_kafka: dict[str, str] = Field(
        default={},
        description="properties of Spark's Kafka consumer, such as TLS and SASL",
        examples=[{"security.protocol": "SSL"}],
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="debug, info, warning or error"
    )
    log_format: Literal["auto", "json", "console"] = Field(
        default="auto", description="auto: console on a terminal, else JSON"
    )
    crash_at: Annotated[str, AfterValidator(crash.check)] = Field(
        default="", description="for tests: <crash point>:<n>, die by SIGKILL at its nth passing"
    )
