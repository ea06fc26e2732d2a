"""One job from its specification to its end: what is there is kept, what fails is recorded."""

import sys
import threading
from collections.abc import Callable, Mapping

import pandas as _pandas  # type: ignore[import-untyped] # noqa: F401, ICN001 - mapInArrow asks for it
from pyspark.sql import SparkSession

from jetl2.export import source, write
from jetl2.export.compacted import resolved
from jetl2.export.errors import MissingObjects, WrongSpec
from jetl2.export.spec import Spec, Unit, parse
from jetl2.export.store import Folder

POLL_S = 1.0

# (units there, units failed)
Progress = Callable[[int, int], None]


def load(url: str) -> Spec:
    """Return the specification at an s3:// URL.

    Raises:
        WrongSpec: It is not there, or wrong.
    """
    folder, _, name = url.rpartition("/")
    body = Folder(folder).read(name)
    if body is None:
        raise WrongSpec(f"no specification at {url}")
    return parse(body)


class Job:
    """The units of a specification, by their number in it, and how they stand.

    Attributes:
        done: Units whose sidecar is there.
        failed: Units whose error object is there.
    """

    def __init__(self, spec: Spec, progress: Progress) -> None:
        self.done: set[int] = set()
        self.failed: set[int] = set()
        self._spec = spec
        self._units = dict(enumerate(spec.units))
        self._lake, self._downloads = Folder(spec.lake), Folder(spec.downloads)
        self._progress = progress

    def prepare(self) -> dict[int, Unit]:
        """Return the units that are to be made; those that cannot be are recorded as failed."""
        sidecars = {unit.sidecar for unit in self._units.values()}
        there = set(self._downloads.existing(sorted(sidecars)))
        self.done = {n for n, unit in self._units.items() if unit.sidecar in there}
        units, found = self._readable(
            {n: unit for n, unit in self._units.items() if n not in self.done}
        )
        for number, unit in list(units.items()):
            missing = sorted({*unit.objects, *unit.gap_objects} - found)
            if missing:
                error = MissingObjects(f"{len(missing)} objects are missing, first {missing[0]}")
                self._record(number, f"{type(error).__name__}: {error}")
                del units[number]
        self._progress(len(self.done), len(self.failed))
        return units

    def make(self, spark: SparkSession, units: Mapping[int, Unit]) -> None:
        """Make units; whatever happens to one, the others are made."""
        try:
            self._make(spark, units)
        except Exception as error:  # noqa: BLE001 - what Spark raises has no common base
            # An object that Spark cannot read ends all of it: find out whose it is
            left = {n: u for n, u in units.items() if n not in self.failed}
            there = set(self._downloads.existing(u.sidecar for u in left.values()))
            for number, unit in left.items():
                if unit.sidecar in there:
                    self.done.add(number)
                    continue
                # Or its objects were put together while they were read
                again, _ = self._readable({number: unit})
                if len(units) == 1 and again[number] == unit:
                    self._record(number, _reason(error))
                else:
                    self.make(spark, again)

    def _make(self, spark: SparkSession, units: Mapping[int, Unit]) -> None:
        made = spark.sparkContext.accumulator(0)
        downloads = self._downloads
        light = {
            n: u.model_copy(update={"objects": (), "gap_objects": ()}) for n, u in units.items()
        }
        rows = source.rows(spark, units, self._lake)
        if rows is not None:

            def task(batches):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202 - Spark's
                for result in write.write_units(batches, light, downloads):
                    made.add(not result["error"][0].as_py())
                    yield result

            with self._watching(lambda: made.value):
                results = rows.mapInArrow(task, write.RESULT).collect()
            for number, error in results:
                self._settle(number, error)
        for number in units.keys() - self.done - self.failed:
            # No row at all: the file has a header only
            self._settle(number, write.write_unit(units[number], [], downloads))
        self._progress(len(self.done), len(self.failed))

    def _readable(self, units: Mapping[int, Unit]) -> tuple[dict[int, Unit], set[str]]:
        """Return units with the objects that now hold what theirs held, and which of those exist."""
        read = dict(units)
        names = {o for unit in units.values() for o in (*unit.objects, *unit.gap_objects)}
        found = set(self._lake.existing(sorted(names)))
        if gone := names - found:
            for number, unit in units.items():
                objects = resolved(self._lake, unit.objects, gone)
                gap_objects = resolved(self._lake, unit.gap_objects, gone)
                found.update({*objects, *gap_objects} - names)
                changes = {"objects": objects, "gap_objects": gap_objects}
                read[number] = unit.model_copy(update=changes)
        return read, found

    def _settle(self, number: int, error: str) -> None:
        if error:
            self._record(number, error)
        else:
            self.done.add(number)

    def _record(self, number: int, error: str) -> None:
        unit = self._units[number]
        name = f"jobs/{self._spec.job}/errors/{number}.json"
        document = {"unit": unit.model_dump(mode="json"), "error": error}
        self._downloads.write_json(name, document)
        self.failed.add(number)
        sys.stderr.write(f"export: unit {number}, {unit.key}: {error}\n")

    def _watching(self, made: Callable[[], int]) -> "_Watch":
        before = len(self.done)
        return _Watch(lambda: self._progress(before + made(), len(self.failed)))


class _Watch:
    """Calls a function each second for the length of a block."""

    def __init__(self, call: Callable[[], None]) -> None:
        self._call = call
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(POLL_S):
            self._call()


def _reason(error: Exception) -> str:
    """Return the line of a Spark error that says what is wrong."""
    lines = [line.strip() for line in str(error).splitlines()]
    causes = [line for line in lines if line.startswith("Caused by:")]
    return (causes or lines or [type(error).__name__])[-1 if causes else 0][:500]
