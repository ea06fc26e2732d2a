"""CatalogService, CoverageService and BookService: what there is, how good it is, and how it stood."""

# ruff: noqa: ARG002, N802 - names and parameters are the protos'

from decimal import Decimal
from typing import NamedTuple

import grpc

from jetl2.api_grpc import requests
from jetl2.api_grpc.answers import timestamp
from jetl2.api_grpc.book import Books
from jetl2.api_grpc.catalog import Catalog
from jetl2.api_grpc.coverage import Coverage, Hour
from jetl2.api_grpc.errors import wrong_field
from jetl2.formats import tardis
from jetl2.schemas.pb import (
    book_pb2,
    book_pb2_grpc,
    catalog_pb2,
    catalog_pb2_grpc,
    coverage_pb2,
    coverage_pb2_grpc,
)

_DEPTH = 5000
_DAYS = 366
_DAY_NS = 86_400 * 1_000_000_000
Context = grpc.ServicerContext

_descriptions = {
    tardis.TRADES: "every trade, side = aggressor",
    tardis.INCREMENTAL_BOOK: "every change of the book, with snapshots to begin from",
    tardis.BOOK_SNAPSHOT_5: "best 5 levels, a row at each change",
    tardis.BOOK_SNAPSHOT_25: "best 25 levels, a row at each change",
    tardis.QUOTES: "best bid and ask of the rebuilt book",
    tardis.BOOK_TICKER: "best bid and ask as the exchange publishes them",
    tardis.DERIVATIVE_TICKER: "funding, open interest, index and mark price, a row at each change",
    tardis.LIQUIDATIONS: "forced trades; buy closed a short",
}


class CatalogService(catalog_pb2_grpc.CatalogServiceServicer):
    """Plain functions, run on threads by `calls`."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def ListExchanges(
        self, request: catalog_pb2.ListExchangesRequest, context: Context
    ) -> catalog_pb2.ListExchangesResponse:
        """Return exchanges, sorted."""
        page = requests.page(request.page_size, request.page_token, 200, 1000, "exchanges")
        names, token = requests.cut(self._catalog.exchanges(), page, "exchanges")
        return catalog_pb2.ListExchangesResponse(exchanges=names, next_page_token=token)

    def ListSymbols(
        self, request: catalog_pb2.ListSymbolsRequest, context: Context
    ) -> catalog_pb2.ListSymbolsResponse:
        """Return symbols of an exchange, sorted."""
        bound = ("symbols", request.exchange, request.contains)
        page = requests.page(request.page_size, request.page_token, 200, 1000, *bound)
        self._catalog.check_exchange(request.exchange, "exchange")
        part = request.contains.upper()
        symbols = [s for s in self._catalog.symbols(request.exchange) if part in s.upper()]
        names, token = requests.cut(symbols, page, *bound)
        return catalog_pb2.ListSymbolsResponse(symbols=names, next_page_token=token)

    def ListDataTypes(
        self, request: catalog_pb2.ListDataTypesRequest, context: Context
    ) -> catalog_pb2.ListDataTypesResponse:
        """Return what files can be made."""
        return catalog_pb2.ListDataTypesResponse(
            data_types=[
                catalog_pb2.DataType(name=name, description=_descriptions[name])
                for name in tardis.DATA_TYPES
            ]
        )

    def ListDates(
        self, request: catalog_pb2.ListDatesRequest, context: Context
    ) -> catalog_pb2.ListDatesResponse:
        """Return days of which there is something, sorted."""
        bound = ("dates", request.exchange, request.symbol, request.data_type)
        page = requests.page(request.page_size, request.page_token, 200, 1000, *bound)
        requests.known_data_type("data_type", request.data_type)
        self._catalog.check_exchange(request.exchange, "exchange")
        self._catalog.check_symbol(request.exchange, request.symbol, "symbol")
        lake_type = tardis.lake_type(request.data_type)
        dates = self._catalog.dates(lake_type, request.exchange, request.symbol)
        days, token = requests.cut(dates, page, *bound)
        return catalog_pb2.ListDatesResponse(dates=days, next_page_token=token)


class CoverageService(coverage_pb2_grpc.CoverageServiceServicer):
    """Plain functions, run on threads by `calls`."""

    def __init__(self, coverage: Coverage, catalog: Catalog) -> None:
        self._coverage = coverage
        self._catalog = catalog

    def ListCoverage(
        self, request: coverage_pb2.ListCoverageRequest, context: Context
    ) -> coverage_pb2.ListCoverageResponse:
        """Return hours, sorted by symbol, data type and time."""
        start_ts, end_ts = requests.time_range(
            request.start_time if request.HasField("start_time") else None,
            request.end_time if request.HasField("end_time") else None,
        )
        if end_ts - start_ts > _DAYS * _DAY_NS:
            days = (end_ts - start_ts) // _DAY_NS
            raise wrong_field("end_time", f"{days} days", f"at most {_DAYS} days at once")
        bound = ("coverage", request.exchange, *request.symbols, str(start_ts), str(end_ts))
        page = requests.page(request.page_size, request.page_token, 500, 2000, *bound)
        self._catalog.check_exchange(request.exchange, "exchange")
        for symbol in request.symbols:
            self._catalog.check_symbol(request.exchange, symbol, "symbols")
        hours = self._coverage.hours(request.exchange, request.symbols, start_ts, end_ts)
        by_place = {f"{h.symbol}\0{h.data_type}\0{h.hour:020d}": h for h in hours}
        places, token = requests.cut(sorted(by_place), page, *bound)
        return coverage_pb2.ListCoverageResponse(
            hours=[_hour(by_place[place]) for place in places], next_page_token=token
        )


class BookService(book_pb2_grpc.BookServiceServicer):
    """Plain functions, run on threads by `calls`."""

    def __init__(self, books: Books, catalog: Catalog) -> None:
        self._books = books
        self._catalog = catalog

    def GetBook(
        self, request: book_pb2.GetBookRequest, context: Context
    ) -> book_pb2.GetBookResponse:
        """Return the best levels of a book at an instant."""
        if not 0 <= request.depth <= _DEPTH:
            raise wrong_field("depth", str(request.depth), f"0 (the default, 10) to {_DEPTH}")
        ts = requests.instant("time", request.time if request.HasField("time") else None)
        self._catalog.check_exchange(request.exchange, "exchange")
        self._catalog.check_symbol(request.exchange, request.symbol, "symbol")
        book = self._books.at(request.exchange, request.symbol, ts)
        depth = request.depth or 10
        return book_pb2.GetBookResponse(
            exchange=request.exchange,
            symbol=request.symbol,
            bids=map(_level, book.bids[:depth]),
            asks=map(_level, book.asks[:depth]),
            bid_levels=len(book.bids),
            ask_levels=len(book.asks),
            local_time=timestamp(book.local_ts),
            exchange_time=timestamp(book.exchange_ts),
            seq=book.seq,
        )


class _Exact(NamedTuple):
    mantissa: int
    exponent: int


def _hour(hour: Hour) -> coverage_pb2.CoverageHour:
    return coverage_pb2.CoverageHour(
        exchange=hour.exchange,
        symbol=hour.symbol,
        data_type=hour.data_type,
        hour=timestamp(hour.hour),
        rows=hour.rows,
        messages=hour.messages,
        first_seq=hour.first_seq,
        last_seq=hour.last_seq,
        gaps=hour.gaps,
        reconnects=hour.reconnects,
        checksums_passed=hour.checksums_passed,
        checksums_failed=hour.checksums_failed,
        crossed=hour.crossed,
        duplicates=hour.duplicates,
    )


def _level(level: tuple[Decimal, Decimal]) -> book_pb2.Level:
    price, size = map(_exact, level)
    return book_pb2.Level(
        price=book_pb2.Decimal(mantissa=price.mantissa, exponent=price.exponent),
        size=book_pb2.Decimal(mantissa=size.mantissa, exponent=size.exponent),
    )


def _exact(value: Decimal) -> _Exact:
    # The lake's scale is 18; its numbers were int64 at their own
    sign, digits, exponent = value.as_tuple()
    mantissa, places = int("".join(map(str, digits))), int(exponent)
    while places < 0 and mantissa % 10 == 0:
        mantissa, places = mantissa // 10, places + 1
    return _Exact(-mantissa if sign else mantissa, places)
