"""How many frames a second one process takes, from the bytes to the produced envelope.

Run with the packages on PYTHONPATH: python services/ingestor/tests/bench_frames.py [seconds]
"""

import asyncio
import json
import multiprocessing
import statistics
import sys
import time
from collections.abc import Callable
from multiprocessing.connection import Connection as Pipe

from websockets.asyncio.server import ServerConnection, serve

from jetl2.exchanges import adapters
from jetl2.ingestor import sink as sinks
from jetl2.ingestor.connection import Connection
from jetl2.ingestor.settings import Settings
from jetl2.ingestor.transport import websocket
from jetl2.ingestor.transport.socket import Socket
from jetl2.runtime import kafka, log
from jetl2.schemas.records import RawEvent

LEVELS = [[f"{64000 + n}.{n:02}", f"0.{n:05}"] for n in range(1, 9)]
FRAMES = {
    "binance": {
        "stream": "btcusdt@depth@100ms",
        "data": {
            "e": "depthUpdate",
            "E": 1795000000000,
            "s": "BTCUSDT",
            "U": 1,
            "u": 2,
            "b": LEVELS,
            "a": LEVELS,
        },
    },
    "kraken": {
        "channel": "book",
        "type": "update",
        "data": [
            {
                "symbol": "BTC/USD",
                "bids": [{"price": 64000.1, "qty": 0.00123}],
                "asks": [],
                "checksum": 123456789,
                "timestamp": "2026-11-22T10:00:00.000000Z",
            }
        ],
    },
    "okex": {
        "arg": {"channel": "books", "instId": "BTC-USDT"},
        "action": "update",
        "data": [
            {
                "asks": LEVELS,
                "bids": LEVELS,
                "ts": "1795000000000",
                "checksum": 0,
                "prevSeqId": 1,
                "seqId": 2,
            }
        ],
    },
}


class Discard:
    """A sink that counts, to see what Kafka's part costs."""

    def put(self, _: RawEvent) -> None:
        """Take an event."""

    def note(self, _: RawEvent) -> None:
        """Take an event."""

    async def room(self) -> None:
        """There is always room."""


def connection(name: str, sink: sinks.Sink, url: str = "") -> Connection:
    """Return a connection whose books have all come."""
    exchange = adapters.get(name)

    async def dial() -> tuple[Socket, str]:
        frame_bytes = exchange.limits.frame_bytes
        return await websocket.connect(url, frame_bytes=frame_bytes), url

    found = Connection(
        exchange,
        ["X"],
        ["book_delta"],
        identity="bench",
        dial=dial,
        sink=sink,
        first_book_s=1e9,
        on_first=lambda *_: None,
    )
    found.books.unseen.clear()
    found.delivering.set()
    return found


async def rate(
    found: Connection, payload: bytes, seconds: float, pause: Callable[[], bool]
) -> float:
    """Return frames a second, best of three; waits outside the clock while `pause` says so."""
    rates = []
    for _ in range(3):
        count, spent = 0, 0.0
        while spent < seconds / 3:
            begin = time.perf_counter()
            for _ in range(500):
                found._take(payload, time.time_ns())
            spent += time.perf_counter() - begin
            count += 500
            while pause():  # noqa: ASYNC110 - the producer's thread drains
                await asyncio.sleep(0.01)
        rates.append(count / spent)
    return max(rates)


def flood(pipe: Pipe, text: str, seconds: float) -> None:
    """Serve one client with frames as fast as it takes them."""

    async def script(socket: ServerConnection) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for _ in range(100):
                await socket.send(text)
        await socket.close()

    async def run() -> None:
        async with serve(script, "127.0.0.1", 0, compression=None) as server:
            pipe.send(server.sockets[0].getsockname()[1])
            await asyncio.to_thread(pipe.recv)

    asyncio.run(run())


async def over_socket(name: str, sink: sinks.Sink, seconds: float) -> float:
    """Return frames a second from a real socket, the sender in a process of its own."""
    ours, theirs = multiprocessing.Pipe()
    text = json.dumps(FRAMES[name], separators=(",", ":"))
    sender = multiprocessing.Process(target=flood, args=(theirs, text, seconds))
    sender.start()
    found = connection(name, sink, f"ws://127.0.0.1:{ours.recv()}")
    begin = time.perf_counter()
    await found.run()
    spent = time.perf_counter() - begin
    ours.send(None)
    sender.join()
    return found.frames / spent


async def main(seconds: float) -> None:
    """Print one line an exchange."""
    kafka._properties = lambda: {"test.mock.num.brokers": 1}  # type: ignore[assignment]
    settings = Settings.model_construct(
        bootstrap_servers="", buffer_messages=500_000, buffer_mb=1024
    )
    sink = sinks.KafkaSink(settings, dict.fromkeys(FRAMES, 4))
    log.setup("error")
    print("frames/s of one process; the broker is librdkafka's mock")  # noqa: T201
    print(f"{'exchange':10}{'bytes':>7}{'classify':>10}{'+produce':>10}{'+socket':>10}")  # noqa: T201
    for name, frame in FRAMES.items():
        payload = json.dumps(frame, separators=(",", ":")).encode()
        numbers = [
            await rate(connection(name, Discard()), payload, seconds, lambda: False),
            await rate(
                connection(name, sink), payload, seconds, lambda: len(sink._producer) > 100_000
            ),
            statistics.median([await over_socket(name, sink, seconds) for _ in range(3)]),
        ]
        columns = "".join(f"{number:>10,.0f}" for number in numbers)
        print(f"{name:10}{len(payload):>7}{columns}")  # noqa: T201
    await sink.close(5)
    sink.failed.cancel()


if __name__ == "__main__":
    asyncio.run(main(float(sys.argv[1]) if len(sys.argv) > 1 else 3))
