"""`make soak`: the services for an hour under many simulated exchanges, watched from outside.

It is red when memory, files or threads grow, when the merged stream falls behind, when anything was
lost, repeated or put aside, or when the books at the end are not the true ones.
"""

import json
import shutil
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from jetl2.devstack import dialects, judge, kafka, pipeline, watch
from jetl2.devstack.errors import ProcessError, StackError
from jetl2.devstack.follow import Follower, following, quantile
from jetl2.devstack.judge import Finding, Sample
from jetl2.devstack.market import Levels
from jetl2.devstack.process import Process, free_ports, running, wait_until
from jetl2.exchanges import adapters
from jetl2.schemas import topics

PARTITIONS = 2
MARKER = ".jetl2-soak"
# The hour's traffic would fill the disk: what is merged and read may go after three minutes
RETENTION = {"retention.ms": "180000", "segment.ms": "60000", "segment.bytes": "33554432"}
BEGINNING_S = 300
PATIENCE_S = 120
# Goals that are told beside what was found, and do not make it red: they are of a quiet machine
GOALS_MS = {"p50": 100, "p99": 300}
GUARD_GOAL = 0.01
SERVICES = ("ingestor", "merger")
NAMES = ("simulator", *SERVICES, "kafka")


@dataclass(frozen=True)
class Options:
    """What to run.

    Args:
        rate: Messages a second, all exchanges together.
        sample_s: Between two looks at everything.
        partitions: Of every topic.
        faults: KIND=PROBABILITY of each book delta: to see that it is noticed.
        settings: SERVICE:NAME=VALUE, over what a service is told here or by default.
    """

    seconds: float = 3600
    rate: float = 5000
    exchanges: int = 24
    out: Path = Path("soak-output")
    sample_s: float = 10
    partitions: int = PARTITIONS
    faults: Sequence[str] = ()
    settings: Sequence[str] = ()

    def of(self, service: str) -> dict[str, str]:
        """Return the settings of one service.

        Raises:
            StackError: One is written wrongly.
        """
        found: dict[str, str] = {}
        for setting in self.settings:
            name, colon, rest = setting.partition(":")
            key, equals, value = rest.partition("=")
            if name not in SERVICES or not (colon and equals and key.startswith("JETL2_")):
                message = (
                    f"setting {setting!r}: expected SERVICE:NAME=VALUE with one of "
                    f"{', '.join(SERVICES)} and a name that begins with JETL2_, such as "
                    "merger:JETL2_MERGER_COMMIT_INTERVAL_MS=200"
                )
                raise StackError(message)
            if name == service:
                found[key] = value
        return found


@dataclass
class Soak:
    """One run, and what was found so far."""

    options: Options
    samples: list[Sample] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)
    _late_ms: Counter[int] = field(default_factory=Counter)

    def run(self) -> bool:
        """Run, write the report, and return whether all is as it must be.

        Raises:
            StackError: It could not begin.
        """
        _prepare(self.options.out)
        known = list(dialects.load())
        if self.options.exchanges > len(known):
            message = f"{self.options.exchanges} exchanges are wanted: {len(known)} are simulated"
            raise StackError(message)
        for service in SERVICES:
            self.options.of(service)
        exchanges = known[: self.options.exchanges]
        with ExitStack() as running_all:
            parts = running_all.enter_context(_started(self.options, exchanges))
            problem = ""
            try:
                self._watch(parts)
                _end(parts.simulated)
                self._settle(parts)
            except StackError as error:
                problem = str(error)
            self._judge(parts, problem)
        self._write()
        return all(finding.passed is not False for finding in self.findings)

    def _watch(self, parts: "_Parts") -> None:
        begin = last = time.monotonic()
        frames = 0.0
        parts.follower.lateness()
        while last - begin < self.options.seconds:
            time.sleep(max(0, last + self.options.sample_s - time.monotonic()))
            for process in parts.processes.values():
                process.check()
            now = time.monotonic()
            sample = {"at_s": now - begin} | parts.look()
            sample["messages_per_s"] = (sample["frames"] - frames) / (now - last)
            frames = sample["frames"]
            late_ms = parts.follower.lateness()
            sample |= {name: quantile(late_ms, int(name[1:]) / 100) for name in GOALS_MS}
            if self.samples:  # the first has no rate
                if sample["at_s"] >= self.options.seconds * judge.WARM_UP_SHARE:
                    self._late_ms += late_ms
                self._say(sample)
            self.samples.append(sample)
            last = now
        del self.samples[:1]

    def _say(self, sample: Sample) -> None:
        memory = " ".join(f"{name} {sample[f'{name}.rss_mib']:.0f}" for name in NAMES)
        cores = "+".join(f"{sample[f'{name}.cores']:.2f}" for name in NAMES)
        print(
            f"{sample['at_s']:6.0f} s  {sample['messages_per_s']:6,.0f} msg/s  "
            f"lag {sample['lag_s']:.2f} s  visible p50 {sample['p50']:.0f} p99 {sample['p99']:.0f} ms  "
            f"MiB {memory}  cores {cores}",
            file=sys.stderr,
            flush=True,
        )

    def _settle(self, parts: "_Parts") -> None:
        """Wait until the merged books are the true ones, and remember which are not."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            wrong = list(_wrong(parts))
            if not wrong or time.monotonic() > deadline:
                break
            for process in parts.processes.values():
                process.check()
            time.sleep(0.5)
        books = sum(len(e["symbols"]) for e in parts.simulated.values())
        text = wrong[0] if wrong else f"{books} equal the simulators' at the end"
        self.findings.append(Finding("books", not wrong, text))

    def _judge(self, parts: "_Parts", problem: str) -> None:
        options, follower = self.options, parts.follower
        warm = judge.warm(self.samples, options.seconds)
        merger, ingestor = parts.pages()
        dead = kafka.ends(parts.servers, [topics.dead_letter(e) for e in parts.simulated])
        last = self.samples[-1] if self.samples else {}
        ended = Finding("end", not problem, problem or f"{options.seconds:.0f} s, all alive")
        lost = {
            name: watch.total(ingestor, f"jetl2_ingestor_{name}_total")
            for name in ("gaps", "lost_frames", "undelivered_records", "reconnects", "refusals")
        }
        self.findings = [
            ended,
            judge.rate(warm, options.rate),
            judge.lag(warm),
            *judge.processes(warm, NAMES),
            judge.disk(warm, options.rate),
            judge.nothing("gaps", follower.gaps),
            judge.nothing("dead letters", {"": sum(dead.values())}),
            judge.nothing("ingestor's losses", lost),
            judge.nothing("merger's restarts", {"": last.get("restarts", 0)}),
            judge.nothing(
                "numbering", {"missing": follower.missing, "repeated": follower.repeated}
            ),
            *self.findings,
        ]
        self.figures = {
            "records": follower.records,
            "visible_ms": {n: quantile(self._late_ms, int(n[1:]) / 100) for n in GOALS_MS},
            "checksum_failures": follower.gaps["checksum"],
            "cores": {n: _mean(warm, f"{n}.cores") for n in NAMES},
            "commits": _commits(merger),
        }

    def _write(self) -> None:
        # Takes a second to import, and only here
        from jetl2.devstack import soak_picture  # noqa: PLC0415

        options = self.options
        slopes = {
            name: round(judge.slope(judge.warm(self.samples, options.seconds), name), 3)
            for name in (self.samples[0] if self.samples else {})
            if name != "at_s"
        }
        document = {
            "options": {k: str(v) if isinstance(v, Path) else v for k, v in vars(options).items()},
            "findings": [finding._asdict() for finding in self.findings],
            "figures": self.figures,
            "slopes_per_hour": slopes,
            "samples": self.samples,
        }
        (options.out / "soak.json").write_text(json.dumps(document, indent=1) + "\n")
        (options.out / "soak.txt").write_text(self.text() + "\n")
        if self.samples:
            soak_picture.draw(self.samples, NAMES, options.out / "soak.png")
        shutil.rmtree(options.out / "kafka", ignore_errors=True)

    def text(self) -> str:
        """Return the findings and figures for a person."""
        marks = {True: "ok  ", False: "RED ", None: "?   "}
        commits = self.figures["commits"]
        rotated = commits["rotations_by_reason"]
        share = sum(rotated.values()) / max(commits["count"], 1)
        visible = ", ".join(
            f"{name} {ms:.0f} ms (goal {GOALS_MS[name]})"
            for name, ms in self.figures["visible_ms"].items()
        )
        phases = ", ".join(f"{n} {ms['mean']:.1f} ms" for n, ms in commits["phases_ms"].items())
        reasons = ", ".join(f"{reason} {number:.0f}" for reason, number in rotated.items())
        cores = ", ".join(f"{name} {used:.2f}" for name, used in self.figures["cores"].items())
        whole = commits["ms"]
        times = f"mean {whole['mean']:.1f}, p50 {whole['p50']:.0f}, p99 {whole['p99']:.0f} ms"
        return "\n".join(
            (
                judge.rows(self.findings, marks.__getitem__),
                "",
                f"visible   {visible}: from local_ts to a reader of committed records",
                f"commits   {commits['count']:,.0f}, {times}{phases and '; '}{phases}",
                f"guard     {share:.2%} of commits (goal {GUARD_GOAL:.0%}): {reasons or 'none'}",
                f"cores     {cores}",
                f"report    {self.options.out}",
            )
        )


@dataclass
class _Parts:
    """What runs, and how it is looked at."""

    servers: str
    folder: Path
    processes: Mapping[str, Process]
    ports: Mapping[str, int]
    # exchange -> symbols, endpoints
    simulated: Mapping[str, Mapping[str, Any]]
    follower: Follower
    watched: Mapping[str, watch.Watched]

    def pages(self) -> tuple[watch.Page, watch.Page]:
        """Return the metrics of merger and ingestor."""
        return watch.page(self.ports["merger"]), watch.page(self.ports["ingestor"])

    def look(self) -> dict[str, float]:
        """Return all figures of this moment."""
        found: dict[str, float] = {}
        for name, watched in self.watched.items():
            found |= {f"{name}.{what}": value for what, value in watched.look().items()}
        merger, ingestor = self.pages()
        found["frames"] = watch.total(ingestor, "jetl2_ingestor_frames_total")
        found["buffered"] = watch.total(ingestor, "jetl2_ingestor_buffer_messages")
        found["lag_s"] = watch.most(merger, "jetl2_merger_lag_seconds")
        found["open_s"] = watch.most(merger, "jetl2_merger_open_seconds")
        found["commits"] = watch.total(merger, "jetl2_merger_commits_total")
        found["rotations"] = watch.total(merger, "jetl2_merger_guard_rotations_total")
        found["restarts"] = watch.total(merger, "jetl2_merger_restarts")
        found["gaps"] = float(self.follower.gaps.total())
        raw = [topics.raw(exchange) for exchange in self.simulated]
        found["lag_messages"] = float(kafka.lag(self.servers, pipeline.MERGER_GROUP, raw))
        found["disk_mib"] = watch.disk_mib(self.folder)
        return found


@contextmanager
def _started(options: Options, exchanges: Sequence[str]) -> Iterator[_Parts]:
    """Start everything, and wait until each exchange is merged."""
    out = options.out
    ports = dict(zip(SERVICES, free_ports(2), strict=True))
    with ExitStack() as all_parts:
        broker = all_parts.enter_context(kafka.broker(out / "kafka", lasting=True))
        servers = broker.bootstrap_servers
        _create_topics(servers, exchanges, options.partitions)
        simulator = all_parts.enter_context(_simulator(options, exchanges))
        exported = _exported(simulator)
        common = {"BOOTSTRAP_SERVERS": servers, "LOG_FORMAT": "json"}
        merger = all_parts.enter_context(
            _service(
                "merger",
                options,
                common
                | {
                    "EXCHANGES": json.dumps(list(exchanges)),
                    "HTTP_PORT": str(ports["merger"]),
                    "GROUP_ID": pipeline.MERGER_GROUP,
                    "GROUP_INSTANCE_ID": "merger-0",
                },
            )
        )
        ready = f"http://127.0.0.1:{ports['merger']}/readyz"
        wait_until(
            lambda: pipeline.answers(ready),
            "the merger is ready",
            timeout_s=BEGINNING_S,
            processes=[merger, broker.process],
        )
        follower = all_parts.enter_context(following(servers, exchanges, options.partitions))
        ingestor = all_parts.enter_context(
            _service(
                "ingestor",
                options,
                common
                | exported
                | {
                    "PARTITIONS": str(options.partitions),
                    "HTTP_PORT": str(ports["ingestor"]),
                },
            )
        )
        processes = dict(zip(NAMES, (simulator, ingestor, merger, broker.process), strict=True))
        _wait_merged(servers, exchanges, [merger, ingestor, simulator, broker.process])
        subscriptions, endpoints = map(json.loads, exported.values())
        yield _Parts(
            servers,
            out / "kafka",
            processes,
            ports,
            {e: subscriptions[e] | endpoints[e] for e in exchanges},
            follower,
            {name: watch.Watched(process) for name, process in processes.items()},
        )
        # Left first: that the sources end is no gap in what they gave
        for name in ("merger", "ingestor"):
            processes[name].stop()


def _wait_merged(servers: str, exchanges: Sequence[str], processes: Sequence[Process]) -> None:
    """Wait until something of each exchange is merged.

    Raises:
        StackError: Not in time; names those of which nothing is.
    """
    market = {topics.market(exchange): exchange for exchange in exchanges}
    deadline = time.monotonic() + BEGINNING_S
    while True:
        ends = kafka.ends(servers, list(market))
        missing = sorted(set(exchanges) - {market[t] for (t, _), end in ends.items() if end})
        if not missing:
            return
        for process in processes:
            process.check()
        if time.monotonic() > deadline:
            message = f"nothing is merged of {', '.join(missing)} after {BEGINNING_S} s"
            raise ProcessError(message, processes[0].log)
        time.sleep(1)


@contextmanager
def _simulator(options: Options, exchanges: Sequence[str]) -> Iterator[Process]:
    command = [sys.executable, "-m", "jetl2.devstack", "simulate", "--events", str(10**12)]
    command += ["--messages", str(options.rate)]
    command += [word for name in exchanges for word in ("--exchange", name)]
    command += [word for fault in options.faults for word in ("--fault", fault)]
    with running("simulator", command, log=options.out / "logs" / "simulator.log") as process:
        yield process


def _exported(simulator: Process) -> dict[str, str]:
    """Return the ingestor's settings as the simulator prints them."""
    names = ("SUBSCRIPTIONS", "ENDPOINTS")

    def found() -> dict[str, str]:
        lines = simulator.log.read_text().splitlines()
        pairs = (line.removeprefix("export JETL2_INGESTOR_").partition("=") for line in lines)
        return {name: value.strip("'") for name, _, value in pairs if name in names}

    wait_until(lambda: len(found()) == len(names), "the simulator is up", processes=[simulator])
    return found()


@contextmanager
def _service(name: str, options: Options, settings: Mapping[str, str]) -> Iterator[Process]:
    log = options.out / "logs" / f"{name}.log"
    env = pipeline.environment(
        {f"JETL2_{name.upper()}_{key}": value for key, value in settings.items()} | options.of(name)
    )
    with running(name, [str(pipeline.built(name))], log=log, env=env, grace_s=20) as process:
        yield process


def _create_topics(servers: str, exchanges: Sequence[str], partitions: int) -> None:
    kafka.create_topics(servers, {topics.CHANGELOG: partitions})
    for of in (topics.raw, topics.market, topics.control, topics.dead_letter):
        names = [of(exchange) for exchange in exchanges]
        config = topics.config(names[0]) | RETENTION
        kafka.create_topics(servers, dict.fromkeys(names, partitions), config)


def _end(simulated: Mapping[str, Mapping[str, Any]]) -> None:
    """Let the simulators come to their end."""
    for one in simulated.values():
        _control(one, "end")

    def finished() -> bool:
        states = [_control(one, "state") for one in simulated.values()]
        return all(state["events"] >= state["of"] for state in states)

    wait_until(finished, "the simulators stand still", timeout_s=PATIENCE_S, interval_s=0.5)


def _wrong(parts: _Parts) -> Iterator[str]:
    for exchange, one in parts.simulated.items():
        depth = adapters.get(exchange).book_depth or None
        for symbol in one["symbols"]:
            book = _control(one, "book", symbol=symbol)
            bids, asks = (_levels(book[side][:depth]) for side in ("bids", "asks"))
            if problem := parts.follower.differs(exchange, symbol, bids, asks):
                yield problem


def _levels(pairs: Sequence[Sequence[str]]) -> Levels:
    return [(price, size) for price, size in pairs]


def _control(one: Mapping[str, Any], what: str, **query: str) -> dict[str, Any]:
    url = f"{one['rest']}/_control/{what}"
    answer = httpx.get(url, params=query, timeout=20, trust_env=False).raise_for_status()
    found: dict[str, Any] = answer.json()
    return found


def _commits(merger: watch.Page) -> dict[str, Any]:
    """Return how long commits took, and how often the guard wanted a new producer."""
    phases = watch.by(merger, "jetl2_merger_commit_phase_seconds_count", "phase")
    rotations = watch.by(merger, "jetl2_merger_guard_rotations_total", "reason")
    return {
        "count": watch.total(merger, "jetl2_merger_commits_total"),
        "ms": _times(merger, "jetl2_merger_commit_seconds"),
        "phases_ms": {
            phase: _times(merger, "jetl2_merger_commit_phase_seconds", phase=phase)
            for phase in phases
        },
        "rotations_by_reason": {reason: n for reason, n in rotations.items() if n},
    }


def _times(found: watch.Page, name: str, **labels: str) -> dict[str, float]:
    """Return mean and quantiles of a histogram in ms; within a bucket all are thought even."""

    def of(kind: str) -> list[tuple[Mapping[str, str], float]]:
        rows = found.get(f"{name}_{kind}", ())
        return [(ls, v) for ls, v in rows if all(ls.get(k) == w for k, w in labels.items())]

    count = sum(value for _, value in of("count"))
    seconds = sum(value for _, value in of("sum"))
    buckets = sorted((float(ls["le"]), value) for ls, value in of("bucket"))
    result = {"mean": 1000 * seconds / max(count, 1)}
    for name_, share in (("p50", 0.5), ("p99", 0.99)):
        low = below = 0.0
        for high, value in buckets:
            if value >= count * share:
                inside = (count * share - below) / max(value - below, 1)
                result[name_] = 1000 * (
                    low if high == float("inf") else low + (high - low) * inside
                )
                break
            low, below = high, value
        else:
            result[name_] = 0.0
    return result


def _mean(samples: Sequence[Sample], name: str) -> float:
    return sum(s[name] for s in samples) / len(samples) if samples else 0.0


def _prepare(out: Path) -> None:
    if out.exists() and any(out.iterdir()) and not (out / MARKER).exists():
        message = f"{out} is not empty and was not made by a soak run: choose another --out"
        raise StackError(message)
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    (out / MARKER).touch()
