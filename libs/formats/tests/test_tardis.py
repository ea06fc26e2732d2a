"""Names and headers, as the field's readers look for them."""

import pytest

from jetl2.formats import tardis
from jetl2.formats.errors import UnknownDataType


def test_headers_are_those_that_readers_match_by_name() -> None:
    assert (
        tardis.header("trades") == "exchange,symbol,timestamp,local_timestamp,id,side,price,amount"
    )
    assert tardis.header("incremental_book_L2") == (
        "exchange,symbol,timestamp,local_timestamp,is_snapshot,side,price,amount"
    )
    best = "exchange,symbol,timestamp,local_timestamp,ask_amount,ask_price,bid_price,bid_amount"
    assert tardis.header("quotes") == tardis.header("book_ticker") == best


@pytest.mark.parametrize("data_type, columns", [("book_snapshot_5", 24), ("book_snapshot_25", 104)])
def test_snapshot_headers_interleave_ask_then_bid(data_type: str, columns: int) -> None:
    names = tardis.header(data_type).split(",")

    assert len(names) == columns
    assert names[4:9] == [
        "asks[0].price", "asks[0].amount", "bids[0].price", "bids[0].amount", "asks[1].price"
    ]  # fmt: skip


def test_file_names_are_those_of_the_field() -> None:
    name = tardis.file_name("kraken", "incremental_book_L2", "2026-11-22", "btc/usd")

    assert name == "kraken_incremental_book_L2_2026-11-22_BTC-USD.csv.gz"
    assert tardis.download_path("bitmex", "trades", "2026-11-02", "a:b c") == (
        "bitmex/trades/2026/11/02/A-B%20C.csv.gz"
    )


def test_an_unknown_data_type_is_refused_with_the_known_ones() -> None:
    with pytest.raises(
        UnknownDataType, match="'ohlc', expected one of trades, incremental_book_L2"
    ):
        tardis.header("ohlc")


def test_every_data_type_has_a_source_in_the_lake() -> None:
    assert {tardis.lake_type(t) for t in tardis.DATA_TYPES} == {
        "trade",
        "book_delta",
        "book_ticker",
        "derivative_ticker",
        "liquidation",
    }
