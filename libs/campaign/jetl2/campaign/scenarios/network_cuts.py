"""One merger or both lose the network: all connections break, or nothing passes and then all of it."""

import math
import time
from contextlib import ExitStack, closing

from jetl2.campaign.mergers import IN_DOUBT
from jetl2.campaign.merging import Line, line
from jetl2.campaign.trial import Trial
from jetl2.devstack import kafka
from jetl2.devstack.errors import NotReadyError
from jetl2.devstack.process import wait_until
from jetl2.testkit.kafka_proxy import KafkaProxy

FAULTS = {"F10": "all connections of a merger cut, or silent, for 1 to 60 s"}
IN_SLICE = 20.0

LONGEST_S = 60.0
RATE = 1000.0
# What was on its way has become visible when nothing more has come for so long
QUIET_S = 2.0


def run(trial: Trial) -> None:
    """Cut again when the last cut is recovered from."""
    with ExitStack() as stack:
        broker = stack.enter_context(kafka.broker(trial.folder / "kafka"))
        servers = broker.bootstrap_servers
        proxies = [stack.enter_context(closing(KafkaProxy(servers))) for _ in range(2)]
        through = [proxy.bootstrap_servers for proxy in proxies]
        at = stack.enter_context(line(trial, servers, through=through, rate=RATE))
        for left in trial.strikes():
            longest_s = max(min(LONGEST_S, left), 1)
            # As many short ones as long ones: each tries other timeouts
            length_s = math.exp(trial.chance.uniform(0, math.log(longest_s)))
            hit = trial.chance.choice([proxies, proxies[:1], proxies[1:]])
            silent = trial.chance.random() < 0.5
            for proxy in hit:
                (proxy.stall if silent else proxy.cut)(length_s)
            healed_at = time.monotonic() + length_s
            trial.did("network silent" if silent else "network cut")
            if hit is proxies:
                _see_nothing(trial, at, healed_at)
            time.sleep(max(healed_at - time.monotonic(), 0))
            at.recovered("network healed", at.now())
        trial.figures["ended_in_doubt"] = sum(m.ended[IN_DOUBT] for m in at.members)


def _see_nothing(trial: Trial, at: Line, until: float) -> None:
    """Notice records that become visible although no merger can reach a broker."""
    seen = [(at.tail.count, time.monotonic())]

    def quiet() -> bool:
        if at.tail.count != seen[-1][0]:
            seen.append((at.tail.count, time.monotonic()))
        return time.monotonic() - seen[-1][1] >= QUIET_S

    left_s = until - time.monotonic()
    if left_s < 2 * QUIET_S:
        return
    try:
        wait_until(quiet, "no more output", timeout_s=left_s, interval_s=0.01)
    except NotReadyError:
        trial.problem(f"output went on for {left_s:.0f} s while no merger reached a broker")
        return
    trial.did("cut of all, in which nothing was committed")
    while time.monotonic() < until - QUIET_S / 4:
        if not quiet():
            trial.problem("records became visible while no merger reached a broker")
            return
        time.sleep(0.05)
