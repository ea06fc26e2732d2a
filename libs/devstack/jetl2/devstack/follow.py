"""A reader of the merged stream that keeps what is true at each moment: books, numbering, lateness."""

import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal

from confluent_kafka import OFFSET_BEGINNING, Consumer, Message, TopicPartition

from jetl2.devstack.market import Levels
from jetl2.schemas import avro, topics
from jetl2.schemas.records import BookDelta, Gap, MarketRecord

# Finer than any price or size: all are whole numbers of this
_PLACES = 24
_SCALE = {exponent: 10 ** (_PLACES + exponent) for exponent in range(-_PLACES, 1)}

Key = tuple[str, str]  # exchange, symbol
Side = dict[int, int]


class Follower:
    """What came so far; `take` is the only writer, all else may be asked from another thread."""

    def __init__(self) -> None:
        """Know nothing."""
        self.records = 0
        self.repeated = 0  # records whose number had come before
        self.missing = 0  # numbers that were skipped
        self.gaps: Counter[str] = Counter()
        self._seqs: dict[Key, int] = {}
        self._books: dict[Key, tuple[Side, Side]] = {}
        self._late_ms: Counter[int] = Counter()
        self._lock = threading.Lock()

    def take(self, records: Sequence[MarketRecord], now: int) -> None:
        """Take what became visible at a time, in ns."""
        with self._lock:
            for record in records:
                self._take(record, now)

    def lateness(self) -> Counter[int]:
        """Return milliseconds from `local_ts` to visible -> records, since it was last asked."""
        with self._lock:
            found, self._late_ms = self._late_ms, Counter()
        return found

    def differs(self, exchange: str, symbol: str, bids: Levels, asks: Levels) -> str:
        """Return where a book differs from what it must be, "" for nowhere."""
        with self._lock:
            found = self._books.get((exchange, symbol), ({}, {}))
            for name, side, levels in zip(("bid", "ask"), found, (bids, asks), strict=True):
                wanted = {_whole(price): _whole(size) for price, size in levels}
                for price in sorted(side.keys() | wanted.keys()):
                    if side.get(price) != wanted.get(price):
                        shown = [_text(n) for n in (price, side.get(price), wanted.get(price))]
                        return (
                            f"{exchange} {symbol}: the {name} at {shown[0]} is {shown[1]} in the "
                            f"merged stream and must be {shown[2]}"
                        )
        return ""

    def _take(self, record: MarketRecord, now: int) -> None:
        self.records += 1
        self._late_ms[max(now - record.local_ts, 0) // 1_000_000] += 1
        key = record.exchange, record.symbol
        ahead = record.seq - self._seqs.get(key, 0) - 1
        self.missing += max(ahead, 0)
        self.repeated += ahead < 0
        self._seqs[key] = record.seq
        if isinstance(record, Gap):
            self.gaps[record.reason] += 1
        elif isinstance(record, BookDelta):
            bids, asks = self._books.setdefault(key, ({}, {}))
            if record.is_snapshot:
                bids.clear()
                asks.clear()
            price, size = _SCALE[record.price_exponent], _SCALE[record.size_exponent]
            _apply(bids, record.bid_prices, record.bid_sizes, price, size)
            _apply(asks, record.ask_prices, record.ask_sizes, price, size)


def _apply(
    side: Side, prices: Sequence[int], sizes: Sequence[int], price_scale: int, size_scale: int
) -> None:
    for price, size in zip(prices, sizes, strict=True):
        if size:
            side[price * price_scale] = size * size_scale
        else:
            side.pop(price * price_scale, None)


def _whole(text: str) -> int:
    return int(Decimal(text).scaleb(_PLACES))


def _text(number: int | None) -> str:
    return "missing" if number is None else f"{Decimal(number).scaleb(-_PLACES).normalize():f}"


def quantile(late_ms: Counter[int], share: float) -> float:
    """Return below which so many milliseconds a share of the records came; 0 if there are none."""
    left = late_ms.total() * share
    for ms in sorted(late_ms):
        left -= late_ms[ms]
        if left <= 0:
            return ms + 1.0
    return 0.0


@contextmanager
def following(
    bootstrap_servers: str, exchanges: Sequence[str], partitions: int
) -> Iterator[Follower]:
    """Follow the market topics of exchanges from their beginning, for the length of the block."""
    follower, ended = Follower(), threading.Event()
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap_servers,
            "group.id": "devstack-follower",
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "auto.offset.reset": "error",
            # An empty answer is all that this delays: what is there comes at once
            "fetch.wait.max.ms": 100,
        }
    )
    names = [topics.market(exchange) for exchange in exchanges]
    consumer.assign(
        [TopicPartition(n, p, OFFSET_BEGINNING) for n in names for p in range(partitions)]
    )

    def follow() -> None:
        while not ended.is_set():
            # The client gathers for as long: it adds to what is measured
            batch = consumer.consume(500, 0.005)
            now = time.time_ns()
            follower.take([_decoded(m) for m in batch if m.error() is None], now)

    thread = threading.Thread(target=follow, name="follower", daemon=True)
    thread.start()
    try:
        yield follower
    finally:
        ended.set()
        thread.join(10)
        consumer.close()


def _decoded(message: Message) -> MarketRecord:
    record = avro.decode(message.value() or b"")
    assert isinstance(record, MarketRecord)
    return record
