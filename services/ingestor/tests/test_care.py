"""How connections are cared for: pings both ways, cuts, silence, refusals; against simulated exchanges."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace
from http import HTTPStatus
from typing import Any, NamedTuple

import pytest

from jetl2.exchanges import adapters
from jetl2.exchanges.exchange import Exchange
from jetl2.schemas.records import CONNECTED, SNAPSHOT
from jetl2.testkit.simulated import (
    NO_PING,
    TOO_OLD,
    Dialect,
    Faults,
    Simulator,
    dialects,
    families,
    faults,
)
from tests.merging import following

DIALECTS = dialects.load()
FAMILIES = [dialect.exchange for dialect in families()]
PINGING = [name for name in DIALECTS if adapters.get(name).keepalive.message]
PINGED = [name for name, dialect in DIALECTS.items() if dialect.care.ping]
BY_REST = [name for name in DIALECTS if adapters.get(name).rule.snapshot == "rest"]
BY_TOKEN = [name for name in DIALECTS if adapters.get(name).token]
ONE = FAMILIES[0]


def pinging(name: str, interval_s: float) -> Exchange:
    """Return an exchange that is pinged so often."""
    exchange = adapters.get(name)
    return replace(exchange, keepalive=replace(exchange.keepalive, interval_s=interval_s))


@pytest.mark.parametrize("name", PINGING)
async def test_our_pings_are_those_that_the_exchange_waits_for(name: str) -> None:
    dialect = DIALECTS[name]
    care = replace(dialect.care, ping_within_s=0.5)
    async with following(dialect, exchange=pinging(name, 0.1), care=care) as run:
        await asyncio.sleep(1)
        await run.until_true()

    assert not run.simulator.cuts
    assert run.sink.connections() == run.simulator.connections_made


async def test_who_is_cut_for_want_of_pings_connects_again() -> None:
    dialect = DIALECTS[PINGING[0]]
    care = replace(dialect.care, ping_within_s=0.5)
    async with following(dialect, exchange=pinging(PINGING[0], 60), care=care) as run:
        await run.until(lambda: run.sink.ends()[f"exchange closed: 1008 {NO_PING}"] >= 2)
        run.simulator.care = dialect.care
        await run.until_true()


@pytest.mark.parametrize("name", PINGED)
async def test_the_exchange_s_pings_are_answered(name: str) -> None:
    dialect = DIALECTS[name]
    care = replace(dialect.care, ping_every_s=0.15, pong_within_s=0.5, ping_within_s=0)
    async with following(dialect, care=care) as run:
        await asyncio.sleep(1)
        await run.until_true()

    assert not run.simulator.cuts
    assert set(run.sink.ends()) == {"stopped"}


@pytest.mark.parametrize("name", FAMILIES)
async def test_a_connection_is_renewed_before_its_end_and_no_book_begins_anew(name: str) -> None:
    dialect, exchange = DIALECTS[name], adapters.get(name)
    exchange = replace(exchange, limits=replace(exchange.limits, lifetime_s=1))
    care = replace(dialect.care, lifetime_s=2)
    async with following(dialect, exchange=exchange, care=care, events=900) as run:
        await run.until(lambda: run.sink.ends()["renewed"] >= 2)
        await run.until_true()
        gaps = run.sink.gaps()

    assert not gaps
    assert not run.simulator.cuts


@pytest.mark.parametrize("name", FAMILIES)
async def test_a_cut_of_an_old_connection_is_a_gap_and_then_the_book_is_true(name: str) -> None:
    dialect, exchange = DIALECTS[name], adapters.get(name)
    exchange = replace(exchange, limits=replace(exchange.limits, lifetime_s=0))
    care = replace(dialect.care, lifetime_s=0.7)
    async with following(dialect, exchange=exchange, care=care) as run:
        await run.until(lambda: run.simulator.cuts[TOO_OLD] > 0)
        run.simulator.care = dialect.care
        await run.until_true()

    assert f"exchange closed: 1008 {TOO_OLD}" in run.sink.ends()
    assert "disconnected" in run.sink.gaps()


@pytest.mark.parametrize("name", FAMILIES)
async def test_a_socket_that_is_open_and_says_nothing_is_given_up(name: str) -> None:
    exchange = adapters.get(name)
    exchange = replace(exchange, keepalive=replace(exchange.keepalive, stale_s=0.5))
    misbehaviour = Faults(schedule={30: faults.SILENT})
    async with following(
        DIALECTS[name], exchange=exchange, misbehaviour=misbehaviour, events=600
    ) as run:
        await run.until(lambda: run.sink.ends()["stale: no frame for 0.5 s"] > 0)
        await run.until_true()

    assert run.simulator.connections_made >= 2


@pytest.mark.parametrize("kind", [faults.CONNECT_429, faults.CONNECT_503])
async def test_a_refused_connection_is_tried_again_when_it_may_be(kind: str) -> None:
    misbehaviour = Faults(retry_after_s=0.3)
    for _ in range(3):
        misbehaviour.ask(kind)
    begin_s = time.time()
    async with following(DIALECTS[ONE], misbehaviour=misbehaviour) as run:
        await run.until_true()

    assert len(misbehaviour.done) == 3
    assert run.sink.connections() == 1
    assert run.sink.of(CONNECTED)[0].local_ts / 1e9 - begin_s >= 3 * 0.3


@pytest.mark.parametrize("name", BY_REST)
@pytest.mark.parametrize("kind", [faults.REST_429, faults.REST_418])
async def test_a_refused_snapshot_is_asked_for_again_when_it_may_be(kind: str, name: str) -> None:
    misbehaviour, symbol = Faults(retry_after_s=0.4), symbols_of(DIALECTS[name])[0]
    misbehaviour.ask(kind, symbol)
    begin_s = time.time()
    async with following(DIALECTS[name], misbehaviour=misbehaviour) as run:
        await run.until_true()

    assert len(misbehaviour.done) == 1
    assert run.sink.of(SNAPSHOT, symbol)[0].local_ts / 1e9 - begin_s >= 0.4
    assert not set(run.sink.gaps()) - {"disconnected"}


class Asked(NamedTuple):
    """When the exchange was asked for what, and whether it refused."""

    at_s: float
    rest: bool
    refused: bool


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Asked]:
    """Return what simulated exchanges are asked, as they see it."""
    found: list[Asked] = []
    answer = Simulator.answer

    def noted(self: Simulator, request: Any) -> Any:
        given = answer(self, request)
        refused = given is not None and given.status != HTTPStatus.OK
        found.append(Asked(time.monotonic(), not request.upgrade, refused))
        return given

    monkeypatch.setattr(Simulator, "answer", noted)
    return found


BANNED_S = 2.0


def too_early(asked: Sequence[Asked], *, rest: bool) -> list[float]:
    """Return how long after a refusal something was asked all the same, in seconds.

    What was on its way when the refusal was said is none.
    """
    ours = [a for a in asked if a.rest == rest]
    bans = [a.at_s for a in ours if a.refused]
    return [
        a.at_s - ban for ban in bans for a in ours if BANNED_S / 4 < a.at_s - ban < 0.99 * BANNED_S
    ]


@pytest.mark.parametrize("name", BY_REST)
@pytest.mark.parametrize("kind", [faults.REST_429, faults.REST_418])
async def test_nothing_is_asked_by_rest_before_a_ban_ends(
    asked: list[Asked], kind: str, name: str
) -> None:
    misbehaviour = Faults(retry_after_s=BANNED_S)
    for _ in range(2):
        misbehaviour.ask(kind)
    async with following(DIALECTS[name], misbehaviour=misbehaviour) as run:
        await run.until_true()

    assert len(misbehaviour.done) == 2
    assert too_early(asked, rest=True) == []


async def test_no_websocket_is_asked_for_before_a_ban_ends(asked: list[Asked]) -> None:
    misbehaviour = Faults(retry_after_s=BANNED_S)
    for _ in range(2):
        misbehaviour.ask(faults.CONNECT_429)
    async with following(DIALECTS[ONE], misbehaviour=misbehaviour) as run:
        await run.until_true()

    assert len(misbehaviour.done) == 2
    assert too_early(asked, rest=False) == []


@pytest.mark.parametrize("name", BY_REST)
async def test_deltas_wait_for_a_late_snapshot(name: str) -> None:
    misbehaviour = Faults(late_s=0.7)
    for symbol in symbols_of(DIALECTS[name]):
        misbehaviour.ask(faults.LATE_SNAPSHOT, symbol)
    async with following(DIALECTS[name], misbehaviour=misbehaviour) as run:
        await run.until_true()
        gaps = run.sink.gaps()

    assert not gaps
    assert len(run.sink.of(SNAPSHOT)) == len(run.simulator.symbols)


@pytest.mark.parametrize("name", BY_REST)
async def test_a_snapshot_older_than_the_deltas_is_asked_for_again(name: str) -> None:
    misbehaviour = Faults()
    for symbol in symbols_of(DIALECTS[name]):
        misbehaviour.ask(faults.STALE_SNAPSHOT, symbol)
    async with following(DIALECTS[name], misbehaviour=misbehaviour) as run:
        await run.until_true()
        gaps = run.sink.gaps()

    assert not gaps
    assert len(run.sink.of(SNAPSHOT)) >= 2 * len(run.simulator.symbols)


@pytest.mark.parametrize("name", FAMILIES)
async def test_a_refused_subscription_is_tried_again(name: str) -> None:
    misbehaviour = Faults()
    misbehaviour.ask(faults.REFUSED_SUBSCRIPTION)
    settings = {"first_book_s": 0.5}
    async with following(DIALECTS[name], misbehaviour=misbehaviour, settings=settings) as run:
        await run.until_true()

    assert misbehaviour.done


@pytest.mark.parametrize("name", BY_TOKEN)
@pytest.mark.parametrize("kind", [faults.REFUSED_TOKEN, faults.EXPIRED_TOKEN])
async def test_a_token_is_asked_for_anew_when_it_is_refused(kind: str, name: str) -> None:
    misbehaviour = Faults()
    misbehaviour.ask(kind)
    async with following(DIALECTS[name], misbehaviour=misbehaviour) as run:
        await run.until_true()

    assert misbehaviour.done
    assert run.sink.connections() == run.simulator.connections_made


def symbols_of(dialect: Dialect) -> list[str]:
    return [listing.symbol for listing in dialect.listings]
