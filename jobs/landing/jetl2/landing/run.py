"""One run of one dataset, step by step; a crash after any step is repaired by the next run.

1. Fence: an older run that still lives fails at its next commit.
2. Read the committed offsets with their metadata, and decide the ranges.
3. Look into the lake: a range that another plan landed is refused.
4. Commit the unchanged offsets with the plan in their metadata: from here the ranges are fixed.
5. Land the ranges: objects whose keys and bytes are a function of the range.
6. Check what was read, then put a manifest for each range.
7. Commit the offsets behind the ranges.

Where a run that died had begun something, that is finished first, and steps 2 to 7 come once more for
what is new.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from jetl2.landing import checks, crash, manifest, plan
from jetl2.landing.decode import dataset_of, exchange_of
from jetl2.landing.errors import ConflictError, FencedError, LandingError, RetentionError
from jetl2.landing.plan import Commits, Positions, Range
from jetl2.landing.report import Report
from jetl2.landing.settings import Dataset, Settings
from jetl2.runtime import log

_log = log.get()

Land = Callable[[Sequence[Range]], list[Report]]


class Offsets(Protocol):
    """The group's offsets: `offsets.Offsets`, where the errors are described."""

    def fence(self) -> None:
        """Make older runs fail."""

    def topics(self, belongs: Callable[[str], bool]) -> dict[str, int]:
        """Return topics with their partition counts."""

    def read(self, topics: Mapping[str, int]) -> Positions:
        """Return where the group stands."""

    def commit(self, commits: Commits) -> None:
        """Set offsets and metadata, all or none."""

    def verify(self, commits: Commits) -> None:
        """Read back what was committed."""


@dataclass(slots=True)
class Summary:
    """What one run did."""

    topics: int = 0
    ranges: dict[str, dict[int, tuple[int, int]]] = field(default_factory=dict)
    repeated: int = 0
    records: int = 0
    rows: dict[str, int] = field(default_factory=dict)
    objects: int = 0
    size: int = 0


def run(
    dataset: Dataset,
    settings: Settings,
    *,
    offsets: Offsets,
    store: manifest.Store,
    land: Land,
    plan_id: str,
) -> Summary:
    """Land what is new in a dataset, as the steps above say.

    Args:
        offsets: Not yet fenced.
        land: Writes the objects of ranges and reports on each that held a record.
        plan_id: Unlike that of any other run.

    Raises:
        LandingError: Nothing was committed beyond a plan; see `errors` for each kind.
    """
    offsets.fence()
    crash.point("fenced")
    topics = offsets.topics(lambda name: _belongs(name, dataset, settings.exchanges))
    summary = Summary(topics=len(topics))
    work = _Work(dataset, settings, topics, offsets, store, land, plan_id)
    while any(of.repeated for of in _land(work, summary)):
        pass
    return summary


@dataclass(frozen=True, slots=True)
class _Work:
    """What `run` was given, and the topics that there are."""

    dataset: Dataset
    settings: Settings
    topics: Mapping[str, int]
    offsets: Offsets
    store: manifest.Store
    land: Land
    plan_id: str


def _land(work: _Work, summary: Summary) -> list[Range]:
    """Do steps 2 to 7, add to the summary, and return the ranges that have landed."""
    dataset, offsets, store = work.dataset, work.offsets, work.store
    positions = offsets.read(work.topics)
    try:
        ranges = plan.ranges(
            positions,
            plan=work.plan_id,
            max_offsets=work.settings.max_offsets,
            max_rows=work.settings.max_rows,
            accept_lost=work.settings.accept_lost,
        )
        done = {of: found for of in ranges if (found := manifest.find(store, of))}
        before = {of: manifest.seqs_before(store, of) for of in ranges if of not in done}
    except (ConflictError, RetentionError) as error:
        _if_overtaken(work, positions, error)
        raise
    _log.info("planned", dataset=dataset, topics=len(work.topics), ranges=len(ranges))
    _commit_plan(work, positions, ranges)
    if not ranges:
        return []
    crash.point("planned")
    reports = {(r.topic, r.partition): r for r in work.land(list(before))} if before else {}
    crash.point("written")
    # All are checked before the first manifest says that a range is landed
    made = {
        of: _manifest(of, reports.get((of.topic, of.partition)), seqs, dense=dataset == "raw")
        for of, seqs in before.items()
    }
    for of, body in made.items():
        manifest.put(store, of, body)
        crash.point("manifest")
    offsets.commit({(of.topic, of.partition): (of.end, plan.landed(of)) for of in ranges})
    crash.point("committed")
    for of in ranges:
        _add(summary, of, done[of] if of in done else json.loads(made[of]))
    return ranges


def _belongs(topic: str, dataset: Dataset, exchanges: Sequence[str]) -> bool:
    return dataset_of(topic) == dataset and (not exchanges or exchange_of(topic) in exchanges)


def _if_overtaken(work: _Work, positions: Positions, error: LandingError) -> None:
    """Raise FencedError when what contradicts the offsets is that another run has moved them since."""
    now = work.offsets.read(work.topics)
    for key, then in positions.items():
        if (now[key].committed, now[key].metadata) != (then.committed, then.metadata):
            message = f"{key[0]}-{key[1]} was moved by a newer run meanwhile"
            raise FencedError(message) from error


def _commit_plan(work: _Work, positions: Positions, ranges: Sequence[Range]) -> None:
    # Quiet partitions too: Kafka forgets an offset that was not committed for a week
    commits = dict(plan.unmoved(positions, accept_lost=work.settings.accept_lost))
    commits |= {(of.topic, of.partition): (of.committed, plan.planned(of)) for of in ranges}
    if commits:
        work.offsets.commit(commits)
        work.offsets.verify(commits)


def _manifest(of: Range, report: Report | None, seqs: Mapping[str, int], *, dense: bool) -> bytes:
    report = report or Report(topic=of.topic, partition=of.partition)
    return manifest.make(of, report, checks.check(of, report, seqs, dense=dense))


def _add(summary: Summary, of: Range, landed: Mapping[str, Any]) -> None:
    landed_so_far = summary.ranges.setdefault(of.topic, {})
    start, _ = landed_so_far.get(of.partition, (of.start, of.end))
    landed_so_far[of.partition] = (start, of.end)
    summary.repeated += of.repeated
    summary.records += landed["records"]
    for data_type, rows in landed["rows"].items():
        summary.rows[data_type] = summary.rows.get(data_type, 0) + rows
    summary.objects += len(landed["objects"])
    summary.size += sum(written["size"] for written in landed["objects"])
    _log.info("range_landed", range=str(of), records=landed["records"], repeated=of.repeated)
