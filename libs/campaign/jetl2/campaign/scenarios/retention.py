"""Retention deletes what was never landed: landing stops, names the hole, and never skips."""

from collections import defaultdict

from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from jetl2.campaign.lake import Offsets, Place
from jetl2.campaign.landing import Bed, bed
from jetl2.campaign.trial import Trial

FAULTS = {"F20": "retention passes the landing offset"}
IN_SLICE = 10.0

_LOST = 4


def run(trial: Trial) -> None:
    """Delete before the first landing, and again and again behind a landed range."""
    with bed(trial) as at:
        holes: dict[Place, list[Offsets]] = defaultdict(list)
        for _ in trial.strikes():
            for _ in range(trial.chance.randint(1, 4)):
                at.writer.some()
            place, hole = _delete(at)
            _stops(at, place, hole)
            if trial.chance.random() < 0.5:
                # Waiting does not help
                at.writer.some()
                _stops(at, place, hole)
            at.expect(at.job.start(accept_lost=True), 0)
            holes[place].append(hole)
            at.look()
        at.finish()
        at.judge(lost=holes)


def _delete(at: Bed) -> tuple[Place, Offsets]:
    """Have Kafka delete some of what is not landed yet in one partition."""
    stable = at.job.stable(at.writer.topics)
    stands = {place: offset for place, (offset, _) in at.job.offsets(at.writer.topics).items()}
    news = [place for place, end in stable.items() if end > stands.get(place, 0)]
    place = at.trial.chance.choice(news)
    start = stands.get(place, 0)
    end = at.trial.chance.randint(start + 1, stable[place])
    admin = AdminClient({"bootstrap.servers": at.servers, "log_level": 0})
    for deleted in admin.delete_records([TopicPartition(*place, end)]).values():
        deleted.result(30)
    at.trial.did("records deleted before they were landed")
    return place, (start, end)


def _stops(at: Bed, place: Place, hole: Offsets) -> None:
    """See a run refuse: by the right code, with the hole by name, its partition's offset unmoved."""
    refused = at.job.start()
    if not at.expect(refused, _LOST):
        return
    at.trial.did("landing stopped at a hole")
    named = f"{place[0]}-{place[1]}: offsets [{hole[0]}, {hole[1]}) were deleted"
    if named not in str(refused.summary().get("error")):
        at.trial.problem(f"{refused.process.name} does not say: {named}")
    stands = at.job.offsets(at.writer.topics).get(place, (0, {}))[0]
    if stands != hole[0]:
        at.trial.problem(f"{place} was at {hole[0]}, and is at {stands} after a refusal")
