"""One transaction of a task, in the only order that is exactly once.

1. begin, lazily, when the first message is there
2. outputs, as messages are applied
3. the BookState of each symbol that is due
4. the Commit record: offsets, seq and chain of what no BookState covers
5. wait until the broker has all of it
6. the input offsets, fenced by the group's generation
7. commit: 2 to 6 become visible together or never

Whatever fails from 1 on leaves doubt: the store is thrown away and restored from the changelog.
"""

from collections.abc import Mapping
from typing import Protocol

from jetl2.merger import crash
from jetl2.merger.state import Store
from jetl2.merger.topology import Output


class Log(Protocol):
    """What a transaction needs of Kafka; all of it raises DoubtError when it fails."""

    def begin(self) -> None:
        """Begin a transaction."""

    def renew_on_doubt(self) -> None:
        """Be fit for the next transaction; `begin` does it too, if need be."""

    def produce(self, topic: str, key: bytes, value: bytes) -> None:
        """Queue a record for the task's own partition of a topic."""

    def flush(self) -> None:
        """Return when the broker has every record."""

    def send_offsets(self, offsets: Mapping[str, int]) -> None:
        """Add the next offset to read of each raw topic."""

    def commit(self) -> None:
        """Make it all visible."""


class Checkpoint:
    """The transactions of one task; `is_open` while one is begun."""

    def __init__(self, store: Store, log: Log, changelog: str) -> None:
        """Begin without a transaction.

        Args:
            store: Restored.
            log: The task's own transactional producer.
            changelog: Topic.
        """
        self.store = store
        self.is_open = False
        self._log = log
        self._changelog = changelog

    def write(self, outputs: list[Output]) -> None:
        """Take the outputs of one message into the transaction, which begins if none is open."""
        if not self.is_open:
            self._begin()  # 1
        for output in outputs:  # 2
            self._log.produce(output.topic, output.key, output.value)

    def commit(self, now: float, *, every: bool = False) -> bool:
        """Finish the transaction; one begins first if a BookState is due and none is open.

        Args:
            now: The clock by which BookStates are due.
            every: Write the BookState of every changed symbol: the next restore reads no input.

        Returns:
            Whether there was anything to commit.
        """
        if not self.is_open:
            if not (self.store.dirty if every else self.store.due(now)):
                return False
            self._begin()
        crash.point("outputs-produced")
        for key, value in self.store.states(now, every=every):  # 3
            self._log.produce(self._changelog, key, value)
        crash.point("states-produced")
        key, value = self.store.commit()  # 4
        self._log.produce(self._changelog, key, value)
        crash.point("commit-record-produced")
        self._log.flush()  # 5
        crash.point("flushed")
        # All of them each time, so that the comparison at the next start is complete
        merged = {t: o for t, o in self.store.offsets.items() if t in self.store.feeds}
        self._log.send_offsets(merged)  # 6
        crash.point("offsets-sent")
        self._log.commit()  # 7
        crash.point("committed")
        self.is_open = False
        return True

    def settle(self) -> None:
        """Do after a commit what the next `begin` would have to wait for."""
        self._log.renew_on_doubt()

    def _begin(self) -> None:
        crash.point("before-begin")
        self._log.begin()
        self.is_open = True
        crash.point("begun")
