"""Which range a run lands, from what Kafka says."""

import pytest

from jetl2.landing import plan
from jetl2.landing.errors import ConflictError, RetentionError
from jetl2.landing.plan import Position, Range

KEY = ("market.kraken", 3)


def _ranges(position: Position, *, accept_lost: bool = False) -> list[Range]:
    return plan.ranges(
        {KEY: position}, plan="new", max_offsets=100, max_rows=7, accept_lost=accept_lost
    )


def _range(start: int = 40, end: int = 90) -> Range:
    topic, partition = KEY
    return Range(
        topic=topic,
        partition=partition,
        start=start,
        end=end,
        plan="old",
        max_rows=5,
        committed=start,
    )


def test_the_first_run_begins_at_offset_zero() -> None:
    [of] = _ranges(Position(committed=None, metadata="", low=0, stable=30))

    assert (of.start, of.end, of.committed, of.previous) == (0, 30, 0, None)
    assert not of.repeated


def test_a_first_run_after_retention_stops() -> None:
    with pytest.raises(RetentionError, match=r"market.kraken-3: offsets \[0, 12\) were deleted"):
        _ranges(Position(committed=None, metadata="", low=12, stable=30))


def test_the_next_range_follows_the_landed_one_and_is_bounded() -> None:
    [of] = _ranges(Position(committed=90, metadata=plan.landed(_range()), low=50, stable=500))

    assert (of.start, of.end, of.previous, of.plan, of.max_rows) == (90, 190, 40, "new", 7)


def test_nothing_new_is_no_range() -> None:
    assert _ranges(Position(committed=90, metadata=plan.landed(_range()), low=0, stable=90)) == []
    assert _ranges(Position(committed=None, metadata="", low=0, stable=0)) == []


def test_an_interrupted_plan_is_repeated_exactly() -> None:
    metadata = plan.planned(_range())

    [of] = _ranges(Position(committed=40, metadata=metadata, low=40, stable=5000))

    assert (of.start, of.end, of.plan, of.max_rows, of.repeated) == (40, 90, "old", 5, True)
    assert plan.planned(of) == metadata


def test_a_plan_of_another_layout_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    metadata = plan.planned(_range())
    monkeypatch.setattr(plan, "LAYOUT", plan.LAYOUT + 1)

    with pytest.raises(ConflictError, match="finish it with that release"):
        _ranges(Position(committed=40, metadata=metadata, low=0, stable=90))


def test_records_deleted_before_they_landed_stop_the_run() -> None:
    for metadata in (plan.landed(_range()), plan.planned(_range(start=90, end=95))):
        with pytest.raises(RetentionError, match=r"\[90, 91\)"):
            _ranges(Position(committed=90, metadata=metadata, low=91, stable=99))


def test_records_deleted_are_passed_over_when_a_person_says_so() -> None:
    position = Position(committed=90, metadata=plan.landed(_range()), low=95, stable=99)

    [of] = _ranges(position, accept_lost=True)

    assert (of.start, of.end, of.committed, of.previous) == (95, 99, 90, None)


@pytest.mark.parametrize("metadata", ["", "{}", "[1]", "null", "not json", '{"layout": 1}'])
def test_an_offset_that_somebody_else_committed_is_refused(metadata: str) -> None:
    with pytest.raises(ConflictError, match="something else commits for this group"):
        _ranges(Position(committed=90, metadata=metadata, low=0, stable=99))


def test_a_partition_that_ends_before_the_committed_offset_is_refused() -> None:
    with pytest.raises(ConflictError, match="made anew"):
        _ranges(Position(committed=90, metadata=plan.landed(_range()), low=0, stable=9))


def test_the_plan_fits_into_the_metadata_of_an_offset() -> None:
    # offset.metadata.max.bytes is 4096 by default
    longest = _range(start=2**62, end=2**62 + 1)

    assert len(plan.planned(longest)) < 1000
