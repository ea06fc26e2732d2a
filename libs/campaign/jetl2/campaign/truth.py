"""The ground truth: traffic that is made here, and what must come of it.

Two exchanges' protocols are spoken, in the form of their own documentation: OKX's chained books,
and Binance's trades. What each event must become is noted when it is sent, from what it says.
"""

import json
import random
import threading
import time
import zlib
from collections import Counter, defaultdict
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
MOST_BYTES = 32 * 1024 * 1024
LARGE_BYTES = 10_000_000

# Of each way to spoil a message, how often; those of LARGE_BYTES load the machine
SPOILINGS = {
    "truncated": 30,
    "wrong schema id": 30,
    "wrong checksum": 20,
    "nonsense number": 60,
    "10 MB": 1,
}
# No finite decimal number of 64 bits and 18 decimals, as our records hold them
NONSENSE: tuple[Any, ...] = (
    *("abc", "", "NaN", "Infinity", "1.2.3", "--5", "0x1F", "1_000", "1e400", "9" * 40),
    *("0." + "1" * 30, "\uff19", None, [], {}, True),
)

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
        # What must be dead letters, verbatim: raw values of no meaning, frames that cannot be read
        self.poison: list[bytes] = []
        # How many of all events cannot be read, and what was done so far, by name
        self.spoiling = 0.0
        self.spoiled: Counter[str] = Counter()
        # Numbers of the events that are not even raw events
        self.undecodable: set[int] = set()
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
                # Back as soon as a broker is, so that recoveries are those of the product
                "reconnect.backoff.max.ms": 500,
                "message.max.bytes": MOST_BYTES,
                "log_level": 0,
            }
        )
        raw = {f"raw.{name}": partitions for name in EXCHANGES}
        kafka.create_topics(bootstrap_servers, raw, replication=replication)
        for pair in pairs:
            self._raw(BOOKS, pair, b"wss://example", kind="connected")
            self.snapshot(pair)
        self.settle()

    def places(self) -> set[tuple[str, int]]:
        """Return the market topics' partitions in which something comes of it."""
        symbols = [(BOOKS, pair) for pair in self._pairs]
        symbols += [(TRADES, pair.replace("-", "")) for pair in self._pairs]
        return {(f"market.{e}", zlib.crc32(s.encode()) % self.partitions) for e, s in symbols}

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
            self._raw(BOOKS, pair, json.dumps(self._framed(pair, message)).encode())
            self.expected[BOOKS, pair].append(expected)

    def _spoil(self, pair: str) -> None:
        """Send a message that cannot be read, or that contradicts the book.

        A book has a gap then until its next snapshot; trades have none. What is no raw event is a
        dead letter whole; of a raw event, its frame is. A sum that is wrong can be read.
        """
        how = self._chance.choices(list(SPOILINGS), list(SPOILINGS.values()))[0]
        self.spoiled[how] += 1
        if how != "wrong checksum" and self._chance.random() < 0.25:
            exchange, symbol = TRADES, pair.replace("-", "")
            frame = self._trade_frame(symbol)[0]
            numbers = frame["data"]
            place: Any = self._chance.choice("pq")
        else:
            exchange, symbol = BOOKS, pair
            frame = self._framed(pair, self._books[pair].delta()[0])
            # Another level beside those that are right
            frame["data"][0]["bids"].append(numbers := ["999.0", "1.0", "0", "1"])
            place = self._chance.randrange(2)
        if how == "nonsense number":
            numbers[place] = self._chance.choice(NONSENSE)
        elif how == "wrong checksum":
            numbers[1] = "0"
            frame["data"][0]["checksum"] = self._chance.randint(1, 2**31 - 1)
        payload = json.dumps(frame).encode()
        if how == "10 MB":
            payload = payload[:-2] + self._chance.randbytes(LARGE_BYTES)
        value = self._mangled(how, self._event(exchange, symbol, payload))
        reason = "checksum" if how == "wrong checksum" else "unreadable"
        if how in ("truncated", "wrong schema id"):
            reason, payload = "lost", value
        if how != "wrong checksum":
            self.poison.append(payload)
        self._produce(exchange, symbol, value, self._undecodable_ms(reason))
        if exchange == BOOKS:
            if self._books[pair].known:
                self.expected[BOOKS, pair].append(Expected("Gap", (reason,)))
            self._books[pair].known = False

    def _mangled(self, how: str, value: bytes) -> bytes:
        if how == "truncated":
            return value[: self._chance.randrange(len(value))]
        if how == "wrong schema id":
            return value[:2] + self._chance.randbytes(8) + value[10:]
        return value

    def _undecodable_ms(self, reason: str) -> int:
        """Return the time to give a record of which nothing else tells one; 0: its own says it."""
        if reason != "lost":
            return 0
        number = len(self.sent_at) - 1
        self.undecodable.add(number)
        return (START_TS + number * STEP_NS) // 1_000_000

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
        if self.spoiling and self._chance.random() < self.spoiling:
            self._spoil(pair)
        elif self._chance.random() < 0.25:
            self._trade(pair.replace("-", ""))
        else:
            message, expected = self._books[pair].delta()
            self._raw(BOOKS, pair, json.dumps(self._framed(pair, message)).encode())
            if expected:
                self.expected[BOOKS, pair].append(expected)

    def _trade(self, symbol: str) -> None:
        frame, expected = self._trade_frame(symbol)
        self._raw(TRADES, symbol, json.dumps(frame).encode())
        self.expected[TRADES, symbol].append(expected)

    def _trade_frame(self, symbol: str) -> tuple[dict[str, Any], Expected]:
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
        frame = {"stream": f"{symbol.lower()}@trade", "data": data}
        # The buyer rested, so the seller took
        side = "sell" if maker_buys else "buy"
        return frame, Expected("Trade", (str(self._trades), price, size, side))

    def _framed(self, pair: str, message: dict[str, Any]) -> dict[str, Any]:
        message["data"][0]["ts"] = str(START_TS // 1_000_000)
        return {"arg": {"channel": "books", "instId": pair}} | message

    def _raw(self, exchange: str, symbol: str, payload: bytes, kind: str = "frame") -> None:
        self._produce(exchange, symbol, self._event(exchange, symbol, payload, kind))

    def _event(self, exchange: str, symbol: str, payload: bytes, kind: str = "frame") -> bytes:
        """Return the next raw event, which counts as sent now."""
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
        return wire.encode("RawEvent", fields)

    def _produce(self, exchange: str, symbol: str, value: bytes, timestamp_ms: int = 0) -> None:
        # CRC-32 of the symbol: the contract says so to every producer
        partition = zlib.crc32(symbol.encode()) % self.partitions
        self._producer.produce(
            f"raw.{exchange}",
            value,
            symbol.encode(),
            partition,
            on_delivery=self._taken,
            timestamp=timestamp_ms,
        )

    def _taken(self, error: KafkaError | None, _: Message) -> None:
        if error is not None:
            self._failed.append(str(error))


def number_of(local_ts: int) -> int:
    """Return the number of the event that had this local_ts: its place in `Feed.sent_at`."""
    return (local_ts - START_TS) // STEP_NS


def _delta(whole: bool, bids: Levels, asks: Levels) -> Expected:  # noqa: FBT001 - one caller
    return Expected("BookDelta", (whole, frozenset(bids.items()), frozenset(asks.items())))
