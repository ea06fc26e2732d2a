"""Somebody lays hands on changelog, offsets or input: the merger must refuse, and say what it found.

After each refusal comes the repair of docs/runbooks/merger.md: the group's offsets are set to the
changelog's where `jetl2 admin task` shows that it is the newest, or the group is begun anew on what the raw topics hold, with a changelog of its own.
Then it must go on. What was begun anew is an era of its own: its records are numbered from 1.
"""

import json
import os
import subprocess
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import ConsumerGroupTopicPartitions, Producer, TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined] # they are there
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
)

from jetl2.campaign import oracle, wire
from jetl2.campaign.mergers import Member
from jetl2.campaign.merging import MARKET
from jetl2.campaign.trial import Trial
from jetl2.campaign.truth import EXCHANGES, Feed
from jetl2.devstack import kafka, pipeline
from jetl2.devstack.process import wait_until

FAULTS = {"F17": "offsets moved, changelog or input truncated, made anew, old records put back"}
IN_SLICE = 25.0

REFUSED = 4
RAW = [f"raw.{name}" for name in EXCHANGES]
PARTITIONS = 2
COMMIT = b"commit"
# Long, so that a merger that was killed leaves symbols to be replayed
SNAPSHOT_INTERVAL_S = 30

Place = tuple[str, int]


@dataclass
class Era:
    """What one group has merged, from its beginning to the next one's.

    Args:
        feed: The truth of the raw topics.
        began: End of each partition of the market topics at its beginning.
    """

    feed: Feed
    number: int = 0
    began: dict[Place, int] = field(default_factory=dict)

    @property
    def group(self) -> str:
        """The group's name; the first one is the product's default."""
        return f"jetl2.merger{self.number or ''}"

    @property
    def changelog(self) -> str:
        """The changelog's name."""
        return f"merger{self.number or ''}.changelog"


class Site:
    """A broker, the era that goes on there, and the hands that are laid on it."""

    def __init__(self, trial: Trial, servers: str) -> None:
        """Begin the first era."""
        self.trial = trial
        self.servers = servers
        self.admin = AdminClient({"bootstrap.servers": servers, "log_level": 0})
        self._lives = 0
        self.era = Era(self._feed())

    def merged(self, *, killed: bool = False) -> None:
        """Let a merger take some more of the truth; then end it, in order or not."""
        with self._member() as member:
            # At work before the flow: what comes after its first transactions must be replayed
            wait_until(lambda: bool(member.events("assigned")), "a merger is at work")
            with self.era.feed.flowing():
                time.sleep(self.trial.chance.uniform(0.5, 1.5))
            wait_until(self._all_is_merged, "all is merged", timeout_s=120)
            if killed:
                member.die()
                return
            member.retire(self.trial)

    def refused(self, kind: str, words: tuple[str, ...], *, right: bool | None = None) -> None:
        """Start a merger, which must end with a sentence of one of these words and write nothing.

        Args:
            kind: For a person.
            words: Any of them must be in the sentence.
            right: Whether the changelog is the newest, which `jetl2 admin` must show; None: it
                makes no difference.
        """
        before = len(kafka.read(self.servers, MARKET))
        with self._member() as member:
            try:
                with self.trial.timed("refused"):
                    wait_until(lambda: member.ended.total() > 0, f"{kind} is refused", timeout_s=60)
            finally:
                events = member.events("refused")
                said = str(events[-1]["problem"]) if events else "nothing"
                if not member.ended[REFUSED]:
                    self.trial.problem(
                        f"{kind}: the merger went on, or ended: {dict(member.ended)}"
                    )
        if not any(word in said for word in words):
            self.trial.problem(f"{kind}: refused with {said!r}")
        written = len(kafka.read(self.servers, MARKET)) - before
        if written:
            self.trial.problem(f"{kind}: {written} records were written")
        tasks = self._admin_says(kind, words)
        rows = [row for task in tasks for row in task["topics"]]
        old = any((row["written"] or 0) > (row["changelog"] or 0) for row in rows)
        if tasks and right is not None and old == right:
            self.trial.problem(f"{kind}: `written` leads to the wrong repair: {rows}")

    def begun_anew(self, *, keeping: bool) -> None:
        """Judge the era, and begin another group on the raw topics.

        Args:
            keeping: They hold all of the truth yet; else there is a new one.
        """
        self.judge()
        feed = self.era.feed if keeping else self._feed()
        self.era = Era(feed, self.era.number + 1, kafka.ends(self.servers, MARKET))

    def judge(self) -> None:
        """Recount the era."""
        own = [
            message
            for message in kafka.read(self.servers, MARKET)
            if (message.offset() or 0)
            >= self.era.began.get((str(message.topic()), message.partition() or 0), 0)
        ]
        feed = self.era.feed
        self.trial.verdict.add(oracle.judge(own, feed.expected, feed.books()))

    def offsets(self) -> dict[Place, int]:
        """Return what the group has committed."""
        wanted = [TopicPartition(t, p) for t in RAW for p in range(PARTITIONS)]
        request = ConsumerGroupTopicPartitions(self.era.group, wanted)
        [answer] = self.admin.list_consumer_group_offsets([request]).values()
        return {(t.topic, t.partition): t.offset for t in answer.result(30).topic_partitions}

    def move(self, offsets: dict[Place, int]) -> None:
        """Commit for the group, as only the merger may."""
        moved = [TopicPartition(t, p, offset) for (t, p), offset in offsets.items()]
        request = ConsumerGroupTopicPartitions(self.era.group, moved)

        def done() -> bool:
            # A member that was killed counts as one until its session is over
            [answer] = self.admin.alter_consumer_group_offsets([request]).values()
            with suppress(Exception):
                return all(p.error is None for p in answer.result(30).topic_partitions)
            return False

        wait_until(done, "the group's offsets are moved", timeout_s=60, interval_s=0.5)

    def changes(self) -> dict[tuple[int, bytes], list[tuple[int, bytes]]]:
        """Return (offset, value) of every changelog record, by partition and key."""
        found: dict[tuple[int, bytes], list[tuple[int, bytes]]] = defaultdict(list)
        for message in kafka.read(self.servers, [self.era.changelog]):
            key = (message.partition() or 0, message.key() or b"")
            found[key].append((message.offset() or 0, message.value() or b""))
        return found

    def put(self, partition: int, key: bytes, value: bytes) -> None:
        """Write into the changelog."""
        producer = Producer({"bootstrap.servers": self.servers})
        producer.produce(self.era.changelog, value, key, partition)
        if producer.flush(30):
            message = f"{self.era.changelog} took no record"
            raise RuntimeError(message)

    def cut_changelog(self, before: dict[Place, int]) -> None:
        """Delete its records before offsets, for which a compacted topic must be made another."""
        topic = ConfigResource(ConfigResource.Type.TOPIC, self.era.changelog)
        for policy in ("compact,delete", "compact"):
            entry = ConfigEntry(
                "cleanup.policy", policy, incremental_operation=AlterConfigOpType.SET
            )
            topic.incremental_configs = [entry]
            for answer in self.admin.incremental_alter_configs([topic]).values():
                answer.result(30)
            if policy != "compact":
                self.cut(before)

    def cut(self, before: dict[Place, int]) -> None:
        """Delete the records before offsets."""
        wanted = [TopicPartition(t, p, offset) for (t, p), offset in before.items()]
        for answer in self.admin.delete_records(wanted).values():
            answer.result(30)

    def drop(self, names: list[str]) -> None:
        """Delete topics."""
        for answer in self.admin.delete_topics(names, operation_timeout=30).values():
            answer.result(30)
        wait_until(
            lambda: not self.admin.list_topics(timeout=10).topics.keys() & set(names),
            "the topics are gone",
        )

    def _feed(self) -> Feed:
        return Feed(self.servers, self.trial.chance, rate=500, partitions=PARTITIONS)

    def _all_is_merged(self) -> bool:
        return kafka.lag(self.servers, self.era.group, RAW) == 0

    @contextmanager
    def _member(self) -> Iterator[Member]:
        self._lives += 1
        settings = {
            # Of no name: a group that is to be looked at must be empty soon
            "group_instance_id": "",
            "group_id": self.era.group,
            "changelog": self.era.changelog,
            "snapshot_interval_s": SNAPSHOT_INTERVAL_S,
            "begin_after_loss": self.era.number > 0,
        }
        name = f"merger-{self._lives}"
        member = Member(name, self.servers, self.trial.folder, settings)
        try:
            yield member
        finally:
            member.abandon()

    def _admin_says(self, kind: str, words: tuple[str, ...]) -> list[dict[str, Any]]:
        """Return what `jetl2 admin task` tells, which must be the same without a start."""
        env = {
            k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "JETL2_", "PEX_"))
        }
        env |= {
            "JETL2_MERGER_BOOTSTRAP_SERVERS": self.servers,
            "JETL2_MERGER_GROUP_ID": self.era.group,
            "JETL2_MERGER_CHANGELOG": self.era.changelog,
        }
        command = [str(pipeline.built("merger")), "admin", "task", "--json"]
        done = subprocess.run(  # noqa: S603 - our own binary
            command, env=env, capture_output=True, check=False, timeout=120
        )
        with suppress(ValueError):
            tasks: list[dict[str, Any]] = json.loads(done.stdout)["tasks"]
            said = [task["next_start"] for task in tasks if task["refused"]]
            if done.returncode == 1 and any(word in text for text in said for word in words):
                return tasks
        told = (done.stdout or done.stderr).decode(errors="replace")
        self.trial.problem(f"{kind}: admin task ended with {done.returncode}: {told[:300]}")
        return []


# What contradicts, in the words of the refusal
APART = ("the changelog says offset",)
STATES = ("its states are not those", "its changelog holds no state of")


def run(trial: Trial) -> None:
    """Lay hands on it in one way after the other."""
    kinds = list(KINDS)
    trial.chance.shuffle(kinds)
    with kafka.broker(trial.folder / "kafka") as broker:
        site = Site(trial, broker.bootstrap_servers)
        for _ in trial.strikes():
            kinds.insert(0, kind := kinds.pop())
            KINDS[kind](site, kind)
        # Whatever was repaired last goes on
        site.merged()
        site.judge()


def _move_offsets(site: Site, kind: str) -> None:
    site.merged(killed=site.trial.chance.random() < 0.3)
    right = site.offsets()
    place = site.trial.chance.choice(sorted(right))
    other = 0 if "back" in kind else right[place] + 50
    site.move({place: other})
    site.trial.did(kind)
    site.refused(kind, APART, right=True)
    site.move(right)
    site.merged()


def _forget_offsets(site: Site, kind: str) -> None:
    site.merged()
    right = site.offsets()

    def gone() -> bool:
        [answer] = site.admin.delete_consumer_groups([site.era.group]).values()
        return answer.exception() is None

    wait_until(gone, "the group is deleted", interval_s=0.5)
    site.trial.did(kind)
    site.refused(kind, APART, right=True)
    site.move(right)
    site.merged()


def _empty_changelog(site: Site, kind: str) -> None:
    site.merged(killed=site.trial.chance.random() < 0.5)
    if "made anew" in kind:
        site.drop([site.era.changelog])
    else:
        site.cut_changelog(kafka.ends(site.servers, [site.era.changelog]))
    site.trial.did(kind)
    site.refused(kind, ("the changelog says offset none",))
    site.begun_anew(keeping=True)
    site.merged()


def _behead_changelog(site: Site, kind: str) -> None:
    # In order: then the commit record lists nothing that must be replayed
    site.merged()
    commits = {p: found[-1][0] for (p, key), found in site.changes().items() if key == COMMIT}
    partition = site.trial.chance.choice(sorted(commits))
    site.cut_changelog({(site.era.changelog, partition): commits[partition]})
    site.trial.did(kind)
    site.refused(kind, STATES)
    site.begun_anew(keeping=True)
    site.merged()


def _put_back(site: Site, kind: str) -> None:
    site.merged()
    site.merged(killed=site.trial.chance.random() < 0.3)
    wanted = kind.startswith("old commit")
    changed = {
        place: found
        for place, found in site.changes().items()
        if (place[1] == COMMIT) == wanted and len(found) > 2
    }
    (partition, key) = site.trial.chance.choice(sorted(changed))
    values = [value for _, value in changed[partition, key]]
    says = "offsets" if wanted else "source_offset"
    newest = wire.decode(values[-1])[1][says]
    site.put(partition, key, next(v for v in values[::-1] if wire.decode(v)[1][says] != newest))
    site.trial.did(kind)
    site.refused(kind, APART if wanted else STATES, right=False if wanted else None)
    site.begun_anew(keeping=True)
    site.merged()


def _cut_input(site: Site, kind: str) -> None:
    site.merged(killed=True)
    site.cut(kafka.ends(site.servers, RAW))
    site.trial.did(kind)
    site.refused(kind, ("are needed to restore a book",))
    site.begun_anew(keeping=False)
    site.merged()


def _new_input(site: Site, kind: str) -> None:
    site.merged()
    site.drop(RAW)
    kafka.create_topics(site.servers, dict.fromkeys(RAW, PARTITIONS))
    site.trial.did(kind)
    site.refused(kind, (*APART, "but the topic ends at"))
    site.begun_anew(keeping=False)
    site.merged()


KINDS: dict[str, Callable[[Site, str], None]] = {
    "offset set back": _move_offsets,
    "offset set ahead": _move_offsets,
    "offsets deleted": _forget_offsets,
    "changelog truncated": _empty_changelog,
    "changelog made anew": _empty_changelog,
    "changelog lost its beginning": _behead_changelog,
    "old state put back": _put_back,
    "old commit record put back": _put_back,
    "input truncated": _cut_input,
    "input made anew": _new_input,
}
