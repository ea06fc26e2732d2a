"""Every sign of a request that may have been repeated makes a new producer."""

import json

import pytest

from jetl2.merger.guard import Guard


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def stats(**figures: int) -> str:
    broker = {"txretries": 0, "req_timeouts": 0, "disconnects": 0} | figures
    return json.dumps({"brokers": {"b1": broker, "b2": broker}})


def test_a_quiet_transaction_leaves_no_doubt() -> None:
    clock = Clock()
    guard = Guard(0.075, clock)

    with guard.timed("commit_transaction"):
        clock.now += 0.0749
    guard.on_log("GETSUBSCRIPTIONS", "nothing to worry about")
    guard.on_stats(stats(disconnects=3))
    guard.on_stats(stats(disconnects=3))

    assert guard.reason == ""


@pytest.mark.parametrize("facility", ["FAIL", "REQTMOUT", "TXNERR"])
def test_log_lines_of_trouble_are_a_doubt(facility: str) -> None:
    guard = Guard(0.075)

    guard.on_log(facility, "broker went away")

    assert guard.reason == f"log: {facility} broker went away"


def test_a_call_of_75_ms_is_a_doubt_because_it_can_hide_a_repetition() -> None:
    clock = Clock()
    guard = Guard(0.075, clock)

    with guard.timed("commit_transaction"):
        clock.now += 0.075

    assert guard.reason == "slow: commit_transaction took 75 ms"


def test_the_first_offsets_of_a_producer_may_be_slow_the_next_may_not() -> None:
    clock = Clock()
    guard = Guard(0.075, clock)
    reasons = []

    for new_producer in (True, False, True, False):
        if new_producer:
            guard.clear()
        with guard.timed("send_offsets_to_transaction"):
            clock.now += 0.5
        reasons.append(guard.reason)

    slow = "slow: send_offsets_to_transaction took 500 ms"
    assert reasons == ["", slow, "", slow]


@pytest.mark.parametrize("figure", ["txretries", "req_timeouts", "disconnects"])
def test_statistics_that_rise_are_a_doubt(figure: str) -> None:
    guard = Guard(0.075)

    guard.on_stats(stats())
    guard.on_stats(stats(**{figure: 1}))

    assert guard.reason.startswith("stats: 2 ")


def test_a_new_producer_begins_without_doubt_and_without_old_figures() -> None:
    guard = Guard(0.075)
    guard.on_stats(stats())
    guard.on_log("FAIL", "x")

    guard.clear()
    guard.on_stats(stats(disconnects=9))

    assert guard.reason == ""


def test_the_first_sign_is_the_one_that_is_told() -> None:
    guard = Guard(0.075)

    guard.on_log("REQTMOUT", "first")
    guard.on_log("FAIL", "second")

    assert guard.reason == "log: REQTMOUT first"
