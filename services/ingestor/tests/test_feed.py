"""A feed against a scripted exchange over real sockets: what is kept, and what ends a connection."""

import asyncio
import json
from dataclasses import replace

from websockets.asyncio.server import ServerConnection

from jetl2.exchanges.exchange import Keepalive, Limits
from jetl2.schemas.records import CONNECTED, DISCONNECTED, FRAME, LOST, SUBSCRIBED, UNREADABLE
from tests.toy_exchange import TOY, TOY_COUNTED, MemorySink, Script, book, feeding, serving


def say(*frames: str | bytes) -> Script:
    """Return a script that says this to every client, and then listens until it leaves."""

    async def script(connection: ServerConnection) -> None:
        for frame in frames:
            await connection.send(frame)
        async for _ in connection:
            pass

    return script


async def test_frames_are_kept_byte_for_byte() -> None:
    frames: list[str | bytes] = [
        '  {"channel" :"books","symbols":["A"], "price":1.10e-3}\n',
        '{"channel":"books","symbols":["A"],"name":"币安人生 \\u00e9"}',
        b'{"channel":"books","symbols":["A"]}\x00',
        b"\xff\xfe not text",
        book("A", filler="x" * 2_000_000),
    ]
    sink = MemorySink()
    async with serving(say(*frames)) as server, feeding(TOY, server, sink):
        await sink.until(lambda: len(sink.of(FRAME)) == len(frames))

    kept = sink.of(FRAME)
    assert [e.payload for e in kept] == [f.encode() if isinstance(f, str) else f for f in frames]
    # what cannot be read is not counted
    assert [e.counter for e in kept] == [0, 1, 2, 2, 2]
    assert [e.local_ts for e in kept] == sorted(e.local_ts for e in kept)


async def test_a_connection_begins_and_ends_for_each_of_its_symbols() -> None:
    sink = MemorySink()
    async with serving(say(book("A"))) as server, feeding(TOY, server, sink, ["A", "B"]):
        await sink.until(lambda: bool(sink.of(FRAME)) and len(sink.of(SUBSCRIBED)) == 2)

    assert [e.symbol for e in sink.events[:2]] == ["A", "B"]
    assert [e.kind for e in sink.events[:2]] == [CONNECTED, CONNECTED]
    assert [e.symbol for e in sink.events[-2:]] == ["A", "B"]
    assert [e.kind for e in sink.events[-2:]] == [DISCONNECTED, DISCONNECTED]
    assert sink.events[-1].payload == b"stopped"
    assert len({e.connection_id for e in sink.events}) == 1
    assert [json.loads(e.payload)["subscribe"] for e in sink.of(SUBSCRIBED)] == ["A", "B"]


async def test_a_frame_of_several_symbols_is_kept_for_each() -> None:
    sink = MemorySink()
    frames = [book("A", "B"), book("B")]
    async with serving(say(*frames)) as server, feeding(TOY, server, sink, ["A", "B"]):
        await sink.until(lambda: len(sink.of(FRAME)) == 3)

    assert [(e.symbol, e.counter) for e in sink.of(FRAME)] == [("A", 0), ("B", 0), ("B", 1)]


async def test_of_a_frame_about_all_symbols_only_ours_are_kept() -> None:
    sink = MemorySink()
    async with (
        serving(say(book("A", "X"), book("X", "Y"), book("A"))) as server,
        feeding(TOY, server, sink, ["A"]),
    ):
        await sink.until(lambda: len(sink.of(FRAME)) == 3)

    assert [(e.symbol, e.counter) for e in sink.of(FRAME)] == [("A", 0), ("", 1), ("A", 2)]


async def test_a_frame_that_names_nothing_is_kept_too_and_the_feed_goes_on() -> None:
    sink = MemorySink()
    async with serving(say("<html>", "[]", book("A"))) as server, feeding(TOY, server, sink):
        await sink.until(lambda: len(sink.of(FRAME)) == 3)

    kept = [(e.symbol, e.channel, e.payload) for e in sink.of(FRAME)]
    assert kept[:2] == [("", "unclassified", b"<html>"), ("", "unclassified", b"[]")]
    assert kept[2][:2] == ("A", "books")


async def test_a_frame_that_names_nothing_is_told_to_each_symbol_and_not_counted() -> None:
    sink = MemorySink()
    frames = (book("A"), "<html>", book("A"))
    async with serving(say(*frames)) as server, feeding(TOY, server, sink, ["A", "B"]):
        await sink.until(lambda: len(sink.of(FRAME)) == 3)

    assert [e.symbol for e in sink.of(UNREADABLE)] == ["A", "B"]
    assert [e.counter for e in sink.of(FRAME)] == [0, 1, 1]


async def test_symbols_are_divided_over_connections() -> None:
    sink = MemorySink()
    exchange = replace(TOY, limits=replace(TOY.limits, symbols=2))
    async with serving(say()) as server, feeding(exchange, server, sink, ["A", "B", "C"]):
        await sink.until(lambda: len(sink.of(SUBSCRIBED)) == 3)

    by_connection: dict[str, list[str]] = {}
    for event in sink.of(CONNECTED):
        by_connection.setdefault(event.connection_id, []).append(event.symbol)
    assert sorted(by_connection.values()) == [["A", "C"], ["B"]]


async def test_connections_open_no_faster_than_allowed() -> None:
    sink = MemorySink()
    limits = replace(TOY.limits, symbols=1, connects_per_second=20)
    exchange = replace(TOY, limits=limits)
    async with serving(say()) as server, feeding(exchange, server, sink, ["A", "B", "C", "D"]):
        await sink.until(lambda: len(sink.of(CONNECTED)) == 4)

    first, *_, last = sorted(event.local_ts for event in sink.of(CONNECTED))
    assert last - first > 0.1 * 10**9


async def test_symbols_may_be_added_and_get_connections_of_their_own() -> None:
    sink = MemorySink()
    async with serving(say()) as server, feeding(TOY, server, sink, ["A"]) as feed:
        await sink.until(lambda: len(sink.of(SUBSCRIBED)) == 1)
        feed.add(["B", "C"])
        await sink.until(lambda: len(sink.of(SUBSCRIBED)) == 3)

    connected = sink.of(CONNECTED)
    assert [e.symbol for e in connected] == ["A", "B", "C"]
    assert connected[0].connection_id != connected[1].connection_id == connected[2].connection_id
    assert [e.payload for e in sink.of(DISCONNECTED)] == [b"stopped"] * 3


async def test_a_silent_connection_is_replaced() -> None:
    sink = MemorySink()
    exchange = replace(TOY, keepalive=Keepalive(stale_s=0.2))
    async with serving(say(book("A"))) as server, feeding(exchange, server, sink):
        await sink.until(lambda: len(sink.of(FRAME)) == 2)

    assert sink.of(DISCONNECTED)[0].payload == b"stale: no frame for 0.2 s"
    assert [e.counter for e in sink.of(FRAME)] == [0, 0]


async def test_a_frame_that_was_cut_is_not_kept() -> None:
    sink = MemorySink()

    async def script(connection: ServerConnection) -> None:
        await connection.send(book("A"))
        # The head of a text frame of 1000 bytes, and half of them
        connection.transport.write(b"\x81\x7e\x03\xe8" + b"x" * 500)
        connection.transport.close()

    async with serving(script) as server, feeding(TOY, server, sink):
        await sink.until(lambda: len(sink.of(FRAME)) >= 2 and len(sink.of(CONNECTED)) >= 2)

    assert {e.payload for e in sink.of(FRAME)} == {book("A").encode()}
    assert sink.of(DISCONNECTED)[0].payload == b"connection cut without a goodbye"


async def test_the_exchange_s_goodbye_is_noted() -> None:
    sink = MemorySink()

    async def script(connection: ServerConnection) -> None:
        await connection.close(1012, "service restart")

    async with serving(script) as server, feeding(TOY, server, sink):
        await sink.until(lambda: bool(sink.of(DISCONNECTED)))

    assert sink.of(DISCONNECTED)[0].payload == b"exchange closed: 1012 service restart"


async def test_pings_are_sent_and_a_bare_pong_is_no_trouble() -> None:
    sink = MemorySink()

    async def script(connection: ServerConnection) -> None:
        async for text in connection:
            if text == "ping":
                await connection.send("pong")

    exchange = replace(TOY, keepalive=Keepalive(message="ping", interval_s=0.05, stale_s=20))
    async with serving(script) as server, feeding(exchange, server, sink):
        await sink.until(lambda: len(sink.of(FRAME)) == 2)

    assert [(e.channel, e.payload) for e in sink.of(FRAME)] == [("pong", b"pong")] * 2
    assert len(sink.of(SUBSCRIBED)) == 1


async def test_a_renewal_overlaps_so_that_nothing_is_missed() -> None:
    sink = MemorySink()
    clients: set[ServerConnection] = set()
    done = asyncio.Event()

    async def tick() -> None:
        number = 0
        while not done.is_set():
            number += 1
            for client in list(clients):
                await client.send(book("A", kind="delta", number=number))
            await asyncio.sleep(0.005)

    async def script(connection: ServerConnection) -> None:
        await connection.send(book("A"))
        clients.add(connection)
        await connection.wait_closed()
        clients.discard(connection)

    exchange = replace(TOY, limits=replace(TOY.limits, lifetime_s=1))
    async with serving(script) as server:
        ticking = asyncio.create_task(tick())
        async with feeding(exchange, server, sink):
            await sink.until(lambda: len(sink.of(DISCONNECTED)) == 2)
        done.set()
        await asyncio.gather(ticking, return_exceptions=True)

    assert [e.payload for e in sink.of(DISCONNECTED)[:2]] == [b"renewed", b"renewed"]
    kinds = [e.kind for e in sink.events if e.kind in (CONNECTED, DISCONNECTED)]
    assert kinds[:4] == [CONNECTED, CONNECTED, DISCONNECTED, CONNECTED]
    numbers = {json.loads(e.payload).get("number", 0) for e in sink.of(FRAME)}
    assert numbers == set(range(min(numbers - {0}), max(numbers) + 1)) | {0}


async def test_a_connection_whose_server_goes_away_is_renewed_before() -> None:
    sink = MemorySink()
    leaving = 0

    async def script(connection: ServerConnection) -> None:
        nonlocal leaving
        await connection.send(book("A"))
        leaving += 1
        if leaving == 1:
            await connection.send('{"channel":"renew"}')
        await connection.wait_closed()

    async with serving(script) as server, feeding(TOY, server, sink, ["A"]):
        await sink.until(lambda: bool(sink.of(DISCONNECTED)))
        await sink.until(lambda: len(sink.of(FRAME)) == 3)
        kinds = [e.kind for e in sink.events if e.kind in (CONNECTED, DISCONNECTED)]

    assert kinds == [CONNECTED, CONNECTED, DISCONNECTED]
    assert sink.of(DISCONNECTED)[0].payload == b"renewed"


async def test_a_full_buffer_closes_the_connection_and_the_loss_is_noted() -> None:
    sink = MemorySink(capacity=5)
    frames = [book("A", number=n) for n in range(20)]
    async with serving(say(*frames)) as server, feeding(TOY, server, sink, ["A", "B"]):
        await sink.until(lambda: len(sink.events) == 5)
        sink.make_room()
        await sink.until(lambda: len(sink.of(CONNECTED)) == 4)

    first = sink.events[0].connection_id
    kept = [e for e in sink.of(FRAME) if e.connection_id == first]
    notes = [e for e in sink.of(LOST) if e.connection_id == first]
    assert [e.symbol for e in notes] == ["A"]
    content = json.loads(notes[0].payload)
    assert 1 <= content["messages"] <= len(frames) - len(kept)
    assert kept[-1].local_ts <= content["from_ts"] <= content["to_ts"]
    ends = [e.kind for e in sink.events if e.connection_id == first and e.symbol == "A"][-2:]
    assert ends == [LOST, DISCONNECTED]
    assert sink.of(DISCONNECTED)[0].payload == b"buffer full"


async def test_a_jump_in_the_count_of_the_connection_makes_a_new_one() -> None:
    sink = MemorySink()
    frames = [book("A", n=7), book("A", n=8), book("A", n=10)]
    async with serving(say(*frames)) as server, feeding(TOY_COUNTED, server, sink):
        await sink.until(lambda: len(sink.of(CONNECTED)) == 2)

    assert sink.of(DISCONNECTED)[0].payload == b"connection_sequence: expected 9, found 10"


async def test_requests_stay_under_the_exchange_s_rate() -> None:
    sink = MemorySink()
    times: list[float] = []

    async def script(connection: ServerConnection) -> None:
        async for _ in connection:
            times.append(asyncio.get_running_loop().time())  # noqa: PERF401 - as they come

    exchange = replace(TOY, limits=replace(TOY.limits, sends_per_second=50))
    async with serving(script) as server, feeding(exchange, server, sink, list("ABCDEF")):
        await sink.until(lambda: len(sink.of(SUBSCRIBED)) == 6)

    assert times[-1] - times[0] >= (len(times) - 1) / 50 * 0.8


async def test_the_first_request_waits_as_long_as_the_exchange_wants() -> None:
    sink = MemorySink()
    exchange = replace(TOY, limits=replace(TOY.limits, wait_s=0.3))
    async with serving(say()) as server, feeding(exchange, server, sink, ["A"]):
        await sink.until(lambda: bool(sink.of(SUBSCRIBED)))

    (opened,), (asked, *_) = sink.of(CONNECTED)[:1], sink.of(SUBSCRIBED)
    assert asked.local_ts - opened.local_ts >= 0.3 * 10**9


async def test_an_exchange_that_is_down_is_tried_again() -> None:
    sink = MemorySink()
    async with serving(say(book("A"))) as server:
        port = server.port
        server.port = 1  # nobody listens there
        async with feeding(TOY, server, sink) as feed:
            while not feed.connections:  # noqa: ASYNC110 - one turn of the loop
                await asyncio.sleep(0)
            feed._host = f"ws://127.0.0.1:{port}"
            await sink.until(lambda: bool(sink.of(FRAME)))

    assert sink.events[0].kind == CONNECTED


async def test_a_book_that_does_not_come_is_an_alarm() -> None:
    sink = MemorySink()
    exchange = replace(TOY, limits=Limits(symbols=5, sends_per_second=1000))
    async with (
        serving(say(book("A"), book("B", kind="delta"))) as server,
        feeding(exchange, server, sink, ["A", "B"], first_book_s=0.2) as feed,
    ):
        async with asyncio.timeout(20):
            while not [c for c in feed.connections.values() if c.missing()]:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        (connection,) = feed.connections.values()

        assert connection.books.missing == {"B"}
