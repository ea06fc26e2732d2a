"""Under any loss, repetition, exchange and cut: a book that counts as known is the true one."""

import random
from collections.abc import Callable, Iterator

import pytest

from jetl2.exchanges.life import Output
from jetl2.exchanges.session import SYNCED, Session
from jetl2.orderbook.book import Book
from jetl2.schemas import records
from jetl2.schemas.records import BookDelta, Gap, MarketRecord, Resync
from tests.feeds import Binance, Coinbase, Feed, Okx

STEPS = 250
Levels = dict[int, int]
Changes = list[tuple[int, int]]


class Truth:
    """A one-sided book that changes at random, and what it was at each number."""

    def __init__(self, pick: random.Random) -> None:
        self._pick = pick
        self.levels: Levels = {}
        self.at: dict[int, Levels] = {0: {}}

    def change(self, number: int) -> Changes:
        changes = [
            (self._pick.randint(1, 12), self._pick.choice([0, 0, 1, 2, 3]))
            for _ in range(self._pick.randint(0, 4))
        ]
        for price, size in changes:
            if size:
                self.levels[price] = size
            else:
                self.levels.pop(price, None)
        self.at[number] = dict(self.levels)
        return changes


def bids(changes: Changes | Levels) -> list[tuple[str, str]]:
    pairs = changes.items() if isinstance(changes, dict) else changes
    return [(str(price), str(size)) for price, size in pairs]


def delivered(
    pick: random.Random, log: list[tuple[int, int, Changes]]
) -> list[tuple[int, int, Changes]]:
    """Return what a bad connection gives: mostly the newest, or nothing, or some backwards."""
    if pick.random() < 0.1:
        return []
    return log[-1:] if pick.random() < 0.85 else log[-pick.randint(1, 3) :][::-1]


def ranges(pick: random.Random) -> tuple[Feed, Callable[[], int], Iterator[list[Output]]]:
    """Deltas with id ranges on two connections that each lose some; REST answers that may be old."""
    feed, truth = Binance(), Truth(pick)
    last = 0
    log: list[tuple[int, int, Changes]] = []

    def steps() -> Iterator[list[Output]]:
        nonlocal last
        live = ["c1"]
        for step in range(STEPS):
            first, last = last + 1, last + pick.randint(1, 3)
            for number in range(first, last):
                truth.at[number] = {}  # within a range nobody sees the book
            log.append((first, last, truth.change(last)))
            for connection in live:
                for begin, end, changes in delivered(pick, log):
                    yield feed.delta(begin, end, bids(changes), connection=connection)
            if pick.random() < 0.15:
                _, end, _ = pick.choice(log[-4:])
                body = {"lastUpdateId": end, "bids": bids(truth.at[end]), "asks": []}
                yield feed.raw(body, kind=records.SNAPSHOT)
            if pick.random() < 0.05:
                yield feed.event(records.DISCONNECTED, connection=live[0])
                live = [f"c{step + 2}"]
            elif pick.random() < 0.1:
                live = [*live[-1:], f"x{step}"]

    def check() -> int:
        number = feed.session.sequence(feed.symbol)
        assert held(feed) == truth.at[number]
        return number

    return feed, check, steps()


def links(pick: random.Random) -> tuple[Feed, Callable[[], int], Iterator[list[Output]]]:
    """Linked deltas whose numbers fall at times, on one connection after another."""
    feed, truth = Okx(), Truth(pick)
    number, last = 0, 0
    log: list[tuple[int, int, Changes]] = []

    def steps() -> Iterator[list[Output]]:
        nonlocal number, last
        connection = "c0"
        for step in range(STEPS):
            prev = last
            number += pick.randint(1, 9)
            # each number once, so that it says which book is meant; every so often a lower one
            last = number if pick.random() < 0.9 else -number + 10**6
            log.append((prev, last, truth.change(last)))
            for before, after, changes in delivered(pick, log):
                levels = bids(changes)
                yield feed.book("update", before, after, levels, connection=connection)
            if feed.state != SYNCED and pick.random() < 0.3:
                yield feed.book("snapshot", -1, last, bids(truth.levels), connection=connection)
            if pick.random() < 0.05:
                yield feed.event(records.DISCONNECTED, connection=connection)
                connection = f"c{step + 1}"

    def check() -> int:
        after = feed.session.sequence(feed.symbol)
        assert held(feed) == truth.at[after]
        return after

    return feed, check, steps()


def counted(pick: random.Random) -> tuple[Feed, Callable[[], int], Iterator[list[Output]]]:
    """Deltas without numbers of their own under the connection's counter."""
    feed, truth = Coinbase(), Truth(pick)
    sent, changed = 0, 0
    known = {}

    def frame(kind: str, changes: Changes | Levels) -> dict[str, object]:
        updates = [
            {"side": "bid", "price_level": price, "new_quantity": size}
            for price, size in bids(changes)
        ]
        event = {"type": kind, "product_id": feed.symbol, "updates": updates}
        return feed.frame("l2_data", sent, event)

    def steps() -> Iterator[list[Output]]:
        nonlocal sent, changed
        connection = "c0"
        for step in range(STEPS):
            changed += 1
            changes = truth.change(changed)
            known[connection, sent] = changed
            payload = frame("update", changes)
            sent += 1
            chance = pick.random()
            if chance > 0.1:
                yield feed.raw(payload, connection=connection)
            if chance > 0.95:
                yield feed.raw(payload, connection=connection)
            if feed.state != SYNCED and pick.random() < 0.3:
                known[connection, sent] = changed
                payload = frame("snapshot", truth.levels)
                sent += 1
                yield feed.raw(payload, connection=connection)
            if pick.random() < 0.05:
                yield feed.event(records.DISCONNECTED, connection=connection)
                connection, sent = f"c{step + 1}", 0

    def check() -> int:
        state = feed.session._symbols[feed.symbol]
        number = known[state.bound, feed.session.sequence(feed.symbol)]
        # an empty change moves the number only
        assert held(feed) == truth.at[number]
        return number

    return feed, check, steps()


@pytest.mark.parametrize("world", [ranges, links, counted])
@pytest.mark.parametrize("seed", range(25))
def test_a_known_book_is_the_true_one(
    world: Callable[[random.Random], tuple[Feed, Callable[[], int], Iterator[list[Output]]]],
    seed: int,
) -> None:
    pick = random.Random(seed)
    feed, check, steps = world(pick)
    rebuilt, known, seq, compared = Book(), False, 0, 0
    for outputs in steps:
        for output in outputs:
            if isinstance(output, MarketRecord):
                seq += 1
                assert output.seq == seq
            if isinstance(output, BookDelta):
                # no delta before a snapshot, none between a gap and the next one
                assert known or output.is_snapshot
                (rebuilt.replace if output.is_snapshot else rebuilt.apply)(output)
                known = True
            elif isinstance(output, Gap):
                assert known
                assert isinstance(outputs[outputs.index(output) + 1], Resync)
                known = False
        assert known == (feed.state == SYNCED)
        if known:
            check()
            assert dict(rebuilt.top(99)[0]) == held(feed)
            compared += 1
        if pick.random() < 0.05 and feed.symbol in feed.session.symbols():
            saved = feed.session.dump(feed.symbol)
            feed.session = Session(feed.session.exchange)
            feed.session.load(feed.symbol, saved)

    assert compared > STEPS / 5
    assert feed.counted.get("gaps")


def held(feed: Feed) -> Levels:
    """Return the levels that the engine holds."""
    return dict(feed.session.book(feed.symbol).top(99)[0])
