"""`make demo`: the whole platform on this machine, from an exchange's frames to files that a client has."""

import json
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jetl2.devstack import (
    downloads,
    exporting,
    folders,
    pipeline,
    player,
    simulator,
    sources,
    stack,
    verify,
)
from jetl2.devstack.errors import ProcessError, StackError
from jetl2.devstack.exporting import Files
from jetl2.devstack.pipeline import Pipeline
from jetl2.devstack.process import Process
from jetl2.devstack.stages import Stages, Update
from jetl2.devstack.summary import Summary

DATA_TYPES = ("book_delta", "trade", "book_ticker")
EXPORT_TYPES = ("trades", "incremental_book_L2", "book_snapshot_5", "book_snapshot_25", "quotes")


@dataclass
class Demo:
    """One run: what it was told, and what it found out so far."""

    kind: str
    out: Path
    duration_s: int
    stages: Stages = field(default_factory=Stages)
    summary: Summary = field(default_factory=Summary)

    def run(self) -> Summary:
        """Run all stages; everything that was started is stopped at the end, however it ends.

        Raises:
            StackError: Something failed; the message names it and its log.
        """
        self._prepare_folder()
        with self.stages.stage("fetch") as update:
            for name in (downloads.KAFKA, downloads.SPARK):
                update(0, 0, f"jars of {name}")
                downloads.jars(name)
            for package in (*pipeline.SERVICES, *pipeline.JOBS):
                pipeline.built(package)
        with ExitStack() as running:
            with self.stages.stage("stack") as update:
                update(0, 0, "starting Kafka and S3")
                up = running.enter_context(stack.up(self.out / "stack"))
                line = Pipeline(up, self.out / "logs")
                update(0, 0, f"Kafka {line.bootstrap_servers}, S3 {up.s3.endpoint}")
            with self._sources() as wanted:
                self._record(line, wanted)
                with self.stages.stage("land") as update:
                    update(0, 0, "Spark: Kafka to Parquet")
                    landed = line.land()
                    self.summary.landed(landed)
                    update(1, 1, f"{landed['rows']:,} rows in {landed['objects']:,} objects")
                with line.api() as address:
                    files = self._export(address, wanted)
                with self.stages.stage("verify") as update:
                    self._verify(wanted, files, update)
                with self.stages.stage("draw"):
                    self._draw(wanted, files)
        self.summary.seconds = self.stages.seconds
        (self.out / "summary.json").write_text(json.dumps(self.summary.document(), indent=2) + "\n")
        # What was exported stays; the broker's and the S3 server's data are only in the way
        shutil.rmtree(self.out / "stack", ignore_errors=True)
        return self.summary

    def _prepare_folder(self) -> None:
        marker = self.out / ".jetl2-demo"
        if self.out.exists() and any(self.out.iterdir()) and not marker.exists():
            message = f"{self.out} is not empty and was not made by a demo: choose another --out"
            raise StackError(message)
        shutil.rmtree(self.out, ignore_errors=True)
        self.out.mkdir(parents=True)
        marker.touch()
        self.summary.out = self.out
        self.summary.source = self.kind

    @contextmanager
    def _sources(self) -> Iterator[Sequence[sources.Source]]:
        if self.kind == sources.LIVE:
            yield sources.live(self.duration_s)
        elif self.kind == sources.RECORDINGS:
            with sources.recorded(_recordings(), self.duration_s) as players:
                yield players
        else:
            simulators = [
                simulator.Simulator(d, seed=20, events=self.duration_s * 40, events_per_second=40)
                for d in sources.families()
            ]
            with sources.simulated(simulators) as simulated:
                yield simulated

    def _record(self, line: Pipeline, wanted: Sequence[sources.Source]) -> None:
        exchanges = [source.exchange for source in wanted]
        line.prepare(exchanges)
        with ExitStack() as services:
            ingestor = services.enter_context(line.ingestor(wanted, DATA_TYPES))
            # Left first: that the recording ends is no gap in it
            with line.merger(exchanges) as merger:
                processes = [merger, ingestor, *line.stack.processes]
                with self.stages.stage("record") as update:
                    _wait_finished(wanted, processes, update, self.duration_s * 3 + 60)
                with self.stages.stage("merge") as update:
                    update(0, 0, "waiting until all is merged")
                    line.wait_merged(exchanges, processes)
                    self.summary.counted(line, exchanges)
                    if not line.merged(exchanges):
                        message = f"nothing came from the {self.kind} source: is there a network?"
                        raise ProcessError(message, ingestor.log)
                    update(1, 1, f"{self.summary.messages:,} raw events merged")
                _stopped(merger, "merger")
            _stopped(ingestor, "ingestor")

    def _export(self, address: str, wanted: Sequence[sources.Source]) -> Files:
        with self.stages.stage("export") as update:
            instruments = [(s.exchange, symbol) for s in wanted for symbol in s.symbols]
            request = exporting.Request(instruments, EXPORT_TYPES)
            files = exporting.export(address, request, self.out / "files", update)
            self.summary.exported(files)
            self.summary.covered(exporting.coverage(address, wanted))
            update(1, 1, f"{files.rows:,} rows in {len(files.paths):,} files, checksums verified")
        return files

    def _verify(self, wanted: Sequence[sources.Source], files: Files, update: Update) -> None:
        for number, source in enumerate(wanted):
            update(number, len(wanted), source.exchange)
            for symbol, expected in _expected(source).items():
                paths = files.of(source.exchange, "incremental_book_L2", symbol)
                name = f"{source.exchange} {symbol}"
                self.summary.books[name] = verify.check(name, paths, expected)
        equal = sum(verdict.instants for verdict in self.summary.books.values())
        books = len(self.summary.books)
        update(1, 1, f"{books} books equal at the end and at {equal:,} instants" if books else "")

    def _draw(self, wanted: Sequence[sources.Source], files: Files) -> None:
        # Takes a second to import, and only here
        from jetl2.devstack import picture  # noqa: PLC0415

        books = []
        for source in wanted:
            found = [
                picture.series(f"{source.exchange} {symbol}", path)
                for symbol in source.symbols
                for path in files.of(source.exchange, "book_snapshot_25", symbol)[-1:]
            ]
            if found:
                books.append(max(found, key=lambda book: len(book.times)))
        if books:
            self.summary.picture = self.out / "books.png"
            picture.draw(books, self.summary.picture)


def choose(source: str) -> str:
    """Return the kind of source to use: the one named, else recordings when there, else simulated.

    Raises:
        StackError: An unknown name; lists those there are.
    """
    if not source:
        return sources.RECORDINGS if folders.recordings() else sources.SIMULATED
    if source not in sources.KINDS:
        message = f"unknown source {source!r}: expected one of {', '.join(sources.KINDS)}"
        raise StackError(message)
    return source


def run(source: str, out: Path, duration_s: int) -> None:
    """Run the demo and print its summary.

    Raises:
        StackError: Something failed.
    """
    demo = Demo(choose(source or os.environ.get("SOURCE", "")), out.absolute(), duration_s)
    demo.stages.note(f"jetl2 demo, source: {demo.kind}, output: {demo.out}")
    print(demo.run().text())


def _recordings() -> Path:
    folder = folders.recordings()
    if folder is None:
        message = "no recordings found: set JETL2_RECORDINGS, or use SOURCE=simulated"
        raise StackError(message)
    return folder


def _expected(source: sources.Source) -> dict[str, verify.Expected]:
    if isinstance(source, player.Player):
        return verify.recorded(_recordings() / source.dialect.recording, source.dialect.exchange)
    if isinstance(source, simulator.Simulator):
        return {
            symbol: verify.simulated(market.book(), market.samples.values(), source.depth)
            for symbol, market in source.markets.items()
        }
    return {}


def _wait_finished(
    wanted: Sequence[sources.Source],
    processes: Sequence[Process],
    update: Update,
    timeout_s: float,
) -> None:
    deadline = time.monotonic() + timeout_s
    while True:
        progress = [source.progress() for source in wanted]
        done, total = (sum(column) for column in zip(*progress, strict=True))
        each = ", ".join(
            f"{s.exchange} {100 * d // t}%" for s, (d, t) in zip(wanted, progress, strict=True)
        )
        update(done, total, each)
        for process in processes:
            process.check()
        if all(source.finished() for source in wanted):
            return
        if time.monotonic() > deadline:
            message = f"the source was not played within {timeout_s:.0f} s ({each})"
            raise ProcessError(message, processes[1].log)
        time.sleep(0.2)


def _stopped(process: Process, name: str) -> None:
    if code := process.stop():
        message = f"{name} ended with exit code {code} after SIGTERM, and must end with 0"
        raise ProcessError(message, process.log)


def document(path: Path) -> dict[str, Any]:
    """Return the summary that a demo left in its output folder."""
    found: dict[str, Any] = json.loads((path / "summary.json").read_text())
    return found
