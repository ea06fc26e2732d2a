"""A scripted FIX acceptor on loopback: what it says, with what number, is the script's affair."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

from jetl2.exchanges import fix
from jetl2.exchanges.exchange import Limits
from jetl2.exchanges.fix import Fields, Fix, Login, Message
from jetl2.orderbook.sequence import Rule
from jetl2.schemas.records import BookDelta

SOH = b"\x01"
TOY_LIMITS = Limits(symbols=10, connects_per_minute=6000, sends_per_second=1000)


def toy_logon(login: Login) -> Fields:
    """Return a Logon with all that is secret."""
    return [(98, 0), (108, 30), (553, login.key), (554, login.secret), (96, login.passphrase)]


def toy_subscribe(symbols: Sequence[str], _: Sequence[str]) -> list[str]:
    """Return a request for each symbol."""
    return [fix.market_data(s, s, [fix.BID, fix.OFFER]) for s in symbols]


def toy_parse(message: Message) -> list[BookDelta]:
    """Return a snapshot of W, a delta of X."""
    if message.kind in (fix.SNAPSHOT, fix.INCREMENT):
        whole = message.kind == fix.SNAPSHOT
        return [fix.book(message.entries, symbol=message.head["55"], is_snapshot=whole)]
    fix.refuse_unknown(message)
    return []


TOY_FIX = Fix(
    docs="",
    url="fix+tls://toy.invalid:1",
    target="TOY",
    needs=("sender", "key"),
    logon=toy_logon,
    data_types=("book_delta",),
    subscribe=toy_subscribe,
    resubscribe=lambda symbol: toy_subscribe([symbol], []),
    parse=toy_parse,
    rule=Rule(connection_counter=True),
    limits=TOY_LIMITS,
)


def raw(kind: str, number: int, *fields: tuple[int, str | int], begin: str = "FIX.4.4") -> bytes:
    """Return a whole message from the acceptor, put together by hand."""
    head = [(35, kind), (34, number), (49, "TOY"), (52, "20260102-03:04:05.678"), (56, "ME")]
    body = b"".join(f"{tag}={value}".encode() + SOH for tag, value in (*head, *fields))
    text = f"8={begin}\x019={len(body)}\x01".encode() + body
    return text + b"10=%03d" % (sum(text) % 256) + SOH


def w(number: int, symbol: str = "A") -> bytes:
    """Return a snapshot of one level a side."""
    levels = ((268, 2), (269, 0), (270, "9"), (271, "1"), (269, 1), (270, "11"), (271, "1"))
    return raw("W", number, (55, symbol), *levels)


def x(number: int, size: str = "2", symbol: str = "A") -> bytes:
    """Return an increment of one level."""
    level = ((268, 1), (279, 1), (269, 0), (270, "9"), (271, size))
    return raw("X", number, (55, symbol), *level)


LOGGED_ON = raw("A", 1, (98, 0), (108, 30), (141, "Y"))


class Client:
    """What the script has of a client: its messages, as tags with values."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take a connection."""
        self.reader = reader
        self.writer = writer

    async def next(self) -> dict[str, str]:
        """Return the next message; a repeated tag has its last value. Empty at the end."""
        raw = b""
        while not raw.endswith(SOH) or b"\x0110=" not in raw:
            try:
                raw += await self.reader.readuntil(SOH)
            except (asyncio.IncompleteReadError, OSError):
                return {}
        fields = raw[:-1].decode().split("\x01")
        return dict(field.split("=", 1) for field in fields)

    async def until(self, kind: str) -> dict[str, str]:
        """Return the next message of a type; empty when the client left before."""
        while (found := await self.next()) and found["35"] != kind:
            pass
        return found

    def say(self, *messages: bytes) -> None:
        """Send bytes."""
        self.writer.write(b"".join(messages))


Script = Callable[[Client], Awaitable[None]]


class Server:
    """A running acceptor."""

    def __init__(self) -> None:
        """Know no port yet."""
        self.port = 0
        self.connects = 0

    @property
    def url(self) -> str:
        """Its address, without TLS."""
        return f"fix://127.0.0.1:{self.port}"


@asynccontextmanager
async def accepting(script: Script, tls: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    """Play a script for each client; at its end the connection is closed."""
    server = Server()
    writers: list[asyncio.StreamWriter] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server.connects += 1
        writers.append(writer)
        try:
            await script(Client(reader, writer))
        finally:
            writer.close()

    running = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=tls)
    server.port = running.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        running.close()
        for writer in writers:
            writer.close()
