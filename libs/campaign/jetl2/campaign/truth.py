"""The ground truth: traffic that is made here, and what must come of it.

Two exchanges' protocols are spoken, in the form of their own documentation: OKX's chained books,
and Binance's trades. What each event must become is noted when it is sent, from what it says.
"""

import json
import random
import threading
import time
import zlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import Any, NamedTuple

from confluent_kafka import KafkaError, Message, Producer

from jetl2.campaign import wire
from jetl2.devstack import kafka

BOOKS, TRADES = "okex", "binance"
EXCHANGES = (BOOKS, TRADES)
PAIRS = (
    "BTC-USDT",
    "ETH-USDT",
    "SOL-USDT",
    "XRP-USDT",
    "ADA-USDT",
    "DOGE-USDT",
    "LTC-USDT",
    "DOT-USDT",
    "TRX-USDT",
    "UNI-USDT",
)
# A full hour: within one hour from here no periodic snapshot is due, so that each event yields
# what is said. A step is what local_ts advances from event to event
START_TS = 1_795_003_200_000_000_000
STEP_NS = 100_000
MOST_EVENTS = 3_600_000_000_000 // STEP_NS

Levels = dict[Decimal, Decimal]
Name = tuple[str, str]  # exchange, symbol


class Expected(NamedTuple):
    """One market record: its kind, and all that it must say."""

    kind: str  # BookDelta, Trade or Gap
    says: tuple[Any, ...]


class Book:
    """The true book of one pair, which writes its own messages."""

    def __init__(self, chance: random.Random) -> None:
        """Begin empty."""
        self.bids: Levels = {}
        self.asks: Levels = {}
        self.number = 100
        # Before the first snapshot, and after what cannot be read, nothing may come of a delta
        self.known = False
        self._chance = chance

    def snapshot(self) -> tuple[dict[str, Any], Expected]:
        """Return a whole book as the exchange sends it, and what must come of it."""
        self.bids, self.asks = {}, {}
        for away in range(40):
            self.bids[Decimal(9990 - away) / 10] = self._size()
            self.asks[Decimal(10010 + away) / 10] = self._size()
        self.number += 10
        self.known = True
        return self._message(-1, self.bids, self.asks), _delta(True, self.bids, self.asks)

    def delta(self) -> tuple[dict[str, Any], Expected | None]:
        """Return a change, and what must come of it: nothing while the book is not known."""
        bids: Levels = {}
        asks: Levels = {}
        for away in self._chance.sample(range(90), self._chance.randint(1, 3)):
            if self._chance.random() < 0.5:
                self._set(self.bids, bids, Decimal(9990 - away) / 10)
            else:
                self._set(self.asks, asks, Decimal(10010 + away) / 10)
        before, self.number = self.number, self.number + self._chance.randint(1, 3)
        message = self._message(before, bids, asks)
        return message, _delta(False, bids, asks) if self.known else None

    def _set(self, side: Levels, changed: Levels, price: Decimal) -> None:
        gone = price in side and self._chance.random() < 0.4
        size = Decimal(0) if gone else self._size()
        changed[price] = size
        if gone:
            del side[price]
        else:
            side[price] = size

    def _size(self) -> Decimal:
        return Decimal(self._chance.randint(1, 10**6)) / 1000

    def _message(self, before: int, bids: Levels, asks: Levels) -> dict[str, Any]:
        sides = {"asks": asks, "bids": bids}
        levels = {n: [[str(p), str(s), "0", "1"] for p, s in v.items()] for n, v in sides.items()}
        return {
            "action": "snapshot" if before < 0 else "update",
            "data": [levels | {"checksum": 0, "prevSeqId": before, "seqId": self.number}],
        }


class Feed:
    """Sends raw events at a rate from a thread of its own, and knows what must come of them."""

    def __init__(
        self,
        bootstrap_servers: str,
        chance: random.Random,
        *,
        rate: float = 2000,
        partitions: int = 4,
        replication: int = 1,
        pairs: Sequence[str] = PAIRS,
    ) -> None:
        """Make the raw topics; nothing is sent yet.

        Args:
            bootstrap_servers: Of the broker itself: the truth is never tampered with.
            chance: Decides everything; the same one sends the same.
            rate: Events a second.
            partitions: Of every topic.
            replication: Of the raw topics.
            pairs: What is traded on both exchanges.
        """
        self.partitions = partitions
        self.rate = rate
        # What must come, per exchange and symbol, in order
        self.expected: dict[Name, list[Expected]] = defaultdict(list)
        # Raw records of no meaning that were sent: they must be dead letters, verbatim
        self.poison: list[bytes] = []
        self.sent_at: list[float] = []
        self._books = {pair: Book(chance) for pair in pairs}
        self._chance = chance
        self._pairs = list(pairs)
        self._trades = 0
        self._failed: list[str] = []
        self._pause = threading.Event()
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._producer = Producer(
            {
                "bootstrap.servers": bootstrap_servers,
                "enable.idempotence": True,
                "linger.ms": 2,
                # The truth waits for as long as a broker is away
                "message.timeout.ms": 0,
                "queue.buffering.max.messages": 2_000_000,
                "log_level": 0,
            }
        )
        raw = {f"raw.{name}": partitions for name in EXCHANGES}
        kafka.create_topics(bootstrap_servers, raw, replication=replication)
        for pair in pairs:
            self._raw(BOOKS, pair, b"wss://example", kind="connected")
            self.snapshot(pair)
        self.settle()

    def books(self) -> dict[Name, tuple[Levels, Levels]]:
        """Return the true bids and asks of each book."""
        return {(BOOKS, pair): (book.bids, book.asks) for pair, book in self._books.items()}

    @contextmanager
    def flowing(self) -> Iterator[None]:
        """Send for the length of the block, then wait until Kafka has all of it."""
        thread = threading.Thread(target=self._flow, name="feed", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            thread.join()
            self._stop.clear()
            self.settle()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Send nothing by itself for the length of the block."""
        self._pause.set()
        try:
            yield
        finally:
            self._pause.clear()

    def send(self, count: int) -> None:
        """Send so many events, of any pair."""
        with self._lock:
            for _ in range(count):
                self._one(self._chance.choice(self._pairs))
        self._producer.poll(0)

    def snapshot(self, pair: str) -> None:
        """Send the whole book of a pair."""
        with self._lock:
            message, expected = self._books[pair].snapshot()
            self._raw(BOOKS, pair, self._framed(pair, message))
            self.expected[BOOKS, pair].append(expected)

    def spoil(self, pair: str, value: bytes) -> None:
        """Send a raw record that nobody can read: its book has a gap until the next snapshot."""
        with self._lock:
            book = self._books[pair]
            self._produce(BOOKS, pair, value)
            self.poison.append(value)
            if book.known:
                self.expected[BOOKS, pair].append(Expected("Gap", ("lost",)))
            book.known = False

    def unknown(self) -> list[str]:
        """Return the pairs whose book is not known since something could not be read."""
        return [pair for pair, book in self._books.items() if not book.known]

    def settle(self, timeout_s: float = 120) -> None:
        """Wait until Kafka has all that was sent.

        Raises:
            RuntimeError: It does not take it: then there is no truth to compare with.
        """
        left = self._producer.flush(timeout_s)
        if left or self._failed:
            message = f"{left} events of the truth were not taken; {self._failed[:1]}"
            raise RuntimeError(message)

    def _flow(self) -> None:
        began, done = time.monotonic(), 0
        while not self._stop.wait(0.005):
            due = int((time.monotonic() - began) * self.rate) - done
            done += due
            if not self._pause.is_set():
                self.send(due)

    def _one(self, pair: str) -> None:
        if self._chance.random() < 0.25:
            self._trade(pair.replace("-", ""))
            return
        message, expected = self._books[pair].delta()
        self._raw(BOOKS, pair, self._framed(pair, message))
        if expected:
            self.expected[BOOKS, pair].append(expected)

    def _trade(self, symbol: str) -> None:
        self._trades += 1
        price = Decimal(self._chance.randint(9000, 11000)) / 10
        size = Decimal(self._chance.randint(1, 10**6)) / 1000
        maker_buys = self._chance.random() < 0.5
        data = {
            "e": "trade",
            "E": START_TS // 1_000_000,
            "s": symbol,
            "t": self._trades,
            "p": str(price),
            "q": str(size),
            "T": START_TS // 1_000_000,
            "m": maker_buys,
            "M": True,
        }
        frame = json.dumps({"stream": f"{symbol.lower()}@trade", "data": data})
        self._raw(TRADES, symbol, frame.encode())
        # The buyer rested, so the seller took
        side = "sell" if maker_buys else "buy"
        says = (str(self._trades), price, size, side)
        self.expected[TRADES, symbol].append(Expected("Trade", says))

    def _framed(self, pair: str, message: dict[str, Any]) -> bytes:
        message["data"][0]["ts"] = str(START_TS // 1_000_000)
        return json.dumps({"arg": {"channel": "books", "instId": pair}} | message).encode()

    def _raw(self, exchange: str, symbol: str, payload: bytes, kind: str = "frame") -> None:
        number = len(self.sent_at)
        self.sent_at.append(time.monotonic())
        fields = {
            "exchange": exchange,
            "symbol": symbol,
            "channel": "",
            "local_ts": START_TS + number * STEP_NS,
            "connection_id": f"{exchange}-1",
            "counter": number,
            "kind": kind,
            "payload": payload,
        }
        self._produce(exchange, symbol, wire.encode("RawEvent", fields))

    def _produce(self, exchange: str, symbol: str, value: bytes) -> None:
        # CRC-32 of the symbol: the contract says so to every producer
        partition = zlib.crc32(symbol.encode()) % self.partitions
        key = symbol.encode()
        self._producer.produce(f"raw.{exchange}", value, key, partition, on_delivery=self._taken)

    def _taken(self, error: KafkaError | None, _: Message) -> None:
        if error is not None:
            self._failed.append(str(error))


def number_of(local_ts: int) -> int:
    """Return the number of the event that had this local_ts: its place in `Feed.sent_at`."""
    return (local_ts - START_TS) // STEP_NS


def _delta(whole: bool, bids: Levels, asks: Levels) -> Expected:  # noqa: FBT001 - one caller
    return Expected("BookDelta", (whole, frozenset(bids.items()), frozenset(asks.items())))
