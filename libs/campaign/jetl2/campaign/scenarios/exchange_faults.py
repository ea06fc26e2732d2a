"""Exchanges lose, repeat, mix up, garble, cut, go silent and refuse: each gap shows, and ends."""

import time
from collections import Counter

from jetl2.campaign.recording import judge, site
from jetl2.campaign.trial import Trial
from jetl2.devstack import faults

FAULTS = {"F15": "deltas lost, doubled, reordered, garbled; cuts, silence, bans, stale snapshots"}
IN_SLICE = 15.0

# Every one of these is noticed by number or checksum
EXCHANGES = ("binance", "coinbase", "deribit", "okex")
RATES = {
    faults.DROP: 0.003,
    faults.DUPLICATE: 0.003,
    faults.REORDER: 0.003,
    faults.CORRUPT: 0.002,
    faults.DISCONNECT: 0.001,
}
# Asked for by themselves: they happen at the next occasion, or to one connection
ASKED = (
    faults.SILENT,
    faults.CONNECT_429,
    faults.CONNECT_503,
    faults.REST_429,
    faults.REST_418,
    faults.STALE_SNAPSHOT,
    faults.LATE_SNAPSHOT,
)


def run(trial: Trial) -> None:
    """Let them misbehave for all of the time; then they behave, and the books must be true."""
    with site(trial, EXCHANGES, rates=RATES) as at:
        for _ in trial.strikes():
            exchange = trial.chance.choice(at.exchanges)
            exchange.faults.ask(trial.chance.choice(ASKED))
            time.sleep(trial.chance.uniform(0.5, 3))
        found = at.rest()
        trial.verdict.add(judge(at, found))
        done = Counter(kind for e in at.exchanges for _, _, kind in e.faults.done)
    for kind, count in done.items():
        trial.did(f"exchange: {kind}", count)
    gaps = Counter(fields["reason"] for kind, fields in found if kind == "Gap")
    for reason, count in gaps.items():
        trial.figures[f"gaps: {reason}"] = count
    if done and not gaps:
        trial.problem("exchanges misbehaved, and no gap tells of it")
