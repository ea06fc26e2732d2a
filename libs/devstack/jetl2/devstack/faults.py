"""How a simulated exchange misbehaves: by rate, by schedule, or on request; the same seed, the same faults."""

import random
import re
from collections.abc import Mapping, Sequence

DROP = "drop"  # the frame is lost
DUPLICATE = "duplicate"  # the frame comes twice
REORDER = "reorder"  # the frame comes after the next one
CORRUPT = "corrupt"  # half of the frame is missing: unreadable
TAMPER = "tamper"  # readable, but its checksum does not fit; where there is none, nothing
DISCONNECT = "disconnect"  # the connection breaks without a close
SILENT = "silent"  # nothing more comes on this connection, and it stays open
KINDS = (DROP, DUPLICATE, REORDER, CORRUPT, TAMPER, DISCONNECT, SILENT)
# Whatever the delta says: a frame that comes twice does no harm, what cannot be read or never ends is seen
_ALWAYS_NOTICED = (DUPLICATE, CORRUPT, DISCONNECT, SILENT)

# The first digit of a sum, as a member or after its word
_SUM = re.compile(r'("checksum":|"cs",-?)([1-9])')

# What befalls no delta happens once, at the next occasion of its kind
CONNECT_429 = "connect_429"  # no websocket is opened: HTTP 429
CONNECT_503 = "connect_503"  # the same with 503
EXPIRED_TOKEN = "expired_token"  # noqa: S105 - the same with 401
REFUSED_TOKEN = "refused_token"  # noqa: S105 - the call before the connection gets 401
REFUSED_SUBSCRIPTION = "refused_subscription"  # the dialect's error, and nothing is subscribed
REST_429 = "rest_429"  # too many requests, with Retry-After
REST_418 = "rest_418"  # banned, with Retry-After
LATE_SNAPSHOT = "late_snapshot"  # the book by REST comes late
STALE_SNAPSHOT = "stale_snapshot"  # the book by REST is older than any delta
CONNECT, TOKEN, SUBSCRIPTION, REST, SNAPSHOT = (
    "connect",
    "token",
    "subscription",
    "rest",
    "snapshot",
)
OCCASIONS = {
    CONNECT: (CONNECT_429, CONNECT_503, EXPIRED_TOKEN),
    TOKEN: (REFUSED_TOKEN,),
    SUBSCRIPTION: (REFUSED_SUBSCRIPTION,),
    REST: (REST_429, REST_418),
    SNAPSHOT: (LATE_SNAPSHOT, STALE_SNAPSHOT),
}
_ASKED_ONLY = tuple(kind for kinds in OCCASIONS.values() for kind in kinds)


class Faults:
    """Decides for each book delta that is about to be sent on a connection."""

    def __init__(
        self,
        seed: int = 0,
        rates: Mapping[str, float] | None = None,
        schedule: Mapping[int, str] | None = None,
        *,
        retry_after_s: float = 1,
        late_s: float = 1,
    ) -> None:
        """Set what goes wrong.

        Args:
            rates: Kind -> probability of each book delta.
            schedule: Running number of the book delta, from 0 over all connections -> kind.
            retry_after_s: What a refusal of a rate tells the client to wait.
            late_s: How late a late snapshot is.

        Raises:
            ValueError: A kind that is none of KINDS.
        """
        for kind in (*(rates or {}), *(schedule or {}).values()):
            _known(kind, KINDS)
        self.retry_after_s = retry_after_s
        self.late_s = late_s
        self.done: list[tuple[int, str, str]] = []  # (number, symbol, kind)
        self._random = random.Random(f"faults/{seed}")  # noqa: S311 - no secret
        self._rates = dict(rates or {})
        self._schedule = dict(schedule or {})
        self._asked: list[tuple[str, str]] = []
        self._waiting: list[str] = []
        self._number = 0

    def ask(self, kind: str, symbol: str = "") -> None:
        """Let the next book delta or occasion (of this symbol, if one is named) suffer; once.

        Raises:
            ValueError: An unknown kind.
        """
        self._asked.append((_known(kind, KINDS + _ASKED_ONLY), symbol))

    def stop(self) -> None:
        """Behave from now on."""
        self._rates, self._schedule, self._asked, self._waiting = {}, {}, [], []

    def next(self, symbol: str, *, matters: bool) -> str:
        """Return what happens to this book delta: a kind, or "".

        Args:
            matters: Whether the client can notice its loss; where it cannot, what would be unnoticed
                waits for a delta that matters.
        """
        number, self._number = self._number, self._number + 1
        if due := self._schedule.pop(number, "") or self._by_rate():
            self._waiting.append(due)
        kinds = KINDS if matters else _ALWAYS_NOTICED
        kind = next((kind for kind in self._waiting if kind in kinds), "")
        if kind:
            self._waiting.remove(kind)
        else:
            kind = self._asked_for(kinds, symbol)
        if kind:
            self.done.append((number, symbol, kind))
        return kind

    def at(self, occasion: str, symbol: str = "") -> str:
        """Return what was asked to happen at such an occasion, or ""."""
        kind = self._asked_for(OCCASIONS[occasion], symbol)
        if kind:
            self.done.append((self._number, symbol, kind))
        return kind

    def _asked_for(self, kinds: Sequence[str], symbol: str) -> str:
        for asked in self._asked:
            if asked[0] in kinds and asked[1] in ("", symbol):
                self._asked.remove(asked)
                return asked[0]
        return ""

    def _by_rate(self) -> str:
        draw = self._random.random()
        for kind, rate in self._rates.items():
            if draw < rate:
                return kind
            draw -= rate
        return ""


def damaged(text: str | bytes) -> str | bytes:
    """Return the first half of a frame."""
    return text[: len(text) // 2]


def tampered(text: str | bytes) -> str | bytes:
    """Return a frame whose checksum does not fit its book; one without a checksum as it is."""
    if isinstance(text, bytes):
        return text
    return _SUM.sub(lambda found: f"{found[1]}{int(found[2]) % 9 + 1}", text, count=1)


def _known(kind: str, kinds: Sequence[str]) -> str:
    if kind not in kinds:
        message = f"unknown fault {kind!r}: expected one of {', '.join(kinds)}"
        raise ValueError(message)
    return kind
