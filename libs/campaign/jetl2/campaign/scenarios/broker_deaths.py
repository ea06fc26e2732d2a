"""The only broker dies by SIGKILL under flow and comes back on what the disk has of it."""

import time

from jetl2.campaign import raw
from jetl2.campaign.merging import line
from jetl2.campaign.trial import Trial
from jetl2.devstack import brokers

FAULTS = {"F7": "kill -9 of the broker, which is back after 0.2 to 2 s"}
IN_SLICE = 15.0


def run(trial: Trial) -> None:
    """Kill it as soon as the last death is recovered from."""
    with brokers.one(trial.folder / "kafka") as broker:
        with line(trial, broker.bootstrap_servers) as at:
            for _ in trial.strikes():
                since = at.now()
                broker.kill()
                trial.did("broker killed")
                time.sleep(trial.chance.uniform(0.2, 2))
                broker.start()
                with trial.timed("broker starts"):
                    broker.wait()
                answered = at.now()
                at.recovered("broker killed", since)
                # What is the product's own of it: the JVM's start is most of the rest
                trial.seconds_by_name["merged after the broker answers"].append(
                    time.monotonic() - answered[0]
                )
                time.sleep(trial.chance.uniform(0, 1))
        for problem in raw.recount(broker.bootstrap_servers, at.feed):
            trial.problem(problem)
