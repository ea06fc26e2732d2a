"""The protocol, against models of Kafka's group offsets and of the lake, cut off at every step."""

import contextlib
import io
import json
import random
from collections.abc import Callable, Mapping, Sequence

import pyarrow.parquet as pq
import pytest

from jetl2.landing import checks, run, task
from jetl2.landing.errors import ConflictError, FencedError, RecordError, RetentionError
from jetl2.landing.plan import Commits, Position, Positions, Range
from jetl2.landing.report import Report
from jetl2.landing.settings import Settings
from jetl2.schemas import avro, lake, records

TOPIC = "market.kraken"
SETTINGS = Settings(lake="s3://lake", max_offsets=13, max_rows=4, log_level="error")
Key = tuple[str, int]


class Cut(Exception):  # noqa: N818 - what happened, not an error
    """The run dies here."""


class World:
    """A cluster and a lake; `steps` counts down to where the run dies."""

    def __init__(self) -> None:
        self.logs: dict[Key, list[bytes | None]] = {(TOPIC, 0): [], (TOPIC, 1): []}
        self.low = dict.fromkeys(self.logs, 0)
        self.group: dict[Key, tuple[int, str]] = {}
        self.epoch = 0
        self.objects: dict[str, bytes] = {}
        self.steps = -1
        self.written: list[tuple[str, int]] = []

    def write(self, count: int, random: random.Random) -> None:
        """Write committed records of four symbols, with markers between them (None)."""
        for _ in range(count):
            symbol = random.choice("ABCD")
            log = self.logs[TOPIC, "ABCD".index(symbol) % 2]
            seq = 1 + max((s for name, s in self.written if name == symbol), default=0)
            record = records.Gap(exchange="kraken", symbol=symbol, seq=seq, local_ts=seq)
            log.append(avro.encode(record))
            self.written.append((symbol, seq))
            log.extend([None] * random.choice([0, 0, 1, 3]))

    def step(self) -> None:
        self.steps -= 1
        if self.steps == 0:
            raise Cut


class Offsets:
    """The group as one run sees it; an older one is fenced at its commit."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._epoch = 0

    def fence(self) -> None:
        self._world.step()
        self._world.epoch += 1
        self._epoch = self._world.epoch

    def topics(self, belongs: Callable[[str], bool]) -> dict[str, int]:
        return {t: 2 for t in (TOPIC, "raw.kraken", "market.other") if t == TOPIC and belongs(t)}

    def read(self, topics: Mapping[str, int]) -> Positions:
        self._world.step()
        found = {}
        for (topic, partition), log in self._world.logs.items():
            assert topic in topics
            committed, metadata = self._world.group.get((topic, partition), (None, ""))
            low = self._world.low[topic, partition]
            found[topic, partition] = Position(
                committed=committed, metadata=metadata, low=low, stable=len(log)
            )
        return found

    def commit(self, commits: Commits) -> None:
        self._world.step()
        if self._epoch != self._world.epoch:
            raise FencedError
        self._world.group.update(commits)
        self._world.step()

    def verify(self, commits: Commits) -> None:
        assert commits.items() <= self._world.group.items()


class Store:
    """The lake; an object may be written again, but only with the same bytes."""

    def __init__(self, world: World) -> None:
        self._world = world

    def get(self, key: str) -> bytes | None:
        return self._world.objects.get(key)

    def keys(self, prefix: str) -> list[str]:
        return sorted(key for key in self._world.objects if key.startswith(prefix))

    def put(self, key: str, body: bytes) -> None:
        self._world.step()
        assert self._world.objects.get(key, body) == body, f"{key} would change"
        self._world.objects[key] = body

    def put_new(self, key: str, body: bytes) -> bool:
        self._world.step()
        if key in self._world.objects:
            return False
        self._world.objects[key] = body
        return True


def _land(world: World, ranges: Sequence[Range]) -> list[Report]:
    reports = []
    for of in ranges:
        log = world.logs[of.topic, of.partition]
        rows: list[task.KafkaRow] = [
            (of.topic, of.partition, offset, log[offset])
            for offset in range(of.start, of.end)
            if log[offset] is not None
        ]
        report = task.land(rows, {(of.topic, of.partition): of}, Store(world).put)
        if report is not None:
            reports.append(report)
    return reports


def _run(
    world: World,
    plan_id: str,
    land: run.Land | None = None,
    *,
    offsets: Offsets | None = None,
    settings: Settings = SETTINGS,
) -> run.Summary:
    return run.run(
        "market",
        settings,
        offsets=offsets or Offsets(world),
        store=Store(world),
        land=land or (lambda ranges: _land(world, ranges)),
        plan_id=plan_id,
    )


def _landed(world: World) -> list[tuple[str, int]]:
    """Return (symbol, seq) of each landed row, sorted; a row twice is there twice."""
    found: list[tuple[str, int]] = []
    for key, body in world.objects.items():
        fields = lake.parse_folder(key)
        if fields.get("data_type") == "gap":
            rows = pq.read_table(io.BytesIO(body)).to_pylist()
            found += [(fields["symbol"], row["seq"]) for row in rows]
    return sorted(found)


@pytest.mark.parametrize("seed", range(3))
def test_a_run_cut_off_at_any_step_is_repaired_by_the_next(seed: int) -> None:
    steps = 0
    cut = True
    while cut:
        steps += 1
        chance = random.Random(seed)
        world = World()
        world.write(40, chance)
        _run(world, "first")
        world.steps = steps
        try:
            _run(world, "second")
            cut = False
        except Cut:
            pass
        world.steps = -1
        # What was planned must not grow with what comes later
        world.write(20, chance)
        runs = 0
        while _run(world, f"later-{runs}").ranges:
            runs += 1

        assert _landed(world) == sorted(world.written), f"cut at step {steps}"
    assert steps > 10


def test_two_cuts_in_a_row_change_nothing() -> None:
    for first in range(1, 25):
        for second in range(1, 25, 3):
            world = World()
            world.write(12, random.Random(first))
            for n, steps in enumerate((first, second)):
                world.steps = steps
                with contextlib.suppress(Cut):
                    _run(world, f"cut-{n}")
            world.steps = -1
            while _run(world, "whole").ranges:
                world.write(0, random.Random(0))

            assert _landed(world) == sorted(world.written)


def test_a_range_whose_manifest_is_there_is_not_landed_again() -> None:
    world = World()
    world.write(10, random.Random(1))
    planned: list[Range] = []

    def note(ranges: Sequence[Range]) -> list[Report]:
        planned.extend(ranges)
        # Two more steps write the manifests, the third is the commit
        reports = _land(world, ranges)
        world.steps = 3
        return reports

    with pytest.raises(Cut):
        _run(world, "first", note)
    world.steps = -1

    def again(ranges: Sequence[Range]) -> list[Report]:
        assert {of.plan for of in ranges} == {"second"}
        return _land(world, ranges)

    summary = _run(world, "second", again)

    assert summary.repeated == len(planned) == 2
    assert summary.records == 10
    assert _landed(world) == sorted(world.written)


def test_the_run_after_a_death_lands_what_is_new_as_well() -> None:
    world = World()
    world.write(8, random.Random(1))

    def die(_: Sequence[Range]) -> list[Report]:
        raise Cut

    with pytest.raises(Cut):
        _run(world, "first", die)
    world.write(3, random.Random(2))
    summary = _run(world, "second", settings=SETTINGS.model_copy(update={"max_offsets": 99}))

    assert _landed(world) == sorted(world.written)
    assert summary.records == 11
    assert summary.ranges == {TOPIC: {p: (0, len(world.logs[TOPIC, p])) for p in (0, 1)}}
    assert _run(world, "third").ranges == {}


def test_a_run_that_slept_while_another_landed_is_fenced_and_raises_no_alarm() -> None:
    world = World()
    world.write(10, random.Random(1))

    class Sleeper(Offsets):
        slept = False

        def read(self, topics: Mapping[str, int]) -> Positions:
            found = super().read(topics)
            if not self.slept:
                self.slept = True
                # Its manifests are there when this one wakes
                assert _run(world, "newer").ranges
            return found

    with pytest.raises(FencedError, match="was moved by a newer run meanwhile"):
        _run(world, "older", offsets=Sleeper(world))


def test_a_loss_of_all_that_there_was_is_accepted_once_and_named_later() -> None:
    world = World()
    world.write(10, random.Random(1))
    while _run(world, "first").ranges:
        pass
    world.write(10, random.Random(2))
    log = world.logs[TOPIC, 0]
    stood = world.group[TOPIC, 0][0]
    world.low[TOPIC, 0] = lost = len(log)
    assert stood < lost

    with pytest.raises(RetentionError, match="were deleted by retention"):
        _run(world, "refused")
    _run(world, "told", settings=SETTINGS.model_copy(update={"accept_lost": True}))
    # Nothing is left that a manifest could be of, and yet it is not asked again
    _run(world, "as before")
    assert world.group[TOPIC, 0][0] == stood
    world.write(5, random.Random(3))
    _run(world, "later")

    [key] = [k for k in world.objects if k.startswith(f"_manifest/{TOPIC}/0000/{lost:012d}-")]
    assert json.loads(world.objects[key])["lost"] == [stood, lost]


def test_an_older_run_that_goes_on_is_fenced_and_harmless() -> None:
    world = World()
    world.write(10, random.Random(1))

    def overtaken(ranges: Sequence[Range]) -> list[Report]:
        assert _run(world, "newer").repeated == len(ranges)
        world.write(10, random.Random(2))
        assert _run(world, "newest").ranges
        return _land(world, ranges)

    with pytest.raises(FencedError):
        _run(world, "older", overtaken)
    while _run(world, "last").ranges:
        pass

    assert _landed(world) == sorted(world.written)


def test_records_missing_at_the_seam_of_two_ranges_stop_the_run() -> None:
    world = World()
    world.write(30, random.Random(1))
    _run(world, "first")
    committed = dict(world.group)
    first = next(n for n in range(committed[TOPIC, 0][0], 40) if world.logs[TOPIC, 0][n])
    world.logs[TOPIC, 0][first] = None

    with pytest.raises(RecordError, match="expected"):
        _run(world, "second")

    assert {key: offset for key, (offset, _) in world.group.items()} == {
        key: offset for key, (offset, _) in committed.items()
    }


def test_lost_offsets_are_noticed_by_the_manifests() -> None:
    world = World()
    world.write(30, random.Random(1))
    _run(world, "first")
    world.group.clear()

    with pytest.raises(ConflictError, match="the lake already holds"):
        _run(world, "second")

    assert world.group == {}


def test_another_lake_is_noticed_by_the_missing_manifest() -> None:
    world = World()
    world.write(60, random.Random(1))
    _run(world, "first")
    world.objects.clear()

    with pytest.raises(ConflictError, match="landed into another lake"):
        _run(world, "second")


def test_a_raw_range_must_hold_a_record_at_each_offset() -> None:
    of = Range(topic="raw.x", partition=0, start=5, end=8, plan="p", max_rows=9, committed=5)
    report = Report(topic="raw.x", partition=0, records=2)

    with pytest.raises(RecordError, match="2 records were read, expected 3"):
        checks.check(of, report, {}, dense=True)

    assert checks.check(of, report, {"A": 4}, dense=False) == {"A": 4}


def test_quiet_partitions_are_renewed_so_that_kafka_keeps_their_offsets() -> None:
    world = World()
    world.write(10, random.Random(1))
    while _run(world, "first").ranges:
        pass
    before = dict(world.group)
    commits: list[Commits] = []

    class Watched(Offsets):
        def commit(self, wanted: Commits) -> None:
            commits.append(wanted)
            super().commit(wanted)

    summary = run.run(
        "market",
        SETTINGS,
        offsets=Watched(world),
        store=Store(world),
        land=lambda ranges: pytest.fail(f"nothing is new: {ranges}"),
        plan_id="second",
    )

    assert not summary.ranges
    assert commits == [before]
