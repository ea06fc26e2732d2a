"""Three brokers, three copies of everything: restarts, deaths, frozen ones, leaders that move."""

import signal
import time
from collections.abc import Sequence

from confluent_kafka import ElectionType
from confluent_kafka.admin import AdminClient

from jetl2.campaign import raw
from jetl2.campaign.merging import MARKET, Line, line
from jetl2.campaign.trial import Trial
from jetl2.campaign.truth import EXCHANGES
from jetl2.devstack import brokers
from jetl2.devstack.brokers import Node
from jetl2.devstack.process import wait_until

FAULTS = {"F8": "brokers restarted in turn, killed, frozen out of the ISR; leaders moved"}
# Three brokers on two cores take their time
IN_SLICE = 0.0

COPIES = 3
# Longer than replica.lag.time.max.ms, and at times than the session of a broker, 9 s
FROZEN_S = (5.0, 12.0)
OWN = ["merger.changelog", *MARKET, *(f"{n}.{e}" for e in EXCHANGES for n in ("control", "dead"))]


def run(trial: Trial) -> None:
    """Strike at one broker after the other, each time all copies are there again."""
    strikes = {"restart": _restart, "kill": _kill, "freeze": _freeze}
    with brokers.three(trial.folder / "kafka") as nodes:
        servers = brokers.addresses(nodes)
        admin = AdminClient({"bootstrap.servers": servers, "log_level": 0})
        with line(trial, servers, rate=1000, replication=COPIES) as at:
            _copies(trial, admin)
            names = list(strikes)
            trial.chance.shuffle(names)
            turn = trial.chance.randrange(COPIES)
            for _ in trial.strikes():
                names.insert(0, name := names.pop())
                turn = (turn + 1) % COPIES
                strikes[name](trial, at, nodes[turn])
                with trial.timed("all copies in the ISR again"):
                    _whole(admin, nodes)
                _move_leaders(trial, at, admin)
        for problem in raw.recount(servers, at.feed):
            trial.problem(problem)


def _restart(trial: Trial, at: Line, node: Node) -> None:
    since = at.now()
    node.stop()
    trial.did("broker restarted in order")
    node.start()
    at.recovered("broker restarted", since)


def _kill(trial: Trial, at: Line, node: Node) -> None:
    since = at.now()
    node.kill()
    trial.did("broker killed")
    at.recovered("broker killed", since)
    time.sleep(trial.chance.uniform(0, 2))
    node.start()


def _freeze(trial: Trial, at: Line, node: Node) -> None:
    """Freeze it: first the ISR shrinks, then it loses its leaderships; it wakes and knows nothing."""
    since = at.now()
    node.process.signal(signal.SIGSTOP)
    time.sleep(trial.chance.uniform(*FROZEN_S))
    node.process.signal(signal.SIGCONT)
    trial.did("broker frozen")
    at.recovered("broker frozen", since)


def _move_leaders(trial: Trial, at: Line, admin: AdminClient) -> None:
    """Give every partition its preferred leader back: those of the last broker move again."""
    before = _leaders(admin)
    away = sum(now != preferred for now, preferred in before.values())
    if not away:
        return
    since = at.now()
    # Of all partitions; confluent-kafka 2.16 cannot be given a timeout here
    admin.elect_leaders(ElectionType.PREFERRED).result(60)
    wait_until(
        lambda: all(now == preferred for now, preferred in _leaders(admin).values()),
        "every partition has its preferred leader",
        timeout_s=60,
    )
    trial.did("leader moved", away)
    at.recovered("leaders moved", since)


def _leaders(admin: AdminClient) -> dict[tuple[str, int], tuple[int, int]]:
    """Return the leader that each partition has, and the one that it should have."""
    return {
        (name, number): (partition.leader, partition.replicas[0])
        for name, topic in admin.list_topics(timeout=10).topics.items()
        for number, partition in topic.partitions.items()
    }


def _whole(admin: AdminClient, nodes: Sequence[Node]) -> None:
    """Wait until every partition has all of its copies in step."""

    def whole() -> bool:
        for node in nodes:
            node.process.check()
        found = admin.list_topics(timeout=10)
        return len(found.brokers) == COPIES and all(
            len(partition.isrs) == COPIES
            for topic in found.topics.values()
            for partition in topic.partitions.values()
        )

    wait_until(whole, "all copies are in the ISR", timeout_s=120)


def _copies(trial: Trial, admin: AdminClient) -> None:
    """Compare the topics that the merger made with the cluster's default."""
    found = admin.list_topics(timeout=10).topics
    for name in OWN:
        copies = {len(p.replicas) for p in found[name].partitions.values()} if name in found else {}
        if copies != {COPIES}:
            trial.problem(f"topic {name} was made with {copies or 'no'} copies, not {COPIES}")
