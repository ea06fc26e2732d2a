"""Brokers that are killed, stopped and started again where they were; alone, or three as a cluster."""

import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from jetl2.devstack import downloads, kafka
from jetl2.devstack.errors import ProcessError
from jetl2.devstack.process import Process, free_ports, running, wait_until

_START_S = 120.0
_COPIES = {
    "default.replication.factor": "3",
    "min.insync.replicas": "2",
    "offsets.topic.replication.factor": "3",
    "transaction.state.log.replication.factor": "3",
    "transaction.state.log.min.isr": "2",
    "share.coordinator.state.topic.replication.factor": "3",
    "share.coordinator.state.topic.min.isr": "2",
    # Leaders come back when they are asked to, not at a time of the broker's own
    "auto.leader.rebalance.enable": "false",
    # Soon out of the ISR, so that a frozen one shrinks it before the controller sees it dead
    "replica.lag.time.max.ms": "4000",
    "num.replica.fetchers": "1",
}


class Node:
    """One broker on a folder and a port that outlive its processes."""

    def __init__(
        self,
        number: int,
        folder: Path,
        port: int,
        voters: Mapping[int, int],
        *,
        settings: Mapping[str, str],
        heap_mb: int,
        data: Path | None = None,
        prefix: Sequence[str] = (),
    ) -> None:
        """Write its configuration; nothing runs yet.

        Args:
            number: Its node.id.
            folder: For configuration, log, and data.
            port: For clients.
            voters: Number -> port of every controller, its own included.
            settings: Over those of a single node.
            heap_mb: Of its JVM.
            data: Its log directory, where that is not in the folder.
            prefix: A command that runs what follows it.
        """
        self.number = number
        self.bootstrap_servers = f"127.0.0.1:{port}"
        self.log = folder / "kafka.log"
        self._folder = folder
        self._prefix = list(prefix)
        self._heap_mb = heap_mb
        self._process: Process | None = None
        folder.mkdir(parents=True, exist_ok=True)
        own = {
            "node.id": str(number),
            "log.dirs": str(data or folder / "data"),
            "listeners": f"PLAINTEXT://{self.bootstrap_servers},"
            f"CONTROLLER://127.0.0.1:{voters[number]}",
            "advertised.listeners": f"PLAINTEXT://{self.bootstrap_servers}",
            "controller.quorum.voters": ",".join(f"{n}@127.0.0.1:{p}" for n, p in voters.items()),
        }
        lines = (kafka.SINGLE_NODE | dict(settings) | own).items()
        (folder / "server.properties").write_text("".join(f"{k}={v}\n" for k, v in lines))
        (folder / "log4j2.xml").write_text(kafka.LOG4J)

    @property
    def process(self) -> Process:
        """The process that it has now, or had last.

        Raises:
            ProcessError: It was never started.
        """
        if self._process is None:
            message = f"broker {self.number} was never started"
            raise ProcessError(message, self.log)
        return self._process

    def format(self, cluster_id: str) -> None:
        """Make its storage; once, before the first start.

        Raises:
            ProcessError: Ends with its log.
        """
        settings = str(self._folder / "server.properties")
        tool = ["kafka.tools.StorageTool", "format", "-c", settings, f"--cluster-id={cluster_id}"]
        with running("kafka format", self._java(*tool), log=self.log) as run:
            if run.wait(_START_S):
                message = "Kafka's storage could not be formatted"
                raise ProcessError(message, self.log)

    def start(self) -> None:
        """Start a process; it may not answer yet. One that is still there is ended first."""
        self.abandon()
        command = self._java("kafka.Kafka", str(self._folder / "server.properties"))
        self._process = Process(f"kafka {self.number}", command, log=self.log, grace_s=30)

    def wait(self) -> None:
        """Wait until it answers.

        Raises:
            ProcessError: It ended, or does not answer.
        """
        admin = AdminClient({"bootstrap.servers": self.bootstrap_servers, "log_level": 0})

        def answers() -> bool:
            try:
                return bool(admin.list_topics(timeout=1).brokers)
            except KafkaException:
                return False

        what = f"kafka {self.number} answers"
        wait_until(answers, what, timeout_s=_START_S, processes=[self.process])

    def kill(self) -> None:
        """Kill it, and return when it is gone."""
        self.process.signal(signal.SIGKILL)
        self.process.wait(30)

    def stop(self) -> None:
        """End it in order."""
        self.process.signal(signal.SIGTERM)
        self.process.wait(60)

    def abandon(self) -> None:
        """End it in whatever way; harmless when it has ended or never began."""
        if self._process is not None:
            self._process.signal(signal.SIGCONT)
            self._process.stop()

    def _java(self, *arguments: str) -> list[str]:
        classpath = ":".join(str(jar) for jar in downloads.jars(downloads.KAFKA))
        jvm = [f"-Xms{self._heap_mb // 2}m", f"-Xmx{self._heap_mb}m", "-XX:+UseSerialGC"]
        jvm += ["-XX:TieredStopAtLevel=1", "-Xshare:auto"]
        logging = f"-Dlog4j2.configurationFile={self._folder / 'log4j2.xml'}"
        return [*self._prefix, downloads.java(), *jvm, logging, "-cp", classpath, *arguments]


@contextmanager
def one(
    folder: Path,
    *,
    data: Path | None = None,
    prefix: Sequence[str] = (),
    settings: Mapping[str, str] | None = None,
) -> Iterator[Node]:
    """Run a broker that may be killed and started again during the block.

    Args:
        folder: As of `Node`, as are `data`, `prefix` and `settings`.

    Raises:
        ProcessError: It did not start; the message ends with its log.
    """
    port, controller_port = free_ports(2)
    node = Node(
        1,
        folder,
        port,
        {1: controller_port},
        settings=settings or {},
        heap_mb=512,
        data=data,
        prefix=prefix,
    )
    node.format(kafka.cluster_id())
    try:
        node.start()
        node.wait()
        yield node
    finally:
        node.abandon()


@contextmanager
def three(folder: Path, *, heap_mb: int = 256) -> Iterator[list[Node]]:
    """Run a cluster of three, each of them controller too; each partition has three copies.

    A write needs two copies. Any one of them may be away.

    Raises:
        ProcessError: One did not start; the message ends with its log.
    """
    ports = free_ports(6)
    voters = {n + 1: port for n, port in enumerate(ports[:3])}
    nodes = [
        Node(n, folder / f"broker-{n}", port, voters, settings=_COPIES, heap_mb=heap_mb)
        for n, port in zip(voters, ports[3:], strict=True)
    ]
    name = kafka.cluster_id()
    for node in nodes:
        node.format(name)
    try:
        for node in nodes:
            node.start()
        admin = AdminClient({"bootstrap.servers": addresses(nodes), "log_level": 0})
        wait_until(
            lambda: _count(admin) == len(nodes),
            "all brokers of the cluster answer",
            timeout_s=_START_S,
            processes=[node.process for node in nodes],
        )
        yield nodes
    finally:
        for node in nodes:
            node.abandon()


def addresses(nodes: Sequence[Node]) -> str:
    """Return what clients are given to find a cluster."""
    return ",".join(node.bootstrap_servers for node in nodes)


def _count(admin: AdminClient) -> int:
    try:
        return len(admin.list_topics(timeout=1).brokers)
    except KafkaException:
        return 0
