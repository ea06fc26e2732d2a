"""What Kafka holds of the truth itself: without it, nothing could be said of the mergers."""

from collections import Counter
from collections.abc import Iterable

from confluent_kafka import Message

from jetl2.campaign import wire
from jetl2.campaign.truth import EXCHANGES, Feed
from jetl2.devstack import kafka


def recount(servers: str, feed: Feed) -> list[str]:
    """Return what is wrong with the raw topics, as `judge`."""
    messages = kafka.read(servers, [f"raw.{name}" for name in EXCHANGES])
    return judge(messages, len(feed.sent_at), feed.undecodable)


def judge(messages: Iterable[Message], sent: int, undecodable: set[int]) -> list[str]:
    """Return what is wrong: each event that was sent must be there once, and in order.

    Args:
        messages: Of the raw topics, in order of offset within each partition.
        sent: How many events there were, numbered from 0; all of them were acknowledged.
        undecodable: Numbers of those that were spoiled so that they are none; the dead letters
            tell of them.
    """
    found: Counter[int] = Counter()
    last: dict[tuple[str, int], int] = {}
    disordered = 0
    for message in messages:
        try:
            kind, fields = wire.decode(message.value())
        except Exception:  # noqa: BLE001, S112 - spoiled on purpose, in whatever way
            continue
        if kind != "RawEvent":
            continue
        number, place = fields["counter"], (str(message.topic()), message.partition() or 0)
        disordered += number < last.get(place, -1)
        last[place] = number
        found[number] += 1
    problems = []
    if disordered:
        problems.append(f"{disordered} raw events come after newer ones")
    if twice := sum(count - 1 for count in found.values()):
        problems.append(f"{twice} raw events are there twice: the broker, or the feed")
    if gone := set(range(sent)) - undecodable - found.keys():
        problems.append(f"{len(gone)} acknowledged raw events are gone, the first is {min(gone)}")
    return problems
