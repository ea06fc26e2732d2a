"""The landing job under trial: the built driver, run again and again as a schedule would."""

import json
import shutil
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from confluent_kafka import Consumer, TopicPartition

from jetl2.campaign.lake import Lake, Offsets, Place
from jetl2.campaign.plainspark.pyspark import sql
from jetl2.campaign.trial import Trial
from jetl2.campaign.writer import EXCHANGE, Writer
from jetl2.devstack import folders, kafka, pipeline, s3, spark
from jetl2.devstack.process import Process

BUCKET = "campaign-lake"
_END_S = 240
_MOST_RUNS = 10
_PLAINSPARK = str(Path(sql.__file__).parents[1])


class Run:
    """One run of the job."""

    def __init__(self, name: str, command: Sequence[str], log: Path, env: dict[str, str]) -> None:
        """Start it."""
        self._log = log
        self.process = Process(name, command, log=log, env=env)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the driver, and to Spark where it runs under it."""
        self.process.signal(number)

    def kill_worker(self, timeout_s: float = _END_S) -> bool:
        """Kill a Python worker of Spark as soon as there is one; return whether there was."""
        deadline = time.monotonic() + timeout_s
        while self.process.exit_code() is None and time.monotonic() < deadline:
            children: list[psutil.Process] = []
            with suppress(psutil.NoSuchProcess):
                children = psutil.Process(self.process.pid).children(recursive=True)
            for child in children:
                # One that is just gone says nothing of the others
                with suppress(psutil.NoSuchProcess):
                    if _is_worker(child):
                        child.kill()
                        return True
            time.sleep(0.01)
        return False

    def wait(self) -> int:
        """Return its exit code."""
        try:
            return self.process.wait(_END_S)
        finally:
            self.process.signal(signal.SIGCONT)
            self.process.stop()

    def summary(self) -> dict[str, Any]:
        """Return the line that it ends with; nothing when it was killed."""
        lines = self.output().splitlines()
        found = [line for line in lines if line.startswith('{"status"')]
        return dict(json.loads(found[-1])) if found else {}

    def output(self) -> str:
        """Return all that it said."""
        return self._log.read_text(errors="replace")


class Job:
    """The job as it is set up once, and run many times."""

    def __init__(
        self, servers: str, store: s3.S3, folder: Path, *, name: str = "landing", **settings: object
    ) -> None:
        """Set it up; nothing runs yet.

        Args:
            servers: Address of the broker.
            store: Where the lake is, or a proxy before it.
            folder: For logs.
            name: Of its group.
            settings: Of the job, by name, over those that make many ranges and objects of little.
        """
        self._folder = folder
        self._name = name
        self._runs = 0
        self._env = store.env()
        self._group = f"campaign.{name}"
        self._servers = servers
        self._settings: dict[str, object] = {
            "bootstrap_servers": servers,
            "lake": f"s3://{BUCKET}",
            "exchanges": [EXCHANGE],
            "group": self._group,
            "max_rows": 300,
            "log_format": "json",
        } | settings

    def start(self, *, crash_at: str = "", under: str = "", **settings: object) -> Run:
        """Start a run.

        Args:
            crash_at: Where it is to kill itself.
            under: Spark's master, such as "local[2]"; "": without Spark.
            settings: Of this run only.
        """
        self._runs += 1
        name = f"{self._name}-{self._runs}"
        given = self._settings | settings | {"crash_at": crash_at}
        env = self._env | {f"JETL2_LANDING_{k}".upper(): _text(v) for k, v in given.items()}
        pex = pipeline.built("landing")
        # Away from the sources: Python looks beside the script before it looks into the PEX file
        main = self._folder / "main.py"
        shutil.copy(folders.root() / "jobs" / "landing" / "main.py", main)
        if under:
            work = self._folder / "spark"
            work.mkdir(exist_ok=True)
            command = spark.command(main, [], work=work, endpoint=env["AWS_ENDPOINT_URL_S3"])
            command[command.index("--master") + 1] = under
            env = spark.environment(pex, env)
        else:
            command = [str(pex), str(main)]
            env = pipeline.environment(env | {"PYTHONPATH": _PLAINSPARK})
        return Run(name, command, self._folder / f"{name}.log", env)

    def run(self, *, crash_at: str = "", under: str = "", **settings: object) -> Run:
        """Start a run and wait for its end; arguments as `start`."""
        started = self.start(crash_at=crash_at, under=under, **settings)
        started.wait()
        return started

    def offsets(self, topics: Sequence[str]) -> dict[Place, tuple[int, dict[str, Any]]]:
        """Return what the group has committed: offset, and what the metadata says."""
        found: dict[Place, tuple[int, dict[str, Any]]] = {}
        for topic in topics:
            # A consumer, for librdkafka's admin client dies of a group without a coordinator
            with _consumer(self._servers, f"{self._group}.{topic.partition('.')[0]}") as consumer:
                for at in consumer.committed(_partitions(consumer, topic), timeout=30):
                    if at.offset >= 0:
                        found[at.topic, at.partition] = (at.offset, json.loads(at.metadata or "{}"))
        return found

    def stable(self, topics: Sequence[str]) -> dict[Place, int]:
        """Return up to where each partition can be read: its last stable offset."""
        with _consumer(self._servers, "campaign") as consumer:
            return {
                (tp.topic, tp.partition): consumer.get_watermark_offsets(tp, timeout=10)[1]
                for topic in topics
                for tp in _partitions(consumer, topic)
            }


@dataclass
class Bed:
    """What a scenario works on.

    Args:
        servers: Address of the broker.
        store: The S3 server itself.
        writer: The truth.
        job: Lands it.
        lake: What it lands into, and the judge of it.
    """

    trial: Trial
    servers: str
    store: s3.S3
    writer: Writer
    job: Job
    lake: Lake

    def look(self) -> None:
        """See to it that nothing in the lake has changed or vanished; then let more be written."""
        self.writer.seen()
        self.lake.look(self.trial.verdict)

    def expect(self, run: Run, *codes: int) -> bool:
        """Wait for the end of a run; note it as a problem when its exit code is another."""
        code = run.wait()
        if code not in codes:
            said = "\n".join(run.output().splitlines()[-3:])
            self.trial.problem(f"{run.process.name} ended with exit code {code}: {said[-600:]}")
        return code in codes

    def landed(self, job: Job | None = None) -> bool:
        """Whether the job's group stands at the end of all that can be read."""
        stands = (job or self.job).offsets(self.writer.topics)
        stable = self.job.stable(self.writer.topics)
        return all(stands.get(p, (0, {}))[0] == end for p, end in stable.items())

    def finish(self, job: Job | None = None, most: int = _MOST_RUNS) -> int:
        """Run undisturbed until all is landed; return how many runs it took.

        Args:
            job: Another than the one under trial.
            most: Runs beyond which it is a problem.
        """
        for runs in range(1, most + 1):
            if not self.expect((job or self.job).start(), 0) or self.landed(job):
                return runs
        self.trial.problem(f"not all is landed after {most} undisturbed runs")
        return most

    def judge(self, *others: Writer, lost: Mapping[Place, Sequence[Offsets]] | None = None) -> None:
        """Recount the lake, and compare it with where the group stands.

        Args:
            others: Who else has written what must be there.
            lost: What retention took, and the lake has to say so.
        """
        trial = self.trial
        truth = [w for writer in (self.writer, *others) for w in writer.committed]
        trial.verdict.add(self.lake.judge(truth, lost))
        ends = self.lake.ends()
        stands = {p: offset for p, (offset, _) in self.job.offsets(self.writer.topics).items()}
        if {p: end for p, end in stands.items() if end} != ends:
            trial.problem(f"the group stands at {stands}, the manifests end at {ends}")


@contextmanager
def bed(trial: Trial) -> Iterator[Bed]:
    """Run a broker and an S3 server for the length of the block, with a writer and a job on them."""
    with (
        kafka.broker(trial.folder / "kafka") as broker,
        s3.server(trial.folder / "s3", buckets=[BUCKET]) as store,
    ):
        servers = broker.bootstrap_servers
        writer = Writer(servers, trial.chance)
        job = Job(servers, store, trial.folder)
        yield Bed(trial, servers, store, writer, job, Lake(store.client(), BUCKET))


def _is_worker(process: psutil.Process) -> bool:
    # A fork of the daemon, under the same command line
    parent = process.parent()
    named = "pyspark.daemon"
    return bool(parent and named in process.cmdline() and named in parent.cmdline())


@contextmanager
def _consumer(servers: str, group: str) -> Iterator[Consumer]:
    asking = {"bootstrap.servers": servers, "group.id": group, "log_level": 0}
    consumer = Consumer(asking | {"isolation.level": "read_committed"})
    try:
        yield consumer
    finally:
        consumer.close()


def _partitions(consumer: Consumer, topic: str) -> list[TopicPartition]:
    found = consumer.list_topics(topic, timeout=10).topics[topic].partitions
    return [TopicPartition(topic, partition) for partition in found]


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
