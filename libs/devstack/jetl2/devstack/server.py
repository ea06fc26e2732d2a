"""One loopback port that speaks websocket and answers REST, as an exchange's hosts do together."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from urllib.parse import parse_qsl, urlsplit

from websockets.asyncio.server import ServerConnection, serve
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

# (path, query) -> body, or None for 404
Answer = Callable[[str, dict[str, str]], bytes | None]
Handler = Callable[[ServerConnection], Awaitable[None]]


@asynccontextmanager
async def listening(handler: Handler, answer: Answer) -> AsyncIterator[int]:
    """Serve until the block ends; yields the port."""
    silent = logging.getLogger("jetl2.devstack.server")
    silent.setLevel(logging.CRITICAL)

    def process_request(_: ServerConnection, request: Request) -> Response | None:
        if "Upgrade" in request.headers:
            return None
        parts = urlsplit(request.path)
        body = answer(parts.path, dict(parse_qsl(parts.query)))
        status = HTTPStatus.NOT_FOUND if body is None else HTTPStatus.OK
        body = b'{"error":"no such path"}' if body is None else body
        headers = Headers(
            {
                "Content-Type": "application/json",
                "Content-Length": str(len(body)),
                "Connection": "close",
            }
        )
        return Response(status.value, status.phrase, headers, body)

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
        process_request=process_request,
        compression=None,
        close_timeout=1,
        logger=silent,
    ) as server:
        yield int(server.sockets[0].getsockname()[1])


def endpoints(port: int) -> dict[str, str]:
    """Return the addresses of such a port, in the form of the ingestor's endpoint setting."""
    return {"ws": f"ws://127.0.0.1:{port}", "rest": f"http://127.0.0.1:{port}"}
