"""What is known of the symbols before anything is connected."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from jetl2.exchanges.exchange import Instruments
from jetl2.ingestor import listing, metrics
from jetl2.ingestor.settings import Endpoint, Settings
from jetl2.ingestor.subscription import Entry, Selection, Subscription
from jetl2.ingestor.transport.rest import Rest
from jetl2.ingestor.wanted import Wanted
from tests.toy_exchange import TOY, Answer, Server, parse_instruments, serving

URL = "https://toy.invalid/instruments?kind=spot"


async def listed(
    answer: Answer, *symbols: Entry, form: Instruments | None = None, **more: Any
) -> tuple[list[str], Server]:
    async with looking(answer, *symbols, form=form, **more) as (wanted, server):
        return await wanted.look(), server


@asynccontextmanager
async def looking(
    answer: Answer, *symbols: Entry, form: Instruments | None = None, **more: Any
) -> AsyncIterator[tuple[Wanted, Server]]:
    async def nobody(_: object) -> None:
        raise AssertionError

    form = form or Instruments(url=URL, parse=parse_instruments)
    async with serving(nobody, answer) as server:
        settings = Settings.model_construct(
            subscriptions={"toy": Subscription(symbols=symbols, data_types=("trade",))},
            endpoints={"toy": Endpoint(rest=server.endpoint["rest"])},
            **more,
        )
        yield Wanted(settings, replace(TOY, instruments=form)), server


def body(*symbols: str) -> Answer:
    return lambda _: (200, {}, json.dumps({"symbols": symbols}).encode())


async def test_symbols_that_are_not_listed_are_left_out_and_counted() -> None:
    found, server = await listed(body("B", "C"), "A", "B")

    assert found == ["B"]
    assert server.paths == ["/instruments?kind=spot"]
    assert metrics.unresolved.labels("toy")._value.get() == 1


async def test_a_list_that_cannot_be_had_or_read_stops_nothing_that_is_named() -> None:
    failures: list[Answer] = [
        lambda _: (404, {}, b""),
        lambda _: (503, {}, b""),
        lambda _: (200, {}, b"<html>"),
        lambda _: (200, {}, b'{"items": []}'),
        lambda _: (200, {}, b'{"symbols": []}'),
    ]
    for failure in failures:
        found, _ = await listed(failure, "A", "B", "C*")

        assert found == ["A", "B"]


async def test_several_lists_and_volumes_of_another_place_are_put_together() -> None:
    pages = {"/a": ["A", "B"], "/b": ["C"], "/volumes": ["B", "C"]}
    form = Instruments(
        url=["https://toy.invalid/a", "https://toy.invalid/b"],
        parse=parse_instruments,
        volumes_url="https://toy.invalid/volumes",
        volumes=lambda body: ((s, float(n)) for n, s in enumerate(body["symbols"])),
    )

    def answer(path: str) -> tuple[int, dict[str, str], bytes]:
        return 200, {}, json.dumps({"symbols": pages[path]}).encode()

    found, server = await listed(answer, Selection(top=1), "A", form=form)
    unranked, other = await listed(answer, "*", form=form)

    assert found == ["C", "A"]
    assert sorted(server.paths) == ["/a", "/b", "/volumes"]
    assert unranked == ["A", "B", "C"]
    assert sorted(other.paths) == ["/a", "/b"]


async def test_volumes_that_cannot_be_had_leave_what_is_named() -> None:
    form = Instruments(
        url=URL,
        parse=parse_instruments,
        volumes_url="https://toy.invalid/volumes",
        volumes=lambda body: body["none"],
    )

    async with looking(body("A", "B"), Selection(top=1), "A", form=form) as (wanted, _):
        found = await wanted.look()

    assert found == ["A"]
    assert not wanted.known  # so that it is looked for again soon


async def test_a_replica_takes_its_share_of_what_is_chosen() -> None:
    names = [f"S{n}" for n in range(20)]
    shares = [(await listed(body(*names), "S*", shards=3, shard=n))[0] for n in range(3)]

    assert sorted(s for share in shares for s in share) == sorted(names)
    assert all(shares)


async def test_a_list_may_be_asked_for_by_post(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []

    async def get(*_: object, **how: object) -> bytes:
        asked.append(how["post"])
        return b'{"symbols": ["A"]}'

    monkeypatch.setattr(Rest, "get", get)
    form = Instruments(url=URL, parse=parse_instruments, body='{"type":"meta"}')
    found = await listing.fetch(replace(TOY, instruments=form))

    assert [instrument.symbol for instrument in found.instruments] == ["A"]
    assert asked == ['{"type":"meta"}']


async def test_what_is_listed_later_is_taken_then_and_nothing_is_given_up() -> None:
    lists = [["A", "BX"], ["BX", "BY", "C"], ["BZ"]]

    def answer(_: str) -> tuple[int, dict[str, str], bytes]:
        return 200, {}, json.dumps({"symbols": lists[0]}).encode()

    async with looking(answer, "A", "B*", "C") as (wanted, _):
        found = [await wanted.look()]
        for _ in range(2):
            lists.pop(0)
            found.append(await wanted.look())

    assert found == [["A", "BX"], ["BY", "C"], ["BZ"]]
    assert wanted.taken == ["A", "BX", "BY", "C", "BZ"]


async def test_the_first_by_volume_are_ranked_once() -> None:
    volumes = {"A": 1.0, "B": 2.0}
    form = Instruments(url=URL, parse=parse_instruments, volumes=lambda _: volumes.items())

    async with looking(body("A", "B"), Selection(top=1), form=form) as (wanted, server):
        first = await wanted.look()
        volumes["A"] = 3.0
        await wanted.follow(lambda _: None)

    assert first == ["B"]
    assert len(server.paths) == 1


async def test_looking_again_goes_on_until_all_is_decided() -> None:
    listed = ["A"]
    given: list[str] = []

    def answer(_: str) -> tuple[int, dict[str, str], bytes]:
        return 200, {}, json.dumps({"symbols": listed}).encode()

    def take(symbols: Sequence[str]) -> None:
        given.extend(symbols)

    async with looking(answer, "A", "B", refresh_s=0.01) as (wanted, server):
        await wanted.look()
        following = asyncio.create_task(wanted.follow(take))
        async with asyncio.timeout(10):
            while len(server.paths) < 4:  # noqa: ASYNC110 - the server's side has no event
                await asyncio.sleep(0.01)
            before = list(given)
            listed.append("B")
            await following

    assert (before, given) == ([], ["B"])
