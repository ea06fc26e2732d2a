"""The clocks of recorders and merger are set, far and near: order, books and timers stay as they are."""

import time
from collections.abc import Sequence
from typing import Any

from jetl2.campaign import wire
from jetl2.campaign.kept import Clock
from jetl2.campaign.recording import judge, site, want_all_trades
from jetl2.campaign.trial import Trial
from jetl2.campaign.truth import Name
from jetl2.devstack import kafka

FAULTS = {"F16": "wall clocks set by up to an hour, or by a leap second; a recorder dies meanwhile"}
IN_SLICE = 15.0

# Those whose messages carry a time, by which contradicting stamps are settled
EXCHANGES = ("binance", "coinbase", "deribit", "okex")
AHEAD_S = (-3600, -61, -1, 0, 1, 61, 3600)
IN_STEP_S = 3.0


def run(trial: Trial) -> None:
    """Set one clock after the other; now and then a recorder dies while they differ."""
    clocks = [Clock(trial.folder / f"clock-{n}") for n in range(3)]
    furthest_s = 0
    with site(trial, EXCHANGES, recorders=2, clocks=clocks) as at:
        time.sleep(IN_STEP_S)
        for _ in trial.strikes():
            ahead_s, clock = trial.chance.choice(AHEAD_S), trial.chance.choice(clocks)
            clock.set(ahead_s)
            furthest_s = max(furthest_s, ahead_s if clock in clocks[:2] else 0)
            trial.did(f"clock set to {ahead_s:+d} s" if ahead_s else "clock set right")
            time.sleep(IN_STEP_S)
            if trial.chance.random() < 0.3:
                trial.chance.choice(at.recorders).die_once()
                trial.did("recorder killed")
                at.wait_ready()
                time.sleep(IN_STEP_S)
        found = at.rest()
        sent = kafka.read(at.servers, [f"raw.{name}" for name in EXCHANGES])
    trial.verdict.add(judge(at, found))
    want_all_trades(at, found)
    for name, count in _backwards(found).items():
        trial.problem(f"{name}: the local time goes back {count} times")
    # What is stamped ahead stays ahead: a trial takes minutes
    newest_s = max(wire.decode(message.value())[1]["local_ts"] for message in sent) / 1e9
    if newest_s - time.time() < furthest_s - 600:
        trial.problem(f"a recorder's clock was {furthest_s} s ahead, and no raw event says so")
    trial.figures["gaps"] = sum(kind == "Gap" for kind, _ in found)


def _backwards(found: Sequence[tuple[str, dict[str, Any]]]) -> dict[Name, int]:
    """Return how often a symbol's records, in their order, go back in time."""
    last: dict[Name, int] = {}
    times: dict[Name, int] = {}
    for _, fields in found:
        name = (fields["exchange"], fields["symbol"])
        if fields["local_ts"] < last.get(name, 0):
            times[name] = times.get(name, 0) + 1
        last[name] = fields["local_ts"]
    return times
