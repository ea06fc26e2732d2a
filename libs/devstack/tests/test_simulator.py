"""The simulated exchange: what it answers, and how it treats those who do not do their part."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from http import HTTPStatus
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from jetl2.devstack import faults
from jetl2.devstack.dialect import Care
from jetl2.devstack.faults import Faults
from jetl2.devstack.simulator import NO_PING, NO_PONG, TOO_OLD, Simulator, simulating
from tests.toy_dialect import CARE, TOY

PATIENCE_S = 10


@asynccontextmanager
async def toy(
    *asked: str, care: Care = CARE, misbehaviour: Faults | None = None, **options: Any
) -> AsyncIterator[tuple[Simulator, httpx.AsyncClient]]:
    """Run the toy exchange; `asked` happens at the next occasion."""
    misbehaviour = misbehaviour or Faults(retry_after_s=7, late_s=0.2)
    for kind in asked:
        misbehaviour.ask(kind)
    simulator = Simulator(TOY, misbehaviour=misbehaviour, care=care, **options)
    async with simulating(simulator), asyncio.timeout(PATIENCE_S):
        rest = simulator.endpoints["rest"]
        async with httpx.AsyncClient(base_url=rest, trust_env=False) as client:
            yield simulator, client


@asynccontextmanager
async def client_of(simulator: Simulator, path: str = "/") -> AsyncIterator[ClientConnection]:
    """Connect and take the greeting."""
    async with connect(simulator.endpoints["ws"] + path) as socket:
        await socket.recv()
        yield socket


async def test_paths_are_the_dialect_s_on_both_sides() -> None:
    async with toy() as (simulator, rest):
        async with connect(simulator.endpoints["ws"] + "/some?where=1") as socket:
            greeting = json.loads(await socket.recv())
        listed = await rest.get("/list")
        missing = await rest.get("/nowhere")

    assert greeting == {"path": "/some?where=1", "number": 1}
    assert listed.json() == ["AB"]
    assert missing.status_code == HTTPStatus.NOT_FOUND


async def test_post_is_answered_like_get_and_its_body_asks_too() -> None:
    async with toy() as (simulator, rest):
        listed = await rest.post("/list", json={"type": "meta"})
        by_query = await rest.get("/book?pair=AB")
        # A body that comes in more than one piece
        by_body = await rest.post("/book", json={"pair": "AB", "filler": "x" * 300_000})
        garbage = await rest.post("/book", content=b"\xff[1]")

    assert listed.json() == ["AB"]
    assert by_body.json() == by_query.json() == {"number": simulator.markets["AB"].update_id}
    assert garbage.status_code == HTTPStatus.NOT_FOUND


async def test_a_token_call_names_the_simulator_s_own_port() -> None:
    async with toy() as (_, rest):
        url = (await rest.post("/token")).json()["url"]
        async with connect(url) as socket:
            greeting = json.loads(await socket.recv())

    assert greeting["path"] == "/private?token=abc"


async def test_frames_may_be_binary() -> None:
    async with toy() as (simulator, _), client_of(simulator, "/binary") as socket:
        await socket.send("AB")
        frame = await socket.recv()

    assert isinstance(frame, bytes)
    assert json.loads(frame)["event"]


@pytest.mark.parametrize(
    "care, reason",
    [
        (replace(CARE, ping_within_s=0.1), NO_PING),
        (replace(CARE, ping_every_s=0.1, pong_within_s=0.1), NO_PONG),
        (replace(CARE, lifetime_s=0.1), TOO_OLD),
    ],
)
async def test_who_does_not_do_its_part_is_cut(care: Care, reason: str) -> None:
    async with toy(care=care) as (simulator, _), client_of(simulator) as socket:
        with pytest.raises(ConnectionClosed) as raised:
            await _drain(socket)

    assert raised.value.rcvd is not None
    assert raised.value.rcvd.reason == reason
    assert simulator.cuts == {reason: 1}


async def test_who_pings_and_answers_pings_stays() -> None:
    care = replace(CARE, ping_within_s=0.3, ping_every_s=0.1, pong_within_s=0.2)
    answered = 0
    async with toy(care=care) as (simulator, _), client_of(simulator) as socket:
        while answered < 6:
            if "ping" in str(await socket.recv()):
                await socket.send("pong")
                await socket.send("ping")
                answered += 1

    assert not simulator.cuts


async def test_a_broken_connection_gets_no_goodbye() -> None:
    misbehaviour = Faults(schedule={3: faults.DISCONNECT})
    async with toy(misbehaviour=misbehaviour) as (simulator, _), client_of(simulator) as socket:
        await socket.send("AB")
        with pytest.raises(ConnectionClosed) as raised:
            await _drain(socket)

    assert raised.value.rcvd is None


@pytest.mark.parametrize(
    "kind, status",
    [
        (faults.CONNECT_429, HTTPStatus.TOO_MANY_REQUESTS),
        (faults.CONNECT_503, HTTPStatus.SERVICE_UNAVAILABLE),
        (faults.EXPIRED_TOKEN, HTTPStatus.UNAUTHORIZED),
    ],
)
async def test_a_websocket_is_refused_once(kind: str, status: HTTPStatus) -> None:
    async with toy(kind) as (simulator, _):
        with pytest.raises(InvalidStatus) as raised:
            await connect(simulator.endpoints["ws"])
        async with client_of(simulator):
            pass

    assert raised.value.response.status_code == status


@pytest.mark.parametrize(
    "kind, path, status",
    [
        (faults.REST_429, "/book?pair=AB", HTTPStatus.TOO_MANY_REQUESTS),
        (faults.REST_418, "/list", HTTPStatus.IM_A_TEAPOT),
        (faults.REFUSED_TOKEN, "/token", HTTPStatus.UNAUTHORIZED),
    ],
)
async def test_a_request_is_refused_once(kind: str, path: str, status: HTTPStatus) -> None:
    async with toy(kind) as (_, rest):
        first, second = await rest.post(path), await rest.post(path)

    assert (first.status_code, second.status_code) == (status, HTTPStatus.OK)
    wait = first.headers.get("Retry-After")
    assert wait == (None if status == HTTPStatus.UNAUTHORIZED else "7")


async def test_a_snapshot_is_late_or_older_than_any_delta() -> None:
    async with toy(faults.LATE_SNAPSHOT) as (simulator, rest), client_of(simulator) as socket:
        loop = asyncio.get_running_loop()
        begin_s = loop.time()
        await rest.get("/book?pair=AB")
        took_s = loop.time() - begin_s
        await socket.send("AB")
        first = json.loads(await socket.recv())["event"]
        simulator.faults.ask(faults.STALE_SNAPSHOT)
        stale = (await rest.get("/book?pair=AB")).json()["number"]
        fresh = (await rest.get("/book?pair=AB")).json()["number"]

    assert took_s >= 0.2
    assert stale < first - 1 < fresh


async def test_a_subscription_is_refused_and_then_accepted() -> None:
    async with toy(faults.REFUSED_SUBSCRIPTION) as (simulator, _), client_of(simulator) as socket:
        await socket.send("ping")
        pong = await socket.recv()
        await socket.send("AB")
        refusal = json.loads(await socket.recv())
        await socket.send("AB")
        accepted = json.loads(await socket.recv())

    assert pong == "pong"
    assert refusal == {"error": '"AB"'}
    assert accepted["event"]


async def test_the_truth_and_misbehaviour_are_reached_over_http() -> None:
    async with toy(events=1) as (simulator, rest):
        await rest.get("/_control/fault?kind=drop&symbol=AB")
        book = (await rest.get("/_control/book?symbol=AB")).json()
        state = (await rest.get("/_control/state")).json()

    bids, asks = simulator.book("AB")
    assert book == {"bids": list(map(list, bids)), "asks": list(map(list, asks))}
    assert (state["of"], state["cuts"]) == (1, {})
    assert simulator.faults.next("AB", matters=True) == faults.DROP


async def _drain(socket: ClientConnection) -> None:
    while True:
        await socket.recv()
