"""S3 refuses, cuts connections and loses answers: the lake must be as if it had not."""

from jetl2.campaign.lake import Lake
from jetl2.campaign.landing import Bed, Job, bed
from jetl2.campaign.oracle import Verdict
from jetl2.campaign.trial import Trial
from jetl2.devstack import s3
from jetl2.testkit import s3_proxy
from jetl2.testkit.s3_proxy import S3Proxy

FAULTS = {"F19": "S3: 503, 500, 403, cut and delayed requests, lost answers, one call in ten"}
IN_SLICE = 15.0

# A refusal of rights is given up on at once, so it must be rare for a run to end at all
_SHARES = {
    s3_proxy.SLOW_DOWN: 0.02,
    s3_proxy.INTERNAL: 0.02,
    s3_proxy.CUT: 0.025,
    s3_proxy.LOST: 0.025,
    s3_proxy.DELAYED: 0.008,
    s3_proxy.DENIED: 0.002,
}
_REFERENCE = "campaign-reference"
_UNAVAILABLE = 3
# Both lakes are cut at the same offsets, however many runs it takes
_MOST_OFFSETS = 200
_MOST_RUNS = 25


def run(trial: Trial) -> None:
    """Land the same twice, once through faults, and compare."""
    with (
        bed(trial) as at,
        S3Proxy(at.store.endpoint, trial.chance, _SHARES) as proxy,
    ):
        s3.create_bucket(at.store, _REFERENCE)
        client = at.store.client()
        reference = Lake(client, _REFERENCE)
        lied_to = at.store._replace(endpoint=proxy.endpoint)
        at.job = Job(at.servers, lied_to, trial.folder, name="lied-to", max_offsets=_MOST_OFFSETS)
        untroubled = Job(
            at.servers,
            at.store,
            trial.folder,
            name="untroubled",
            max_offsets=_MOST_OFFSETS,
            lake=f"s3://{_REFERENCE}",
        )
        for _ in trial.strikes():
            for _ in range(trial.chance.randint(2, 6)):
                at.writer.some()
            _land_through(at)
            at.finish(untroubled)
            ours, theirs = (_objects(lake) for lake in (at.lake, reference))
            for key in ours.keys() | theirs.keys():
                if ours.get(key) != theirs.get(key):
                    trial.problem(f"{key} is not as it would be without faults")
        for fault, times in proxy.done.items():
            trial.did(f"S3: {fault}", times)
        trial.figures["s3_requests"] = proxy.requests
        at.judge()


def _land_through(at: Bed) -> None:
    """Run until all is landed; a run may give up, and then has to say why."""
    for _ in range(_MOST_RUNS):
        landing = at.job.start()
        if not at.expect(landing, 0, _UNAVAILABLE):
            return
        at.look()
        summary = landing.summary()
        if summary.get("exit_code") == _UNAVAILABLE:
            at.trial.did("landing gave up on S3")
            if " in the lake: " not in summary["error"]:
                at.trial.problem(f"{landing.process.name} does not say why: {summary['error']}")
        elif at.landed():
            return
    at.trial.problem(f"not all is landed after {_MOST_RUNS} runs")


def _objects(lake: Lake) -> dict[str, str]:
    # Manifests name the run that planned them
    found = lake.look(Verdict())
    return {key: etag for key, etag in found.items() if key.endswith(".parquet")}
