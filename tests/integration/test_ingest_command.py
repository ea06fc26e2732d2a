"""`jetl2 ingest` as a process: it tries every simulated exchange over real sockets, without Kafka."""

import asyncio
import json
import os
import sys
from typing import Any

import pytest

from jetl2.devstack import dialects
from jetl2.devstack.faults import Faults
from jetl2.devstack.simulator import Simulator, simulating

pytestmark = pytest.mark.integration

NAMES = sorted(dialects.load())


def run(simulator: Simulator, *words: str) -> tuple[int, str, str]:
    """Run a command on a simulated exchange; return exit code, output, log."""

    async def play() -> tuple[int, str, str]:
        async with simulating(simulator):
            there = [f"--{kind}={host}" for kind, host in simulator.endpoints.items()]
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-m", "jetl2.client", "ingest", *words, *there),
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
            )
            out, err = await process.communicate()
            return process.returncode or 0, out.decode(), err.decode()

    return asyncio.run(play())


@pytest.mark.parametrize("name", NAMES)
def test_an_exchange_that_works_is_said_to_work(name: str) -> None:
    simulator = Simulator(dialects.load()[name], events=100_000, events_per_second=100)

    code, out, err = run(simulator, "check", name, "--seconds", "3", "--json")

    found = json.loads(out)
    assert (found["problems"], found["breaks"], found["gaps"]) == ([], [], 0), err
    assert code == 0
    assert found["instruments"] == len(simulator.symbols)
    assert found["messages_per_second"] > 10
    assert sorted(found["books"]) == sorted(simulator.symbols)
    for book in found["books"].values():
        assert book["state"] == "synced"
        assert book["first_after_s"] < 3
        assert book["bid"]
        assert book["ask"]
    assert found["checksums"]["failed"] == 0
    assert found["behind_ms"]["median"] < 1000


def test_what_is_lost_on_the_way_is_told() -> None:
    name = NAMES[0]
    misbehaviour = Faults(schedule={20: "drop", 50: "disconnect"})
    simulator = Simulator(
        dialects.load()[name], events=100_000, events_per_second=100, misbehaviour=misbehaviour
    )

    code, out, _ = run(simulator, "check", name, "--seconds", "4")

    assert code == 0, out
    assert "broken: connection cut without a goodbye" in out
    assert "  gaps            0" not in out


def test_instruments_are_listed_and_chosen_by_condition() -> None:
    name = NAMES[0]
    first, second = (Simulator(dialects.load()[name], events=1) for _ in range(2))

    code, out, err = run(first, "instruments", name, "--json")
    everything: list[dict[str, Any]] = json.loads(out)
    chosen = run(second, "instruments", name, "--base", everything[0]["base"], "--json")

    assert code == 0, err
    assert [item["symbol"] for item in everything] == first.symbols
    assert everything[0] in json.loads(chosen[1])
