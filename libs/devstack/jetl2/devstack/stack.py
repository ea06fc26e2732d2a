"""Broker and S3 server together, as `up` and the demo start them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from jetl2.devstack import kafka, s3
from jetl2.devstack.process import Process

LAKE = "lake"
DOWNLOADS = "downloads"


class Stack(NamedTuple):
    """What runs, and where it is reached."""

    broker: kafka.Broker
    s3: s3.S3

    @property
    def processes(self) -> list[Process]:
        """What must not end while the stack is up."""
        return [self.broker.process, self.s3.process]


@contextmanager
def up(folder: Path, *, buckets: Sequence[str] = (LAKE, DOWNLOADS)) -> Iterator[Stack]:
    """Run both for the length of the block; data and logs lie in `folder`.

    Raises:
        StackError: Something could not be fetched or started.
    """
    with (
        kafka.broker(folder / "kafka") as broker,
        s3.server(folder / "s3", buckets=buckets) as store,
    ):
        yield Stack(broker, store)
