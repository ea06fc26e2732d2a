"""One FIX session: opened, logged on, read as bytes of whole messages, kept alive, logged out.

Market data is never asked for again by number: what is missing ends the connection, and the next one
begins each book anew. So both sides count from 1 on each connection, and nothing is stored.
"""

import asyncio
import os
import re
import ssl
import time
from contextlib import suppress
from datetime import UTC, datetime
from urllib.parse import urlsplit

from simplefix import FixMessage

from jetl2.exchanges import fix
from jetl2.exchanges.errors import UnexpectedFrame
from jetl2.exchanges.fix import SOH, Fix, Login
from jetl2.ingestor.credentials import Credentials
from jetl2.ingestor.errors import DisconnectedError
from jetl2.ingestor.transport.framing import Framer, garbled

OPEN_S = 10
# For the exchange to answer our Logout
CLOSE_S = 1
READ_BYTES = 256 * 1024
# Silence in heartbeats before the exchange is asked whether it is there
TEST_AFTER = 1.2
TLS = "fix+tls"
_NUMBER = re.compile(rb"\x0134=(\d+)\x01")
_HIDDEN = "..."


class Socket:
    """A session that is logged on, with the interface of a websocket.

    `recv` gives every message after the answer to the Logon, those of the session too, so that what
    is kept has MsgSeqNum without a hole.
    """

    def __init__(
        self,
        side: Fix,
        sender: str,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        frame_bytes: int,
    ) -> None:
        self._side = side
        self._sender = sender
        self._reader = reader
        self._writer = writer
        self._framer = Framer(frame_bytes)
        self._number = 0
        self._expected = 0
        self._over = ""
        self._logged_on = False
        self._said_goodbye = False
        self._now = asyncio.get_running_loop().time
        self._sent_s = self._heard_s = self._now()
        self._tested = False
        self._beating: asyncio.Task[None] | None = None
        # The Logon as we sent it, what is secret left out
        self.greeting = ""

    async def logon(self, credentials: Credentials) -> None:
        """Log on.

        Raises:
            DisconnectedError: The exchange refuses, or does not answer.
        """
        now_ns = time.time_ns()
        login = Login(
            sender=self._sender,
            target=self._side.target,
            key=credentials.value("key"),
            secret=credentials.value("secret"),
            passphrase=credentials.value("passphrase"),
            number="1",
            sent=_utc(now_ns),
            ms=now_ns // 10**6,
            nonce=os.urandom(32),
        )
        try:
            body = fix.request(fix.LOGON, *self._side.logon(login))
        except ValueError as error:
            # Of a key that is none; its text says nothing of the key
            message = f"logon could not be made: {error}"
            raise DisconnectedError(message) from None
        self.greeting = _without_secrets(body)
        try:
            async with asyncio.timeout(OPEN_S):
                await self._write(body, login.sent)
                answer = await self._frame()
        except TimeoutError as error:
            message = f"logon: no answer in {OPEN_S} s"
            raise DisconnectedError(message) from error
        kind, fields = _session_message(answer)
        if kind != fix.LOGON:
            # Only what is meant to be read, and not what it repeats of ours
            text = fields.get("58") or f"answered by type {kind}"
            for secret in filter(None, (login.key, login.secret, login.passphrase)):
                text = text.replace(secret, _HIDDEN)
            message = f"logon refused: {text}"
            raise DisconnectedError(message)
        self._logged_on = True
        self._expected = int(fields["34"]) + 1
        self._beating = asyncio.create_task(self._beat())

    async def recv(self) -> bytes:
        """Return the next message, untouched.

        Raises:
            DisconnectedError: The session is over, or a message is missing.
        """
        while True:
            if self._over:
                raise DisconnectedError(self._over)
            payload = await self._frame()
            if await self._admit(payload):
                return payload

    async def send(self, text: str) -> None:
        """Send a message, given as `fix.request` makes it.

        Raises:
            DisconnectedError: The session is over.
        """
        await self._write(text, _utc(time.time_ns()))

    async def answers(self, timeout_s: float) -> bool:  # noqa: ARG002 - as a websocket's
        """Return True: a silent session is tested by its own heartbeats."""
        return not self._over

    async def unread(self) -> list[bytes]:
        """Return the whole messages that have come and were not read, up to a hole in their numbers."""
        found: list[bytes] = []
        with suppress(DisconnectedError):
            while payload := self._framer.take():
                number = _NUMBER.search(payload)
                if number is None or int(number[1]) != self._expected:
                    break
                self._expected += 1
                found.append(payload)
        return found

    async def close(self) -> None:
        """Log out, and hang up when that is not answered soon."""
        if self._beating is not None:
            self._beating.cancel()
        with suppress(DisconnectedError, TimeoutError, OSError):
            async with asyncio.timeout(CLOSE_S):
                if self._logged_on and not self._said_goodbye:
                    # Else the exchange holds our name for taken for some time
                    self._said_goodbye = True
                    await self.send(fix.request(fix.LOGOUT))
                    while not self._over and fix.kind_of(await self._frame()) != fix.LOGOUT:
                        pass
        self._writer.close()
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(CLOSE_S):
                await self._writer.wait_closed()

    async def _admit(self, payload: bytes) -> bool:
        """Check a message's number, and do what the session asks for; whether it is to be kept."""
        kind = fix.kind_of(payload)
        number = _NUMBER.search(payload)
        if number is None:
            raise garbled("MsgSeqNum", payload[:60])
        found = int(number[1])
        if found < self._expected and b"\x0143=Y\x01" in payload:
            return False  # sent again, and known
        if found != self._expected:
            message = f"sequence: expected message {self._expected}, found {found}"
            raise DisconnectedError(message)
        self._expected += 1
        if kind == fix.TEST:
            _, fields = _session_message(payload)
            asked = [(112, fields["112"])] if "112" in fields else []
            await self.send(fix.request(fix.HEARTBEAT, *asked))
        elif kind == fix.RESEND:
            # What we asked for is of the moment: say that nothing of it is to come
            gap_fill = ((123, "Y"), (36, self._number + 2))
            await self.send(fix.request(fix.RESET, *gap_fill))
        elif kind == fix.RESET:
            _, fields = _session_message(payload)
            if int(fields["36"]) < self._expected:
                message = f"sequence: expected a reset forward, found {fields['36']}"
                raise DisconnectedError(message)
            self._expected = int(fields["36"])
        elif kind == fix.LOGOUT:
            _, fields = _session_message(payload)
            self._over = f"exchange logged out: {fields.get('58', '')}".rstrip(": ")
        return True

    async def _frame(self) -> bytes:
        try:
            while (payload := self._framer.take()) is None:
                data = await self._reader.read(READ_BYTES)
                if not data:
                    message = "connection cut without a goodbye"
                    raise DisconnectedError(message)
                self._framer.feed(data)
        except OSError as error:
            message = f"{type(error).__name__}: {error}"
            raise DisconnectedError(message) from error
        self._heard_s = self._now()
        self._tested = False
        return payload

    async def _write(self, body: str, sent: str) -> None:
        self._put(body, sent)
        try:
            await self._writer.drain()
        except OSError as error:
            message = f"{type(error).__name__}: {error}"
            raise DisconnectedError(message) from error

    def _put(self, body: str, sent: str) -> None:
        if self._writer.is_closing():
            message = "connection cut without a goodbye"
            raise DisconnectedError(message)
        self._number += 1
        (kind_tag, kind), *fields = (f.split("=", 1) for f in body.rstrip(SOH).split(SOH))
        message = FixMessage()
        message.append_pair(8, self._side.begin)
        message.append_pair(kind_tag, kind)
        message.append_pair(49, self._sender)
        message.append_pair(56, self._side.target)
        message.append_pair(34, self._number)
        message.append_pair(52, sent)
        for tag, value in fields:
            message.append_pair(tag, value)
        self._writer.write(message.encode())
        self._sent_s = self._now()

    async def _beat(self) -> None:
        interval_s = self._side.heartbeat_s
        while not self._writer.is_closing():
            await asyncio.sleep(min(1, interval_s / 4))
            now_s = self._now()
            with suppress(DisconnectedError):
                if now_s - self._heard_s >= TEST_AFTER * interval_s and not self._tested:
                    self._tested = True
                    self._put(fix.request(fix.TEST, (112, int(now_s))), _utc(time.time_ns()))
                if now_s - self._sent_s >= interval_s:
                    self._put(fix.request(fix.HEARTBEAT), _utc(time.time_ns()))


async def connect(
    side: Fix, url: str, credentials: Credentials, *, frame_bytes: int, number: int = 0
) -> Socket:
    """Return a session that is logged on.

    Args:
        url: fix+tls://host:port, or fix://host:port without TLS.
        number: Which of the credentials' senders it is.

    Raises:
        DisconnectedError: It could not be opened, or the logon was refused; the message says why.
    """
    parts = urlsplit(url)
    context = ssl.create_default_context() if parts.scheme == TLS else None
    try:
        async with asyncio.timeout(OPEN_S):
            reader, writer = await asyncio.open_connection(parts.hostname, parts.port, ssl=context)
    except (OSError, TimeoutError) as error:
        message = f"{type(error).__name__}: {error}"
        raise DisconnectedError(message) from error
    socket = Socket(side, credentials.senders(side)[number], reader, writer, frame_bytes)
    try:
        await socket.logon(credentials)
    except BaseException:
        await socket.close()
        raise
    return socket


def _session_message(payload: bytes) -> tuple[str, dict[str, str]]:
    try:
        found = fix.decode(payload)
    except (UnexpectedFrame, ValueError) as error:
        message = f"garbled: {error}"
        raise DisconnectedError(message) from error
    return found.kind, found.head


def _without_secrets(body: str) -> str:
    fields = (field.partition("=") for field in body.rstrip(SOH).split(SOH))
    shown = (
        f"{tag}={_HIDDEN if tag in fix.SECRET_TAGS else value}{SOH}" for tag, _, value in fields
    )
    return "".join(shown)


def _utc(at_ns: int) -> str:
    # three decimals: all take them, one exchange no others
    at = datetime.fromtimestamp(at_ns // 10**9, UTC)
    return f"{at:%Y%m%d-%H:%M:%S}.{at_ns // 10**6 % 1000:03}"
