"""What is refused or does not come is asked for again, for those symbols only, with growing pauses."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from websockets.asyncio.server import ServerConnection

from jetl2.exchanges.exchange import Address
from jetl2.ingestor import metrics, retries
from jetl2.ingestor.retries import ATTEMPTS, Retries
from jetl2.schemas.records import CONNECTED, FRAME, SNAPSHOT, SUBSCRIBED, RawEvent
from tests.toy_exchange import TOY, TOY_REST, MemorySink, book, feeding, serving

REFUSED = '{"channel": "error", "why": "too many requests"}'
UNSEEN = replace(TOY, resubscribe=None)
BOTH = ("book_delta", "trade")


def requests(sink: MemorySink) -> list[str]:
    return [event.payload.decode() for event in sink.of(SUBSCRIBED)]


def books(sink: MemorySink, symbol: str) -> list[RawEvent]:
    return [event for event in sink.of(FRAME, symbol) if event.channel == "books"]


def refusals() -> float:
    return float(metrics.refusals.labels("toy")._value.get())


async def test_a_refused_book_is_asked_for_again_without_the_others() -> None:
    sink = MemorySink()
    before = refusals()

    async def script(connection: ServerConnection) -> None:
        async for text in connection:
            asked = json.loads(text)
            symbol = asked.get("subscribe") or asked["again"]
            refused = symbol == "B" and "subscribe" in asked
            await connection.send(REFUSED if refused else book(symbol))

    async with serving(script) as server, feeding(TOY, server, sink, ["A", "B"], first_book_s=0.4):
        await sink.until(lambda: bool(books(sink, "B")))

    assert len(books(sink, "A")) == 1
    assert [json.loads(text) for text in requests(sink)][2:] == [{"again": "B"}]
    assert len(sink.of(CONNECTED)) == 2  # one connection, of two symbols
    assert refusals() - before == 1


async def test_a_book_that_does_not_come_is_asked_for_with_growing_pauses() -> None:
    sink = MemorySink()
    times: list[float] = []

    async def script(connection: ServerConnection) -> None:
        await connection.send(book("A"))
        async for text in connection:
            if text == '{"again": "B"}':
                times.append(asyncio.get_running_loop().time())
            if len(times) == 4:
                await connection.send(book("B"))

    async with (
        serving(script) as server,
        feeding(TOY, server, sink, ["A", "B"], first_book_s=0.1) as feed,
    ):
        await sink.until(lambda: bool(books(sink, "B")))
        (connection,) = feed.connections.values()
        assert connection.missing() == 0

    pauses = [b - a for a, b in pairwise(times)]
    assert pauses[0] < pauses[1] < pauses[2]
    assert not any('"again": "A"' in text for text in requests(sink))


async def test_a_snapshot_that_was_refused_is_fetched_again() -> None:
    sink = MemorySink()

    def answer(path: str) -> tuple[int, dict[str, str], bytes]:
        first = path.endswith("=B") and server.paths.count(path) == 1
        return (400, {}, b"not now") if first else (200, {}, b"{}")

    async def script(connection: ServerConnection) -> None:
        await connection.send(book("A", "B", kind="delta"))
        async for _ in connection:
            pass

    async with (
        serving(script, answer) as server,
        feeding(TOY_REST, server, sink, ["A", "B"], first_book_s=0.2),
    ):
        await sink.until(lambda: len(sink.of(SNAPSHOT)) == 2)

    assert [event.symbol for event in sink.of(SNAPSHOT)] == ["A", "B"]
    assert sorted(server.paths) == ["/depth?symbol=A", *["/depth?symbol=B"] * 2]
    # the deltas came: nothing is wrong with the subscription
    assert len(requests(sink)) == 2


async def test_where_books_come_only_with_a_subscription_all_of_it_is_said_again() -> None:
    sink = MemorySink()

    async def script(connection: ServerConnection) -> None:
        seen = 0
        async for text in connection:
            symbol = json.loads(text)["subscribe"]
            seen += symbol == "B"
            if symbol == "A" or seen > 1:
                await connection.send(book(symbol))

    async with (
        serving(script) as server,
        feeding(UNSEEN, server, sink, ["A", "B"], first_book_s=0.2),
    ):
        await sink.until(lambda: bool(books(sink, "B")))

    assert [json.loads(text)["subscribe"] for text in requests(sink)][:4] == ["A", "B", "A", "B"]


def asked(waiting: Retries, now_s: float, missing: Sequence[str] = ()) -> list[str]:
    found = waiting.due(now_s, missing)
    return found.texts if found else []


def test_of_a_refused_channel_only_what_was_never_heard_is_asked_for_so_many_times() -> None:
    waiting = Retries(TOY, ["A", "B"], BOTH, first_s=1)
    waiting.heard([Address("A", "books"), Address("A", "trades"), Address("B", "books")])
    pauses = []
    now_s = 0.0
    for _ in range(2 * ATTEMPTS):
        waiting.refused(now_s)
        begun_s = now_s
        while now_s < begun_s + retries.MOST_S:
            now_s += 0.5
            if texts := asked(waiting, now_s):
                assert texts == ['{"subscribe": "B", "channels": ["trade"]}']
                pauses.append(now_s - begun_s)
                break

    assert pauses == [1, 2, 4, 8, 16, 32]


def test_a_book_is_asked_for_as_long_as_it_takes() -> None:
    waiting = Retries(TOY, ["A"], ["book_delta"], first_s=1)
    waiting.late(0)
    times = [now_s for now_s in range(3000) if asked(waiting, now_s, ["A"])]

    assert times[:5] == [0, 2, 6, 14, 30]
    assert times[-1] - times[-2] == retries.MOST_S
    assert len(times) > ATTEMPTS


def test_nothing_is_asked_when_nothing_was_refused_or_all_has_come() -> None:
    waiting = Retries(TOY, ["A"], BOTH, first_s=1)

    assert asked(waiting, 100, ["A"]) == []
    waiting.refused(100)
    waiting.heard([Address("A", "books"), Address("A", "trades")])
    assert asked(waiting, 200) == []


def test_deltas_that_were_refused_are_subscribed_again_though_their_snapshot_came() -> None:
    exchange = replace(TOY, rule=replace(TOY.rule, snapshot="request"))
    waiting = Retries(exchange, ["A", "B"], ["book_delta"], first_s=1)
    waiting.heard([Address("A", "books"), Address("B", "answers")])
    waiting.refused(0)

    assert asked(waiting, 1) == ['{"subscribe": "B", "channels": ["book_delta"]}']
    waiting.heard([Address("B", "books")])
    waiting.late(5)
    assert asked(waiting, 5, ["B"]) == ['{"again": "B"}']
