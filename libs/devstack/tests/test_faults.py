"""Misbehaviour is repeatable, and hits only what can be noticed."""

import json

import pytest

from jetl2.devstack import faults


def test_the_same_seed_makes_the_same_faults() -> None:
    first, second = (faults.Faults(5, {"drop": 0.1, "duplicate": 0.1}) for _ in range(2))

    for one in (first, second):
        for _ in range(500):
            one.next("A", matters=True)

    assert first.done == second.done
    assert {kind for _, _, kind in first.done} == {"drop", "duplicate"}


def test_a_scheduled_fault_waits_for_a_frame_whose_loss_is_noticed() -> None:
    one = faults.Faults(schedule={2: "drop"})

    happened = [one.next("A", matters=n >= 4) for n in range(6)]

    assert happened == ["", "", "", "", "drop", ""]


def test_faults_that_wait_lose_no_other() -> None:
    one = faults.Faults(schedule={0: "drop", 1: "reorder", 2: "corrupt"})

    happened = [one.next("A", matters=n >= 3) for n in range(6)]

    # What cannot be read is noticed whatever it says
    assert happened == ["", "", "corrupt", "drop", "reorder", ""]


def test_an_occasion_takes_only_what_befalls_it() -> None:
    one = faults.Faults()
    one.ask("rest_429")
    one.ask("late_snapshot", "B")

    assert one.at(faults.SNAPSHOT, "A") == ""
    assert one.next("B", matters=True) == ""
    assert one.at(faults.SNAPSHOT, "B") == "late_snapshot"
    assert [one.at(faults.REST), one.at(faults.REST)] == ["rest_429", ""]


def test_what_is_asked_for_happens_once_to_that_symbol() -> None:
    one = faults.Faults()
    one.ask("silent", "B")

    assert [one.next(s, matters=True) for s in "ABB"] == ["", "silent", ""]


def test_an_unknown_fault_names_those_there_are() -> None:
    with pytest.raises(ValueError, match="drop, duplicate, reorder"):
        faults.Faults(rates={"explode": 1})


def test_damage_cannot_be_read_and_tampering_can() -> None:
    text = '{"checksum":993,"x":1}'

    with pytest.raises(json.JSONDecodeError):
        json.loads(faults.damaged(text))
    assert json.loads(faults.tampered(text))["checksum"] == 193
    assert faults.tampered('{"checksum":0}') == '{"checksum":0}'
    assert faults.damaged(b"1234") == b"12"
    assert faults.tampered(b"1234") == b"1234"
