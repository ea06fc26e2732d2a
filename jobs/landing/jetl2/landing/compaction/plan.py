"""Which days are closed, and which objects of a day are put together; pure."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from jetl2.schemas import lake

# What is received shortly before midnight lands shortly after it. Nothing goes wrong when more comes
# later, but the day is read and written again for it.
GRACE_NS = 3600 * 1_000_000_000

# Topic, partition
Place = tuple[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """The objects of one folder and one Kafka partition.

    Args:
        folder: Ends in "/".
        sources: Keys of those to read, in the order of their offsets; two or more become one.
        replaced: Keys of those that one of the sources stands for already, left by a run that died.
        size: Bytes of the sources.
    """

    folder: str
    topic: str
    partition: int
    sources: tuple[str, ...]
    replaced: tuple[str, ...] = ()
    size: int = 0

    def __str__(self) -> str:
        """Return how logs and errors name it."""
        return f"{self.folder}{self.topic}-{self.partition:04d}"


def first_day(now_ts: int, days: int) -> str:
    """Return the oldest day to look at, so many closed days back from the newest one."""
    return (date.fromisoformat(last_day(now_ts)) - timedelta(days=days - 1)).isoformat()


def last_day(now_ts: int) -> str:
    """Return the newest closed day, YYYY-MM-DD."""
    return (date.fromisoformat(lake.date(now_ts - GRACE_NS)) - timedelta(days=1)).isoformat()


def starts(keys: Mapping[str, int]) -> dict[Place, int]:
    """Return the lowest offset of each partition that these objects are of."""
    found: dict[Place, int] = {}
    for key in keys:
        if part := lake.parse_object(key):
            place = (part.topic, part.partition)
            found[place] = min(part.start, found.get(place, part.start))
    return found


def works(sizes: Mapping[str, int], ends: Mapping[Place, int]) -> list[Work]:
    """Return what there is to do, the largest first.

    Args:
        sizes: Bytes of each object of whole folders, by key.
        ends: Up to where each partition has landed for sure, by manifests. What lies beyond may be
            of a range that a run which died will write again: it is left alone.
    """
    groups: dict[tuple[str, str, int], list[tuple[int, str]]] = defaultdict(list)
    for key in sizes:
        part = lake.parse_object(key)
        if part and part.end <= ends.get((part.topic, part.partition), 0):
            folder = key.rpartition("/")[0] + "/"
            groups[folder, part.topic, part.partition].append((part.start, key))
    found = []
    for (folder, topic, partition), of in groups.items():
        keys = [key for _, key in sorted(of)]
        sources = lake.current(keys)
        replaced = tuple(key for key in keys if key not in set(sources))
        if len(sources) > 1 or replaced:
            found.append(
                Work(
                    folder=folder,
                    topic=topic,
                    partition=partition,
                    sources=tuple(sources),
                    replaced=replaced,
                    size=sum(sizes[key] for key in sources),
                )
            )
    return sorted(found, key=lambda work: (-work.size, work.folder, work.topic, work.partition))
