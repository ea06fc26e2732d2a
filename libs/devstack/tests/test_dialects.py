"""Each simulated exchange, read by our own module of it: the session's books are the true ones.

A new dialect is judged by its presence; nothing here names one.
"""

import asyncio
import time
from decimal import Decimal
from pathlib import Path

import httpx
import pytest

from jetl2.devstack import dialects, faults, verify
from jetl2.devstack.faults import Faults
from jetl2.devstack.market import Levels
from jetl2.devstack.simulator import Simulator, simulating
from jetl2.exchanges import adapters
from jetl2.exchanges.exchange import decode_json
from jetl2.formats.files import write_files
from jetl2.orderbook.book import Book
from jetl2.schemas.records import BookTicker, DeadLetter, Gap, Resync, Trade
from tests.plain_ingestor import PlainIngestor, tail

NAMES = sorted(dialects.load())
DATA_TYPES = ("book_delta", "trade", "book_ticker")
EVENTS, RATE = 400, 400
# What each dialect's deltas suffer in turn
MISBEHAVIOUR = (
    faults.DROP,
    faults.DUPLICATE,
    faults.CORRUPT,
    faults.REORDER,
    faults.TAMPER,
    faults.DISCONNECT,
    # Again: the first one may have hit a connection that the client had given up
    faults.CORRUPT,
    faults.SILENT,
)
PATIENCE_S = 30
Side = list[tuple[Decimal, Decimal]]


@pytest.mark.parametrize("name", NAMES)
def test_a_well_behaved_exchange_gives_the_true_books_without_a_gap(
    name: str, tmp_path: Path
) -> None:
    simulator = Simulator(dialects.load()[name], seed=3, events=EVENTS, events_per_second=RATE)

    client = asyncio.run(_follow(simulator))

    assert _books(client) == _truth(simulator)
    assert not client.of(DeadLetter)
    assert not client.of(Gap)
    assert not client.ends
    assert not client.channels["error"]
    for symbol, market in simulator.markets.items():
        trades = [t for t in client.of(Trade) if t.symbol == symbol]
        assert len(trades) == len({t.trade_id for t in trades}) == market.trade_id
    if "book_ticker" in client.exchange.channels:
        assert {t.symbol for t in client.of(BookTicker)} == set(simulator.symbols)
    for symbol in simulator.symbols:
        verdict = _exported(client, simulator, symbol, tmp_path)
        assert (verdict.instants > 0, verdict.missed) == (True, 0)


@pytest.mark.parametrize("name", NAMES)
def test_misbehaviour_is_noticed_and_the_books_end_true(name: str, tmp_path: Path) -> None:
    misbehaviour = Faults(7, schedule={20 + 35 * n: kind for n, kind in enumerate(MISBEHAVIOUR)})
    simulator = Simulator(
        dialects.load()[name],
        seed=4,
        events=EVENTS * 2,
        events_per_second=RATE,
        misbehaviour=misbehaviour,
    )

    client = asyncio.run(_follow(simulator))

    assert _books(client) == _truth(simulator)
    done = {kind for _, _, kind in simulator.faults.done}
    # Where nothing proves that a delta is missing, none is dropped
    assert done >= {faults.DUPLICATE, faults.CORRUPT, faults.DISCONNECT, faults.SILENT}
    assert client.of(DeadLetter)
    assert {gap.reason for gap in client.of(Gap)} & {"disconnected", "unreadable"}
    for symbol in simulator.symbols:
        assert _exported(client, simulator, symbol, tmp_path).instants


@pytest.mark.parametrize("name", NAMES)
def test_instruments_are_listed_in_the_exchange_s_form(name: str) -> None:
    simulator = Simulator(dialects.load()[name], events=1)
    instruments = adapters.get(name).instruments
    urls = [instruments.url] if isinstance(instruments.url, str) else instruments.url

    method, content = ("POST", instruments.body) if instruments.body else ("GET", None)

    async def listed() -> list[bytes]:
        async with simulating(simulator), httpx.AsyncClient(trust_env=False) as client:
            urls_here = [simulator.endpoints["rest"] + tail(url) for url in urls]
            answers = [await client.request(method, url, content=content) for url in urls_here]
        return [answer.raise_for_status().content for answer in answers]

    found = [i for body in asyncio.run(listed()) for i in instruments.parse(decode_json(body))]

    assert {i.symbol for i in found} >= set(simulator.symbols)
    assert all(i.active and i.base and i.quote for i in found if i.symbol in simulator.symbols)


async def _follow(simulator: Simulator) -> PlainIngestor:
    """Follow a simulated exchange until its end is known, or patience is over."""
    async with simulating(simulator):
        client = PlainIngestor(adapters.get(simulator.exchange), simulator, DATA_TYPES)
        deadline = time.monotonic() + PATIENCE_S
        async with client.running():
            while time.monotonic() < deadline and not client.failed:
                await asyncio.sleep(0.05)
                if simulator.finished() and _books(client) == _truth(simulator):
                    break
    return client


def _exported(
    client: PlainIngestor, simulator: Simulator, symbol: str, folder: Path
) -> verify.Verdict:
    """Compare the book in the files that a downloader would get, and the book at some instants."""
    found = [r for r in client.found if not isinstance(r, Resync | DeadLetter)]
    records = [record for record in found if record.symbol == symbol]
    infos = write_files(records, folder / symbol.replace("/", "-"), ["incremental_book_L2"])
    market = simulator.markets[symbol]
    expected = verify.simulated(market.book(), market.samples.values(), simulator.depth)
    return verify.check(symbol, [info.path for info in infos], expected)


def _books(client: PlainIngestor) -> dict[str, tuple[Side, Side]]:
    known = set(client.session.symbols())
    return {s: _sides(client.session.book(s)) for s in sorted(known)}


def _sides(book: Book) -> tuple[Side, Side]:
    price, size = Decimal(10) ** book.price_exponent, Decimal(10) ** book.size_exponent
    bids, asks = book.top(book.depth)
    return [(p * price, s * size) for p, s in bids], [(p * price, s * size) for p, s in asks]


def _truth(simulator: Simulator) -> dict[str, tuple[Side, Side]]:
    truth, depth = {}, simulator.depth
    for symbol in sorted(simulator.symbols):
        bids, asks = simulator.book(symbol)
        truth[symbol] = (_exact(bids[:depth]), _exact(asks[:depth]))
    return truth


def _exact(levels: Levels) -> Side:
    return [(Decimal(price), Decimal(size)) for price, size in levels]
