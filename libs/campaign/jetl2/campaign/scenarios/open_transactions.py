"""Aborted transactions, and one left open at the tail: landing goes as far as can be known."""

from jetl2.campaign.kept import KILLED
from jetl2.campaign.landing import Bed, bed
from jetl2.campaign.trial import Trial
from jetl2.campaign.writer import Writer

FAULTS = {"F21": "aborted transactions, and an open one at the tail"}
IN_SLICE = 10.0


def run(trial: Trial) -> None:
    """Leave one transaction open after the other, land up to it, end it, and land on."""
    with bed(trial) as at:
        # Goes on writing into the same partitions behind what the first one has left open
        other = Writer(at.servers, trial.chance, name="other", symbols=("LTC-USD", "ADA-USD"))
        for _ in trial.strikes():
            _leave_open(at, other)
        at.finish()
        at.judge(other)
        trial.figures["aborted_records"] = at.writer.aborted + other.aborted


def _leave_open(at: Bed, other: Writer) -> None:
    trial, chance = at.trial, at.trial.chance
    for writer in (at.writer, other):
        for _ in range(chance.randint(1, 3)):
            writer.some()
    at.writer.begin(chance.randint(5, 50))
    other.write(chance.randint(5, 50))
    other.begin(chance.randint(5, 50))
    other.abort()
    stable = at.job.stable(at.writer.topics)
    killed = chance.random() < 0.3
    if (
        killed
        and at.job.run(crash_at=chance.choice(["planned", "object", "written"])).wait() == KILLED
    ):
        trial.did("landing killed at an open tail")
    at.expect(at.job.start(), 0)
    trial.did("landed up to an open transaction")
    stands = {place: offset for place, (offset, _) in at.job.offsets(at.writer.topics).items()}
    if stands != stable:
        trial.problem(f"the group stands at {stands}, what can be read ends at {stable}")
    at.look()
    at.expect(idle := at.job.start(), 0)
    if idle.summary().get("status") != "idle":
        trial.problem(f"{idle.process.name} found something to land in an open transaction")
    if chance.random() < 0.5:
        at.writer.commit()
    else:
        at.writer.abort()
        trial.did("open transaction aborted")
