"""Plays a recorded session over a real websocket, verbatim and in order, as the exchange did.

Playing starts when a client has subscribed. The recorded REST snapshots are served at any time:
whoever takes the stream from its first frame can join them.
"""

import asyncio
import base64
import gzip
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from jetl2.devstack import server
from jetl2.devstack.dialect import Dialect
from jetl2.devstack.wire import dumps

# After the last request of a client: subscriptions come as several messages, paced
_SETTLE_S = 1.0


@dataclass(slots=True)
class Recording:
    """A session as the player needs it.

    Args:
        frames: (seconds since the first event, payload) in recorded order.
        bodies: Symbol -> body of its REST book snapshot.
    """

    name: str
    symbols: list[str] = field(default_factory=list)
    frames: list[tuple[float, str | bytes]] = field(default_factory=list)
    bodies: dict[str, bytes] = field(default_factory=dict)


def load(path: Path) -> Recording:
    """Read a recorded session, `.jsonl` or `.jsonl.gz`; without times, frames are 1/20 s apart."""
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as file:
        recording = Recording(json.loads(next(file))["name"])
        bodies: list[tuple[str, bytes]] = []
        start: float | None = None
        for line in file:
            event: dict[str, Any] = json.loads(line)
            ts = float(event["ts"]) if event.get("ts") else None
            start = ts if start is None else start
            if event["dir"] == "recv":
                offset = len(recording.frames) / 20 if ts is None else ts - (start or 0)
                recording.frames.append((offset, _payload(event)))
                if event["kind"] in ("l2_snapshot", "l2_delta"):
                    recording.symbols.append(event["symbol"])
            elif event["dir"] == "http" and event["kind"] == "rest_snapshot":
                query = dict(parse_qsl(urlsplit(event["url"]).query))
                payload = _payload(event)
                body = payload if isinstance(payload, bytes) else payload.encode()
                bodies.append((query.get("symbol", ""), body))
    recording.symbols = list(dict.fromkeys(recording.symbols))
    for symbol, body in bodies:
        # A recorder that merged REST into its stream named no symbol; then there is only one
        recording.bodies.setdefault(symbol or recording.symbols[0], body)
    return recording


def _payload(event: dict[str, Any]) -> str | bytes:
    raw: str = event["raw"]
    return base64.b64decode(raw) if event.get("encoding") == "base64" else raw


class Player:
    """One recorded session as an exchange."""

    def __init__(self, dialect: Dialect, recording: Recording, *, duration_s: float = 30) -> None:
        """Take a session; it is played evenly faster or slower, to last `duration_s`."""
        self.dialect = dialect
        self.exchange = dialect.exchange
        self.recording = recording
        self.symbols = recording.symbols
        self.connections_made = 0
        self.port = 0
        self._factor = duration_s / max(recording.frames[-1][0], 0.001)
        self._sent = 0
        self._asked_at = 0.0

    @property
    def endpoints(self) -> dict[str, str]:
        """Addresses, in the form of the ingestor's endpoint setting."""
        return server.endpoints(self.port)

    def progress(self) -> tuple[int, int]:
        """Return frames sent, and how many there are."""
        return self._sent, len(self.recording.frames)

    def finished(self) -> bool:
        """Whether every frame was sent."""
        return self._sent >= len(self.recording.frames)

    async def handle(self, socket: ServerConnection) -> None:
        """Play to one client; who comes after the end hears nothing more."""
        self.connections_made += 1
        asked = asyncio.Event()
        playing = asyncio.create_task(self._play(socket, asked))
        # The recording holds the answers to all other messages
        feed = self.dialect.connect(socket.request.path if socket.request else "/", {}, 1)
        try:
            async for text in socket:
                if isinstance(text, str) and self.dialect.care.is_ping(text):
                    for frame in feed.receive(text):
                        await socket.send(frame.text)
                    continue
                self._asked_at = time.monotonic()
                asked.set()
        except ConnectionClosed:
            pass
        finally:
            playing.cancel()
            await asyncio.gather(playing, return_exceptions=True)

    def answer(self, asked: server.Asked) -> server.Answer | None:
        """Answer REST: instruments, the token, else the recorded snapshot of the symbol."""
        if asked.upgrade:
            return None
        document = self.dialect.instruments(asked.path, self.symbols)
        if document is None:
            document = self.dialect.token(asked.path, self.endpoints["ws"])
        if document is not None:
            return server.Answer(dumps(document).encode())
        body = self.recording.bodies.get(asked.query.get("symbol", ""))
        return None if body is None else server.Answer(body)

    async def _play(self, socket: ServerConnection, asked: asyncio.Event) -> None:
        await asked.wait()
        for _ in range(20):  # each request of the client pushes the end away
            await asyncio.sleep(max(0, self._asked_at + _SETTLE_S - time.monotonic()))
        if self.finished():
            return
        self._sent = 0
        start = time.monotonic()
        for offset, payload in self.recording.frames:
            wait = start + offset * self._factor - time.monotonic()
            if wait > 0:
                await asyncio.sleep(wait)
            await socket.send(payload)
            self._sent += 1


@asynccontextmanager
async def playing(player: Player) -> AsyncIterator[Player]:
    """Serve one recorded session until the block ends."""
    async with server.listening(player.handle, player.answer) as port:
        player.port = port
        yield player
