"""One websocket: opened, read as bytes, written as text, closed; its failures as one error."""

import asyncio
import ipaddress
from contextlib import suppress
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as _connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from jetl2.ingestor.errors import DisconnectedError, ThrottledError
from jetl2.ingestor.transport import throttle

OPEN_S = 10
# A peer that is gone does not answer a closing handshake
CLOSE_S = 1
# Frames that wait between socket and reader; beyond it TCP holds the exchange back
QUEUE = 1024


class Socket:
    """An open websocket."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection

    async def recv(self) -> bytes:
        """Return the next frame's payload, untouched.

        Raises:
            DisconnectedError: The connection is over; a frame that was cut is not returned.
        """
        try:
            return await self._connection.recv(decode=False)
        except ConnectionClosed as error:
            raise DisconnectedError(_reason(error)) from error

    async def send(self, text: str) -> None:
        """Send a text frame.

        Raises:
            DisconnectedError: The connection is over.
        """
        try:
            await self._connection.send(text)
        except ConnectionClosed as error:
            raise DisconnectedError(_reason(error)) from error

    async def answers(self, timeout_s: float) -> bool:
        """Send a ping; return whether its pong came in that time.

        Raises:
            DisconnectedError: The connection is over.
        """
        try:
            async with asyncio.timeout(timeout_s):
                pong = asyncio.ensure_future(await self._connection.ping())
        except TimeoutError:
            return False
        except ConnectionClosed as error:
            raise DisconnectedError(_reason(error)) from error
        # Not by a timeout: after a pause of our own a pong that has come would count for nothing
        done, _ = await asyncio.wait({pong}, timeout=timeout_s)
        if pong not in done:
            pong.cancel()
            return False
        return pong.exception() is None

    async def unread(self) -> list[bytes]:
        """Return the frames that have come and were not read, without waiting for more."""
        found: list[bytes] = []
        with suppress(TimeoutError, ConnectionClosed):
            async with asyncio.timeout(0):
                while True:
                    found.append(await self._connection.recv(decode=False))
        return found

    async def close(self) -> None:
        """Say goodbye, and hang up when that is not answered soon."""
        await self._connection.close()


async def connect(url: str, *, frame_bytes: int) -> Socket:
    """Return an open websocket.

    Raises:
        DisconnectedError: It could not be opened; the message says why. ThrottledError where the
            exchange asks to be left alone for a while.
    """
    try:
        connection = await _connect(
            url,
            open_timeout=OPEN_S,
            close_timeout=CLOSE_S,
            max_size=frame_bytes,
            max_queue=QUEUE,
            # Whether there is an answer, we judge: after a pause of our own there seems to be none
            ping_timeout=None,
            compression=None,
            proxy=None if is_loopback(url) else True,
        )
    except InvalidStatus as error:
        message = f"{type(error).__name__}: {error}"
        answer = error.response
        if wait_s := throttle.wait_s(answer.status_code, answer.headers):
            raise ThrottledError(message, wait_s) from error
        raise DisconnectedError(message) from error
    except (OSError, WebSocketException) as error:
        message = f"{type(error).__name__}: {error}"
        raise DisconnectedError(message) from error
    return Socket(connection)


def is_loopback(url: str) -> bool:
    """Whether a URL is of this machine, where a proxy of the environment cannot help."""
    host = urlsplit(url).hostname or ""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _reason(error: ConnectionClosed) -> str:
    for who, close in (("exchange", error.rcvd), ("we", error.sent)):
        if close is not None:
            return f"{who} closed: {close.code} {close.reason}".strip()
    return "connection cut without a goodbye"
