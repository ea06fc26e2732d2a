"""Feeds over FIX: of every simulated exchange that has it, and of a scripted acceptor."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
import structlog
from pydantic import SecretStr

from jetl2.exchanges import adapters
from jetl2.exchanges.exchange import Exchange
from jetl2.exchanges.fix import Fix
from jetl2.ingestor import commands
from jetl2.ingestor.credentials import Credentials
from jetl2.ingestor.feed import Feed
from jetl2.ingestor.settings import PREFIX, Endpoint, Settings
from jetl2.ingestor.subscription import Subscription
from jetl2.runtime.health import Health
from jetl2.schemas.records import (
    CONNECTED,
    DISCONNECTED,
    FRAME,
    SUBSCRIBED,
    DeadLetter,
    Resync,
    Trade,
)
from jetl2.testkit.simulated import Acceptor, Faults, accepting, faults, over_fix
from tests import fix_server
from tests.fix_server import LOGGED_ON, TOY_FIX, Client, Script, Server, raw, w, x
from tests.merging import PATIENCE_S, MergingSink, Run
from tests.toy_exchange import TOY, MemorySink

NAMES = over_fix.names()
ME = {"sender": "ME", "key": "the-key", "secret": "the-secret", "passphrase": "the-phrase"}
TOY_OVER_FIX = replace(TOY, fix=TOY_FIX)


def credentials(given: dict[str, str]) -> Credentials:
    """Return credentials as the setting has them."""
    hidden = {name: SecretStr(value) for name, value in given.items() if name != "sender"}
    return Credentials(sender=given.get("sender", ""), **hidden)


@asynccontextmanager
async def feeding(
    exchange: Exchange,
    url: str,
    sink: MemorySink,
    symbols: Sequence[str],
    *,
    me: dict[str, str] | None = None,
    data_types: Sequence[str] = ("book_delta",),
) -> AsyncIterator[Feed]:
    """Run a feed over FIX for the length of the block."""
    fields: dict[str, Any] = {
        "endpoints": {exchange.name: Endpoint(fix=url)},
        "fix": {exchange.name: credentials(me or ME)},
        "resync_s": 0,
        "first_book_s": PATIENCE_S,
        "backoff_s": 0.01,
        "backoff_most_s": 0.1,
    }
    subscription = Subscription(symbols=tuple(symbols), data_types=tuple(data_types))
    settings = Settings.model_construct(**fields)
    feed = Feed(exchange, subscription, settings, sink=sink, health=Health())
    task = asyncio.create_task(feed.run(symbols))
    try:
        yield feed
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def scripted(
    script: Script,
    sink: MemorySink,
    exchange: Exchange = TOY_OVER_FIX,
    symbols: Sequence[str] = ("A",),
    me: dict[str, str] | None = None,
) -> AsyncIterator[Server]:
    """Run a feed from a scripted acceptor."""
    async with (
        fix_server.accepting(script) as server,
        feeding(exchange, server.url, sink, symbols, me=me),
    ):
        yield server


@asynccontextmanager
async def following(acceptor: Acceptor) -> AsyncIterator[Run]:
    """Run a simulated exchange, and the feed of its exchange from it, over FIX."""
    exchange = quick(adapters.get(acceptor.speaker.exchange))
    sink = MergingSink(exchange)
    me = dict(acceptor.speaker.credentials)
    types = ("book_delta", "trade", *(t for t in exchange.channels if t == "book_ticker"))
    async with (
        accepting(acceptor),
        feeding(exchange, acceptor.url, sink, acceptor.symbols, me=me, data_types=types) as feed,
    ):
        sink.feed = feed
        yield Run(acceptor, sink, feed)  # type: ignore[arg-type]  # as much of a simulator


def quick(exchange: Exchange) -> Exchange:
    """Return the exchange without the rates and the patience that a test cannot wait for."""
    assert exchange.fix is not None
    limits = replace(exchange.fix.limits, connects_per_minute=6000, sends_per_second=200)
    side: Fix = replace(exchange.fix, limits=limits, heartbeat_s=1)
    return replace(exchange, fix=side)


@pytest.mark.parametrize("name", NAMES)
async def test_what_a_feed_writes_over_fix_gives_the_true_books(name: str) -> None:
    acceptor = Acceptor(over_fix.speaker(name), seed=21, events=300, events_per_second=400)
    async with following(acceptor) as run:
        await run.until_true()

    sink = run.sink
    assert set(sink.ends()) == {"stopped"}
    assert not sink.records(DeadLetter)
    assert set(sink.gaps()) <= {"disconnected"}  # we leave at the end
    for symbol, market in acceptor.markets.items():
        trades = [t for t in sink.records(Trade) if t.symbol == symbol]
        assert len(trades) == market.trade_id
    assert (acceptor.logons, acceptor.logouts) == (1, 1)
    assert acceptor.answered[:1] == ["test-1"]
    frames = sink.of(FRAME)
    assert all(e.payload.startswith(b"8=FIX") and b"\x0135=A\x01" not in e.payload for e in frames)
    secrets = [v for k, v in acceptor.speaker.credentials.items() if k in ("secret", "passphrase")]
    assert not any(secret.encode() in e.payload for e in sink.events for secret in secrets)


@pytest.mark.parametrize("name", NAMES)
async def test_the_books_end_true_whatever_happens_to_the_sessions(name: str) -> None:
    kinds = (faults.DROP, faults.DUPLICATE, faults.DISCONNECT, faults.CORRUPT, faults.DROP)
    misbehaviour = Faults(7, schedule={60 + 60 * n: kind for n, kind in enumerate(kinds)})
    speaker = over_fix.speaker(name)
    acceptor = Acceptor(
        speaker, seed=22, events=600, events_per_second=300, misbehaviour=misbehaviour
    )
    acceptor.logons_to_refuse = 2
    async with following(acceptor) as run:
        await run.until_true()

    ends = run.sink.ends()
    assert {kind for _, _, kind in misbehaviour.done} >= {faults.DROP, faults.DISCONNECT}
    assert any(reason.startswith("sequence: expected message") for reason in ends)
    assert any("garbled" in reason for reason in ends)
    assert any("Errno" in reason or "without a goodbye" in reason for reason in ends)
    assert run.sink.gaps()
    assert not run.sink.records(DeadLetter)


async def test_a_silent_session_is_asked_and_replaced() -> None:
    misbehaviour = Faults(8, schedule={40: faults.SILENT})
    speaker = over_fix.speaker(NAMES[0])
    acceptor = Acceptor(
        speaker, seed=23, events=1200, events_per_second=300, misbehaviour=misbehaviour
    )
    async with following(acceptor) as run:
        await run.until_true()

    assert acceptor.asked["1"]
    assert "stale: no frame for 2.5 s" in run.sink.ends()


async def test_a_resync_is_answered_on_the_same_session() -> None:
    acceptor = Acceptor(over_fix.speaker(NAMES[0]), seed=24, events=900, events_per_second=300)
    symbol = acceptor.symbols[0]
    async with following(acceptor) as run:
        await run.until(lambda: len(run.sink.of(FRAME, symbol)) > 20)
        (identity,) = run.feed.connections
        request = Resync(
            exchange=acceptor.speaker.exchange, symbol=symbol, connection_id=identity, reason="row"
        )
        run.feed.asked(request)
        whole = b"\x0135=W\x01"
        await run.until(lambda: sum(whole in e.payload for e in run.sink.of(FRAME, symbol)) == 2)
        await run.until_true()

    assert acceptor.logons == 1


async def test_everything_after_the_logon_is_kept_and_the_logon_noted_without_secrets() -> None:
    messages = [raw("1", 2, (112, "x")), w(3), raw("0", 4), x(5)]

    async def script(client: Client) -> None:
        await client.next()
        client.say(LOGGED_ON)
        await client.until("V")
        client.say(*messages)
        await client.until("5")
        client.say(raw("5", 6))

    sink = MemorySink()
    async with scripted(script, sink) as server:
        await sink.until(lambda: len(sink.of(FRAME)) == len(messages))

    kept = sink.of(FRAME)
    assert [e.payload for e in kept] == messages
    assert [e.counter for e in kept] == [0, 1, 2, 3]
    assert [(e.symbol, e.channel) for e in kept] == [
        ("", "fix 1"),
        ("A", "books"),
        ("", "fix 0"),
        ("A", "books"),
    ]
    logon, request = sink.of(SUBSCRIBED)
    assert logon.payload.startswith(b"35=A\x01")
    assert request.payload.startswith(b"35=V\x01262=A\x01263=1\x01")
    assert sink.of(CONNECTED)[0].payload == server.url.encode()
    text = b"".join(e.payload for e in sink.events)
    assert not any(ME[name].encode() in text for name in ("key", "secret", "passphrase"))


async def test_a_hole_in_the_numbers_begins_every_book_anew() -> None:
    connects = 0

    async def script(client: Client) -> None:
        nonlocal connects
        connects += 1
        await client.next()
        client.say(LOGGED_ON)
        await client.until("V")
        client.say(w(2), x(3) if connects > 1 else x(4))
        await client.until("5")

    sink = MemorySink()
    async with scripted(script, sink):
        await sink.until(lambda: len(sink.of(FRAME)) == 3)

    assert sink.of(DISCONNECTED)[0].payload == b"sequence: expected message 3, found 4"
    assert [e.payload for e in sink.of(FRAME)] == [w(2), w(2), x(3)]
    assert len(sink.of(CONNECTED)) == 2


async def test_each_session_has_a_name_of_its_own() -> None:
    senders: list[str] = []

    async def script(client: Client) -> None:
        senders.append((await client.next())["49"])
        client.say(LOGGED_ON)
        await client.until("V")
        client.say(w(2))
        await client.until("5")

    sink = MemorySink()
    one_each = replace(TOY_FIX, limits=replace(TOY_FIX.limits, symbols=1))
    exchange = replace(TOY, fix=one_each)
    me = ME | {"sender": "X, Y"}
    async with scripted(script, sink, exchange, ["A", "B", "C"], me):
        await sink.until(lambda: len(sink.of(FRAME)) == 2)

    # the third has no session left, which is an error in the log
    assert sorted(senders) == ["X", "Y"]
    assert {e.symbol for e in sink.of(CONNECTED)} == {"A", "B"}


@pytest.fixture
def _own_log() -> Iterator[None]:
    """Take back what a command sets up for the log of its process."""
    before = list(logging.getLogger().handlers)
    yield
    structlog.reset_defaults()
    logging.getLogger().handlers[:] = before


@pytest.mark.usefixtures("_own_log")
async def test_an_exchange_can_be_tried_over_fix(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    acceptor = Acceptor(over_fix.speaker(NAMES[0]), seed=25, events=100, events_per_second=200)
    name = acceptor.speaker.exchange
    me = dict(acceptor.speaker.credentials)
    monkeypatch.setattr(commands, "_until_interrupted", asyncio.Event)
    words = ["check", name, *acceptor.symbols, "--seconds=1.5", "--json", "--over-fix"]
    nowhere = "--rest=http://127.0.0.1:1"
    async with accepting(acceptor):
        there = f"--fix={acceptor.url}"
        without = await asyncio.to_thread(commands.main, [*words, there, nowhere])
        refused = capsys.readouterr()
        monkeypatch.setenv(f"{PREFIX}FIX", json.dumps({name: me}))
        await asyncio.to_thread(commands.main, [*words, there, nowhere])

    assert without == 2
    assert "has no credentials" in refused.err
    report = json.loads(capsys.readouterr().out)
    assert (report["connections"], report["unread"]) == (1, 0)
    assert all(book["first_after_s"] < 1.5 for book in report["books"].values())
    # the list of instruments is had by REST
    assert ["list of instruments" in problem for problem in report["problems"]] == [True]
