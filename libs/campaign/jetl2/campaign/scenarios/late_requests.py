"""Requests come late, after their own repetition, or not at all, and replies are lost.

The client repeats what was not answered and says nothing of it: a commit that arrives after its
repetition would commit half of a later transaction.
"""

from contextlib import closing

from jetl2.campaign.mergers import IN_DOUBT, REFUSED, Member
from jetl2.campaign.merging import Line, line
from jetl2.campaign.trial import Trial
from jetl2.devstack import kafka
from jetl2.devstack.errors import NotReadyError
from jetl2.devstack.process import wait_until
from jetl2.testkit import kafka_proxy as proxies
from jetl2.testkit.kafka_proxy import KafkaProxy

FAULTS = {
    "F4": "commit requests that come late, or after their own repetition",
    "F5": "the same of offsets, partitions and records of a transaction",
    "F6": "requests and replies of every kind that are lost",
}
IN_SLICE = 25.0

NAMES = {
    proxies.PRODUCE: "Produce",
    proxies.FETCH: "Fetch",
    proxies.LIST_OFFSETS: "ListOffsets",
    proxies.METADATA: "Metadata",
    proxies.OFFSET_FETCH: "OffsetFetch",
    proxies.FIND_COORDINATOR: "FindCoordinator",
    proxies.JOIN_GROUP: "JoinGroup",
    proxies.HEARTBEAT: "Heartbeat",
    proxies.SYNC_GROUP: "SyncGroup",
    proxies.API_VERSIONS: "ApiVersions",
    proxies.INIT_PRODUCER_ID: "InitProducerId",
    proxies.ADD_PARTITIONS_TO_TXN: "AddPartitionsToTxn",
    proxies.ADD_OFFSETS_TO_TXN: "AddOffsetsToTxn",
    proxies.END_TXN: "EndTxn",
    proxies.TXN_OFFSET_COMMIT: "TxnOffsetCommit",
}
# Sent in each transaction before its commit
PARTS = (
    proxies.PRODUCE,
    proxies.ADD_PARTITIONS_TO_TXN,
    proxies.ADD_OFFSETS_TO_TXN,
    proxies.TXN_OFFSET_COMMIT,
)
# Sent again and again by every merger
REGULAR = (proxies.FETCH, proxies.LIST_OFFSETS, proxies.METADATA, proxies.HEARTBEAT)
# Sent by a merger that begins
FIRST = (
    proxies.API_VERSIONS,
    proxies.FIND_COORDINATOR,
    proxies.INIT_PRODUCER_ID,
    proxies.JOIN_GROUP,
    proxies.SYNC_GROUP,
    proxies.OFFSET_FETCH,
)
# Most of all the commits: it is they that do damage
WEIGHTS = {"F4": 4, "F5": 3, "F6": 2}
# The proxy shares our process with the feed: what it adds to each request must stay small
RATE = 1000.0
# A client gives up after 5 s, and its call after 10 s
_ALL_USED_S = 25.0


def run(trial: Trial) -> None:
    """Strike several tasks at a time; again when all that was held has arrived."""
    with (
        kafka.broker(trial.folder / "kafka") as broker,
        closing(KafkaProxy(broker.bootstrap_servers)) as proxy,
        line(trial, broker.bootstrap_servers, through=proxy.bootstrap_servers, rate=RATE) as at,
    ):
        strikes = _Strikes(trial, proxy)
        asked = sorted(trial.faults)
        for _ in trial.strikes():
            strikes.patient = trial.chance.random() < 0.5
            count = trial.chance.randint(1, at.feed.partitions)
            for task in trial.chance.sample(range(at.feed.partitions), count):
                (fault,) = trial.chance.choices(asked, [WEIGHTS[f] for f in asked])
                strikes.strike(fault, f"merger-{task}", at.members)
            since = at.now()
            _let_pass(trial, proxy)
            if strikes.killed:
                strikes.killed = False
                at.recovered("merger killed, its first replies lost", since)
        _tell(trial, proxy, at)


class _Strikes:
    """Chooses what happens to the requests of one client; `patient`: so long that it repeats."""

    def __init__(self, trial: Trial, proxy: KafkaProxy) -> None:
        self.patient = False
        self.killed = False
        self._trial = trial
        self._chance = trial.chance
        self._proxy = proxy

    def strike(self, fault: str, client: str, members: list[Member]) -> None:
        """Lay in wait for the next requests of one client, the producer of a task."""
        if fault == "F4":
            self._delay(proxies.END_TXN, client)
        elif fault == "F5":
            self._delay(self._chance.choice(PARTS), client)
        elif self._chance.random() < 0.15:
            for kind in FIRST:
                self._proxy.lose_reply(kind)
            self._chance.choice(members).kill()
            self.killed = True
            self._trial.did("merger killed, its first replies lost")
        else:
            self._lose(client)

    def _delay(self, kind: int, client: str) -> None:
        if self.patient:
            seconds = self._chance.uniform(0.02, 0.6)
            self._proxy.hold_past_repetition(kind, seconds, client=client)
        else:
            several = [self._chance.uniform(0.08, 1) for _ in range(self._chance.randint(1, 3))]
            self._proxy.hold(kind, *several, client=client)

    def _lose(self, client: str) -> None:
        kind = self._chance.choice((*PARTS, proxies.END_TXN, *REGULAR))
        client = "" if kind in REGULAR else client
        proxy = self._proxy
        # What is dropped is noticed by its time, what is cut at once
        ways = [proxy.drop, proxy.drop_reply] if self.patient else [proxy.cut_at, proxy.lose_reply]
        self._chance.choice(ways)(kind, client=client)


def _let_pass(trial: Trial, proxy: KafkaProxy) -> None:
    try:
        wait_until(
            lambda: not proxy.pending, "all rules are used", timeout_s=_ALL_USED_S, interval_s=0.01
        )
    except NotReadyError:
        trial.did("request that did not come", proxy.pending)
        proxy.clear()


def _tell(trial: Trial, proxy: KafkaProxy, at: Line) -> None:
    for (what, kind), times in sorted(proxy.done.items()):
        held = what in (proxies.HOLD, proxies.HOLD_PAST_REPETITION)
        trial.did(f"{NAMES[kind]} {'delayed' if held else what}", times)
    # Some of those that were delayed
    for kind, times in sorted((+proxy.late).items()):
        trial.did(f"{NAMES[kind]} delivered after its repetition", times)
    trial.figures["producers_rotated"] = sum(len(m.events("producer_rotated")) for m in at.members)
    trial.figures["ended_in_doubt"] = sum(m.ended[IN_DOUBT] for m in at.members)
    for member in at.members:
        if member.ended[REFUSED]:
            trial.problem(f"{member.name} refused to begin: see {member.log}")
