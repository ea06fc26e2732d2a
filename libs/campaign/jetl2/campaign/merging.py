"""The merge path under trial: the truth flows in, mergers are tormented, the output is judged."""

import random
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from jetl2.campaign import mergers, oracle
from jetl2.campaign.mergers import Member
from jetl2.campaign.tail import Tail, following
from jetl2.campaign.trial import Trial
from jetl2.campaign.truth import EXCHANGES, Feed
from jetl2.devstack import kafka
from jetl2.devstack.errors import NotReadyError
from jetl2.devstack.process import wait_until

MARKET = [f"market.{name}" for name in EXCHANGES]
_GIVE_UP_S = 90


@dataclass
class Line:
    """What a scenario works on.

    Args:
        servers: Address of the broker itself.
        feed: The truth, flowing.
        members: The mergers, in their orchestrator's care.
        tail: Sees what becomes visible.
    """

    trial: Trial
    servers: str
    feed: Feed
    members: list[Member]
    tail: Tail

    def now(self) -> tuple[float, int]:
        """Return the moment from which a recovery is counted."""
        return time.monotonic(), len(self.feed.sent_at)

    def recovered(self, name: str, since: tuple[float, int]) -> None:
        """Wait until newer events than that moment's are visible in every partition; time it."""
        moment, number = since
        try:
            wait_until(
                lambda: self.tail.visible_since(number) is not None,
                f"output after {name}",
                timeout_s=_GIVE_UP_S,
                interval_s=0.02,
            )
        except NotReadyError as error:
            self.trial.problem(str(error))
            return
        seen_at = self.tail.visible_since(number)
        assert seen_at is not None
        self.trial.seconds_by_name[name].append(seen_at - moment)


@contextmanager
def line(
    trial: Trial,
    servers: str,
    *,
    through: str | Sequence[str] = "",
    count: int = 2,
    rate: float = 2000,
    partitions: int = 4,
    replication: int = 1,
    **settings: object,
) -> Iterator[Line]:
    """Run mergers on flowing truth for the length of the block, then wait, stop them, and judge.

    Args:
        trial: Takes the verdict.
        servers: Address of the broker.
        through: Address that the mergers are given instead, such as a proxy's, or one for each.
        count: Of mergers.
        rate: Events a second.
        partitions: Of every topic.
        replication: Of the raw topics.
        settings: Of the mergers, by name.
    """
    # Of its own: the thread that feeds takes turns with the strikes in no order that a seed decides
    chance = random.Random(trial.chance.getrandbits(64))  # noqa: S311 - no secret
    feed = Feed(servers, chance, rate=rate, partitions=partitions, replication=replication)
    with (
        following(servers, MARKET, partitions) as tail,
        mergers.members(count, through or servers, trial.folder, None, **settings) as members,
    ):
        tail.places = feed.places()
        at_work = Line(trial, servers, feed, members, tail)
        with feed.flowing():
            # Two lives: the raw topics' first events go through before anything is done to them
            at_work.recovered("first output", at_work.now())
            yield at_work
        settle(trial, feed, tail)
        for member in members:
            member.retire(trial)
    judge(trial, servers, feed)


def settle(trial: Trial, feed: Feed, tail: Tail) -> None:
    """Wait until as much is visible as must come."""
    wanted = sum(map(len, feed.expected.values()))
    start = time.monotonic()
    try:
        wait_until(lambda: tail.count >= wanted, "all is merged", timeout_s=_GIVE_UP_S)
    except NotReadyError:
        trial.problem(f"{tail.count} records of {wanted} after {_GIVE_UP_S} s of rest")
    trial.figures["drained_s"] = round(time.monotonic() - start, 2)


def judge(trial: Trial, servers: str, feed: Feed) -> None:
    """Recount everything from the beginning."""
    found = kafka.read(servers, MARKET)
    trial.verdict.add(oracle.judge(found, feed.expected, feed.books()))
    dead = kafka.read(servers, [f"dead.{name}" for name in EXCHANGES])
    letters = oracle.dead_letters(dead, feed.poison)
    letters.records = 0
    trial.verdict.add(letters)
