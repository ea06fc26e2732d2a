"""Two recorders of the same symbols die and freeze in turn: the merged stream shows nothing of it."""

import signal
import time

from jetl2.campaign.recording import Recorder, Site, judge, site, want_all_trades
from jetl2.campaign.trial import Trial

FAULTS = {"F14": "one of two recorders killed, frozen, restarted: all comes twice, then once"}
IN_SLICE = 15.0

# Of each way in which books are numbered one
EXCHANGES = ("binance", "coinbase", "deribit", "okex")
# A second connection is in step soon after it is open; only then may the first one die
IN_STEP_S = 3.0


def run(trial: Trial) -> None:
    """Strike at one, wait until it is back and in step, strike again."""
    strikes = [_kill, _restart, _freeze]
    with site(trial, EXCHANGES, recorders=2) as at:
        time.sleep(IN_STEP_S)
        for _ in trial.strikes():
            trial.chance.choice(strikes)(at, trial.chance.choice(at.recorders))
            at.wait_ready()
            time.sleep(IN_STEP_S)
        found = at.rest()
        trial.verdict.add(judge(at, found))
        gaps = [fields for kind, fields in found if kind == "Gap"]
        for gap in gaps[:3]:
            book = f"{gap['exchange']} {gap['symbol']}"
            trial.problem(f"a gap of {book}: {gap['reason']}, {gap['detail']}, seq {gap['seq']}")
        want_all_trades(at, found)
        handed = sum(kind == "BookDelta" and f["reason"] == "handover" for kind, f in found)
        trial.figures["handovers"] = handed


def _kill(at: Site, recorder: Recorder) -> None:
    recorder.die_once()
    at.trial.did("recorder killed")


def _restart(at: Site, recorder: Recorder) -> None:
    recorder.end_in_order()
    at.trial.did("recorder restarted in order")


def _freeze(at: Site, recorder: Recorder) -> None:
    recorder.signal(signal.SIGSTOP)
    time.sleep(at.trial.chance.uniform(3, 8))
    recorder.signal(signal.SIGCONT)
    at.trial.did("recorder frozen")
