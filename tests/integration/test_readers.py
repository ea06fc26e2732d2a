"""nautilus_trader and hftbacktest read our CSV files unchanged, and see the books that we mean.

JETL2_EXPORTED names a folder of exported files (such as the demo's) to be read as well.
"""

import gzip
import json
import os
import random
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from jetl2.devstack import folders
from jetl2.exchanges.errors import UnsupportedRecording
from jetl2.exchanges.replay import replay
from jetl2.formats.files import FileInfo, write_files
from jetl2.schemas.records import MarketRecord
from jetl2.testkit.making import Levels, book, gap, numbered, ticker, trade

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

Side = dict[str, str]
Book = tuple[Side, Side]

# One session of each family of merge rule
SESSIONS = (
    "binance/session-spot-btcusdt-20240808.jsonl.gz",
    "kraken/session-v2-btcusd-20230730.jsonl",
    "okx/session-v5-books-20220513.jsonl.gz",
    "coinbase/session-advanced-20260809.jsonl.gz",
)


@pytest.fixture(scope="module")
def python() -> Path:
    """Return the Python of the readers' environment, made when it is missing."""
    root = folders.root()
    subprocess.run([root / "build-support" / "env.sh", "readers"], check=True)
    return folders.cache() / "env" / "readers" / "bin" / "python"


def _read(python: Path, folder: Path) -> dict[str, dict[str, Any]]:
    script = Path(__file__).with_name("field_readers.py")
    done = subprocess.run([python, script, folder], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()[-4000:]
    answer: dict[str, dict[str, Any]] = json.loads(done.stdout)
    return answer


def _lines(path: Path) -> list[str]:
    return gzip.decompress(path.read_bytes()).decode().splitlines()[1:]


def _book(path: Path) -> Book:
    """Return the book at the end of a file, read as Tardis documents it."""
    bids: Side = {}
    asks: Side = {}
    before = "false"
    for line in _lines(path):
        *_, is_snapshot, name, price, size = line.split(",")
        if is_snapshot == "true" and before == "false":
            bids, asks = {}, {}
        before = is_snapshot
        side = bids if name == "bid" else asks
        side[price] = size
        if size == "0":
            del side[price]
    return bids, asks


def _blocks(path: Path) -> list[int]:
    """Return the number of rows of each snapshot block of a file."""
    blocks = [0]
    for line in _lines(path):
        if line.split(",")[4] == "true":
            blocks[-1] += 1
        elif blocks[-1]:
            blocks.append(0)
    return [count for count in blocks if count]


def _check(answer: dict[str, dict[str, Any]], paths: Iterable[Path]) -> int:
    """Compare what the readers saw with the files themselves; return the number of books."""
    books = 0
    for path in paths:
        found = answer[path.name]
        assert found["count"] == len(_lines(path)), path.name
        if found["data_type"] != "incremental_book_L2":
            continue
        bids, asks = _book(path)
        blocks = _blocks(path)
        # 1.221 forgets to clear before a second snapshot (mended in 1.231)
        if len(blocks) == 1:
            assert found["nautilus"]["differing"] == 0, path.name
            assert dict(found["nautilus"]["bids"]) == bids, path.name
            assert dict(found["nautilus"]["asks"]) == asks, path.name
        # 2.4.4 cuts a snapshot that is larger than the first, and keeps levels beyond a later one
        if len(blocks) == 1:
            seen = found["hftbacktest"]
            assert dict(map(tuple, seen["bids"])) == _floats(bids), path.name
            assert dict(map(tuple, seen["asks"])) == _floats(asks), path.name
        if len(blocks) == 1 and bids and asks:
            best = [max(map(float, bids)), min(map(float, asks))]
            assert found["hftbacktest"]["backtest"] == pytest.approx(best, abs=1e-8), path.name
        books += 1
    return books


def _floats(side: Side) -> dict[float, float]:
    return {float(price): float(size) for price, size in side.items()}


def _paths(infos: Iterable[FileInfo]) -> Iterator[Path]:
    return (info.path for info in infos)


def _history(seed: int) -> list[MarketRecord]:
    """Return some seconds of a market that walks, with trades and best bids and asks."""
    random_ = random.Random(seed)
    bids, asks = {900 - i: i + 1 for i in range(30)}, {910 + i: i + 1 for i in range(30)}
    records: list[MarketRecord] = [book(1, [*bids.items()], [*asks.items()], "initial")]
    for us in range(10, 20_000, 10):
        changed: tuple[Levels, Levels] = ([], [])
        for side, levels, low in zip((bids, asks), changed, (870, 906), strict=True):
            for _ in range(random_.randrange(3)):
                price, size = low + random_.randrange(34), random_.choice([0, 0, 3, 250])
                levels.append((price, size))
                side[price] = size
        records.append(book(us, *changed, exchange_us=us - 7))
        if us % 50 == 0:
            records.append(trade(us + 1, str(us), exchange_us=us - 6))
        if us % 70 == 0:
            records.append(ticker(us + 2, asks=us % 140 == 0))
    return list(numbered(_named(records)))


def _named(records: list[MarketRecord]) -> list[MarketRecord]:
    for record in records:
        # The readers know the field's exchanges only
        record.exchange = "kraken"
    return records


def test_both_readers_see_the_book_of_made_up_records(python: Path, tmp_path: Path) -> None:
    infos = write_files(_history(1), tmp_path)

    answer = _read(python, tmp_path)

    assert len(infos) == 6
    assert _check(answer, _paths(infos)) == 1
    (levels,) = (a for a in answer.values() if a["data_type"] == "incremental_book_L2")
    assert levels["nautilus"]["same"] >= 100


def test_hftbacktest_sees_a_snapshot_at_the_end_of_the_file(python: Path, tmp_path: Path) -> None:
    last = book(30_000, [(1, 5), (900, 1)], [(905, 2), (5000, 7)], "resync")
    records = [*_history(2), *_named([gap(29_000), last])]
    infos = write_files(numbered(records), tmp_path, ["incremental_book_L2"])

    answer = _read(python, tmp_path)

    seen = answer[infos[0].path.name]["hftbacktest"]
    assert seen["bids"] == [[90.0, 0.01], [0.1, 0.05]]
    assert seen["asks"] == [[90.5, 0.02], [500.0, 0.07]]


@pytest.mark.parametrize("name", SESSIONS)
def test_both_readers_see_the_books_of_a_recorded_session(
    name: str, python: Path, tmp_path: Path
) -> None:
    recordings = folders.recordings()
    if recordings is None:
        pytest.skip("recordings are absent: set JETL2_RECORDINGS")
    try:
        (replayed,) = replay(recordings / name)
    except UnsupportedRecording as error:
        pytest.skip(str(error))
    infos = write_files(replayed.records(), tmp_path)
    books = replayed.summary()["books"]

    answer = _read(python, tmp_path)

    assert _check(answer, _paths(infos)) == len(books)
    for info in infos:
        if info.data_type == "incremental_book_L2":
            # The books of the merge engine itself
            bids = dict(answer[info.path.name]["nautilus"]["bids"])
            asks = dict(answer[info.path.name]["nautilus"]["asks"])
            assert len(bids) + len(asks) == books[info.symbol]["levels"]
            assert list(bids.items())[:10] == [tuple(p) for p in books[info.symbol]["bids"]]
            assert list(asks.items())[:10] == [tuple(p) for p in books[info.symbol]["asks"]]


def test_both_readers_see_the_books_of_an_export(python: Path) -> None:
    named = os.environ.get("JETL2_EXPORTED")
    if not named:
        pytest.skip("no export to read: set JETL2_EXPORTED to a folder of downloaded files")
    folder = Path(named)

    answer = _read(python, folder)

    assert _check(answer, folder.glob("*.csv.gz")) > 0
