"""How many raw events a task merges in a second without Kafka, and where the time goes.

python services/merger/tests/bench.py [EVENTS]
"""

# ruff: noqa: T201 - it prints what it measured

import json
import sys
import time
from collections.abc import Callable

from jetl2.exchanges.adapters import okex
from jetl2.exchanges.session import Session
from jetl2.merger.state import Feed, Store
from jetl2.merger.topology import Message, apply
from jetl2.schemas import avro
from jetl2.schemas.records import MarketRecord, RawEvent

SYMBOLS = ("BTC-USDT", "ETH-USDT", "SOL-USDT", "XRP-USDT")
DEPTH = 400
LEVELS = 20
START_TS = 1_795_003_200_000_000_000


def frame(symbol: str, n: int, previous: int, levels: int) -> bytes:
    """Return a book message of OKX in the documented form."""
    bids = [[f"{60000 - (n * 7 + i) % DEPTH / 10}", f"{i % 9}.5", "0", "1"] for i in range(levels)]
    asks = [[f"{60001 + (n * 7 + i) % DEPTH / 10}", f"{i % 9}.5", "0", "1"] for i in range(levels)]
    book = {"asks": asks, "bids": bids, "ts": "1795003200000", "checksum": 0}
    return json.dumps(
        {
            "arg": {"channel": "books", "instId": symbol},
            "action": "snapshot" if previous < 0 else "update",
            "data": [book | {"prevSeqId": previous, "seqId": n}],
        }
    ).encode()


def messages(count: int) -> list[Message]:
    """Return raw messages of linked books, as they lie in a topic."""
    last = dict.fromkeys(SYMBOLS, -1)
    found = []
    for n in range(count):
        symbol = SYMBOLS[n % len(SYMBOLS)]
        levels = DEPTH if last[symbol] < 0 else LEVELS
        payload = frame(symbol, n, last[symbol], levels)
        last[symbol] = n
        raw = RawEvent(
            exchange="okex",
            symbol=symbol,
            channel="books",
            local_ts=START_TS + n,
            connection_id="c",
            counter=n,
            payload=payload,
        )
        found.append(Message("raw.okex", n, symbol.encode(), avro.encode(raw), 0))
    return found


def timed(name: str, count: int, work: Callable[[], object]) -> float:
    """Print and return the microseconds that one event takes."""
    start = time.perf_counter()
    work()
    each_us = (time.perf_counter() - start) / count * 1e6
    print(f"{name:<28}{each_us:8.1f} us {1e6 / each_us:10,.0f} /s")
    return each_us


def main(count: int) -> None:
    """Print the whole and its parts."""
    batch = messages(count)
    raws = [avro.decode(m.value or b"") for m in batch]
    session = Session(okex.EXCHANGE)
    records = [r for raw in raws for r in session.feed(raw) if isinstance(r, MarketRecord)]
    fresh = Session(okex.EXCHANGE)
    store = Store(0, 1, [Feed("okex", Session(okex.EXCHANGE))])

    print(f"{count} events, {len(records)} records, {LEVELS} levels a side, {DEPTH} in the book")
    decoding = timed(
        "decode raw event", count, lambda: [avro.decode(m.value or b"") for m in batch]
    )
    merging = timed("session (parse, merge)", count, lambda: [fresh.feed(raw) for raw in raws])
    encoding = timed("encode record", count, lambda: [avro.encode(r) for r in records])
    whole = timed("task: all of it", count, lambda: [apply(store, m, START_TS) for m in batch])
    print(f"{'stamp, chain, bookkeeping':<28}{whole - decoding - merging - encoding:8.1f} us")
    timed("state of a book", len(SYMBOLS), lambda: list(store.states(0, every=True)))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20_000)
