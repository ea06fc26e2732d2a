"""Tardis' downloadable CSV: its data types, headers and names.

Source: https://docs.tardis.dev/downloadable-csv-files (read 2026-11-22), and the readers of
nautilus_trader 1.221 and hftbacktest 2.4.4, which accept exactly these columns.
"""

from urllib.parse import quote

from jetl2.formats.errors import UnknownDataType

# Part of the key of every cached file: raised whenever the same records would give other bytes
VERSION = "1"

TRADES = "trades"
INCREMENTAL_BOOK = "incremental_book_L2"
BOOK_SNAPSHOT_5 = "book_snapshot_5"
BOOK_SNAPSHOT_25 = "book_snapshot_25"
QUOTES = "quotes"
BOOK_TICKER = "book_ticker"
DERIVATIVE_TICKER = "derivative_ticker"
LIQUIDATIONS = "liquidations"

# Type of file -> the lake's data type whose records it is made from
lake_type_by_data_type = {
    TRADES: "trade",
    INCREMENTAL_BOOK: "book_delta",
    BOOK_SNAPSHOT_5: "book_delta",
    BOOK_SNAPSHOT_25: "book_delta",
    QUOTES: "book_delta",
    BOOK_TICKER: "book_ticker",
    DERIVATIVE_TICKER: "derivative_ticker",
    LIQUIDATIONS: "liquidation",
}
DATA_TYPES = tuple(lake_type_by_data_type)

# Levels a side in the types that show the top of the book
depth_by_data_type = {BOOK_SNAPSHOT_5: 5, BOOK_SNAPSHOT_25: 25, QUOTES: 1}

_COMMON = "exchange,symbol,timestamp,local_timestamp"
_DERIVATIVE = (
    "funding_timestamp,funding_rate,predicted_funding_rate,"
    "open_interest,last_price,index_price,mark_price"
)
_BEST = "ask_amount,ask_price,bid_price,bid_amount"


def lake_type(data_type: str) -> str:
    """Return the lake's data type that files of `data_type` are made from.

    Raises:
        UnknownDataType: Lists the known ones.
    """
    try:
        return lake_type_by_data_type[data_type]
    except KeyError:
        message = f"unknown data type {data_type!r}, expected one of {', '.join(DATA_TYPES)}"
        raise UnknownDataType(message) from None


def header(data_type: str) -> str:
    """Return the first line of a file, without its newline.

    Raises:
        UnknownDataType: Lists the known ones.
    """
    lake_type(data_type)
    if data_type in (TRADES, LIQUIDATIONS):
        return f"{_COMMON},id,side,price,amount"
    if data_type == DERIVATIVE_TICKER:
        return f"{_COMMON},{_DERIVATIVE}"
    if data_type == INCREMENTAL_BOOK:
        return f"{_COMMON},is_snapshot,side,price,amount"
    if data_type in (QUOTES, BOOK_TICKER):
        return f"{_COMMON},{_BEST}"
    levels = (
        f"asks[{i}].price,asks[{i}].amount,bids[{i}].price,bids[{i}].amount"
        for i in range(depth_by_data_type[data_type])
    )
    return ",".join((_COMMON, *levels))


def file_symbol(symbol: str) -> str:
    """Return a symbol as it stands in file names: upper case, "/" and ":" as "-", then escaped."""
    return quote(symbol.upper().replace("/", "-").replace(":", "-"), safe="")


def file_name(exchange: str, data_type: str, date: str, symbol: str) -> str:
    """Return the name under which Tardis' own client stores a downloaded file."""
    return f"{exchange}_{data_type}_{date}_{file_symbol(symbol)}.csv.gz"


def download_path(exchange: str, data_type: str, date: str, symbol: str) -> str:
    """Return the path of a file in Tardis' HTTP layout, as its clients ask for it."""
    return f"{exchange}/{data_type}/{date.replace('-', '/')}/{file_symbol(symbol)}.csv.gz"
