"""What is known of the symbols before anything is connected."""

import json
from dataclasses import replace
from typing import Any

import pytest

from jetl2.exchanges.exchange import Instruments
from jetl2.ingestor import listing, metrics, wanted
from jetl2.ingestor.settings import Endpoint, Settings
from jetl2.ingestor.subscription import Entry, Selection, Subscription
from jetl2.ingestor.transport.rest import Rest
from tests.toy_exchange import TOY, Answer, Server, parse_instruments, serving

URL = "https://toy.invalid/instruments?kind=spot"


async def listed(
    answer: Answer, *symbols: Entry, form: Instruments | None = None, **more: Any
) -> tuple[list[str], Server]:
    async def nobody(_: object) -> None:
        raise AssertionError

    form = form or Instruments(url=URL, parse=parse_instruments)
    async with serving(nobody, answer) as server:
        settings = Settings.model_construct(
            subscriptions={"toy": Subscription(symbols=symbols, data_types=("trade",))},
            endpoints={"toy": Endpoint(rest=server.endpoint["rest"])},
            **more,
        )
        found = await wanted.symbols(settings, replace(TOY, instruments=form))
    return found, server


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

    found, _ = await listed(body("A", "B"), Selection(top=1), "A", form=form)

    assert found == ["A"]


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
