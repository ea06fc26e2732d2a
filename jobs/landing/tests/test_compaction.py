"""Compaction against a model of the lake, cut off at every step, beside landing and beside itself."""

import hashlib
import io
import itertools
import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jetl2.landing import layout
from jetl2.landing.compaction import merge, origin, plan, run, task
from jetl2.landing.compaction.plan import Work
from jetl2.landing.compaction.run import Summary
from jetl2.landing.compaction.task import Done
from jetl2.landing.errors import ConflictError, DifferenceError, LandingError, RecordError
from jetl2.landing.plan import Range
from jetl2.landing.settings import Settings
from jetl2.landing.task import land
from jetl2.schemas import avro, lake, records, topics

DAY = 1_795_219_200_000_000_000  # 2026-11-21, 00:00 UTC
HOUR_NS = 3600 * 1_000_000_000
NOW = DAY + 30 * HOUR_NS
TOPIC = "market.example"
SETTINGS = Settings(lake="s3://lake", log_level="error")


class Cut(Exception):  # noqa: N818 - what happened, not an error
    """The run dies here."""


class Store:
    """A lake in memory; `steps` counts down to the change at which the run dies."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.steps = -1
        self.meanwhile: dict[int, Callable[[], None]] = {}
        self.changes = 0

    def put(self, key: str, body: bytes) -> None:
        assert self.objects.get(key, body) == body, f"{key} would change"
        self.objects[key] = body

    def folders(self, prefix: str) -> list[str]:
        under = {key.removeprefix(prefix) for key in self.objects if key.startswith(prefix)}
        return sorted({f"{prefix}{key.partition('/')[0]}/" for key in under if "/" in key})

    def sizes(self, prefix: str, after: str = "") -> dict[str, int]:
        keys = sorted(key for key in self.objects if key.startswith(prefix) and key > after)
        return {key: len(self.objects[key]) for key in keys}

    def download(self, key: str, to: Path) -> str | None:
        if key not in self.objects:
            return None
        to.write_bytes(self.objects[key])
        return hashlib.sha256(self.objects[key]).hexdigest()

    def put_new_file(self, key: str, path: Path) -> bool:
        self._change()
        if key in self.objects:
            return False
        self.objects[key] = path.read_bytes()
        return True

    def remove(self, keys: Sequence[str]) -> None:
        for key in keys:
            self._change()
            self.objects.pop(key, None)

    def _change(self) -> None:
        self.changes += 1
        self.steps -= 1
        if self.steps == 0:
            raise Cut
        if do := self.meanwhile.pop(self.changes, None):
            do()


class Landing:
    """Lands records into a store, range by range, by the job's own code; the truth beside it."""

    def __init__(self, store: Store, chance: random.Random) -> None:
        self._store = store
        self._chance = chance
        self._ends: Counter[str] = Counter()
        self._seqs: Counter[tuple[str, str]] = Counter()

    def land(self, count: int = 40, *, manifest: bool = True, hour: int = 0) -> None:
        """Land one range of each topic, in small objects."""
        for topic in (TOPIC, "raw.example"):
            start = self._ends[topic]
            made = [self._record(topic, n, hour) for n in range(count)]
            end = start + count + 3
            of = Range(
                topic=topic,
                partition=0,
                start=start,
                end=end,
                plan="p",
                max_rows=25,
                committed=start,
            )
            rows = [(topic, 0, start + n, avro.encode(r)) for n, r in enumerate(made)]
            land(rows, {(topic, 0): of}, self._store.put)
            if manifest:
                self.manifest(topic, start, end)
            self._ends[topic] = end

    def manifest(self, topic: str, start: int, end: int) -> None:
        self._store.put(f"_manifest/{topic}/0000/{start:012d}-{end:012d}.json", b"{}")

    def _record(self, topic: str, n: int, hour: int) -> Any:
        chance = self._chance
        symbol = chance.choice(["BTC/USD", "a:b c"])
        self._seqs[topic, symbol] += 1
        seq = self._seqs[topic, symbol]
        # Not always in order, and often the same
        local_ts = DAY + hour * HOUR_NS + (20 + seq + chance.randrange(-3, 3)) // 2 * 10**9
        common: dict[str, Any] = {"exchange": "example", "symbol": symbol, "local_ts": local_ts}
        if topic.startswith("raw"):
            payload = chance.randbytes(chance.randrange(30))
            return records.RawEvent(**common, connection_id="c", counter=n, payload=payload)
        common |= {"seq": seq, "source_topic": topics.raw("example"), "source_offset": n}
        if n % 3:
            bids = chance.randrange(0, 9)
            return records.BookDelta(
                **common,
                price_exponent=-chance.randrange(3),
                size_exponent=-8,
                bid_prices=[chance.randrange(2**60) for _ in range(bids)],
                bid_sizes=[chance.randrange(100) for _ in range(bids)],
                verified=records.PASSED,
            )
        return records.Trade(
            **common,
            trade_id=str(chance.random()),
            aggressor=chance.choice(["buy", "sell"]),
            price=2**63 - 1,
            price_exponent=-18,
            size=1,
            size_exponent=-18,
        )


def _on_store(store: Store) -> run.Compact:
    def compact(works: Sequence[Work]) -> Iterator[Done | LandingError]:
        for work in works:
            try:
                yield task.compact(task.load(task.dump(work)), store)
            except LandingError as error:
                yield error

    return compact


def _run(store: Store, now_ts: int = NOW, settings: Settings = SETTINGS) -> Summary:
    summary = Summary()
    failures = run.run(settings, summary, store=store, compact=_on_store(store), now_ts=now_ts)
    for failure in failures:
        raise failure
    return summary


def _rows(store: Store, keys: Sequence[str]) -> Counter[tuple[Any, ...]]:
    """Return each row of objects, by folder, and how often it is there."""
    found: Counter[tuple[Any, ...]] = Counter()
    for key in keys:
        table = pq.read_table(io.BytesIO(store.objects[key]))
        names = sorted(table.column_names)
        folder = key.rpartition("/")[0]
        found.update(
            (folder, *row) for row in zip(*(table[n].to_pylist() for n in names), strict=True)
        )
    return found


def _data(store: Store) -> list[str]:
    return [key for key in sorted(store.objects) if key.startswith("data_type=")]


def _read(store: Store) -> Counter[tuple[Any, ...]]:
    """Return what our readers see."""
    return _rows(store, lake.current(_data(store)))


def _most(rows: Counter[tuple[Any, ...]]) -> int:
    """Return how often a row is there at most; counts of two ranges may well be the same."""
    return max(count for row, count in rows.items() if "data_type=coverage" not in row[0])


def _lake(seed: int = 1, ranges: int = 4) -> tuple[Store, Landing]:
    store = Store()
    landing = Landing(store, random.Random(seed))
    for _ in range(ranges):
        landing.land()
    return store, landing


def test_a_closed_day_becomes_one_object_a_folder_with_the_same_rows() -> None:
    store, _ = _lake()
    before, names = _read(store), _data(store)
    others = {key: body for key, body in store.objects.items() if key not in names}

    summary = _run(store)

    after = _data(store)
    assert _rows(store, after) == before
    assert _most(before) == 1
    groups = Counter((key.rpartition("/")[0], key.rpartition("/")[2][:6]) for key in after)
    assert set(groups.values()) == {1}
    assert {fields["data_type"] for fields in map(lake.parse_folder, after)} == {
        "book_delta",
        "trade",
        "raw",
        "coverage",
    }
    assert summary.objects == len(after)
    assert summary.replaced == summary.removed == len(names)
    assert summary.rows == sum(before.values())
    assert others.items() <= store.objects.items()
    # Nothing is left to do
    assert _run(store) == Summary(days=1)


def test_objects_are_sorted_and_encoded_as_landing_does() -> None:
    store, _ = _lake()
    landed = {lake.parse_folder(key)["data_type"]: store.objects[key] for key in _data(store)}
    _run(store)

    for key in _data(store):
        data_type = lake.parse_folder(key)["data_type"]
        file, one = (pq.ParquetFile(io.BytesIO(b)) for b in (store.objects[key], landed[data_type]))
        assert file.schema.equals(one.schema)
        columns, like = file.metadata.row_group(0), one.metadata.row_group(0)
        for n in range(columns.num_columns):
            assert columns.column(n).compression == "ZSTD"
            assert set(columns.column(n).encodings) == set(like.column(n).encodings), n
            assert columns.column(n).is_stats_set == like.column(n).is_stats_set
            assert columns.column(n).has_offset_index
        by = merge.keys(data_type, file.schema_arrow)
        rows = file.read(columns=by).to_pylist()
        assert rows == sorted(rows, key=lambda row: tuple(row[name] for name in by))


def test_a_run_cut_off_at_any_change_is_finished_by_the_next() -> None:
    for steps in itertools.count(1):
        store, landing = _lake(ranges=2)
        before = _read(store)
        store.steps = steps
        cut = False
        try:
            _run(store)
        except Cut:
            cut = True
        store.steps = -1

        assert _read(store) == before, f"cut at change {steps}"
        # More may land before it runs again, also into the old day
        if steps % 2:
            landing.land(5)
            before = _read(store)
        _run(store)
        assert _rows(store, _data(store)) == before, f"cut at change {steps}"
        if not cut:
            break
    assert steps > 30


def test_what_landing_may_write_again_is_left_alone() -> None:
    store, landing = _lake()
    known = set(_data(store))
    landing.land(manifest=False)
    before, begun = _read(store), set(_data(store)) - known

    _run(store)

    assert _rows(store, _data(store)) == before
    assert begun <= set(_data(store))


def test_late_rows_are_put_to_those_of_their_day() -> None:
    store, landing = _lake()
    _run(store)
    landing.land(15)
    before = _read(store)

    summary = _run(store)

    assert _rows(store, _data(store)) == before
    assert len(_data(store)) == summary.objects
    # What was made of what was made tells of all that landed
    [key] = [k for k in _data(store) if "data_type=trade" in k and "BTC" in k]
    made_of = origin.load(pq.read_metadata(io.BytesIO(store.objects[key])).metadata)
    assert made_of is not None
    assert made_of.rows == sum(1 for row in before if row[0] == key.rpartition("/")[0])
    assert len(made_of.landed()) == len(made_of.sources) - 1


@pytest.mark.parametrize("change", range(1, 12))
def test_another_run_beside_it_does_no_harm(change: int) -> None:
    store, landing = _lake(ranges=3)

    def other() -> None:
        landing.land(6)
        _run(store)

    store.meanwhile[change] = other
    _run(store)
    now = _read(store)

    assert _most(now) == 1
    assert _rows(store, _data(store)) == now, "something is there twice after both"
    alone, again = _lake(ranges=3)
    again.land(6)
    assert now == _read(alone)


def test_an_object_that_comes_back_is_taken_away_again() -> None:
    store, _ = _lake()
    before = dict(store.objects)
    _run(store)
    after = dict(store.objects)
    # A run of landing that slept for a day writes the same bytes once more
    key = next(k for k in _data(Store()) or before if k not in after)
    store.objects[key] = before[key]

    assert _read(store) == _rows(store, [k for k in after if k.startswith("data_type=")])
    assert _run(store).removed == 1
    assert store.objects == after


def test_what_is_no_part_of_what_stands_for_it_stays() -> None:
    store, _ = _lake()
    before = dict(store.objects)
    _run(store)
    key = next(k for k in sorted(before) if k not in store.objects and "trade" in k)
    other = next(k for k in sorted(before) if k not in store.objects and "trade" in k and k != key)
    store.objects[key] = before[other]
    now = dict(store.objects)

    with pytest.raises(ConflictError, match="which was not made of it: nothing is taken away"):
        _run(store)

    assert store.objects == now


def test_rows_that_the_merge_loses_stop_it(monkeypatch: pytest.MonkeyPatch) -> None:
    store, _ = _lake()
    before = dict(store.objects)

    def loses(files: Sequence[Path], by: Sequence[str]) -> Iterator[pa.Table]:
        for table in merged(files, by):
            yield table.slice(1)

    merged = merge.merged
    monkeypatch.setattr(merge, "merged", loses)
    with pytest.raises(DifferenceError, match=r"its sources .* all is left as it is"):
        _run(store)

    assert store.objects == before


def test_an_object_that_is_not_sorted_stops_it(monkeypatch: pytest.MonkeyPatch) -> None:
    store, _ = _lake()
    # Smaller than the object: what is read at once is sorted anyway
    monkeypatch.setattr(merge, "BATCH_ROWS", 3)
    key = next(k for k in _data(store) if "book_delta" in k)
    table = pq.read_table(io.BytesIO(store.objects[key]))
    store.objects[key] = layout.parquet(table.take(list(reversed(range(len(table))))))
    folder = key.rpartition("/")[0]
    before = {k: body for k, body in store.objects.items() if k.startswith(folder)}

    with pytest.raises(DifferenceError, match="not sorted by local_ts, seq, level"):
        _run(store)

    assert {k: body for k, body in store.objects.items() if k.startswith(folder)} == before


def test_an_object_that_s3_gives_back_otherwise_takes_nothing_away() -> None:
    store, _ = _lake()
    before = dict(store.objects)
    rest = store.put_new_file

    def lies(key: str, path: Path) -> bool:
        rest(key, path)
        table = pq.read_table(io.BytesIO(store.objects[key]))
        store.objects[key] = layout.parquet(table.slice(1))
        return True

    store.put_new_file = lies  # type: ignore[method-assign]
    with pytest.raises(DifferenceError):
        _run(store)
    # Nor does the next run believe it
    with pytest.raises(LandingError):
        _run(store)

    assert before.items() <= store.objects.items()


def test_objects_that_overlap_are_refused() -> None:
    store, _ = _lake()
    key = next(k for k in _data(store) if "trade" in k)
    part = lake.parse_object(key)
    assert part
    folder = key.rpartition("/")[0] + "/"
    store.objects[folder + lake.object_name(TOPIC, 0, part.start + 1, part.end)] = b"PAR1"
    before = dict(store.objects)

    failures = list(run.run(SETTINGS, Summary(), store=store, compact=_on_store(store), now_ts=NOW))

    assert [type(failure) for failure in failures] == [ConflictError]
    assert "lie side by side" in str(failures[0])
    # The other folders went on
    assert {k for k in before if k.startswith(folder)} <= store.objects.keys()
    assert before.keys() > store.objects.keys() & before.keys()


def test_an_object_that_cannot_be_read_is_named() -> None:
    store, _ = _lake()
    key = next(k for k in _data(store) if "trade" in k)
    store.objects[key] = b"no Parquet at all"

    with pytest.raises(RecordError, match=r"trade.* cannot be read"):
        _run(store)


def test_objects_with_other_columns_are_left_side_by_side() -> None:
    store, _ = _lake()
    key = next(k for k in _data(store) if "trade" in k)
    table = pq.read_table(io.BytesIO(store.objects[key]))
    store.objects[key] = layout.parquet(table.append_column("more", pa.array([1] * len(table))))
    before = _read(store)

    assert _run(store).skipped == {task.COLUMNS: 1}
    assert _read(store).total() == before.total()
    assert key in store.objects


def test_what_one_put_does_not_take_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    store, _ = _lake()
    before = dict(store.objects)
    monkeypatch.setattr(task, "MAX_BYTES", 10)

    assert list(_run(store).skipped) == [task.TOO_LARGE]
    assert store.objects == before


@pytest.mark.parametrize(
    "now_ts, days, expected",
    [
        (DAY + 23 * HOUR_NS, 3, "2026-11-18/2026-11-20"),
        # An hour after midnight
        (DAY + 24 * HOUR_NS, 3, "2026-11-18/2026-11-20"),
        (DAY + 25 * HOUR_NS, 3, "2026-11-19/2026-11-21"),
        (DAY + 25 * HOUR_NS, 1, "2026-11-21/2026-11-21"),
    ],
)
def test_a_day_is_closed_an_hour_after_its_end(now_ts: int, days: int, expected: str) -> None:
    assert f"{plan.first_day(now_ts, days)}/{plan.last_day(now_ts)}" == expected


def test_days_that_are_not_closed_or_too_old_are_left() -> None:
    store, _ = _lake()

    assert _run(store, DAY + 24 * HOUR_NS).days == 0
    assert _run(store, DAY + 9 * 24 * HOUR_NS).days == 0
    assert _run(store, settings=SETTINGS.model_copy(update={"exchanges": ["other"]})).days == 0
    only = _run(store, settings=SETTINGS.model_copy(update={"datasets": "raw"}))
    assert only.objects
    left = [key for key in _data(store) if lake.parse_object(key)[4]]  # type: ignore[index]
    assert {lake.parse_object(key)[0] for key in left} == {"raw.example"}  # type: ignore[index]


def test_a_hot_day_is_held_in_parts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(merge, "BATCH_ROWS", 100)
    files = []
    for n in range(50):
        # One reaches over many: a clock that jumped
        ts = [n * 1000 + m for m in range(1000)] if n else [m * 50 for m in range(1000)]
        path = tmp_path / f"{n}.parquet"
        table = pa.table({"local_ts": ts, "seq": [n * 1000 + m for m in range(1000)]})
        path.write_bytes(layout.parquet(table))
        files.append(path)
    most, count, order = 0, 0, merge.Order(["local_ts", "seq"])

    for table in merge.merged(files, ["local_ts", "seq"]):
        most, count = max(most, len(table)), count + len(table)
        assert all(order.add(batch) for batch in table.to_batches())

    assert count == 50_000
    assert most <= 400


def test_large_payloads_are_read_and_written_in_small_groups(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(merge, "BATCH_BYTES", 10_000)
    monkeypatch.setattr(task, "ROW_GROUP_BYTES", 30_000)
    store, _ = _lake()
    folder = lake.folder(lake.RAW, "example", "2026-11-21", "X")
    chance = random.Random(1)
    for n in range(3):
        rows = pa.table(
            {
                "local_ts": pa.array([n * 100 + m for m in range(100)], pa.int64()),
                "source_offset": pa.array([n * 100 + m for m in range(100)], pa.int64()),
                "payload": pa.array([chance.randbytes(1000) for _ in range(100)], pa.binary()),
            }
        )
        name = lake.object_name("raw.example", 0, n * 10, n * 10 + 10)
        store.objects[folder + name] = layout.parquet(rows)
    _run(store)

    [key] = [k for k in _data(store) if k.startswith(folder)]
    metadata = pq.read_metadata(io.BytesIO(store.objects[key]))
    assert metadata.num_rows == 300
    assert all(metadata.row_group(n).num_rows <= 50 for n in range(metadata.num_row_groups))
