"""The judge: what is in Kafka against what must be there, record by record.

It knows the truth and the schema files, and nothing of the product's code.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from confluent_kafka import Message

from jetl2.campaign import wire
from jetl2.campaign.truth import Expected, Levels, Name

_SHOWN = 3


@dataclass
class Verdict:
    """What was found; nothing but `records` may be other than 0.

    Args:
        records: Right ones.
        duplicated: Written more than once.
        missing: Never written.
        wrong: Other than what the exchange said, out of order, or misnumbered.
        wrong_books: Books that end up other than the true one.
        examples: The first few findings, for a person.
    """

    records: int = 0
    duplicated: int = 0
    missing: int = 0
    wrong: int = 0
    wrong_books: int = 0
    examples: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Whether nothing was found."""
        return not (self.duplicated or self.missing or self.wrong or self.wrong_books)

    def add(self, other: "Verdict") -> None:
        """Take another verdict into this one."""
        self.records += other.records
        self.duplicated += other.duplicated
        self.missing += other.missing
        self.wrong += other.wrong
        self.wrong_books += other.wrong_books
        self.examples += other.examples

    def tell(self, kind: str, what: str, count: int = 1) -> None:
        """Count a finding: `kind` is one of the fields."""
        setattr(self, kind, getattr(self, kind) + count)
        if len(self.examples) < _SHOWN:
            self.examples.append(f"{kind}: {what}")


def judge(
    messages: Iterable[Message],
    expected: Mapping[Name, Sequence[Expected]],
    books: Mapping[Name, tuple[Levels, Levels]],
) -> Verdict:
    """Compare committed market records with the truth.

    Args:
        messages: All of the market topics, in order of offset within each partition.
        expected: Per exchange and symbol, in order.
        books: The true book of each symbol that has one, at the end.
    """
    verdict = Verdict()
    found: dict[Name, list[Expected]] = defaultdict(list)
    seqs: Counter[Name] = Counter()
    lineage: set[tuple[Any, ...]] = set()
    built: dict[Name, tuple[Levels, Levels]] = defaultdict(lambda: ({}, {}))
    for message in messages:
        kind, fields = wire.decode(message.value())
        name = (fields["exchange"], fields["symbol"])
        if message.partition() != fields["source_partition"]:
            verdict.tell("wrong", f"{name} is not in the partition of its raw event")
        place = tuple(fields[f"source_{f}"] for f in ("topic", "partition", "offset", "index"))
        if place in lineage:
            verdict.tell("duplicated", f"{name}, record of {place}")
            continue
        lineage.add(place)
        seqs[name] += 1
        if fields["seq"] != seqs[name]:
            verdict.tell("wrong", f"{name} has seq {fields['seq']}, expected {seqs[name]}")
            seqs[name] = fields["seq"]
        found[name].append(_said(kind, fields))
        if kind == "BookDelta":
            apply(built[name], fields)
    for name in expected.keys() | found.keys():
        _compare(verdict, name, list(expected.get(name, ())), found[name])
    for name, true in books.items():
        if built[name] != true:
            verdict.tell("wrong_books", f"{name} ends otherwise than the true book")
    return verdict


def dead_letters(messages: Iterable[Message], poison: Sequence[bytes]) -> Verdict:
    """Compare dead letters with what was spoiled: each once, verbatim."""
    verdict = Verdict()
    left = Counter(poison)
    for message in messages:
        _, fields = wire.decode(message.value())
        payload = fields["payload"]
        if left[payload] > 0:
            left[payload] -= 1
            verdict.records += 1
        else:
            verdict.tell("duplicated" if payload in poison else "wrong", f"dead letter {payload!r}")
    for payload, count in left.items():
        if count:
            verdict.tell("missing", f"no dead letter of {payload[:40]!r}", count)
    return verdict


def _compare(
    verdict: Verdict, name: Name, expected: Sequence[Expected], found: Sequence[Expected]
) -> None:
    if expected == found:
        verdict.records += len(found)
        return
    short, long = Counter(expected), Counter(found)
    missing, surplus = short - long, long - short
    right = sum((short & long).values())
    verdict.records += right
    if missing:
        verdict.tell("missing", f"{name}: {next(iter(missing))}", missing.total())
    if surplus:
        first = next(iter(surplus))
        kind = "duplicated" if first in short else "wrong"
        verdict.tell(kind, f"{name}: {first}", surplus.total())
    if not missing and not surplus:
        at = next(
            n for n, pair in enumerate(zip(expected, found, strict=True)) if pair[0] != pair[1]
        )
        verdict.tell("wrong", f"{name}: out of order from record {at + 1} on")


def _said(kind: str, fields: Mapping[str, Any]) -> Expected:
    if kind == "BookDelta":
        bids, asks = (frozenset(_levels(fields, side).items()) for side in ("bid", "ask"))
        return Expected(kind, (fields["is_snapshot"], bids, asks))
    if kind == "Trade":
        price = _number(fields["price"], fields["price_exponent"])
        size = _number(fields["size"], fields["size_exponent"])
        return Expected(kind, (fields["trade_id"], price, size, fields["aggressor"]))
    return Expected(kind, (fields.get("reason", ""),))


def apply(book: tuple[Levels, Levels], fields: Mapping[str, Any]) -> None:
    """Change a book as a BookDelta says."""
    for side, name in zip(book, ("bid", "ask"), strict=True):
        if fields["is_snapshot"]:
            side.clear()
        for price, size in _levels(fields, name).items():
            if size:
                side[price] = size
            else:
                side.pop(price, None)


def _levels(fields: Mapping[str, Any], side: str) -> Levels:
    prices, sizes = fields[f"{side}_prices"], fields[f"{side}_sizes"]
    return {
        _number(price, fields["price_exponent"]): _number(size, fields["size_exponent"])
        for price, size in zip(prices, sizes, strict=True)
    }


def _number(mantissa: int, exponent: int) -> Decimal:
    return Decimal(mantissa).scaleb(exponent)
