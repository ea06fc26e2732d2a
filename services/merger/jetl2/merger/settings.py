"""What an operator can tell the merger; read once, in `__main__`."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from jetl2.merger import crash
from jetl2.runtime.settings import ServiceSettings
from jetl2.schemas import topics


class Settings(ServiceSettings):
    """Settings of one merger process; all members of a group need the same."""

    exchanges: tuple[str, ...] = Field(
        (),
        description="exchanges to merge, as a JSON list; empty: every known one with a raw topic",
        examples=[["binance", "kraken"]],
    )
    group_id: str = Field(
        "jetl2.merger",
        min_length=1,
        description="consumer group, and the beginning of the transactional ids",
    )
    group_instance_id: str = Field(
        "",
        description="name of this member that outlives it (static membership), such as the pod's; "
        "without it a killed merger's partitions wait for the session timeout",
    )
    changelog: str = Field(
        topics.CHANGELOG,
        pattern=r".+\.changelog$",
        description="topic of the state, <name>.changelog; a second group needs its own",
    )
    commit_interval_ms: int = Field(50, ge=1, description="longest age of a transaction")
    commit_messages: int = Field(5000, ge=1, description="most raw events in a transaction")
    snapshot_interval_s: float = Field(
        10, gt=0, description="between two states of a changing symbol in the changelog"
    )
    guard_ms: float = Field(
        75,
        gt=0,
        le=75,
        description="a transactional call this slow makes a new producer; more than 75 would let "
        "a repeated request pass",
    )
    session_timeout_ms: int = Field(
        10_000, ge=6000, description="after it a silent member's partitions go to others"
    )
    # A request may take 5 s, and the client refuses transactions that are shorter
    transaction_timeout_ms: int = Field(
        10_000, ge=5000, description="after it the broker aborts what a hung merger left open"
    )
    max_poll_interval_ms: int = Field(
        300_000, ge=10_000, description="longest restore; then the group gives the tasks away"
    )
    batch: int = Field(500, ge=1, description="most raw events taken from the client at once")
    discover_interval_s: float = Field(
        5, gt=0, description="between two looks for raw topics that are new"
    )
    begin_after_loss: bool = Field(
        False,
        description="begin a topic that was never merged although its first events are gone",
    )
    on_doubt: Literal["restart", "exit"] = Field(
        "restart",
        description="what to do when a transaction's fate is unknown: start anew in this process, "
        "or exit with code 3 for a supervisor",
    )
    crash_at: Annotated[str, AfterValidator(crash.check)] = Field(
        "", description="for tests: <crash point>:<n>, die by SIGKILL at its nth passing"
    )
