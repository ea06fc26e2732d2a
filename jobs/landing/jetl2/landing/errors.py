"""Why a run stops: kinds by what the operator does about it, each with an exit code of its own.

Whatever the kind, the offsets in Kafka did not move: the next run starts where this one did. A
compaction took nothing away from the folder that it is about.
"""


class LandingError(Exception):
    """The base of all; `exit_code` tells the kinds apart to whoever started the run."""

    exit_code = 1


class UnavailableError(LandingError):
    """Kafka or S3 did not answer or refused: look at them, then run again."""

    exit_code = 3


class RetentionError(LandingError):
    """Kafka deleted records before they were landed: rows are lost for good, a person decides."""

    exit_code = 4


class FencedError(LandingError):
    """A newer run of the dataset took over: nothing to do."""

    exit_code = 5


class ConflictError(LandingError):
    """Offsets and lake do not belong together: a foreign commit, a new topic, another lake."""

    exit_code = 6


class RecordError(LandingError):
    """A record cannot be read or is not the one that must follow: it is named by its offset."""

    exit_code = 7


class DifferenceError(LandingError):
    """A compacted object is not what it was made of: all is left as it is, a person looks."""

    exit_code = 8


KINDS: dict[str, type[LandingError]] = {
    kind.__name__: kind
    for kind in (
        UnavailableError,
        RetentionError,
        FencedError,
        ConflictError,
        RecordError,
        DifferenceError,
    )
}
