"""The feed of every exchange that can be simulated: what it writes gives the true books."""

import pytest

from jetl2.schemas.records import BookTicker, DeadLetter, Trade
from jetl2.testkit.simulated import Faults, dialects, families, faults
from tests.merging import following

NAMES = sorted(dialects.load())
FAMILIES = [dialect.exchange for dialect in families()]
MISBEHAVIOUR = (faults.DROP, faults.CORRUPT, faults.REORDER, faults.DISCONNECT, faults.CORRUPT)


@pytest.mark.parametrize("name", FAMILIES)
async def test_what_a_feed_writes_gives_the_true_books(name: str) -> None:
    async with following(dialects.load()[name], seed=11) as run:
        await run.until_true()

    sink = run.sink
    assert set(sink.ends()) == {"stopped"}
    assert not sink.records(DeadLetter)
    assert set(sink.gaps()) <= {"disconnected"}  # we leave at the end
    for symbol, market in run.simulator.markets.items():
        trades = [t for t in sink.records(Trade) if t.symbol == symbol]
        assert len(trades) == market.trade_id
    if "book_ticker" in run.feed.exchange.channels:
        assert {t.symbol for t in sink.records(BookTicker)} == set(run.simulator.symbols)


@pytest.mark.parametrize("name", NAMES)
async def test_the_books_end_true_whatever_happens_to_the_connections(name: str) -> None:
    schedule = {20 + 35 * n: kind for n, kind in enumerate(MISBEHAVIOUR)}
    misbehaviour = Faults(5, schedule=schedule)
    async with following(
        dialects.load()[name], seed=12, events=600, misbehaviour=misbehaviour
    ) as run:
        await run.until_true()

    assert {kind for _, _, kind in misbehaviour.done} >= {faults.CORRUPT, faults.DISCONNECT}
    assert "connection cut without a goodbye" in run.sink.ends()
    assert run.sink.gaps()
