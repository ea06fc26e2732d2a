"""One run, day by day: list, decide, put together; a crash after any step is repaired by the next run.

Of each folder and Kafka partition, in a task of its own:

1. Read the objects that have landed for sure, and write their rows, sorted, into one file.
2. Compare that file with them: count and sum of all rows, order.
3. PUT it under the name that says what it stands for, unless it is there. From here on our readers
   take it, and not those it was made of.
4. Read it again from S3, and compare once more.
5. Take away what it stands for, and what an earlier run did not come to take away.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, get_args

from jetl2.landing import crash
from jetl2.landing.compaction import plan
from jetl2.landing.compaction.plan import Place, Work
from jetl2.landing.compaction.task import Done
from jetl2.landing.decode import dataset_of
from jetl2.landing.errors import LandingError
from jetl2.landing.settings import Dataset, Settings
from jetl2.runtime import log
from jetl2.schemas import lake

_TYPES = (*lake.DATA_TYPES, lake.RAW, lake.COVERAGE)

_log = log.get()

# Gives what became of each work, in any order
Compact = Callable[[Sequence[Work]], Iterable[Done | LandingError]]


class Store(Protocol):
    """The lake: `shelf.Shelf`, where the errors are described."""

    def folders(self, prefix: str) -> list[str]:
        """Return the folders right below a prefix."""

    def sizes(self, prefix: str, after: str = "") -> dict[str, int]:
        """Return the size of each object below a prefix, those after a key."""


@dataclass(slots=True)
class Summary:
    """What one run did.

    Args:
        days: Closed days that were looked at.
        objects: Compacted objects that were made.
        replaced: Objects that they were made of.
        removed: Objects that were taken away.
        skipped: Why folders were left as they are, and how many.
    """

    days: int = 0
    objects: int = 0
    replaced: int = 0
    removed: int = 0
    rows: int = 0
    size_bytes_before: int = 0
    size_bytes: int = 0
    skipped: dict[str, int] = field(default_factory=dict)


def run(
    settings: Settings, summary: Summary, *, store: Store, compact: Compact, now_ts: int
) -> Iterator[LandingError]:
    """Compact closed days, the newest first, add to the summary, and yield what went wrong.

    Args:
        compact: Does the work of one day.
        now_ts: The time, ns.
    """
    datasets: Sequence[Dataset] = (
        get_args(Dataset) if settings.datasets == "all" else (settings.datasets,)
    )
    for day, folders in _days(settings, store, now_ts):
        summary.days += 1
        sizes = {
            key: size
            for folder in folders
            for key, size in store.sizes(folder).items()
            if _belongs(key, datasets)
        }
        ends = {place: _landed(store, place, at) for place, at in plan.starts(sizes).items()}
        works = plan.works(sizes, ends)
        _log.info("compacting", day=day, objects=len(sizes), folders=len(works))
        crash.point("listed")
        for done in compact(works) if works else ():
            if isinstance(done, LandingError):
                yield done
            else:
                _add(summary, done)


def _days(settings: Settings, store: Store, now_ts: int) -> list[tuple[str, list[str]]]:
    """Return the days to look at with their folders, the newest first."""
    first, last = plan.first_day(now_ts, settings.compact_days), plan.last_day(now_ts)
    found: dict[str, list[str]] = {}
    for data_type in _TYPES:
        for exchange in store.folders(f"data_type={data_type}/"):
            name = lake.parse_folder(exchange)["exchange"]
            if settings.exchanges and name not in settings.exchanges:
                continue
            for folder in store.folders(exchange):
                day = lake.parse_folder(folder).get("date", "")
                if first <= day <= last:
                    found.setdefault(day, []).append(folder)
    return sorted(found.items(), reverse=True)


def _belongs(key: str, datasets: Sequence[Dataset]) -> bool:
    part = lake.parse_object(key)
    return part is not None and dataset_of(part.topic) in datasets


def _landed(store: Store, place: Place, start: int) -> int:
    """Return up to where manifests from an offset on say that a partition has landed."""
    topic, partition = place
    prefix = f"_manifest/{topic}/{partition:04d}/"
    # Ranges follow each other, so that the last manifest tells of all before it
    names = [key.removeprefix(prefix) for key in store.sizes(prefix, f"{prefix}{start:012d}")]
    return max((int(name.partition(".")[0].partition("-")[2]) for name in names), default=0)


def _add(summary: Summary, done: Done) -> None:
    summary.objects += bool(done.replaced)
    summary.replaced += done.replaced
    summary.removed += done.removed
    summary.rows += done.rows
    summary.size_bytes_before += done.size_before
    summary.size_bytes += done.size
    if done.skipped:
        summary.skipped[done.skipped] = summary.skipped.get(done.skipped, 0) + 1


def status(summary: Summary, failures: Sequence[LandingError]) -> Mapping[str, object]:
    """Return how the run ended, as its line says it."""
    if failures:
        return {"status": "failed", "error": str(failures[0]), "exit_code": failures[0].exit_code}
    return {"status": "compacted" if summary.objects or summary.removed else "idle"}
