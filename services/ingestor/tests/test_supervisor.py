"""What is known of the symbols before anything is connected."""

import json
from dataclasses import replace

from jetl2.exchanges.exchange import Instruments
from jetl2.ingestor import supervisor
from jetl2.ingestor.settings import Endpoint, Settings, Subscription
from tests.toy_exchange import TOY, Answer, parse_instruments, serving


async def listed(answer: Answer) -> list[str]:
    async def nobody(_: object) -> None:
        raise AssertionError

    async with serving(nobody, answer) as server:
        settings = Settings.model_construct(
            subscriptions={"toy": Subscription(symbols=("A", "B"), data_types=("trade",))},
            endpoints={"toy": Endpoint(rest=server.endpoint["rest"])},
        )
        url = "https://toy.invalid/instruments?kind=spot"
        exchange = replace(TOY, instruments=Instruments(url=url, parse=parse_instruments))
        found = await supervisor._listed_by(settings, exchange)
    assert server.paths[0] == "/instruments?kind=spot"
    return found


async def test_symbols_that_are_not_listed_are_left_out() -> None:
    body = json.dumps({"symbols": ["B", "C"]}).encode()

    assert await listed(lambda _: (200, {}, body)) == ["B"]


async def test_a_list_that_cannot_be_had_or_read_stops_nothing() -> None:
    assert await listed(lambda _: (404, {}, b"")) == ["A", "B"]
    assert await listed(lambda _: (503, {}, b"")) == ["A", "B"]
    assert await listed(lambda _: (200, {}, b"<html>")) == ["A", "B"]
    assert await listed(lambda _: (200, {}, b'{"items": []}')) == ["A", "B"]
    assert await listed(lambda _: (200, {}, b'{"symbols": []}')) == ["A", "B"]
