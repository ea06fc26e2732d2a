"""What the merger counts; read at /metrics."""

from collections.abc import Mapping

from jetl2.runtime import metrics
from jetl2.schemas import topics

# The kind of output that is a dead letter
DEAD_LETTER = "DeadLetter"

MESSAGES = metrics.counter(
    "jetl2_merger_messages", "Raw events applied, not counting restores", ["exchange"]
)
RECORDS = metrics.counter("jetl2_merger_records", "Records written, by kind", ["exchange", "kind"])
GAPS = metrics.counter("jetl2_merger_gaps", "Gap records written", ["exchange", "reason"])
DEAD_LETTERS = metrics.counter(
    "jetl2_merger_dead_letters", "Raw events that could not be read, put aside", ["exchange"]
)
COMMITS = metrics.counter("jetl2_merger_commits", "Transactions committed")
COMMIT_SECONDS = metrics.histogram(
    "jetl2_merger_commit_seconds", "From the end of the work to the committed transaction"
)
PHASE_SECONDS = metrics.histogram(
    "jetl2_merger_commit_phase_seconds", "Parts of a commit that wait for the broker", ["phase"]
)
ROTATIONS = metrics.counter(
    "jetl2_merger_guard_rotations", "Producers thrown away on doubt", ["reason"]
)
INIT_SECONDS = metrics.histogram("jetl2_merger_producer_init_seconds", "Time of init_transactions")
RESTORE_SECONDS = metrics.histogram("jetl2_merger_restore_seconds", "Time to restore a task")
REPLAYED = metrics.counter("jetl2_merger_replayed_messages", "Raw events applied again to restore")
TASKS = metrics.gauge("jetl2_merger_tasks", "Tasks owned")
LIVES = metrics.gauge("jetl2_merger_restarts", "Times this process replaced itself on doubt")
LAG_SECONDS = metrics.gauge(
    "jetl2_merger_lag_seconds", "Now less local_ts of the event applied last", ["exchange"]
)
LAG_MESSAGES = metrics.gauge(
    "jetl2_merger_lag_messages", "Raw events not yet applied", ["exchange", "partition"]
)
OPEN_RECORDS = metrics.gauge(
    "jetl2_merger_open_records", "Offsets behind the last stable one", ["exchange", "partition"]
)
OPEN_SECONDS = metrics.gauge(
    "jetl2_merger_open_seconds",
    "For how long the last stable offset has not moved while there is more",
    ["exchange", "partition"],
)


def count(counts: Mapping[tuple[str, str], int]) -> None:
    """Add what was applied and written since the last time.

    Args:
        counts: By raw topic and kind of output; kind "" is the raw events themselves.
    """
    for (topic, kind), number in counts.items():
        exchange = topic.removeprefix(topics.raw(""))
        name, _, reason = kind.partition(":")
        if not kind:
            MESSAGES.labels(exchange).inc(number)
            continue
        RECORDS.labels(exchange, name).inc(number)
        if name == DEAD_LETTER:
            DEAD_LETTERS.labels(exchange).inc(number)
        if reason:
            GAPS.labels(exchange, reason).inc(number)
