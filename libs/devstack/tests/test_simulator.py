"""Each simulated exchange speaks its protocol so that our own module of it keeps the true book."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from urllib.parse import urlsplit

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from jetl2.devstack import dialects
from jetl2.devstack.faults import Faults
from jetl2.devstack.simulator import Simulator, simulating
from jetl2.exchanges import adapters
from jetl2.schemas.records import BookDelta

NAMES = sorted(dialects.load())
Sides = tuple[dict[Decimal, Decimal], dict[Decimal, Decimal]]


def test_each_dialect_is_of_an_exchange_that_we_read() -> None:
    assert set(NAMES) <= set(adapters.load())


@pytest.mark.parametrize("name", NAMES)
def test_a_plain_client_ends_with_the_true_book(name: str) -> None:
    simulator = Simulator(dialects.load()[name], seed=3, events=200, events_per_second=400)

    deltas = asyncio.run(_collect(simulator))

    for symbol in simulator.symbols:
        bids, asks = _rebuild([d for d in deltas if d.symbol == symbol])
        assert (_texts(bids, reverse=True), _texts(asks)) == _truth(simulator, symbol)


@pytest.mark.parametrize("name", NAMES)
def test_instruments_are_listed_in_the_exchanges_form(name: str) -> None:
    simulator = Simulator(dialects.load()[name], events=1)
    exchange = adapters.get(name)

    async def listed() -> bytes:
        async with simulating(simulator):
            return await _get(simulator, exchange.instruments.url)

    instruments = list(exchange.instruments.parse(exchange.decode(asyncio.run(listed()))))

    assert [i.symbol for i in instruments] == simulator.symbols
    assert all(i.active and i.base and i.quote for i in instruments)


@pytest.mark.parametrize("name", NAMES)
def test_a_broken_connection_gets_no_goodbye(name: str) -> None:
    misbehaviour = Faults(schedule={3: "disconnect"})
    simulator = Simulator(dialects.load()[name], events_per_second=400, misbehaviour=misbehaviour)

    async def listen() -> None:
        async with _client(simulator) as socket, asyncio.timeout(10):
            while True:
                await socket.recv()

    with pytest.raises(ConnectionClosed) as raised:
        asyncio.run(listen())

    assert raised.value.rcvd is None


def test_the_truth_and_misbehaviour_are_reached_over_http() -> None:
    simulator = Simulator(dialects.load()[NAMES[0]], events=1)
    symbol = simulator.symbols[0]

    async def control() -> tuple[bytes, bytes]:
        async with simulating(simulator):
            await _get(simulator, "http://x/_control/fault?kind=drop")
            book = await _get(simulator, f"http://x/_control/book?symbol={symbol}")
            return book, await _get(simulator, "http://x/_control/state")

    book, state = asyncio.run(control())

    assert simulator.book(symbol)[0][0][0].encode() in book
    assert b'"of":1' in state
    assert simulator.faults.next(symbol, matters=True) == "drop"


async def _collect(simulator: Simulator) -> list[BookDelta]:
    """Return the deltas in order; where the snapshot is REST's, those after it come after it."""
    exchange = adapters.get(simulator.exchange)
    deltas: list[BookDelta] = []
    async with _client(simulator) as socket:
        snapshots = []
        if exchange.snapshot:
            await socket.recv()  # the subscription is acknowledged: no delta is missed from here
            for symbol in simulator.symbols:
                body = await _get(simulator, exchange.snapshot.url(symbol))
                snapshots.append(exchange.snapshot.parse(symbol, exchange.decode(body)))
        deadline, deltas_may_come = time.monotonic() + 20, True
        while not simulator.finished() or deltas_may_come:
            assert time.monotonic() < deadline
            try:
                text = await asyncio.wait_for(socket.recv(), 0.3)
            except TimeoutError:
                deltas_may_come = False
                continue
            deltas_may_come = True
            payload = text.encode() if isinstance(text, str) else text
            exchange.classify(payload)
            found = exchange.parse(exchange.decode(payload))
            deltas += [record for record in found if isinstance(record, BookDelta)]
    first = {snapshot.symbol: snapshot.last_seq for snapshot in snapshots}
    return [*snapshots, *(d for d in deltas if d.last_seq > first.get(d.symbol, -1))]


@asynccontextmanager
async def _client(simulator: Simulator) -> AsyncIterator[ClientConnection]:
    exchange = adapters.get(simulator.exchange)
    async with simulating(simulator):
        url = simulator.endpoints["ws"] + urlsplit(exchange.url).path
        async with connect(url, max_size=None) as socket:
            for request in exchange.subscribe(simulator.symbols, ["book_delta"]):
                await socket.send(request)
            yield socket


async def _get(simulator: Simulator, url: str) -> bytes:
    parts = urlsplit(url)
    async with httpx.AsyncClient(base_url=simulator.endpoints["rest"], trust_env=False) as client:
        answer = await client.get(f"{parts.path}?{parts.query}")
        return answer.raise_for_status().content


def _rebuild(deltas: list[BookDelta]) -> Sides:
    bids: dict[Decimal, Decimal] = {}
    asks: dict[Decimal, Decimal] = {}
    for delta in deltas:
        if delta.is_snapshot:
            bids.clear()
            asks.clear()
        changes = (
            (delta.bid_prices, delta.bid_sizes, bids),
            (delta.ask_prices, delta.ask_sizes, asks),
        )
        for prices, sizes, side in changes:
            for price, size in zip(prices, sizes, strict=True):
                side[Decimal(price).scaleb(delta.price_exponent)] = Decimal(size).scaleb(
                    delta.size_exponent
                )
                if not size:
                    del side[Decimal(price).scaleb(delta.price_exponent)]
    return bids, asks


def _texts(side: dict[Decimal, Decimal], *, reverse: bool = False) -> list[tuple[Decimal, Decimal]]:
    return sorted(side.items(), reverse=reverse)


def _truth(simulator: Simulator, symbol: str) -> tuple[list[tuple[Decimal, Decimal]], ...]:
    bids, asks = simulator.book(symbol)
    return tuple([(Decimal(p), Decimal(s)) for p, s in side] for side in (bids, asks))
