"""A proxy between Kafka clients and one broker that can hold requests and lose replies.

It reads the frames of the protocol as far as its rules need: the kind of a request, and the
broker's own address in answers, which it replaces by its own so that clients stay with it.
"""

import socket
import struct
import threading
import time
from collections import defaultdict
from contextlib import suppress

# Kinds of requests, https://kafka.apache.org/protocol (read 2026-11-22)
PRODUCE = 0
METADATA = 3
FIND_COORDINATOR = 10
ADD_OFFSETS_TO_TXN = 25
END_TXN = 26
TXN_OFFSET_COMMIT = 28


class KafkaProxy:
    """Listens on a free port of loopback until closed."""

    def __init__(self, bootstrap_servers: str) -> None:
        """Serve at once.

        Args:
            bootstrap_servers: host:port of the only broker.
        """
        host, _, port = bootstrap_servers.partition(":")
        self._upstream = (host, int(port))
        self._listener = socket.create_server(("127.0.0.1", 0))
        own_port = self._listener.getsockname()[1]
        self.bootstrap_servers = f"127.0.0.1:{own_port}"
        self._addresses = (
            host.encode() + struct.pack(">i", int(port)),
            b"127.0.0.1" + struct.pack(">i", own_port),
        )
        self._lock = threading.Lock()
        self._holds: dict[int, list[float]] = defaultdict(list)
        self._losses: dict[int, int] = defaultdict(int)
        self._ends: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        # Newest version of each kind of request that was sent
        self.versions: dict[int, int] = {}
        self.held = 0
        self.lost = 0
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    def hold(self, kind: int, *seconds: float) -> None:
        """Deliver the next requests of a kind that much later, each one even if its client left."""
        with self._lock:
            self._holds[kind] += seconds

    def lose_reply(self, kind: int, times: int = 1) -> None:
        """Cut the connection in place of the answers to the next requests of a kind."""
        with self._lock:
            self._losses[kind] += times

    def close(self) -> None:
        """Cut all connections; returns when the last one is gone."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._accepting.join()
        for end in list(self._ends):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(self._upstream)
            except OSError:
                client.close()
                continue
            thread = threading.Thread(target=self._serve, args=(client, server), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, client: socket.socket, server: socket.socket) -> None:
        asked: dict[int, int] = {}
        self._ends |= {client, server}
        forward = threading.Thread(target=self._forward, args=(client, server, asked), daemon=True)
        forward.start()
        self._answer(client, server, asked)
        forward.join()
        self._ends -= {client, server}
        client.close()
        server.close()

    def _forward(self, client: socket.socket, server: socket.socket, asked: dict[int, int]) -> None:
        with suppress(OSError):
            while frame := _frame(client):
                kind, version, correlation = struct.unpack(">hhi", frame[4:12])
                asked[correlation] = kind
                self.versions[kind] = version
                with self._lock:
                    delay_s = self._holds[kind].pop(0) if self._holds[kind] else 0
                    self.held += bool(delay_s)
                if delay_s:
                    time.sleep(delay_s)
                server.sendall(frame)
        with suppress(OSError):
            server.shutdown(socket.SHUT_WR)

    def _answer(self, client: socket.socket, server: socket.socket, asked: dict[int, int]) -> None:
        with suppress(OSError):
            while frame := _frame(server):
                kind = asked.pop(struct.unpack(">i", frame[4:8])[0], -1)
                with self._lock:
                    lost = self._losses[kind] > 0
                    self._losses[kind] -= lost
                    self.lost += lost
                if lost:
                    break
                if kind in (METADATA, FIND_COORDINATOR):
                    frame = frame.replace(*self._addresses)
                client.sendall(frame)
        for end in (client, server):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


def _frame(connection: socket.socket) -> bytes:
    """Return one frame with its length, b"" at the end of the connection."""
    head = _exactly(connection, 4)
    return head + _exactly(connection, struct.unpack(">i", head)[0]) if head else b""


def _exactly(connection: socket.socket, size: int) -> bytes:
    parts = bytearray()
    while len(parts) < size:
        part = connection.recv(min(size - len(parts), 1 << 16))
        if not part:
            return b""
        parts += part
    return bytes(parts)
