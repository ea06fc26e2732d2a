"""The oracle sees what it must see: each damage to a right output is named for what it is."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any, cast

import pytest
from confluent_kafka import Message

from jetl2.campaign import oracle, wire
from jetl2.campaign.truth import Expected, Levels
from jetl2.schemas import avro
from jetl2.schemas.records import BookDelta, DeadLetter, MarketRecord, Trade

BOOK, TRADES = ("okex", "A-B"), ("binance", "AB")
BIDS: Levels = {Decimal("9.5"): Decimal(2)}
ASKS: Levels = {Decimal("10.5"): Decimal("0.25")}
EXPECTED = {
    BOOK: [
        Expected("BookDelta", (True, frozenset(BIDS.items()), frozenset(ASKS.items()))),
        Expected("BookDelta", (False, frozenset({(Decimal(9), Decimal(1))}), frozenset())),
    ],
    TRADES: [
        Expected("Trade", ("1", Decimal("9.5"), Decimal(3), "buy")),
        Expected("Trade", ("2", Decimal("9.5"), Decimal(4), "sell")),
    ],
}
TRUE = {BOOK: (BIDS | {Decimal(9): Decimal(1)}, ASKS)}


class Committed:
    """A message as the broker gives it."""

    def __init__(self, record: MarketRecord | DeadLetter) -> None:
        self.record = record

    def value(self) -> bytes:
        return avro.encode(self.record)

    def partition(self) -> int:
        return 3


def right() -> list[MarketRecord]:
    """Return the output that must come, made by the product's own classes."""
    book: dict[str, Any] = {"exchange": "okex", "symbol": "A-B", "price_exponent": -1}
    trade: dict[str, Any] = {"exchange": "binance", "symbol": "AB", "price_exponent": -1}
    made: list[MarketRecord] = [
        BookDelta(
            **book,
            size_exponent=-2,
            is_snapshot=True,
            bid_prices=[95],
            bid_sizes=[200],
            ask_prices=[105],
            ask_sizes=[25],
        ),
        BookDelta(**book, size_exponent=0, bid_prices=[90], bid_sizes=[1]),
        Trade(**trade, trade_id="1", aggressor="buy", price=95, size=3, size_exponent=0),
        Trade(**trade, trade_id="2", aggressor="sell", price=95, size=4, size_exponent=0),
    ]
    for n, record in enumerate(made):
        record.seq = n % 2 + 1
        record.source_topic = f"raw.{record.exchange}"
        record.source_partition = 3
        record.source_offset = n
    return made


def judged(records: list[MarketRecord]) -> oracle.Verdict:
    messages = cast("list[Message]", [Committed(record) for record in records])
    return oracle.judge(messages, EXPECTED, TRUE)


def test_the_truth_is_right() -> None:
    verdict = judged(right())
    assert verdict.good
    assert verdict.records == 4


def _twice(records: list[MarketRecord]) -> None:
    records.append(records[3])


def _again_with_new_numbers(records: list[MarketRecord]) -> None:
    again = right()[3]
    again.seq, again.source_offset = 3, 99
    records.append(again)


def _lost(records: list[MarketRecord]) -> None:
    del records[3]


def _nothing_of_a_symbol(records: list[MarketRecord]) -> None:
    del records[2:]


def _other_size(records: list[MarketRecord]) -> None:
    assert isinstance(records[1], BookDelta)
    records[1].bid_sizes = [2]


def _swapped(records: list[MarketRecord]) -> None:
    records[2], records[3] = records[3], records[2]
    records[2].seq, records[3].seq = 1, 2


def _misnumbered(records: list[MarketRecord]) -> None:
    records[3].seq = 5


def _elsewhere(records: list[MarketRecord]) -> None:
    records[2].source_partition = 1


def _side(records: list[MarketRecord]) -> None:
    assert isinstance(records[2], Trade)
    records[2].aggressor = "sell"


@pytest.mark.parametrize(
    "damage, counted",
    [
        (_twice, "duplicated"),
        (_again_with_new_numbers, "duplicated"),
        (_lost, "missing"),
        (_nothing_of_a_symbol, "missing"),
        (_other_size, "wrong_books"),
        (_other_size, "missing"),
        (_swapped, "wrong"),
        (_misnumbered, "wrong"),
        (_elsewhere, "wrong"),
        (_side, "wrong"),
    ],
)
def test_damage_is_seen(damage: Callable[[list[MarketRecord]], None], counted: str) -> None:
    records = right()
    damage(records)
    verdict = judged(records)
    assert not verdict.good
    assert getattr(verdict, counted) > 0
    assert verdict.examples


def test_dead_letters_are_counted_each_once_and_verbatim() -> None:
    def letters(*payloads: bytes) -> list[Message]:
        common: dict[str, Any] = {"exchange": "okex", "symbol": "A-B", "local_ts": 0}
        made = [
            Committed(DeadLetter(**common, connection_id="", kind="", payload=p, error="e"))
            for p in payloads
        ]
        return cast("list[Message]", made)

    assert oracle.dead_letters(letters(b"x", b"y"), [b"y", b"x"]).good
    assert oracle.dead_letters(letters(b"x"), [b"y", b"x"]).missing == 1
    assert oracle.dead_letters(letters(b"x", b"x"), [b"x"]).duplicated == 1
    assert oracle.dead_letters(letters(b"x", b"z"), [b"x"]).wrong == 1


def test_the_wire_is_read_and_written_as_the_product_does() -> None:
    record = right()[0]
    name, fields = wire.decode(avro.encode(record))
    assert name == "BookDelta"
    assert wire.encode(name, fields) == avro.encode(record)
    with pytest.raises(ValueError, match="no schema file has the fingerprint"):
        wire.decode(b"\xc3\x01unknown.")
