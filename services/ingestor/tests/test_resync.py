"""Books taken anew: on connecting, and when the merger asks; over real sockets."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace

import pytest
from websockets.asyncio.server import ServerConnection

from jetl2.ingestor import listing
from jetl2.ingestor.errors import RefusedError, UnlistedError
from jetl2.ingestor.transport import throttle
from jetl2.schemas.records import CONNECTED, DISCONNECTED, FRAME, SNAPSHOT, SUBSCRIBED, Resync
from tests.toy_exchange import (
    TOY,
    TOY_COUNTED,
    TOY_REST,
    Answer,
    MemorySink,
    book,
    feeding,
    serving,
)

BODY = b'{ "lastUpdateId" : 10 ,"bids":[["1.10","2"]], "asks":[] }\n'


async def deltas(connection: ServerConnection) -> None:
    await connection.send(book("A", kind="delta"))
    async for _ in connection:
        pass


def answers(*given: tuple[int, dict[str, str], bytes]) -> Answer:
    """Return each answer in turn, the last one for ever."""
    left: Iterator[tuple[int, dict[str, str], bytes]] = iter(given[:-1])
    return lambda _: next(left, given[-1])


def ask(connection_id: str, *, symbol: str = "A", reason: str = "sequence", ts: int = 0) -> Resync:
    return Resync(
        exchange="toy", symbol=symbol, connection_id=connection_id, reason=reason, local_ts=ts
    )


async def test_the_snapshot_follows_the_first_delta_verbatim() -> None:
    sink = MemorySink()
    async with (
        serving(deltas, answers((200, {}, BODY))) as server,
        feeding(TOY_REST, server, sink),
    ):
        await sink.until(lambda: bool(sink.of(SNAPSHOT)))

    (snapshot,) = sink.of(SNAPSHOT)
    delta = sink.of(FRAME)[0]
    assert (snapshot.symbol, snapshot.payload) == ("A", BODY)
    assert snapshot.connection_id == delta.connection_id
    assert snapshot.local_ts > delta.local_ts
    assert server.paths == ["/depth?symbol=A"]


async def test_too_many_requests_are_answered_by_waiting_as_long_as_asked() -> None:
    sink = MemorySink()
    told = answers((429, {"Retry-After": "0.3"}, b""), (418, {"Retry-After": "0.2"}, b""))
    times: list[float] = []

    def answer(path: str) -> tuple[int, dict[str, str], bytes]:
        times.append(asyncio.get_running_loop().time())
        return told(path) if len(times) < 3 else (200, {}, BODY)

    async with serving(deltas, answer) as server, feeding(TOY_REST, server, sink):
        await sink.until(lambda: bool(sink.of(SNAPSHOT)))

    assert len(times) == 3
    assert times[1] - times[0] >= 0.3
    assert times[2] - times[1] >= 0.2


async def test_a_server_error_is_tried_again_and_a_refusal_is_not() -> None:
    sink = MemorySink()
    # 520 is a proxy's, and in no list of statuses
    told = answers((503, {}, b""), (520, {}, b""), (200, {}, BODY))

    def answer(path: str) -> tuple[int, dict[str, str], bytes]:
        return (400, {}, b"unknown symbol") if path.endswith("=B") else told(path)

    async def script(connection: ServerConnection) -> None:
        await connection.send(book("B", kind="delta"))
        await deltas(connection)

    async with serving(script, answer) as server, feeding(TOY_REST, server, sink, ["A", "B"]):
        await sink.until(lambda: bool(sink.of(SNAPSHOT)))

    assert [e.symbol for e in sink.of(SNAPSHOT)] == ["A"]
    assert sorted(server.paths) == [*["/depth?symbol=A"] * 3, "/depth?symbol=B"]


async def test_a_resync_fetches_a_snapshot_once_however_often_it_is_asked() -> None:
    sink = MemorySink()
    async with (
        serving(deltas, answers((200, {}, BODY))) as server,
        feeding(TOY_REST, server, sink) as feed,
    ):
        await sink.until(lambda: bool(sink.of(SNAPSHOT)))
        (connection,) = feed.connections
        feed.asked(ask(connection))
        feed.asked(ask(connection))
        feed.asked(ask(connection))
        await sink.until(lambda: len(sink.of(SNAPSHOT)) == 2)

    assert len(server.paths) == 2


async def test_a_resync_subscribes_again_where_the_stream_carries_snapshots() -> None:
    sink = MemorySink()

    async def script(connection: ServerConnection) -> None:
        await connection.send(book("A"))
        async for text in connection:
            if text == '{"again": "A"}':
                await connection.send(book("A", again=True))

    async with serving(script) as server, feeding(TOY, server, sink) as feed:
        await sink.until(lambda: bool(sink.of(FRAME)))
        (connection,) = feed.connections
        feed.asked(ask(connection))
        await sink.until(lambda: len(sink.of(FRAME)) == 2)

    assert sink.of(SUBSCRIBED)[-1].payload == b'{"again": "A"}'
    assert b"again" in sink.of(FRAME)[-1].payload


async def test_a_resync_makes_a_new_connection_where_nothing_else_helps() -> None:
    sink = MemorySink()
    exchange = replace(TOY, resubscribe=None)
    async with serving(deltas) as server, feeding(exchange, server, sink) as feed:
        await sink.until(lambda: bool(sink.of(FRAME)))
        (connection,) = feed.connections
        feed.asked(ask(connection))
        await sink.until(lambda: len(sink.of(CONNECTED)) == 2)

    assert sink.of(DISCONNECTED)[0].payload == b"resync asked for"


async def test_a_lost_frame_of_unknown_symbol_makes_a_new_connection() -> None:
    sink = MemorySink()
    async with serving(deltas) as server, feeding(TOY_COUNTED, server, sink) as feed:
        await sink.until(lambda: bool(sink.of(FRAME)))
        (connection,) = feed.connections
        feed.asked(ask(connection, reason="connection_sequence"))
        await sink.until(lambda: len(sink.of(CONNECTED)) == 2)

    assert len(sink.of(DISCONNECTED)) == 2


async def test_requests_for_others_or_from_before_this_connection_are_left_alone() -> None:
    sink = MemorySink()
    async with serving(deltas) as server, feeding(TOY, server, sink) as feed:
        await sink.until(lambda: len(sink.of(SUBSCRIBED)) == 1)
        (connection,) = feed.connections.values()

        assert feed._find("A", connection.identity, 0) is connection
        assert feed._find("A", "", connection.opened_ts + 1) is connection
        assert feed._find("A", "", connection.opened_ts - 1) is None
        assert feed._find("A", "another-ingestor-1", connection.opened_ts + 1) is None
        assert feed._find("Z", connection.identity, 0) is None


async def test_a_quiet_book_is_fetched_too() -> None:
    sink = MemorySink()

    async def silence(connection: ServerConnection) -> None:
        async for _ in connection:
            pass

    async with (
        serving(silence, answers((200, {}, BODY))) as server,
        feeding(TOY_REST, server, sink),
    ):
        await sink.until(lambda: bool(sink.of(SNAPSHOT)))

    assert server.paths == ["/depth?symbol=A"]


def test_retry_after_is_a_number_or_a_date() -> None:
    assert throttle.retry_after_s("7", 0, 60) == 7
    assert throttle.retry_after_s("Thu, 01 Jan 1970 00:01:40 GMT", 40, 5) == 60
    assert throttle.retry_after_s("", 0, 60) == 60
    assert throttle.retry_after_s("soon", 0, 60) == 60
    assert throttle.retry_after_s("inf", 0, 60) == throttle.retry_after_s("nan", 0, 60) == 60


def test_a_date_is_compared_with_the_exchange_s_clock_where_it_is_told() -> None:
    told = {"Retry-After": "Thu, 01 Jan 2037 00:02:00 GMT"}
    told["Date"] = "Thu, 01 Jan 2037 00:00:30 GMT"

    assert throttle.wait_s(429, told) == 90
    assert throttle.wait_s(418, {**told, "Date": "long ago"}) > 90


async def test_a_ban_that_a_snapshot_met_is_heeded_by_lists_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def banned(path: str) -> tuple[int, dict[str, str], bytes]:
        return (418, {"Retry-After": "30"}, b"") if "depth" in path else (200, {}, b"{}")

    monkeypatch.setattr(listing, "LIST_S", 0.3)
    async with serving(deltas, banned) as server:
        rest = listing.rest_of(TOY_REST)
        url = f"{server.endpoint['rest']}/depth?symbol=A"
        with pytest.raises(RefusedError):
            await rest.get(url, attempts=1)
        with pytest.raises(UnlistedError, match="TimeoutError"):
            await listing.fetch(TOY_REST, server.endpoint["rest"], rest=rest)
        await rest.close()

    assert server.paths == ["/depth?symbol=A"]


async def test_a_snapshot_under_way_does_not_keep_a_new_connection_from_its_own() -> None:
    sink = MemorySink()
    asked: list[str] = []

    def answer(path: str) -> tuple[int, dict[str, str], bytes]:
        # The first connection's request is told to come back much later
        asked.append(path)
        return (200, {}, BODY) if len(asked) > 1 else (503, {}, b"")

    async with serving(deltas, answer) as server, feeding(TOY_REST, server, sink) as feed:
        feed.rest._backoff_s = 30
        await sink.until(lambda: bool(sink.of(FRAME)) and bool(feed._resyncs._under_way))
        async with asyncio.timeout(20):
            while not asked:  # noqa: ASYNC110 - the server's side has no event
                await asyncio.sleep(0.01)
        next(iter(feed.connections.values())).end("test")
        await sink.until(lambda: bool(sink.of(SNAPSHOT)))

    assert sink.of(SNAPSHOT)[0].connection_id == sink.of(CONNECTED)[1].connection_id
