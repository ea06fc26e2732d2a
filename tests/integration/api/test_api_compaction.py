"""The API over a lake whose closed days are compacted: the same answers before, amid and after."""

import io
from collections.abc import Callable, Sequence
from typing import Any

import pyarrow.parquet as pq
import pytest

from jetl2.api_grpc import book, objects, store
from jetl2.api_grpc.catalog import Catalog
from jetl2.api_grpc.coverage import Coverage
from jetl2.client.client import Client
from jetl2.landing import coverage, layout
from jetl2.landing.compaction import plan, task
from jetl2.landing.compaction.shelf import Shelf
from jetl2.schemas import lake
from jetl2.schemas.records import BookDelta, MarketRecord, Trade

pytestmark = [pytest.mark.integration, pytest.mark.timeout(60)]

DAY = 1_795_305_600 * 1_000_000_000  # 2026-11-22
SECOND = 1_000_000_000
END = DAY + 24 * 3600 * SECOND
EXCHANGE, SYMBOL = "example", "BTC/USD"
TOPIC = "market.example"
COUNT = 60


class Keeps(Shelf):
    """A lake in which nothing is taken away: as after a death before that."""

    def remove(self, keys: Sequence[str]) -> None:
        """Do nothing."""


class Half(Shelf):
    """A lake in which every second object is taken away."""

    def remove(self, keys: Sequence[str]) -> None:
        """Take every second one away."""
        super().remove(keys[::2])


def _records() -> list[MarketRecord]:
    """Return books whose snapshots are wide, and trades, a second apart."""
    found: list[MarketRecord] = []
    for n in range(COUNT):
        common: dict[str, Any] = {
            "exchange": EXCHANGE,
            "symbol": SYMBOL,
            "seq": n + 1,
            "local_ts": DAY + n * SECOND,
        }
        if n % 3 == 2:
            one: dict[str, Any] = {"price": n, "price_exponent": 0, "size": 1, "size_exponent": 0}
            found.append(Trade(**common, **one))
            continue
        wide = n % 20 == 0
        prices = [1000 - n - m for m in range(40 if wide else 2)]
        found.append(
            BookDelta(
                **common,
                is_snapshot=wide,
                reason="initial" if wide else "",
                price_exponent=-1,
                size_exponent=-2,
                bid_prices=prices,
                bid_sizes=[n + 1] * len(prices),
                ask_prices=[2000 + n],
                ask_sizes=[7],
                verified="passed",
            )
        )
    return found


@pytest.fixture
def landed(stage: Any) -> Any:
    """Give the stage with a day that landed in ten parts."""
    records = _records()
    for start in range(0, COUNT, 6):
        of = records[start : start + 6]
        counts = coverage.Coverage(EXCHANGE)
        name = lake.object_name(TOPIC, 0, start, start + 6)
        for record in of:
            counts.add(record, layout.rows(record))
        for data_type in {layout.data_type(record) for record in of}:
            entries = [(r.local_ts, r.seq, r) for r in of if layout.data_type(r) == data_type]
            place = lake.folder(data_type, EXCHANGE, lake.date(DAY), SYMBOL)
            stage.lake.put(place + name, layout.parquet(layout.table(data_type, entries, 0)))
        for day, table in counts.tables():
            stage.lake.put(coverage.folder(EXCHANGE, day) + name, layout.parquet(table))
    return stage


def _compact(stage: Any, kind: type[Shelf] = Shelf) -> None:
    shelf = kind(stage.lake.url())
    sizes = {
        key: size
        for data_type in ("book_delta", "trade", "coverage")
        for key, size in shelf.sizes(f"data_type={data_type}/exchange={EXCHANGE}/").items()
    }
    works = plan.works(sizes, {(TOPIC, 0): COUNT})
    assert works
    for work in works:
        assert task.compact(work, shelf).skipped == ""


def _answers(client: Client) -> list[Any]:
    """Return what the API says of the day, but for what objects are called."""
    query = ([(EXCHANGE, SYMBOL)], ["trades", "incremental_book_L2"], DAY, END)
    estimate = client.estimate_export(*query)
    assert estimate.source_bytes > 0
    return [
        list(client.coverage(EXCHANGE, [], DAY, END)),
        list(client.dates(EXCHANGE, SYMBOL, "trades")),
        [client.book(EXCHANGE, SYMBOL, DAY + n * SECOND) for n in (0, 19, 21, 45, 59, 3600)],
        estimate.files,
    ]


def test_all_is_said_as_before_at_each_state(landed: Any, client: Client) -> None:
    before = _answers(client)

    for kind in (Keeps, Half, Shelf):
        _compact(landed, kind)
        assert _answers(client) == before, kind.__name__
        query = ([(EXCHANGE, SYMBOL)], ["trades", "incremental_book_L2"], DAY, END)
        assert client.estimate_export(*query).source_objects == 2

    left = [e.key for e in landed.lake.entries(f"data_type=trade/exchange={EXCHANGE}/")]
    assert len(left) == 1


def test_a_book_is_read_from_the_row_groups_that_it_needs(
    landed: Any, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = _answers(client)
    # A snapshot lies in several of them
    monkeypatch.setattr(layout, "ROW_GROUP_ROWS", 16)
    _compact(landed)
    [key] = [e.key for e in landed.lake.entries(f"data_type=book_delta/exchange={EXCHANGE}/")]
    groups = pq.read_metadata(io.BytesIO(landed.lake.get(key).body)).num_row_groups
    asked: list[int] = []
    group = pq.ParquetFile.read_row_group

    def noted(file: pq.ParquetFile, n: int, **other: Any) -> Any:
        asked.append(n)
        return group(file, n, **other)

    monkeypatch.setattr(pq.ParquetFile, "read_row_group", noted)
    assert _answers(client) == before
    asked.clear()
    client.book(EXCHANGE, SYMBOL, DAY + 59 * SECOND)

    assert groups > 9
    assert asked == list(range(groups - 1, groups - 1 - len(asked), -1))
    assert 1 < len(asked) < groups - 3


def test_an_object_of_any_size_is_read_in_parts(
    landed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog = Catalog(landed.lake, 0)
    try:
        whole = book.Books(landed.lake, catalog).at(EXCHANGE, SYMBOL, DAY + 50 * SECOND)
        monkeypatch.setattr(objects, "_WHOLE", 0)
        _compact(landed)
        assert book.Books(landed.lake, catalog).at(EXCHANGE, SYMBOL, DAY + 50 * SECOND) == whole
    finally:
        catalog.close()


@pytest.mark.parametrize("gets", [1, 2, 5])
def test_what_is_compacted_while_it_is_read_is_listed_anew(
    landed: Any, gets: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog = Catalog(landed.lake, 0)
    reads: list[Callable[[], Any]] = [
        lambda: book.Books(landed.lake, catalog).at(EXCHANGE, SYMBOL, DAY + 59 * SECOND),
        lambda: Coverage(landed.lake).hours(EXCHANGE, [], DAY, END),
    ]
    try:
        before = [read() for read in reads]
        left = [gets]
        get = store.Store.get

        def once(at: store.Store, key: str, part: Any = None) -> Any:
            left[0] -= 1
            if not left[0]:
                _compact(landed)
            return get(at, key, part)

        monkeypatch.setattr(store.Store, "get", once)
        assert [read() for read in reads] == before
        assert left[0] < 0
    finally:
        catalog.close()
