"""One loopback port that speaks websocket and answers REST, as an exchange's hosts do together."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from websockets.asyncio.server import ServerConnection, serve

_END_OF_HEAD = b"\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Asked:
    """One HTTP request; `upgrade` is one that wants to become a websocket."""

    method: str
    path: str
    query: Mapping[str, str]
    body: bytes = b""
    upgrade: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """What is answered, and after how long."""

    body: bytes
    status: HTTPStatus = HTTPStatus.OK
    headers: Mapping[str, str] = field(default_factory=dict)
    delay_s: float = 0


# request -> answer; None: such a path is not there, and a websocket may be opened
Answers = Callable[[Asked], Answer | None]
Handler = Callable[[ServerConnection], Awaitable[None]]

_NOT_FOUND = Answer(b'{"error":"no such path"}', HTTPStatus.NOT_FOUND)


class _Connection(ServerConnection):
    """Answers plain HTTP by itself, with any method; what wants a websocket goes on as one.

    The library's own hook sees GET only, and an exchange's token call is a POST.
    """

    def __init__(self, *given: Any, answers: Answers, **named: Any) -> None:
        super().__init__(*given, **named)
        self._answers = answers
        self._read: bytes | None = b""  # None: the library reads

    def data_received(self, data: bytes) -> None:
        """Take bytes of the socket."""
        if self._read is None:
            super().data_received(data)
            return
        self._read += data
        asked = _asked(self._read)
        if asked is None:
            return
        whole, self._read = self._read, None
        answer = self._answers(asked)
        if answer is None and asked.upgrade:
            super().data_received(whole)
            return
        answer = answer or _NOT_FOUND
        self.loop.call_later(answer.delay_s, self._say, answer)

    def _say(self, answer: Answer) -> None:
        headers = {
            "Content-Type": "application/json",
            "Content-Length": str(len(answer.body)),
            "Connection": "close",
            **answer.headers,
        }
        lines = [f"HTTP/1.1 {answer.status.value} {answer.status.phrase}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        if not self.transport.is_closing():
            self.transport.write("\r\n".join(lines).encode() + _END_OF_HEAD + answer.body)
            self.transport.close()


def _asked(read: bytes) -> Asked | None:
    """Return the request as soon as all of it is there."""
    head, end, body = read.partition(_END_OF_HEAD)
    first, *lines = head.decode("latin-1").split("\r\n")
    named = (line.partition(":") for line in lines)
    headers = {name.strip().lower(): value.strip() for name, _, value in named}
    if not end or len(body) < int(headers.get("content-length", 0)):
        return None
    method, target, _ = first.split(" ")
    parts = urlsplit(target)
    query = dict(parse_qsl(parts.query))
    return Asked(method, parts.path, query, body, upgrade="upgrade" in headers)


@asynccontextmanager
async def listening(handler: Handler, answers: Answers) -> AsyncIterator[int]:
    """Serve until the block ends; yields the port."""
    silent = logging.getLogger("jetl2.devstack.server")
    silent.setLevel(logging.CRITICAL)

    def made(*given: Any, **named: Any) -> ServerConnection:
        return _Connection(*given, answers=answers, **named)

    async def handle(connection: ServerConnection) -> None:
        try:
            await handler(connection)
        except asyncio.CancelledError:
            raise
        except Exception:
            logging.getLogger("jetl2.devstack").exception("a loopback exchange failed")
            raise

    async with serve(
        handle,
        "127.0.0.1",
        0,
        create_connection=made,  # type: ignore[arg-type]  # a factory does as well
        compression=None,
        close_timeout=1,
        logger=silent,
    ) as server:
        yield int(server.sockets[0].getsockname()[1])


def endpoints(port: int) -> dict[str, str]:
    """Return the addresses of such a port, in the form of the ingestor's endpoint setting."""
    return {"ws": f"ws://127.0.0.1:{port}", "rest": f"http://127.0.0.1:{port}"}
