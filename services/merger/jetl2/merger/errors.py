"""What can stop the merger, by cure."""


class MergerError(Exception):
    """Base of this package's errors."""


class RefusedError(MergerError):
    """State and Kafka contradict each other: a person must look; the process ends with code 4.

    Going on could only lose or repeat records, so that nothing is written before it is settled.
    """


class DoubtError(MergerError):
    """What Kafka has of the last transaction is unknown: everything in memory is thrown away.

    The process starts anew from the changelog, which holds whatever the broker really committed.
    """
