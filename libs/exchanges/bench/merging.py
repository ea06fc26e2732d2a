"""How fast frames become records and books, against a plain Decimal rebuild in the same run.

`python -m bench.merging` from this package's folder, its libraries on the path. The ratio counts:
both sides run by turns in one process, so a busy machine slows both. Times are CPU times.
"""

import json
import random
import time
from collections.abc import Callable
from decimal import Decimal

from jetl2.exchanges import adapters
from jetl2.exchanges.exchange import Exchange
from jetl2.exchanges.session import Session
from jetl2.schemas import records
from jetl2.schemas.records import RawEvent

CHANGES = 300_000
SYMBOL = "ABCUSDT"
LEVELS = 1000
ROUNDS = 3


def workload(seed: int = 1) -> tuple[bytes, list[bytes]]:
    """Return a snapshot's body and frames of some 30 level changes each, a fifth of them removals."""
    pick = random.Random(seed)  # noqa: S311 - a workload, no secret
    middle = 6_000_000
    levels = [
        [middle - i for i in range(1, LEVELS + 1)],
        [middle + i for i in range(1, LEVELS + 1)],
    ]
    snapshot = {
        "lastUpdateId": 1,
        "bids": [_level(pick, price) for price in levels[0]],
        "asks": [_level(pick, price) for price in levels[1]],
    }
    frames, number, changes = [], 1, 0
    while changes < CHANGES:
        sides: list[list[list[str]]] = [[], []]
        for _ in range(pick.randint(10, 50)):
            side = pick.randrange(2)
            away = int(pick.expovariate(1 / 120)) + 1
            price = middle + (away if side else -away)
            gone = pick.random() < 0.216
            sides[side].append(_level(pick, price, gone=gone))
        changes += len(sides[0]) + len(sides[1])
        data = {"e": "depthUpdate", "E": 1767225600000 + number, "s": SYMBOL}
        data |= {"U": number + 1, "u": number + 3, "b": sides[0], "a": sides[1]}
        number += 3
        frame = {"stream": SYMBOL.lower() + "@depth@100ms", "data": data}
        frames.append(json.dumps(frame, separators=(",", ":")).encode())
    return json.dumps(snapshot).encode(), frames


def merge(exchange: Exchange, snapshot: bytes, frames: list[bytes]) -> object:
    """Run the engine as the merger does; return the ten best levels."""
    session = Session(exchange)
    session.feed(_raw(exchange, snapshot, 0, records.SNAPSHOT))
    for number, frame in enumerate(frames):
        session.feed(_raw(exchange, frame, number, records.FRAME))
    book = session.book(SYMBOL)
    bids, asks = book.top(10)
    return [
        [
            (Decimal(p).scaleb(book.price_exponent), Decimal(s).scaleb(book.size_exponent))
            for p, s in side
        ]
        for side in (bids, asks)
    ]


def plainly(snapshot: bytes, frames: list[bytes]) -> object:
    """Rebuild with json, Decimal, dict and a sequence check; records hold a Decimal for each number."""
    body = json.loads(snapshot)
    sides = [{Decimal(p): Decimal(s) for p, s in body[name]} for name in ("bids", "asks")]
    last = body["lastUpdateId"]
    written: list[tuple[list[tuple[Decimal, Decimal]], ...]] = []
    for frame in frames:
        data = json.loads(frame)["data"]
        if data["U"] != last + 1:
            raise ValueError(data["U"])
        last = data["u"]
        changed = tuple([(Decimal(p), Decimal(s)) for p, s in data[name]] for name in ("b", "a"))
        for levels, changes in zip(sides, changed, strict=True):
            for price, size in changes:
                if size:
                    levels[price] = size
                else:
                    levels.pop(price, None)
        written.append(changed)
        if max(sides[0]) >= min(sides[1]):
            raise ValueError(last)
    bids, asks = sides
    return [sorted(bids.items(), reverse=True)[:10], sorted(asks.items())[:10]]


def main() -> None:
    """Print messages a second of both, and the ratio of their best rounds."""
    exchange = next(e for e in adapters.load().values() if e.snapshot)
    snapshot, frames = workload()
    runs: dict[str, Callable[[], object]] = {
        "jetl2": lambda: merge(exchange, snapshot, frames),
        "plain": lambda: plainly(snapshot, frames),
    }
    best: dict[str, float] = {}
    results: dict[str, object] = {}
    for _ in range(ROUNDS):
        for name, run in runs.items():
            began = time.process_time()
            results[name] = run()
            spent = time.process_time() - began
            best[name] = min(best.get(name, spent), spent)
    if results["jetl2"] != results["plain"]:
        raise ValueError(results)
    for name, spent in best.items():
        print(  # noqa: T201 - what it is for
            f"{name}: {len(frames) / spent:,.0f} messages/s, {CHANGES / spent:,.0f} levels/s"
        )
    print(f"ratio: {best['plain'] / best['jetl2']:.2f}")  # noqa: T201


def _level(pick: random.Random, price: int, *, gone: bool = False) -> list[str]:
    size = 0 if gone else pick.randint(1, 500_000_000)
    return [f"{price / 100:.2f}000000", f"{size // 10**8}.{size % 10**8:08d}"]


def _raw(exchange: Exchange, payload: bytes, counter: int, kind: str) -> RawEvent:
    return RawEvent(
        exchange=exchange.name,
        symbol=SYMBOL,
        channel="depth@100ms",
        local_ts=1767225600 * 10**9 + counter,
        connection_id="c",
        counter=counter,
        kind=kind,
        payload=payload,
    )


if __name__ == "__main__":
    main()
