"""From a query to the files it needs: days, keys and versions; pure but for the catalog it asks."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta

from jetl2.api_grpc.catalog import Catalog
from jetl2.api_grpc.documents import Missing, Plan, Query, Unit, encode
from jetl2.api_grpc.errors import ApiError, invalid, wrong_field
from jetl2.formats import tardis
from jetl2.schemas import lake
from jetl2.schemas.pb import errors_pb2

_DAY_NS = 86_400 * 1_000_000_000
_SIDECAR = ".json"
_GAP = "gap"


def make(query: Query, catalog: Catalog, max_files: int) -> Plan:
    """Return the files that a query needs.

    Raises:
        ApiError: An exchange or symbol is unknown, there is nothing to export, or too much.
    """
    days = list(_days(query.start_ts, query.end_ts))
    asked = len(query.instruments) * len(query.data_types) * len(days)
    if asked > max_files:
        raise invalid(
            errors_pb2.ERROR_REASON_TOO_MANY_FILES,
            "query",
            f"{len(query.instruments)} instruments x {len(query.data_types)} data types x "
            f"{len(days)} days are {asked} files",
            f"at most {max_files} in one export",
        )
    for exchange, _ in query.instruments:
        catalog.check_exchange(exchange, "query.instruments.exchange")
    wanted = [
        (exchange, symbol, data_type, day)
        for exchange, symbol in query.instruments
        for data_type in query.data_types
        for day in days
    ]
    found = catalog.objects(
        (lake_type, exchange, day, symbol)
        for exchange, symbol, data_type, day in wanted
        for lake_type in (tardis.lake_type(data_type), _GAP)
    )
    units: list[Unit] = []
    missing: list[Missing] = []
    for exchange, symbol, data_type, day in wanted:
        objects = found[tardis.lake_type(data_type), exchange, day, symbol]
        if objects:
            gaps = found[_GAP, exchange, day, symbol]
            units.append(_unit(query, (exchange, symbol, data_type, day), objects, gaps))
        else:
            missing.append(Missing(exchange, data_type, symbol, day))
    _check_symbols(query, catalog, units)
    _check_names(units)
    if not units:
        raise _no_data(query, catalog)
    version = digest([key for unit in units for key in (*unit.objects, *unit.gap_objects)])
    content = digest([encode(query).decode(), version, tardis.VERSION])
    return Plan(query, version, content, tuple(units), tuple(missing))


def digest(parts: Sequence[str]) -> str:
    """Return 32 hex digits that stand for a list of texts."""
    return hashlib.sha256(json.dumps(sorted(set(parts))).encode()).hexdigest()[:32]


def sidecar_key(unit: Unit) -> str:
    """Return the key of what the job says of a finished file."""
    return unit.key + _SIDECAR


def file_name(unit: Unit) -> str:
    """Return what a unit's file is called on disk."""
    return unit.key.rpartition("/")[2]


def _unit(
    query: Query, wanted: tuple[str, str, str, str], objects: Sequence[str], gaps: Sequence[str]
) -> Unit:
    exchange, symbol, data_type, day = wanted
    midnight = int(datetime.fromisoformat(f"{day}T00:00:00Z").timestamp()) * 1_000_000_000
    start = max(query.start_ts, midnight)
    end = min(query.end_ts, midnight + _DAY_NS)
    version = digest([tardis.VERSION, query.format, f"{start}-{end}", *objects, *gaps])[:16]
    name = tardis.file_name(exchange, data_type, day, symbol)
    key = f"units/{exchange}/{data_type}/{day.replace('-', '/')}/{version}/{name}"
    return Unit(
        exchange=exchange,
        data_type=data_type,
        symbol=symbol,
        date=day,
        format=query.format,
        start_ts=start,
        end_ts=end,
        key=key,
        objects=tuple(sorted(objects)),
        gap_objects=tuple(sorted(gaps)),
    )


def _days(start_ts: int, end_ts: int) -> Iterator[str]:
    day = date.fromisoformat(lake.date(start_ts))
    last = date.fromisoformat(lake.date(end_ts - 1))
    while day <= last:
        yield day.isoformat()
        day += timedelta(days=1)


def _check_symbols(query: Query, catalog: Catalog, units: Sequence[Unit]) -> None:
    # Whatever has a file is known; the rest may have been recorded on other days
    seen = {(unit.exchange, unit.symbol) for unit in units}
    for exchange, symbol in query.instruments:
        if (exchange, symbol) not in seen:
            catalog.check_symbol(exchange, symbol, "query.instruments.symbol")


def _check_names(units: Sequence[Unit]) -> None:
    name, count = Counter(map(file_name, units)).most_common(1)[0] if units else ("", 0)
    if count > 1:
        raise wrong_field(
            "query.instruments",
            f"{count} symbols would be written to one file, {name}",
            "symbols that differ by more than case and punctuation, in one export",
        )


def _no_data(query: Query, catalog: Catalog) -> ApiError:
    days = {
        day
        for exchange, symbol in query.instruments
        for data_type in query.data_types
        for day in catalog.dates(tardis.lake_type(data_type), exchange, symbol)
    }
    there = f"there is data from {min(days)} to {max(days)}" if days else "there is none at all"
    start = datetime.fromtimestamp(query.start_ts // 1_000_000_000, UTC).isoformat()
    end = datetime.fromtimestamp(query.end_ts // 1_000_000_000, UTC).isoformat()
    return ApiError(
        errors_pb2.ERROR_REASON_NO_DATA,
        f"nothing was recorded of these instruments and data types in [{start}, {end}); {there}",
        first_date=min(days, default=""),
        last_date=max(days, default=""),
    )
