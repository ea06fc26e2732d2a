"""The lake's folders, read unchanged by the tools that people have: exact, and pruned by folder."""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import duckdb
import polars as pl
import pyarrow.dataset as ds
import pytest
from pyspark.sql import SparkSession

from jetl2.landing import task
from jetl2.landing.plan import Range
from jetl2.schemas import avro, records

pytestmark = pytest.mark.integration

DAY = 1_795_219_200_000_000_000  # 2026-11-21, 00:00 UTC
SYMBOLS = ["BTC/USD", "a:b c%", "ETH-USDT"]
# More digits than a double holds
PRICE = Decimal("9.223372036854775807")
SIZE = Decimal("0.000000000000000001")
FOUND = [(symbol, "2026-11-21", PRICE, SIZE) for symbol in sorted(SYMBOLS)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a small lake on disk, written by the job's own code."""
    root = tmp_path_factory.mktemp("lake")

    def put(key: str, body: bytes) -> None:
        path = root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)

    trades = [
        records.Trade(
            exchange="kraken",
            symbol=symbol,
            seq=1,
            local_ts=DAY,
            trade_id="1",
            price=2**63 - 1,
            price_exponent=-18,
            size=1,
            size_exponent=-18,
        )
        for symbol in SYMBOLS
    ]
    events = [
        records.RawEvent(
            exchange="kraken", symbol=symbol, local_ts=DAY, connection_id="c", payload=b"\x00\xff"
        )
        for symbol in ("", "BTC/USD")
    ]
    for topic, of in (("market.kraken", trades), ("raw.kraken", events)):
        rows = [(topic, 0, n, avro.encode(record)) for n, record in enumerate(of)]
        plan = Range(topic=topic, partition=0, start=0, end=9, plan="p", max_rows=100, committed=0)
        task.land(rows, {(topic, 0): plan}, put)
    return root


@pytest.fixture(scope="module")
def session() -> Iterator[SparkSession]:
    session = (
        SparkSession.builder.master("local[1]")
        .config("spark.ui.enabled", "false")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .getOrCreate()
    )
    yield session
    session.stop()


def test_duckdb_reads_the_lake(folder: Path) -> None:
    found = duckdb.execute(
        "select symbol, cast(date as varchar), price, size, typeof(price) from read_parquet("
        f"'{folder}/data_type=trade/**/*.parquet', hive_partitioning = true) order by symbol"
    ).fetchall()
    nobody = duckdb.execute(
        f"select payload from read_parquet('{folder}/data_type=raw/**/*.parquet', "
        "hive_partitioning = true) where symbol is null"
    ).fetchall()

    assert found == [(*row, "DECIMAL(38,18)") for row in FOUND]
    assert nobody == [(b"\x00\xff",)]


def test_polars_reads_the_lake(folder: Path) -> None:
    trades = pl.scan_parquet(f"{folder}/data_type=trade", hive_partitioning=True)
    events = pl.scan_parquet(f"{folder}/data_type=raw", hive_partitioning=True)

    found = trades.select("symbol", pl.col("date").cast(str), "price", "size").sort("symbol")
    nobody = events.filter(pl.col("symbol").is_null()).select("payload")

    assert found.collect().rows() == FOUND
    assert found.collect_schema()["price"] == pl.Decimal(38, 18)
    assert nobody.collect().rows() == [(b"\x00\xff",)]


def test_pyarrow_reads_the_lake(folder: Path) -> None:
    trades = ds.dataset(folder / "data_type=trade", partitioning="hive")

    found = trades.to_table(columns=["symbol", "date", "price", "size"]).sort_by("symbol")

    assert [tuple(row.values()) for row in found.to_pylist()] == FOUND


def test_spark_reads_the_lake(folder: Path, session: SparkSession) -> None:
    trades = session.read.option("basePath", str(folder)).parquet(f"{folder}/data_type=trade")
    events = session.read.option("basePath", str(folder)).parquet(f"{folder}/data_type=raw")

    found = trades.selectExpr("symbol", "string(date)", "price", "size").orderBy("symbol").collect()
    nobody = events.where("symbol is null").select("payload").collect()

    assert [tuple(row) for row in found] == FOUND
    assert [bytes(row.payload) for row in nobody] == [b"\x00\xff"]
