"""A proxy between Kafka clients and their brokers: it holds, drops, loses, cuts and stalls by rule.

It reads the frames of the protocol as far as its rules need: kind, version and client of a request,
and the brokers' own addresses in answers, which it replaces by its own so that clients stay with it.
A connection keeps its order, as TCP does: what follows a held frame waits behind it. Other
connections go on, that of the same client which has given up and come back among them.
"""

import socket
import struct
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

# Kinds of requests, https://kafka.apache.org/protocol (read 2026-11-22)
PRODUCE = 0
FETCH = 1
LIST_OFFSETS = 2
METADATA = 3
OFFSET_FETCH = 9
FIND_COORDINATOR = 10
JOIN_GROUP = 11
HEARTBEAT = 12
SYNC_GROUP = 14
API_VERSIONS = 18
INIT_PRODUCER_ID = 22
ADD_PARTITIONS_TO_TXN = 24
ADD_OFFSETS_TO_TXN = 25
END_TXN = 26
TXN_OFFSET_COMMIT = 28

# What a rule does to a request, or to an answer
HOLD = "held"
HOLD_PAST_REPETITION = "held past its repetition"
DROP = "dropped"
CUT = "cut"
HOLD_REPLY = "reply held"
DROP_REPLY = "reply dropped"
LOSE_REPLY = "reply lost"
_OF_REPLIES = frozenset({HOLD_REPLY, DROP_REPLY, LOSE_REPLY})

# A client that died repeats nothing; its request is delivered then
MOST_HOLD_S = 20.0

_HOST = "127.0.0.1"
_TICK_S = 0.005


class _Rule(NamedTuple):
    what: str
    seconds: float
    client: str


class _Link:
    """One client's connection, and ours to the broker for it."""

    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        self.client = client
        self.server = server
        # The client's id, once a request has told it
        self.name = ""
        self.asked: dict[int, int] = {}
        self.answered: Counter[int] = Counter()

    def cut(self) -> None:
        for end in (self.client, self.server):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self.client.close()
        self.server.close()


class KafkaProxy:
    """Listens on loopback, on a free port for each broker, until closed.

    Rules count: each one is for the next requests of a kind, and gone when it was used. `client` is
    a client id (`client.id`); "" is any.
    """

    def __init__(self, bootstrap_servers: str) -> None:
        """Serve at once.

        Args:
            bootstrap_servers: 127.0.0.1:port of every broker, with commas between.

        Raises:
            ValueError: A broker is elsewhere: its address in answers could not be replaced by one
                of the same length.
        """
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._rules: dict[int, list[_Rule]] = defaultdict(list)
        self._under_way = 0
        self._answered: Counter[tuple[int, str]] = Counter()
        # By client id, until when
        self._cut_until: dict[str, float] = {}
        self._stalled_until: dict[str, float] = {}
        self._links: set[_Link] = set()
        self._threads: list[threading.Thread] = []
        self._listeners: list[socket.socket] = []
        # Address in an answer -> ours
        self._addresses: dict[bytes, bytes] = {}
        # Newest version of each kind of request that was sent
        self.versions: dict[int, int] = {}
        # (what, kind) -> how often it was done to a request of the kind or its answer
        self.done: Counter[tuple[str, int]] = Counter()
        # Kind -> held requests that were delivered when a newer one had been answered already
        self.late: Counter[int] = Counter()
        own: list[str] = []
        for address in bootstrap_servers.split(","):
            host, _, port = address.partition(":")
            if host != _HOST:
                message = f"the proxy serves brokers at {_HOST} only, not {address}"
                raise ValueError(message)
            listener = socket.create_server((_HOST, 0))
            own_port = listener.getsockname()[1]
            own.append(f"{_HOST}:{own_port}")
            self._addresses[_address(int(port))] = _address(own_port)
            self._listeners.append(listener)
            self._begin(self._accept, listener, int(port))
        self.bootstrap_servers = ",".join(own)

    @property
    def held(self) -> int:
        """Return how many requests were held so far."""
        return self._sum(HOLD) + self._sum(HOLD_PAST_REPETITION)

    @property
    def lost(self) -> int:
        """Return how many answers were lost so far, with their connections."""
        return self._sum(LOSE_REPLY)

    @property
    def pending(self) -> int:
        """Return how many rules wait for their request, and how many frames are being held."""
        with self._lock:
            return sum(map(len, self._rules.values())) + self._under_way

    def hold(self, kind: int, *seconds: float, client: str = "") -> None:
        """Deliver the next requests of a kind that much later, each one even if its client left."""
        self._add(kind, HOLD, *seconds, client=client)

    def hold_past_repetition(self, kind: int, *seconds: float, client: str = "") -> None:
        """Deliver the next requests of a kind that long after their client's repetition.

        A request counts as repeated when a newer one of its kind and client was answered on another
        connection.
        """
        self._add(kind, HOLD_PAST_REPETITION, *seconds, client=client)

    def drop(self, kind: int, times: int = 1, *, client: str = "") -> None:
        """Swallow the next requests of a kind; the connection stays, no answer comes."""
        self._add(kind, DROP, *[0.0] * times, client=client)

    def cut_at(self, kind: int, times: int = 1, *, client: str = "") -> None:
        """Cut the connection in place of passing on the next requests of a kind."""
        self._add(kind, CUT, *[0.0] * times, client=client)

    def hold_reply(self, kind: int, *seconds: float, client: str = "") -> None:
        """Deliver the answers to the next requests of a kind that much later."""
        self._add(kind, HOLD_REPLY, *seconds, client=client)

    def drop_reply(self, kind: int, times: int = 1, *, client: str = "") -> None:
        """Swallow the answers to the next requests of a kind; the connection stays."""
        self._add(kind, DROP_REPLY, *[0.0] * times, client=client)

    def lose_reply(self, kind: int, times: int = 1, *, client: str = "") -> None:
        """Cut the connection in place of the answers to the next requests of a kind."""
        self._add(kind, LOSE_REPLY, *[0.0] * times, client=client)

    def cut(self, seconds: float, client: str = "") -> None:
        """Cut all connections of a client now, and refuse new ones for so long."""
        with self._lock:
            self._cut_until[client] = time.monotonic() + seconds
            links = [link for link in self._links if client in ("", link.name)]
        for link in links:
            link.cut()

    def stall(self, seconds: float, client: str = "") -> None:
        """Pass on nothing of a client or to it for so long; then all of it, as it came."""
        with self._lock:
            self._stalled_until[client] = time.monotonic() + seconds

    def clear(self) -> None:
        """Forget the rules that were not used."""
        with self._lock:
            self._rules.clear()

    def close(self) -> None:
        """Cut all connections; returns when the last one is gone."""
        self._closed.set()
        for listener in self._listeners:
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        for link in list(self._links):
            link.cut()
        # A connection that was just being accepted adds its thread behind the others
        for thread in self._threads:
            thread.join()

    def _add(self, kind: int, what: str, *seconds: float, client: str) -> None:
        with self._lock:
            self._rules[kind] += [_Rule(what, s, client) for s in seconds]

    def _sum(self, what: str) -> int:
        with self._lock:
            return sum(count for (done, _), count in self.done.items() if done == what)

    def _begin(self, run: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=run, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self, listener: socket.socket, port: int) -> None:
        while not self._closed.is_set():
            try:
                client, _ = listener.accept()
            except OSError:
                return
            self._begin(self._serve, client, port)

    def _serve(self, client: socket.socket, port: int) -> None:
        if self._is_cut(""):
            client.close()
            return
        try:
            server = socket.create_connection((_HOST, port))
        except OSError:
            client.close()
            return
        link = _Link(client, server)
        with self._lock:
            self._links.add(link)
        if self._closed.is_set():
            link.cut()
        forward = threading.Thread(target=self._forward, args=(link,), daemon=True)
        forward.start()
        self._answer(link)
        forward.join()
        with self._lock:
            self._links.remove(link)
        link.close()

    def _forward(self, link: _Link) -> None:
        with suppress(OSError):
            while frame := _frame(link.client):
                kind, version, correlation = struct.unpack(">hhi", frame[4:12])
                link.name = _client_id(frame)
                self.versions[kind] = max(version, self.versions.get(kind, 0))
                rule = self._take(kind, link, replies=False)
                if rule.what == CUT or self._is_cut(link.name):
                    link.cut()
                    return
                if rule.what == DROP:
                    continue
                link.asked[correlation] = kind
                self._hold(kind, rule, link)
                link.server.sendall(frame)
        with suppress(OSError):
            link.server.shutdown(socket.SHUT_WR)

    def _answer(self, link: _Link) -> None:
        with suppress(OSError):
            while frame := _frame(link.server):
                kind = link.asked.pop(struct.unpack(">i", frame[4:8])[0], -1)
                rule = self._take(kind, link, replies=True)
                if rule.what == LOSE_REPLY:
                    break
                if rule.what == DROP_REPLY:
                    continue
                self._hold(kind, rule, link)
                for theirs, ours in self._addresses.items():
                    frame = frame.replace(theirs, ours)
                link.client.sendall(frame)
                with self._lock:
                    link.answered[kind] += 1
                    self._answered[kind, link.name] += 1
        link.cut()

    def _take(self, kind: int, link: _Link, *, replies: bool) -> _Rule:
        """Return the next rule for a frame, which is used up by that; one of "" does nothing."""
        with self._lock:
            rules = self._rules[kind]
            for rule in rules:
                if rule.client in ("", link.name) and (rule.what in _OF_REPLIES) == replies:
                    rules.remove(rule)
                    self.done[rule.what, kind] += 1
                    # From now on until it is delivered, so that `pending` never falls in between
                    self._under_way += rule.what in (HOLD, HOLD_PAST_REPETITION, HOLD_REPLY)
                    return rule
        return _Rule("", 0, "")

    def _hold(self, kind: int, rule: _Rule, link: _Link) -> None:
        """Return when a frame may be delivered."""
        if rule.what:
            before = self._newer(kind, link)
            if rule.what == HOLD_PAST_REPETITION:
                end = time.monotonic() + MOST_HOLD_S
                while self._newer(kind, link) == before and time.monotonic() < end:
                    if self._closed.wait(_TICK_S):
                        break
            self._closed.wait(rule.seconds)
            late = rule.what != HOLD_REPLY and self._newer(kind, link) > before
            with self._lock:
                self._under_way -= 1
                self.late[kind] += late
        while self._lasts(self._stalled_until, link.name) and not self._closed.wait(_TICK_S):
            pass

    def _newer(self, kind: int, link: _Link) -> int:
        """Return how many requests of a kind and client were answered on other connections."""
        with self._lock:
            return self._answered[kind, link.name] - link.answered[kind]

    def _is_cut(self, name: str) -> bool:
        return self._lasts(self._cut_until, name)

    def _lasts(self, until: dict[str, float], name: str) -> bool:
        now = time.monotonic()
        return any(now < until.get(client, 0) for client in ("", name))


def _address(port: int) -> bytes:
    """Return an address as it stands in answers, behind the length of the host."""
    return _HOST.encode() + struct.pack(">i", port)


def _client_id(frame: bytes) -> str:
    (size,) = struct.unpack(">h", frame[12:14])
    return frame[14 : 14 + max(size, 0)].decode(errors="replace")


def _frame(connection: socket.socket) -> bytes:
    """Return one frame with its length, b"" at the end of the connection, even within a frame."""
    head = _exactly(connection, 4)
    body = _exactly(connection, struct.unpack(">i", head)[0]) if head else b""
    return head + body if body else b""


def _exactly(connection: socket.socket, size: int) -> bytes:
    parts = bytearray()
    while len(parts) < size:
        part = connection.recv(min(size - len(parts), 1 << 16))
        if not part:
            return b""
        parts += part
    return bytes(parts)
