"""Landing dies: at named points and at any time, alone and overtaken by another run, under Spark."""

import signal
import time
from collections.abc import Callable

from jetl2.campaign.kept import KILLED
from jetl2.campaign.lake import Place
from jetl2.campaign.landing import Bed, bed
from jetl2.campaign.trial import Trial

FAULTS = {"F18": "kill -9 of landing at every step, two runs at once, a worker of Spark killed"}
IN_SLICE = 5.0

# As landing names them; in the order in which a run passes them
POINTS = ("fenced", "offsets-sent", "planned", "object", "written", "manifest", "committed")
# A run has two datasets of two partitions each, and what the one before left
_PASSINGS = {"object": 30, "manifest": 4, "offsets-sent": 4}
SPARK = "local[2]"
# Each task may be tried twice
_PATIENT = "local[2,2]"
_SPARK_FAILED = 1
_UNAVAILABLE = 3
_FENCED = 5


def run(trial: Trial) -> None:
    """Kill one run after the other while all is written on; at last one lands the rest."""
    with bed(trial) as at:
        with at.writer.flowing():
            time.sleep(1)
            torment = _Torment(at)
            torment.undisturbed()
            points = list(POINTS)
            trial.chance.shuffle(points)
            # What takes longest, and each point once, in any case
            longest = (torment.freeze, torment.under_spark, torment.lose_a_worker)
            for n, strike in enumerate(longest):
                strike()
                for point in points[n :: len(longest)]:
                    torment.die_at(point)
            for _ in trial.strikes():
                torment.anything()
        # Something to die over, whatever has landed; one transaction is left open at the tail
        at.writer.some()
        at.writer.begin(50)
        torment.die_at("planned")
        with trial.timed("landing after the last kill"):
            trial.figures["runs_after_the_last_kill"] = at.finish()
        trial.figures["aborted_records"] = at.writer.aborted
        at.judge()


class _Torment:
    """The strikes, and what must come of each."""

    def __init__(self, at: Bed) -> None:
        self._at = at
        self._trial = at.trial
        self._chance = at.trial.chance
        self._usual_s = 0.0
        # Up to where runs that died were to land
        self._begun: dict[Place, int] = {}

    def anything(self) -> None:
        """Do one of all that does not need Spark."""
        strikes: list[Callable[[], None]] = [self.kill, self.die, self.overtake, self.freeze]
        [strike] = self._chance.choices([*strikes, self.undisturbed], [5, 5, 2, 1, 2])
        strike()

    def undisturbed(self) -> None:
        """Let a run end by itself: what died before it, it has to finish."""
        with self._trial.timed("landing undisturbed"):
            self._at.expect(self._at.job.start(), 0)
        self._usual_s = self._trial.seconds_by_name["landing undisturbed"][-1]
        self._resumed()

    def die(self) -> None:
        """Let a run die at any point."""
        self.die_at(self._chance.choice(POINTS))

    def die_at(self, point: str) -> None:
        """Let a run die at a point: at a later passing, if there is one, else at the first."""
        most = _PASSINGS.get(point, 1)
        for times in {self._chance.randint(1, most): None, 1: None}:
            started = self._at.job.start(crash_at=f"{point}:{times}")
            if not self._at.expect(started, 0, KILLED):
                return
            if started.wait() == KILLED:
                self._died("landing killed", f"at {point}")
                return
            self._resumed()
        self._trial.problem(f"landing does not pass {point}")

    def kill(self) -> None:
        """Kill a run at any time."""
        started = self._at.job.start()
        time.sleep(self._chance.uniform(0.3, self._usual_s))
        started.signal(signal.SIGKILL)
        if self._at.expect(started, 0, KILLED) and started.wait() == KILLED:
            self._died("landing killed", "at any time")

    def overtake(self) -> None:
        """Have two runs at once: one of them may find itself fenced, and that is all."""
        older = self._at.job.start()
        time.sleep(self._chance.uniform(0, self._usual_s))
        newer = self._at.job.start()
        self._at.expect(older, 0, _FENCED)
        self._at.expect(newer, 0, _FENCED)
        self._trial.did("two runs of landing at once")
        self._resumed()

    def freeze(self) -> None:
        """Freeze a run, have another one land everything, and let the first one go on."""
        older = self._at.job.start()
        time.sleep(self._chance.uniform(0.3, self._usual_s))
        older.signal(signal.SIGSTOP)
        self._at.expect(self._at.job.start(), 0)
        older.signal(signal.SIGCONT)
        # What it had asked of Kafka may have timed out meanwhile
        self._at.expect(older, 0, _FENCED, _UNAVAILABLE)
        self._trial.did("landing frozen and overtaken")
        self._resumed()

    def under_spark(self) -> None:
        """Kill a run under Spark, at a point or at any time."""
        point = self._chance.choice(["", *POINTS])
        started = self._at.job.start(crash_at=point, under=SPARK)
        if not point:
            time.sleep(self._chance.uniform(3, 12))
            started.signal(signal.SIGKILL)
        # Objects are written by a worker, and of its death Spark and the driver live to tell
        code = _SPARK_FAILED if point == "object" else KILLED
        if self._at.expect(started, 0, code) and started.wait() == code:
            self._died("landing killed under Spark", f"under Spark at {point or 'any time'}")
        else:
            self._resumed()

    def lose_a_worker(self) -> None:
        """Kill one of Spark's Python workers; the task is tried again."""
        started = self._at.job.start(under=_PATIENT)
        seen = started.kill_worker()
        self._trial.did("worker of Spark killed" if seen else "no worker of Spark was seen")
        self._at.expect(started, 0)
        self._resumed()

    def _died(self, what: str, where: str) -> None:
        self._trial.did(what)
        self._trial.did(where)
        self._at.look()
        stands = self._at.job.offsets(self._at.writer.topics)
        self._begun |= {p: says["end"] for p, (_, says) in stands.items() if "plan" in says}

    def _resumed(self) -> None:
        """See to it that a run which ended has landed what runs that died had begun."""
        self._at.look()
        stands = self._at.job.offsets(self._at.writer.topics)
        for place, end in self._begun.items():
            if stands[place][0] < end:
                self._trial.problem(f"{place} was begun up to {end}; the next run left it")
        self._begun = {}
