"""What every exchange must hold, on our own frames and on whatever was recorded of it."""

import dataclasses
import importlib
import pkgutil
import random
from collections.abc import Iterator
from decimal import Decimal

import pytest

from jetl2.exchanges import adapters, recording, replay
from jetl2.exchanges.errors import UnexpectedFrame
from jetl2.exchanges.exchange import BookRows, Classify, Exchange, read
from jetl2.exchanges.recording import Entry, Recording
from jetl2.exchanges.session import SYNCED, Session
from jetl2.orderbook.book import Book
from jetl2.schemas import records
from jetl2.schemas.records import BookDelta, BookTicker, DeadLetter, Gap, RawEvent, Trade
from jetl2.testkit import reference
from tests import sessions

DAY_NS = 24 * 3600 * 10**9

# Changed sessions tried for each file: each is a replay, of so many lines at most
TRIED = 6
SHORT = 2500

every_exchange = pytest.mark.parametrize("exchange", sessions.exchanges())
every_session = pytest.mark.parametrize("found", sessions.parameters())
every_recording = pytest.mark.parametrize("found", sessions.parameters(frames=False))


@every_exchange
def test_an_exchange_has_frames_of_our_own(exchange: Exchange) -> None:
    assert any(found.exchange is exchange for found in sessions.own())


def test_a_module_is_called_as_its_exchange() -> None:
    for module in pkgutil.iter_modules(adapters.__path__):
        exchange = importlib.import_module(f"{adapters.__name__}.{module.name}").EXCHANGE
        assert exchange.name.replace("-", "_") == module.name


@every_session
def test_a_session_replays_without_a_fault(found: Recording) -> None:
    played = replay.Replay(found)
    list(played.records())
    summary = played.summary()

    assert [dead.error for dead in played.dead] == []
    assert (summary["unparsed"], summary["gaps"], summary["resyncs"]) == (0, 0, 0)
    assert summary["checksums"]["failed"] == 0
    assert summary["crossed"] == 0
    assert summary["records"]
    assert summary["books"] or not sessions.has_books(found)
    for name, expected in found.header.get("expect", {}).items():
        assert summary[name] == expected, name


@every_recording
def test_every_checksum_that_was_sent_was_compared(found: Recording) -> None:
    played = replay.Replay(found)
    list(played.records())
    session = sessions.lines(found)
    sent = sum(
        isinstance(record, BookDelta) and record.checksum is not None
        for records_ in sessions.parsed(found.exchange, session)
        for record in records_
    )

    assert played.summary()["checksums"] == {"passed": sent, "failed": 0}


@every_session
def test_the_book_equals_a_slow_rebuild_from_the_raw_frames(found: Recording) -> None:
    """At the end, and at instants between, each level of each symbol."""
    session = sessions.lines(found)
    count = sum(entry["dir"] in sessions.RECEIVED for entry in session)
    chosen = {count - 1, *random.Random(5).sample(range(count), min(25, count))}
    expected = {
        message: {s: (*b.everything(), b.sequence) for s, b in books.items() if b.ready}
        for message, _, _, books in reference.messages(
            found.path, found.exchange.name, found.connections
        )
        if message in chosen
    }
    engine = Session(found.exchange)
    compared = 0

    def watched() -> Iterator[Entry]:
        # an event is fed before the next line is asked for
        nonlocal compared
        message = -1
        for entry in session:
            if entry["dir"] in sessions.RECEIVED:
                if message in chosen:
                    assert _values(engine) == expected[message]
                    compared += 1
                message += 1
            yield entry

    for raw in recording.events(found.exchange, watched()):
        engine.feed(raw)

    assert _values(engine) == expected[count - 1]
    assert compared >= min(10, count) - 1


@every_session
def test_records_alone_rebuild_the_book(found: Recording) -> None:
    """Who reads them knows nothing of depths, checksums or numbers."""
    played = replay.Replay(found)
    rebuilt: dict[str, Book] = {}
    for record in played.records():
        if isinstance(record, BookDelta):
            book = rebuilt.setdefault(record.symbol, Book())
            (book.replace if record.is_snapshot else book.apply)(record)

    for symbol, book in rebuilt.items():
        engines = played.session.book(symbol)
        book.refine(engines.price_exponent, engines.size_exponent)
        assert book.top(10**9) == engines.top(10**9)


@every_session
def test_every_symbol_begins_with_a_snapshot_and_records_are_numbered_through(
    found: Recording,
) -> None:
    first: dict[str, BookDelta] = {}
    last_seq: dict[str, int] = {}
    for record in replay.Replay(found).records():
        assert record.seq == last_seq.get(record.symbol, 0) + 1
        last_seq[record.symbol] = record.seq
        if isinstance(record, BookDelta):
            first.setdefault(record.symbol, record)

    assert first or not sessions.has_books(found)
    for record in first.values():
        assert record.is_snapshot
        assert record.reason == records.INITIAL


@every_session
def test_records_are_exact_and_plausible(found: Recording) -> None:
    for record in replay.Replay(found).records():
        assert not isinstance(record, Gap)
        numbers: list[int | None] = []
        if isinstance(record, BookDelta):
            assert len(record.bid_prices) == len(record.bid_sizes)
            assert len(record.ask_prices) == len(record.ask_sizes)
            assert not record.crossed
            numbers = [*record.bid_sizes, *record.ask_sizes]
            if record.is_snapshot:
                assert record.bid_prices == sorted(record.bid_prices, reverse=True)
                assert record.ask_prices == sorted(record.ask_prices)
                assert 0 not in numbers
        elif isinstance(record, Trade):
            assert record.aggressor in (records.BUY, records.SELL)
            assert record.trade_id
            numbers = [record.price, record.size]
        elif isinstance(record, BookTicker):
            numbers = [record.bid_price, record.bid_size, record.ask_price, record.ask_size]
            if record.bid_price and record.ask_price:
                assert record.bid_price < record.ask_price
        assert all(type(n) is int and n >= 0 for n in numbers if n is not None)
        # the oldest trade that a subscription sends may be of a quiet market
        if record.exchange_ts and not isinstance(record, Trade | BookTicker):
            assert abs(record.exchange_ts - record.local_ts) < DAY_NS


@every_session
@pytest.mark.parametrize("change", ["dropped", "repeated", "repeated later", "swapped"])
def test_a_changed_order_of_deltas_is_noticed_or_harmless(found: Recording, change: str) -> None:
    """Harmless: the book at the end is the same, as deep as its rule or its checksum proves it."""
    session = sessions.lines(found)
    session = session[:SHORT]
    deltas = _delta_lines(found.exchange, session)
    whole = sessions.run(found.exchange, session)
    written = [o for o in whole.outputs if isinstance(o, BookDelta)]
    promised = not {record.verified for record in written} <= {records.UNPROVEN}
    depth = 10**9
    if found.exchange.checksum and not _numbered(found.exchange, written):
        depth = found.exchange.checksum_depth
    expected = sessions.books(whole.session, depth)
    # the loss of a symbol's last delta cannot show
    last = {symbol: number for number, symbol in deltas.items()}.values()
    others = [n for n in deltas if n not in last]
    later = [n for n in others if n < max(deltas) - 40] or others[1:] or others
    noticed = 0
    for number in random.Random(7).sample(later, min(TRIED, len(later))):
        changed = _changed(session, number, change)
        run = sessions.run(found.exchange, changed)
        noticed += run.noticed
        found_books = sessions.books(run.session, depth)

        assert run.noticed or found_books == expected or not promised, (number, change)
        assert not any(isinstance(o, DeadLetter) for o in run.outputs)
    if change == "dropped" and depth == 10**9 and promised:
        assert noticed or found.exchange.rule.snapshot == "every"


@every_session
def test_replaying_the_file_again_changes_no_book(found: Recording) -> None:
    session = sessions.lines(found)
    once = sessions.books(sessions.run(found.exchange, session).session)

    again = [{**entry, "conn": f"again {entry.get('conn')}"} for entry in session]

    assert sessions.books(sessions.run(found.exchange, [*session, *again]).session) == once


@every_session
def test_cutting_the_file_anywhere_and_starting_anew_gives_the_same_book(found: Recording) -> None:
    session = sessions.lines(found)
    session = session[:SHORT]
    whole = list(recording.events(found.exchange, session))
    expected = sessions.books(sessions.feed(found.exchange, whole).session)
    for cut in random.Random(11).sample(range(1, len(whole)), min(4, len(whole) - 1)):
        begun = whole[:cut]
        ended = _disconnected(begun)
        anew = list(recording.events(found.exchange, _renamed(session)))
        run = sessions.feed(found.exchange, [*begun, *ended, *anew])

        assert sessions.books(run.session) == expected
        assert not any(isinstance(o, DeadLetter) for o in run.outputs)


@every_session
def test_a_session_dumped_and_loaded_anywhere_goes_on_the_same(found: Recording) -> None:
    session = sessions.lines(found)
    whole = list(recording.events(found.exchange, session))
    chosen = set(random.Random(13).sample(range(len(whole)), min(8, len(whole))))
    straight, restored = Session(found.exchange), Session(found.exchange)
    for number, raw in enumerate(whole):
        if number in chosen:
            fresh = Session(found.exchange)
            for symbol in restored.symbols():
                fresh.load(symbol, restored.dump(symbol))
                assert fresh.dump(symbol) == restored.dump(symbol)
            restored = fresh
        assert straight.feed(raw) == restored.feed(raw)

    for symbol in straight.symbols():
        assert straight.dump(symbol) == restored.dump(symbol)
        assert straight.counters(symbol) == restored.counters(symbol)


@every_session
def test_symbols_apart_give_what_they_give_together(found: Recording) -> None:
    """So that any number of partitions gives the same records."""
    session = sessions.lines(found)
    whole = list(recording.events(found.exchange, session))
    together = sessions.feed(found.exchange, whole)
    for symbol in together.session.symbols()[:4]:
        alone = sessions.feed(found.exchange, [raw for raw in whole if raw.symbol == symbol])

        assert alone.outputs == [o for o in together.outputs if o.symbol == symbol]


@every_exchange
@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"{",
        b"[]",
        b"7",
        b'"text"',
        b"\xff\xfe",
        b'{"something": "else"}',
        b'{"channel": "no such channel", "data": []}',
        b'{"stream": "abc@nothing", "data": {"e": "nothing"}}',
        b'{"arg": {"channel": "nothing"}, "data": []}',
        b"[" * 5000,
    ],
)
def test_unknown_frames_are_reported(exchange: Exchange, payload: bytes) -> None:
    with pytest.raises(UnexpectedFrame, match=exchange.name):
        read(exchange, payload)


@every_session
def test_addresses_name_every_symbol_that_a_frame_has_records_of(found: Recording) -> None:
    classifiers: dict[str, Classify] = {}
    for entry in sessions.lines(found):
        if entry["dir"] == "recv":
            payload, connection = sessions.payload(entry), recording.connection_of(entry)
            classify = classifiers.setdefault(connection, found.exchange.new_classifier())
            addresses = classify(payload)
            named = {address.symbol for address in addresses}
            for address in addresses:
                _, parsed = read(found.exchange, payload, address)
                assert {record.symbol for record in parsed} <= named


@every_session
def test_a_cut_or_garbled_frame_never_stops_the_feed(found: Recording) -> None:
    session = sessions.lines(found)
    random_ = random.Random(17)
    garbled = []
    short = session[:400]
    for entry in short:
        garbled.append(entry)
        if entry["dir"] == "recv" and (random_.random() < 0.2 or entry is short[-1]):
            raw = sessions.payload(entry)
            cut = random_.randrange(len(raw))
            garbled.append(sessions.with_payload(entry, raw[:cut]))
            garbled.append(sessions.with_payload(entry, raw[:cut] + b"~" + raw[cut + 1 :]))
    run = sessions.run(found.exchange, garbled)

    assert any(isinstance(o, DeadLetter) for o in run.outputs)
    trades = sum(isinstance(o, Trade) for o in run.outputs)
    clean = sessions.run(found.exchange, session[:400])
    assert trades >= sum(isinstance(o, Trade) for o in clean.outputs) * 0.9


def _delta_lines(exchange: Exchange, session: list[Entry]) -> dict[int, str]:
    """Return the lines that hold a delta with levels, or a whole book where all are, and its symbol."""
    return {
        number: found[0].symbol
        for number, found in enumerate(sessions.parsed(exchange, session))
        if found and _is_delta(exchange, found[0])
    }


def _is_delta(exchange: Exchange, record: object) -> bool:
    if isinstance(record, BookRows):
        return not record.book.is_snapshot and bool(record.rows)
    if not isinstance(record, BookDelta):
        return False
    whole = exchange.rule.snapshot == "every"
    return (whole or not record.is_snapshot) and bool(record.bid_prices or record.ask_prices)


def _numbered(exchange: Exchange, written: list[BookDelta]) -> bool:
    """Whether numbers prove the books, not only a sum."""
    return exchange.rule.connection_counter or any(record.last_seq for record in written)


def _changed(session: list[Entry], number: int, change: str) -> list[Entry]:
    before, entry, after = session[:number], session[number], session[number + 1 :]
    if change == "dropped":
        return [*before, *after]
    if change == "repeated":
        return [*before, entry, entry, *after]
    if change == "repeated later":
        return [*before, entry, *after[:3], entry, *after[3:]]
    return [*before, *after[:1], entry, *after[1:]]


def _disconnected(begun: list[RawEvent]) -> list[RawEvent]:
    ends = {(raw.connection_id, raw.symbol): raw for raw in begun if raw.symbol}
    return [
        dataclasses.replace(raw, kind=records.DISCONNECTED, payload=b"cut", channel="")
        for raw in ends.values()
    ]


def _renamed(session: list[Entry]) -> list[Entry]:
    return [{**entry, "conn": f"again {entry.get('conn')}"} for entry in session]


def _values(engine: Session) -> dict[str, tuple[reference.Levels, reference.Levels, int]]:
    found = {}
    for symbol in engine.symbols():
        if engine.state(symbol) != SYNCED:
            continue
        book = engine.book(symbol)
        bids, asks = (
            [
                (Decimal(p).scaleb(book.price_exponent), Decimal(s).scaleb(book.size_exponent))
                for p, s in side
            ]
            for side in book.top(book.depth)
        )
        found[symbol] = (bids, asks, engine.sequence(symbol))
    return found
