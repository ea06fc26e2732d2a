"""The recount of the raw topics sees what a broker may do to them."""

from typing import cast

import pytest
from confluent_kafka import Message

from jetl2.campaign import raw
from jetl2.schemas import avro
from jetl2.schemas.records import RawEvent


class Kept:
    """A message as the broker gives it; None is one that cannot be read."""

    def __init__(self, number: int | None) -> None:
        self.number = number

    def value(self) -> bytes:
        if self.number is None:
            return b"\xc3\x01spoiled"
        return avro.encode(
            RawEvent(
                exchange="okex",
                symbol="A-B",
                local_ts=1,
                connection_id="c",
                counter=self.number,
                payload=b"{}",
            )
        )

    def topic(self) -> str:
        return "raw.okex"

    def partition(self) -> int:
        return 0


def judged(*numbers: int | None, sent: int) -> list[str]:
    kept = [cast("Message", Kept(number)) for number in numbers]
    return raw.judge(kept, sent, {2} if None in numbers else set())


def test_all_that_was_sent_is_right() -> None:
    assert judged(0, 1, 2, sent=3) == []
    assert judged(0, 1, None, 3, sent=4) == []


@pytest.mark.parametrize(
    "numbers,problem",
    [
        ((0, 2), "1 acknowledged raw events are gone, the first is 1"),
        ((0, 1), "1 acknowledged raw events are gone, the first is 2"),
        ((0, 1, 1, 2), "1 raw events are there twice"),
        ((0, 2, 1), "1 raw events come after newer ones"),
    ],
)
def test_damage_is_told(numbers: tuple[int, ...], problem: str) -> None:
    (told,) = judged(*numbers, sent=3)

    assert told.startswith(problem)
