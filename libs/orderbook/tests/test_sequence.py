"""Every family of numbering: what follows, what is known already, what is missing."""

from dataclasses import replace

import pytest

from jetl2.orderbook import sequence
from jetl2.orderbook.sequence import APPLY, DROP, GAP, Rule, State, check
from jetl2.schemas.records import BookDelta

OKX = replace(sequence.CHAN_PREV, allow_id_decrease=True)


def delta(first: int, last: int, prev: int = 0) -> BookDelta:
    return BookDelta(symbol="S", first_seq=first, last_seq=last, prev_seq=prev)


def fresh(last: int) -> State:
    """Right after a snapshot."""
    return State(last=last)


def later(last: int, prev: int = 0) -> State:
    return State(last=last, prev=prev, joined=True)


@pytest.mark.parametrize(
    "rule,state,record,expected",
    [
        # REST snapshot 10, ranges: dropped to 10, first one spans 11
        (sequence.REST_RANGE, fresh(10), delta(8, 10), DROP),
        (sequence.REST_RANGE, fresh(10), delta(9, 12), APPLY),
        (sequence.REST_RANGE, fresh(10), delta(11, 11), APPLY),
        (sequence.REST_RANGE, fresh(10), delta(12, 13), GAP),
        (sequence.REST_RANGE, later(10), delta(11, 15), APPLY),
        (sequence.REST_RANGE, later(10), delta(10, 15), APPLY),
        (sequence.REST_RANGE, later(10), delta(5, 10), DROP),
        (sequence.REST_RANGE, later(10), delta(12, 15), GAP),
        # an instrument without any update yet says -1
        (sequence.REST_RANGE, fresh(-1), delta(7, 9), APPLY),
        # its futures: one that ends at the snapshot's number still counts, then links
        (sequence.REST_PREV, fresh(10), delta(8, 9), DROP),
        (sequence.REST_PREV, fresh(10), delta(8, 10), APPLY),
        (sequence.REST_PREV, fresh(10), delta(11, 12), GAP),
        # ids leave holes: one that begins behind the snapshot follows when it names its number
        (sequence.REST_PREV, fresh(10), delta(14, 17, 10), APPLY),
        (sequence.REST_PREV, fresh(10), delta(14, 17, 11), GAP),
        (sequence.REST_PREV, later(10), delta(12, 14, 10), APPLY),
        (sequence.REST_PREV, later(10), delta(12, 14, 11), GAP),
        (sequence.REST_PREV, later(10), delta(5, 9, 4), DROP),
        # linked in the channel
        (sequence.CHAN_PREV, fresh(10), delta(12, 12, 10), APPLY),
        (sequence.CHAN_PREV, fresh(10), delta(9, 9, 8), DROP),
        (sequence.CHAN_PREV, fresh(10), delta(14, 14, 12), GAP),
        (sequence.CHAN_PREV, later(10), delta(12, 12, 10), APPLY),
        (sequence.CHAN_PREV, later(10), delta(9, 9, 8), DROP),
        (sequence.CHAN_PREV, later(10), delta(14, 14, 12), GAP),
        # where numbers may fall, a smaller one is no proof of age
        (OKX, fresh(15), delta(3, 3, 15), APPLY),
        (OKX, fresh(15), delta(9, 9, 8), GAP),
        (OKX, later(15, 10), delta(3, 3, 15), APPLY),
        (OKX, later(15, 15), delta(15, 15, 15), APPLY),
        (OKX, later(15, 10), delta(15, 15, 10), DROP),
        (OKX, later(15, 10), delta(5, 5, 3), GAP),
        # counted
        (sequence.CHAN_PLUS1, fresh(10), delta(11, 11), APPLY),
        (sequence.CHAN_PLUS1, fresh(10), delta(12, 12), GAP),
        (sequence.CHAN_PLUS1, later(10), delta(11, 13), APPLY),
        (sequence.CHAN_PLUS1, later(10), delta(12, 13), GAP),
        (sequence.CHAN_PLUS1, later(10), delta(10, 10), DROP),
        # overlapping ranges
        (sequence.CHAN_OVERLAP, fresh(10), delta(10, 12), APPLY),
        (sequence.CHAN_OVERLAP, later(10), delta(10, 12), APPLY),
        (sequence.CHAN_OVERLAP, later(10), delta(11, 12), GAP),
        (sequence.CHAN_OVERLAP, later(10), delta(8, 10), DROP),
        # by time only
        (Rule(first="spans", follow="rising"), fresh(10), delta(0, 12, 9), APPLY),
        (Rule(first="spans", follow="rising"), fresh(10), delta(0, 13, 11), GAP),
        (Rule(first="spans", follow="rising"), later(10), delta(0, 12), APPLY),
        (Rule(first="spans", follow="rising"), later(10), delta(0, 10), DROP),
        # nothing is numbered
        (sequence.CHECKSUM_ONLY, later(0), delta(0, 0), APPLY),
        (sequence.CONN_COUNTER, later(7), delta(3, 3), APPLY),
        # a protocol from before it was numbered, and a number that went missing
        (OKX, later(0), delta(0, 0), APPLY),
        (OKX, later(15), delta(0, 0), GAP),
    ],
)
def test_a_delta_is_judged_by_its_rule(
    rule: Rule, state: State, record: BookDelta, expected: str
) -> None:
    assert check(rule, state, record) == expected


def test_okx_example_of_a_reset_is_one_unbroken_chain() -> None:
    """The exchange's own example: (-1,10) (10,15) (15,15) (15,3) (3,5)."""
    state = State()
    state.replace(delta(10, 10, 0))
    for prev, last in ((10, 15), (15, 15), (15, 3), (3, 5)):
        record = delta(last, last, prev)
        assert check(OKX, state, record) == APPLY
        state.advance(record)

    assert state == State(last=5, prev=3, joined=True)


@pytest.mark.parametrize(
    "rule, proof",
    [
        (sequence.REST_RANGE, "sequence"),
        (sequence.CHAN_PREV, "sequence"),
        (sequence.CHAN_OVERLAP, "sequence"),
        (sequence.CONN_COUNTER, "connection sequence"),
        (sequence.FULL_REPLACE, "whole books"),
        (sequence.CHECKSUM_ONLY, "none"),
        (Rule(follow="rising"), "none"),
    ],
)
def test_a_rule_says_by_what_it_notices_a_loss(rule: Rule, proof: str) -> None:
    assert rule.proof == proof
    assert rule.proven == (proof != "none")
