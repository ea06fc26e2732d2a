"""One message in a hundred cannot be read, or lies: each a dead letter, its book flagged, then on."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from confluent_kafka import Message

from jetl2.campaign import wire
from jetl2.campaign.merging import Line, line
from jetl2.campaign.tail import listening
from jetl2.campaign.trial import Trial, percentile
from jetl2.campaign.truth import BOOKS, Feed
from jetl2.devstack import kafka

FAULTS = {"F13": "1 % of messages truncated, of no schema, with a wrong sum, 10 MB, nonsense"}
IN_SLICE = 10.0

CONTROL = f"control.{BOOKS}"
SHARE = 0.01
RATE = 1000


def run(trial: Trial) -> None:
    """Spoil the flow for all of the time; an ingestor of our own answers the requests for books."""
    with kafka.broker(trial.folder / "kafka") as broker:
        servers = broker.bootstrap_servers
        with line(trial, servers, rate=RATE) as at:
            first = len(at.feed.sent_at)
            with _answering(servers, at.feed):
                at.feed.spoiling = SHARE
                for left in trial.strikes():
                    threading.Event().wait(min(left, 1))
                at.feed.spoiling = 0
                _close(at)
        for how, count in at.feed.spoiled.items():
            trial.did(f"message spoiled: {how}", count)
        latencies = at.tail.latencies(at.feed.sent_at, first)
        for share in (0.5, 0.99):
            name = f"visible_after_p{share * 100:.0f}_s"
            trial.figures[name] = round(percentile(latencies, share), 3)
        _compare_requests(trial, servers, at.feed)


def _close(at: Line) -> None:
    """Let the last gaps end as all do: by the book that was asked for."""
    since = at.now()
    at.recovered("books after the last spoiled message", since)
    for pair in at.feed.unknown():
        at.feed.snapshot(pair)


@contextmanager
def _answering(servers: str, feed: Feed) -> Iterator[None]:
    """Send the book of each symbol that a merger asks for, as an ingestor would."""

    def answer(message: Message) -> None:
        symbol = wire.decode(message.value())[1]["symbol"]
        if symbol in feed.unknown():
            feed.snapshot(symbol)

    with listening(servers, [CONTROL], feed.partitions, answer):
        yield


def _compare_requests(trial: Trial, servers: str, feed: Feed) -> None:
    """Every gap must have asked for a new book once, in its own transaction."""
    expected: Counter[tuple[str, str]] = Counter()
    for (exchange, symbol), records in feed.expected.items():
        if exchange == BOOKS:
            expected.update((symbol, r.says[0]) for r in records if r.kind == "Gap")
    found: Counter[tuple[str, str]] = Counter()
    for message in kafka.read(servers, [CONTROL]):
        fields = wire.decode(message.value())[1]
        found[fields["symbol"], fields["reason"]] += 1
    trial.figures["gaps"] = expected.total()
    if found != expected:
        less, more = (expected - found).total(), (found - expected).total()
        trial.problem(f"{less} gaps asked for no book, and {more} requests have no gap")
