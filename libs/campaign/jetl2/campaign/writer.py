"""The truth for landing: records written in transactions, as a merger does, and what of them counts.

Every type of record is written, with all columns filled; some transactions are aborted and done
again with other content, under the same numbers, as after the death of a merger.
"""

import functools
import random
import threading
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from confluent_kafka import KafkaError, Message, Producer

from jetl2.campaign import wire
from jetl2.devstack import kafka

EXCHANGE = "kraken"
# Names that folders must be made of with care, one of them of nothing
SYMBOLS = ("BTC/USD", "XRP_USDT", "a:b c", "ÅÖ=%2F")
# 2026-11-20, 22:00 UTC: days end under way
_START_TS = 1_795_212_000_000_000_000
_TIMEOUT_S = 60
# Transactions that flow until somebody looks: where all is slow, what piles up would make it slower
_MOST_UNSEEN = 15
_KINDS = ("BookDelta", "Trade", "BookTicker", "DerivativeTicker", "Liquidation", "Gap")
_OFTEN = (10, 5, 2, 1, 1, 1)


@dataclass(slots=True)
class Written:
    """One record that Kafka has.

    Args:
        kind: Name of its schema.
        fields: All of them.
        offset: Its own, once Kafka has it.
    """

    kind: str
    fields: dict[str, Any]
    topic: str
    partition: int
    offset: int = -1


class Writer:
    """Writes one exchange's topics; everything that counts is in `committed`."""

    def __init__(
        self,
        bootstrap_servers: str,
        chance: random.Random,
        *,
        name: str = "writer",
        exchange: str = EXCHANGE,
        symbols: Sequence[str] = SYMBOLS,
        partitions: int = 2,
    ) -> None:
        """Make the topics; nothing is written yet.

        Args:
            bootstrap_servers: Of the broker.
            chance: Decides everything.
            name: Its transactional id; two of them may write the same topics, other symbols.
            exchange: Whose records they are.
            symbols: Of which the records are.
            partitions: Of each topic.
        """
        self.topics = (f"market.{exchange}", f"raw.{exchange}")
        self.committed: list[Written] = []
        self.aborted = 0
        self._unseen = 0
        self._exchange = exchange
        self._symbols = list(symbols)
        self._partitions = partitions
        self._chance = chance
        self._open: list[Written] = []
        self._seqs: Counter[str] = Counter()
        self._before = dict(self._seqs)
        self._number = 0
        self._failed: list[str] = []
        kafka.create_topics(bootstrap_servers, dict.fromkeys(self.topics, partitions))
        common: dict[str, Any] = {"bootstrap.servers": bootstrap_servers, "log_level": 0}
        self._producer = Producer(
            # One stays open over many runs of the job
            common | {"transactional.id": name, "transaction.timeout.ms": 900_000}
        )
        self._producer.init_transactions(_TIMEOUT_S)
        # Raw topics know no transactions
        self._plain = Producer(common | {"enable.idempotence": True})

    def begin(self, count: int) -> None:
        """Write market records in a transaction that stays open."""
        self._producer.begin_transaction()
        self._before = dict(self._seqs)
        self._open = [self._market() for _ in range(count)]
        for written in self._open:
            self._produce(self._producer, written)
        self._flush(self._producer)

    def commit(self) -> None:
        """Make the open transaction count."""
        self._producer.commit_transaction(_TIMEOUT_S)
        self.committed += self._open

    def abort(self) -> None:
        """Take the open transaction back: its numbers come again, with other content."""
        self._producer.abort_transaction(_TIMEOUT_S)
        self._seqs = Counter(self._before)
        self.aborted += len(self._open)

    def write(self, count: int) -> None:
        """Write so many market records and commit them."""
        self.begin(count)
        self.commit()

    def raw(self, count: int) -> None:
        """Write so many raw events."""
        events = [self._event() for _ in range(count)]
        for written in events:
            self._produce(self._plain, written)
        self._flush(self._plain)
        self.committed += events

    def some(self) -> None:
        """Write a few of everything, one transaction in five aborted."""
        self.begin(self._chance.randint(1, 90))
        if self._chance.random() < 0.2:
            self.abort()
        else:
            self.commit()
        self.raw(self._chance.randint(1, 20))

    def seen(self) -> None:
        """Let more flow."""
        self._unseen = 0

    @contextmanager
    def flowing(self, every_s: float = 0.4) -> Iterator[None]:
        """Write from a thread of its own for the length of the block, a few all that time."""
        stop = threading.Event()
        failed: list[Exception] = []

        def flow() -> None:
            try:
                while not stop.wait(every_s):
                    if self._unseen < _MOST_UNSEEN:
                        self._unseen += 1
                        self.some()
            except Exception as error:  # noqa: BLE001 - told where somebody waits
                failed.append(error)

        thread = threading.Thread(target=flow, name="writer", daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()
        if failed:
            raise failed[0]

    def _market(self) -> Written:
        chance = self._chance
        [kind] = chance.choices(_KINDS, _OFTEN)
        symbol = chance.choice(self._symbols)
        self._seqs[symbol] += 1
        self._number += 1
        # Now and then one comes late, into a day that is over
        late = chance.randint(0, 7200) if chance.random() < 0.03 else 0
        local_ts = _START_TS + (self._number * 3 - late) * 1_000_000_000 + chance.randint(0, 999)
        fields: dict[str, Any] = {
            "exchange": self._exchange,
            "symbol": symbol,
            "exchange_ts": local_ts - chance.randint(0, 10**9),
            "local_ts": local_ts,
            "seq": self._seqs[symbol],
            "first_seq": self._any(),
            "last_seq": self._any(),
            "prev_seq": self._any(),
            "source_topic": f"raw.{self._exchange}",
            "source_partition": self._partition(symbol),
            "source_offset": self._number,
            "source_index": chance.randint(0, 3),
            "merge_ts": local_ts + chance.randint(0, 10**9),
        }
        fields |= getattr(self, f"_{kind.lower()}")()
        return Written(kind, fields, self.topics[0], self._partition(symbol))

    def _event(self) -> Written:
        chance = self._chance
        self._number += 1
        symbol = chance.choice([*self._symbols, ""])
        fields = {
            "exchange": self._exchange,
            "symbol": symbol,
            "channel": chance.choice(["", "book", "trade"]),
            "local_ts": _START_TS + self._number * 3_000_000_000,
            "connection_id": f"c{chance.randint(1, 9)}",
            "counter": self._number,
            "kind": chance.choice(["frame", "frame", "connected", "lost"]),
            "payload": chance.randbytes(chance.randint(0, 60)),
        }
        return Written("RawEvent", fields, self.topics[1], self._partition(symbol))

    def _bookdelta(self) -> dict[str, Any]:
        bids, asks = self._chance.randint(0, 3), self._chance.randint(0, 3)
        return {
            "is_snapshot": self._chance.random() < 0.1,
            "reason": self._chance.choice(["", "first"]),
            "bid_prices": [self._any() for _ in range(bids)],
            "bid_sizes": [self._any() for _ in range(bids)],
            "ask_prices": [self._any() for _ in range(asks)],
            "ask_sizes": [self._any() for _ in range(asks)],
            "checksum": None,
            "verified": self._chance.choice(["passed", "unproven", ""]),
            "crossed": self._chance.random() < 0.1,
            "duplicates": 0,
            **self._exponents(),
        }

    def _trade(self) -> dict[str, Any]:
        return {
            "trade_id": f"t{self._number}",
            "aggressor": self._chance.choice(["buy", "sell", "unknown"]),
            "price": self._any(),
            "size": self._any(),
            **self._exponents(),
        }

    def _liquidation(self) -> dict[str, Any]:
        return self._trade()

    def _bookticker(self) -> dict[str, Any]:
        names = ("bid_price", "bid_size", "ask_price", "ask_size")
        some = {name: self._chance.choice([None, self._any()]) for name in names}
        return some | self._exponents()

    def _derivativeticker(self) -> dict[str, Any]:
        names = ["funding_rate", "predicted_funding_rate", "open_interest"]
        names += ["last_price", "index_price", "mark_price"]
        texts = {name: self._chance.choice(["", "0.0001", "-0.00375", "64123.5"]) for name in names}
        return {"funding_ts": self._any(), **texts}

    def _gap(self) -> dict[str, Any]:
        reason = self._chance.choice(["sequence", "disconnected", "checksum"])
        return {"reason": reason, "detail": f"at {self._number}", "from_ts": self._any()}

    def _any(self) -> int:
        return self._chance.randint(-1, 10 ** self._chance.randint(1, 17))

    def _exponents(self) -> dict[str, int]:
        return {
            "price_exponent": self._chance.randint(-18, 0),
            "size_exponent": self._chance.randint(-18, 0),
        }

    def _partition(self, symbol: str) -> int:
        return zlib.crc32(symbol.encode()) % self._partitions

    def _produce(self, producer: Producer, written: Written) -> None:
        producer.produce(
            written.topic,
            wire.encode(written.kind, written.fields),
            str(written.fields["symbol"]).encode(),
            written.partition,
            on_delivery=functools.partial(self._taken, written),
        )

    def _taken(self, written: Written, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            self._failed.append(str(error))
        written.offset = message.offset() or 0

    def _flush(self, producer: Producer) -> None:
        if producer.flush(_TIMEOUT_S) or self._failed:
            message = f"Kafka did not take all of the truth; {self._failed[:1]}"
            raise RuntimeError(message)
