"""A FIX session against a scripted acceptor: logon, refusal, numbers, heartbeats, goodbye."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import SecretStr

from jetl2.ingestor.credentials import Credentials
from jetl2.ingestor.errors import DisconnectedError
from jetl2.ingestor.transport import fix
from jetl2.ingestor.transport.fix import Socket
from jetl2.ingestor.transport.framing import Framer
from tests.fix_server import LOGGED_ON, TOY_FIX, Client, Script, accepting, raw, w, x

ME = Credentials(
    sender="ME",
    key=SecretStr("the-key"),
    secret=SecretStr("the-secret"),
    passphrase=SecretStr("the-phrase"),
)
SECRETS = ("the-key", "the-secret", "the-phrase")
MOST = 1_000_000
# Of nobody: its own authority for 127.0.0.1, key and all
CERTIFICATE = Path(__file__).parent / "loopback.pem"


@asynccontextmanager
async def connected(script: Script, heartbeat_s: int = 30) -> AsyncIterator[Socket]:
    """Log on to a scripted acceptor."""
    side = replace(TOY_FIX, heartbeat_s=heartbeat_s)
    async with accepting(script) as server:
        socket = await fix.connect(side, server.url, ME, frame_bytes=MOST)
        try:
            yield socket
        finally:
            await socket.close()


def say(*messages: bytes) -> Script:
    """Return a script that accepts a logon, says this, and listens until the client leaves."""

    async def script(client: Client) -> None:
        await client.next()
        client.say(LOGGED_ON, *messages)
        await client.until("5")
        client.say(raw("5", 2 + len(messages)))

    return script


async def test_a_logon_is_complete_and_noted_without_its_secrets() -> None:
    logons: list[dict[str, str]] = []

    async def script(client: Client) -> None:
        logons.append(await client.next())
        client.say(LOGGED_ON)
        await client.until("5")

    async with connected(script) as socket:
        greeting = socket.greeting

    (logon,) = logons
    assert list(logon)[:3] == ["8", "9", "35"]
    assert {tag: logon[tag] for tag in ("8", "35", "34", "49", "56")} == {
        "8": "FIX.4.4",
        "35": "A",
        "34": "1",
        "49": "ME",
        "56": "TOY",
    }
    assert (logon["553"], logon["554"], logon["96"]) == SECRETS
    assert "35=A" in greeting
    assert "553=...\x01554=...\x0196=..." in greeting
    assert not any(secret in greeting for secret in SECRETS)
    assert not any(secret in repr(ME) for secret in SECRETS)


@pytest.mark.parametrize(
    "answer, reason",
    [
        (raw("5", 1, (58, "Invalid API-key.")), "logon refused: Invalid API-key."),
        (raw("5", 1, (58, "No key the-key")), "logon refused: No key ..."),
        (raw("3", 1, (58, "Required tag missing")), "logon refused: Required tag missing"),
        (raw("5", 1, (553, "the-key")), "logon refused: answered by type 5"),
        (b"", "connection cut without a goodbye"),
        (b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n", "garbled: expected a message's"),
    ],
)
async def test_a_refused_logon_is_told(answer: bytes, reason: str) -> None:
    async def script(client: Client) -> None:
        await client.next()
        client.say(answer)

    async with accepting(script) as server:
        with pytest.raises(DisconnectedError) as caught:
            await fix.connect(TOY_FIX, server.url, ME, frame_bytes=MOST)

    assert str(caught.value).startswith(reason)
    assert not any(secret in str(caught.value) for secret in SECRETS)


async def test_an_acceptor_that_is_not_there_is_told() -> None:
    async with accepting(say()) as server:
        pass
    with pytest.raises(DisconnectedError, match="ConnectionRefusedError"):
        await fix.connect(TOY_FIX, server.url, ME, frame_bytes=MOST)


async def test_tls_is_spoken_and_the_exchange_is_verified(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(CERTIFICATE)
    async with accepting(say(w(2)), tls) as server:
        url = server.url.replace("fix:", "fix+tls:")
        with pytest.raises(DisconnectedError, match="CERTIFICATE_VERIFY_FAILED"):
            await fix.connect(TOY_FIX, url, ME, frame_bytes=MOST)
        monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
        socket = await fix.connect(TOY_FIX, url, ME, frame_bytes=MOST)
        found = await socket.recv()
        await socket.close()

    assert found == w(2)


async def test_an_acceptor_without_tls_gets_no_logon() -> None:
    read: list[bytes] = []

    async def script(client: Client) -> None:
        read.append(await client.reader.read(1000))
        client.say(LOGGED_ON)

    async with accepting(script) as server:
        with pytest.raises(DisconnectedError, match="SSL"):
            await fix.connect(TOY_FIX, server.url.replace("fix:", "fix+tls:"), ME, frame_bytes=MOST)

    assert b"the-" not in read[0]


async def test_messages_come_byte_for_byte_however_they_are_cut() -> None:
    messages = [w(2), raw("0", 3), x(4, "5" * 3000), raw("B", 5, (58, "a=b=c"))]
    whole = b"".join(messages)

    async def script(client: Client) -> None:
        await client.next()
        client.say(LOGGED_ON)
        for at in range(0, len(whole), 7):
            client.say(whole[at : at + 7])
            if at % 700 == 0:
                await asyncio.sleep(0)
                await client.writer.drain()
        await client.until("5")

    async with connected(script) as socket:
        found = [await socket.recv() for _ in messages]

    assert found == messages


@pytest.mark.parametrize(
    "messages, reason",
    [
        ([w(2), x(4)], "sequence: expected message 3, found 4"),
        ([w(2), x(2)], "sequence: expected message 3, found 2"),
        ([w(2), raw("4", 3, (36, 2))], "sequence: expected a reset forward, found 2"),
        ([w(2), x(3)[:-4] + b"999\x01"], "garbled: expected CheckSum"),
        ([w(2), raw("5", 3, (58, "Maintenance"))], "exchange logged out: Maintenance"),
    ],
)
async def test_what_is_wrong_with_the_numbers_ends_the_session(
    messages: list[bytes], reason: str
) -> None:
    async with connected(say(*messages)) as socket:
        with pytest.raises(DisconnectedError) as caught:
            await _all(socket)

    assert str(caught.value).startswith(reason)


async def _all(socket: Socket) -> None:
    while True:
        await socket.recv()


async def test_what_is_sent_again_and_a_reset_forward_are_no_hole() -> None:
    again = raw("X", 2, (43, "Y"))
    messages = [w(2), again, raw("4", 3, (123, "Y"), (36, 10)), x(10)]
    async with connected(say(*messages)) as socket:
        found = [await socket.recv() for _ in range(3)]

    assert found == [messages[0], messages[2], messages[3]]


async def test_the_exchange_s_questions_are_answered() -> None:
    answers: list[dict[str, str]] = []

    async def script(client: Client) -> None:
        await client.next()
        client.say(LOGGED_ON, raw("1", 2, (112, "there?")), raw("2", 3, (7, 1), (16, 0)))
        answers.extend([await client.next(), await client.next()])
        client.say(w(4))
        answers.append(await client.until("5"))

    async with connected(script) as socket:
        found = [await socket.recv() for _ in range(3)]

    assert len(found) == 3
    heartbeat, reset, goodbye = answers
    assert (heartbeat["35"], heartbeat["34"], heartbeat["112"]) == ("0", "2", "there?")
    assert (reset["35"], reset["34"], reset["123"], reset["36"]) == ("4", "3", "Y", "4")
    assert (goodbye["35"], goodbye["34"]) == ("5", "4")


async def test_silence_is_broken_by_a_heartbeat_and_a_question() -> None:
    found: list[str] = []

    async def script(client: Client) -> None:
        await client.next()
        client.say(LOGGED_ON)
        while not {"0", "1"} <= set(found):
            found.append((await client.next())["35"])
        client.say(w(2))
        await client.until("5")

    async with connected(script, heartbeat_s=1) as socket:
        await asyncio.wait_for(socket.recv(), 10)

    assert found.count("1") == 1


async def test_an_unanswered_goodbye_does_not_hold_up() -> None:
    ended = asyncio.Event()

    async def script(client: Client) -> None:
        await client.next()
        client.say(LOGGED_ON)
        await client.until("5")
        await ended.wait()

    async with accepting(script) as server:
        socket = await fix.connect(TOY_FIX, server.url, ME, frame_bytes=MOST)
        async with asyncio.timeout(5):
            await socket.close()
        ended.set()
        with pytest.raises(DisconnectedError):
            await socket.send("35=0\x01")


def test_a_message_above_the_bound_is_refused() -> None:
    framer = Framer(100)
    framer.feed(b"8=FIX.4.4\x019=101\x0135=")
    with pytest.raises(DisconnectedError, match="at most 100 bytes"):
        framer.take()


def test_credentials_that_are_missing_are_named() -> None:
    assert Credentials(sender="ME").missing(TOY_FIX) == ["key"]
    assert ME.missing(TOY_FIX) == []
