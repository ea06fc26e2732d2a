"""What Kafka holds of the truth itself: without it, nothing could be said of the mergers."""

from collections import Counter

from jetl2.campaign import wire
from jetl2.campaign.truth import EXCHANGES, Feed
from jetl2.devstack import kafka


def recount(servers: str, feed: Feed) -> list[str]:
    """Return what is wrong with the raw topics: each event that was sent must be there once.

    What cannot be decoded is not an event; the dead letters tell of those.
    """
    found: Counter[int] = Counter()
    last: dict[tuple[str, int], int] = {}
    problems: list[str] = []
    for message in kafka.read(servers, [f"raw.{name}" for name in EXCHANGES]):
        try:
            kind, fields = wire.decode(message.value())
        except Exception:  # noqa: BLE001, S112 - spoiled on purpose, in whatever way
            continue
        if kind != "RawEvent":
            continue
        number, place = fields["counter"], (str(message.topic()), message.partition() or 0)
        if number < last.get(place, -1):
            problems.append(f"raw event {number} comes after {last[place]} in {place}")
        last[place] = number
        found[number] += 1
    twice = sum(count - 1 for count in found.values())
    gone = set(range(len(feed.sent_at))) - feed.undecodable - found.keys()
    if twice:
        problems.append(f"{twice} raw events are there twice: the broker, or the feed")
    if gone:
        problems.append(f"{len(gone)} acknowledged raw events are gone, the first is {min(gone)}")
    return problems[:5]
