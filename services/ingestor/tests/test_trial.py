"""An exchange tried without Kafka: what a report says of one that works, and of one that does not."""

import asyncio
import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import structlog
from websockets.asyncio.server import ServerConnection

from jetl2.exchanges import adapters
from jetl2.exchanges.exchange import Exchange, Frame, Instrument, Instruments
from jetl2.ingestor import commands
from jetl2.schemas.records import BookDelta, MarketRecord
from tests.toy_exchange import TOY, Answer, Script, book, serving


@pytest.fixture(autouse=True)
def _own_log() -> Iterator[None]:
    """Take back what a command sets up for the log of its process."""
    before = list(logging.getLogger().handlers)
    yield
    structlog.reset_defaults()
    logging.getLogger().handlers[:] = before


def parse(frame: Frame) -> list[MarketRecord]:
    """Return a book of one level a side for each symbol."""
    if frame["channel"] != "books":
        return []
    return [
        BookDelta(
            symbol=symbol,
            is_snapshot=frame["kind"] == "snapshot",
            exchange_ts=frame["ts"],
            bid_prices=[frame["bid"]],
            bid_sizes=[2],
            ask_prices=[101],
            ask_sizes=[3],
        )
        for symbol in frame["symbols"]
    ]


HERE = replace(
    TOY,
    name="here",
    parse=parse,
    url="wss://toy.invalid/stream",
    instruments=Instruments(
        url="https://toy.invalid/instruments",
        parse=lambda body: [Instrument(s, s[0], s[1:], "spot") for s in body["symbols"]],
    ),
)
LISTED = json.dumps({"symbols": ["AUSD", "BUSD", "CEUR"]}).encode()


def listing(_: str) -> tuple[int, dict[str, str], bytes]:
    return 200, {}, LISTED


def saying(*frames: str) -> Script:
    async def script(connection: ServerConnection) -> None:
        for frame in frames:
            await connection.send(frame)
        async for _ in connection:
            pass

    return script


def snapshot(*symbols: str, bid: int = 100) -> str:
    return book(*symbols, ts=10**18, bid=bid)


def run(
    monkeypatch: pytest.MonkeyPatch,
    *words: str,
    script: Script | None = None,
    answer: Answer = listing,
    exchange: Exchange = HERE,
) -> int:
    """Run a command against a scripted exchange; return its exit code."""
    monkeypatch.setattr(adapters, "load", lambda: {exchange.name: exchange})

    async def play() -> int:
        async with serving(script or saying(), answer) as server:
            there = [f"--ws={server.endpoint['ws']}", f"--rest={server.endpoint['rest']}"]
            return await asyncio.to_thread(commands.main, [*words, *there])

    monkeypatch.setattr(commands, "_until_interrupted", asyncio.Event)
    return asyncio.run(play())


def printed(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out)


CHECK = ("check", "here", "--seconds=0.6")


def test_a_feed_that_works_is_reported_with_its_books(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    script = saying(snapshot("AUSD"), snapshot("BUSD", bid=99))

    code = run(monkeypatch, *CHECK, "AUSD", "B*", "--json", script=script)

    found = printed(capsys)
    assert (code, found["problems"]) == (0, [])
    assert (found["instruments"], found["messages"], found["unread"]) == (3, 2, 0)
    assert found["records"] == {"book_delta": 2}
    assert found["books"]["BUSD"]["bid"] == ["99", "2"]
    assert found["books"]["AUSD"]["first_after_s"] < 0.6
    assert found["breaks"] == []


def test_without_a_name_some_symbols_are_tried(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code = run(monkeypatch, *CHECK, script=saying(snapshot("AUSD", "BUSD", "CEUR")))

    said = capsys.readouterr().out
    assert code == 0
    assert "here: 3 of 3 books came in 0.6 s" in said
    assert "bid 100 x 2, ask 101 x 3" in said
    assert "problem" not in said


def test_what_does_not_come_or_cannot_be_read_fails_by_name(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    damaged = '{"channel": "books", "symbols": ["AUSD"], "kind": "update", "bid": 7}'
    script = saying(snapshot("AUSD"), damaged, '{"channel": "error", "why": "no such channel"}')

    code = run(monkeypatch, *CHECK, "AUSD", "BUSD", "CUSD", script=script)

    said = capsys.readouterr().out
    assert code == 1
    assert "problem: CUSD is not listed; close to it: " in said
    assert "problem: no book came of BUSD" in said
    assert "problem: the exchange refused: " in said
    assert "no such channel" in said
    assert "problem: 1 messages could not be read, such as: " in said
    assert "'ts'" in said


def test_no_connection_and_no_list_are_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def hang_up(connection: ServerConnection) -> None:
        await connection.close()

    code = run(
        monkeypatch, *CHECK, "AUSD", "--json", script=hang_up, answer=lambda _: (404, {}, b"")
    )
    named = printed(capsys)
    unnamed = run(monkeypatch, *CHECK, "--json", answer=lambda _: (404, {}, b""))

    assert (code, unnamed) == (1, 1)
    assert named["problems"][0].startswith("the list of instruments could not be had: ")
    assert named["breaks"]
    assert printed(capsys)["problems"][-1] == "there is no symbol to try: name one"


def test_instruments_are_listed_by_condition(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code = run(monkeypatch, "instruments", "here", "--quote", "usd", "--match", "B*", "--json")
    (found,) = printed(capsys)
    everything = run(monkeypatch, "instruments", "here")
    lines = capsys.readouterr().out.splitlines()
    none = run(monkeypatch, "instruments", "here", "--quote", "USDD")

    assert (code, everything, none) == (0, 0, 1)
    assert (found["symbol"], found["kind"]) == ("BUSD", "spot")
    assert lines[0].startswith("symbol\tbase\tquote\tkind")
    assert len(lines) == 4
    assert "no instrument has the quote 'USDD': USD?" in capsys.readouterr().err


def test_what_cannot_be_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "instruments", "here", "--top", "3") == 2
    assert run(monkeypatch, "check", "nowhere") == 2
    assert commands.main(["check", "here", "--ws", "localhost"]) == 2

    said = capsys.readouterr().err
    assert "here does not tell volumes: --top cannot be used" in said
    assert "unknown exchange 'nowhere': expected one of here" in said
    assert "expected scheme://host:port" in said


def test_exchanges_are_listed_as_declared(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(adapters, "load", lambda: {"here": HERE})

    assert commands.main(["exchanges"]) == 0
    header, line = capsys.readouterr().out.splitlines()
    assert commands.main(["exchanges", "--json"]) == 0
    (found,) = printed(capsys)

    assert header.split("\t")[0] == "exchange"
    assert line.split("\t")[0] == found["exchange"] == "here"
    assert found["proof"] == ["none"]
