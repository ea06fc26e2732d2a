"""How a simulated exchange misbehaves: by rate, by schedule, or on request; the same seed, the same faults."""

import random
from collections.abc import Mapping

DROP = "drop"  # the frame is lost
DUPLICATE = "duplicate"  # the frame comes twice
REORDER = "reorder"  # the frame comes after the next one
CORRUPT = "corrupt"  # half of the frame is missing: unreadable
TAMPER = "tamper"  # readable, but its checksum does not fit; where there is none, nothing
DISCONNECT = "disconnect"  # the connection breaks without a close
SILENT = "silent"  # nothing more comes on this connection, and it stays open
KINDS = (DROP, DUPLICATE, REORDER, CORRUPT, TAMPER, DISCONNECT, SILENT)


class Faults:
    """Decides for each book delta that is about to be sent on a connection."""

    def __init__(
        self,
        seed: int = 0,
        rates: Mapping[str, float] | None = None,
        schedule: Mapping[int, str] | None = None,
    ) -> None:
        """Set what goes wrong.

        Args:
            rates: Kind -> probability of each book delta.
            schedule: Running number of the book delta, from 0 over all connections -> kind.

        Raises:
            ValueError: A kind that is none of KINDS.
        """
        for kind in (*(rates or {}), *(schedule or {}).values()):
            _known(kind)
        self.done: list[tuple[int, str, str]] = []  # (number, symbol, kind)
        self._random = random.Random(f"faults/{seed}")  # noqa: S311 - no secret
        self._rates = dict(rates or {})
        self._schedule = dict(schedule or {})
        self._asked: list[tuple[str, str]] = []
        self._number = 0

    def ask(self, kind: str, symbol: str = "") -> None:
        """Let the next book delta (of this symbol, if one is named) suffer; once.

        Raises:
            ValueError: A kind that is none of KINDS.
        """
        self._asked.append((_known(kind), symbol))

    def stop(self) -> None:
        """Behave from now on."""
        self._rates, self._schedule, self._asked = {}, {}, []

    def next(self, symbol: str, *, matters: bool) -> str:
        """Return what happens to this book delta: a kind, or "".

        Args:
            matters: Whether the client can notice its loss; what it cannot is never hit.
        """
        number, self._number = self._number, self._number + 1
        kind = self._schedule.pop(number, "") or self._by_rate()
        if not matters:
            # Scheduled ones wait for the next that matters
            if kind:
                self._schedule[number + 1] = kind
            return ""
        for asked in self._asked:
            if not kind and asked[1] in ("", symbol):
                kind = asked[0]
                self._asked.remove(asked)
                break
        if kind:
            self.done.append((number, symbol, kind))
        return kind

    def _by_rate(self) -> str:
        draw = self._random.random()
        for kind, rate in self._rates.items():
            if draw < rate:
                return kind
            draw -= rate
        return ""


def damaged(text: str) -> str:
    """Return the first half of a frame."""
    return text[: len(text) // 2]


def tampered(text: str) -> str:
    """Return a frame whose checksum does not fit its book; one without a checksum as it is."""
    head, mark, tail = text.partition('"checksum":')
    if not mark or tail[0] not in "123456789":
        return text
    return f"{head}{mark}{int(tail[0]) % 9 + 1}{tail[1:]}"


def _known(kind: str) -> str:
    if kind not in KINDS:
        message = f"unknown fault {kind!r}: expected one of {', '.join(KINDS)}"
        raise ValueError(message)
    return kind
