"""The manifest of an export: what its files are, what they were made from, and what is not in them."""

import json
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from jetl2.api_grpc.coverage import Coverage
from jetl2.api_grpc.documents import Export, Query
from jetl2.api_grpc.files import File
from jetl2.api_grpc.plan import file_name


def make(export: Export, files: Sequence[File], coverage: Coverage) -> bytes:
    """Return the manifest as JSON."""
    document = {
        "export": f"exports/{export.id}",
        "create_time": text(export.created_ts),
        "request": _query(export.query),
        "dataset_version": export.dataset_version,
        "files": [_file(index, file) for index, file in enumerate(files)],
        "missing": [msgspec.structs.asdict(day) for day in export.missing],
        "coverage": _coverage(export.query, coverage),
    }
    return json.dumps(document, indent=1).encode()


def text(ts: int) -> str:
    """Return a time in ns as RFC 3339 text with all nine decimals; "" for 0."""
    if not ts:
        return ""
    seconds, rest = divmod(ts, 1_000_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"


def _file(index: int, file: File) -> dict[str, Any]:
    unit, sidecar = file.unit, file.sidecar
    return {
        "file": str(index),
        "name": file_name(unit),
        "key": unit.key,
        "exchange": unit.exchange,
        "data_type": unit.data_type,
        "symbol": unit.symbol,
        "date": unit.date,
        "start_time": text(unit.start_ts),
        "end_time": text(unit.end_ts),
        "size": sidecar.size,
        "sha256": sidecar.sha256,
        "rows": sidecar.rows,
        "first_time": text(sidecar.first_ts),
        "last_time": text(sidecar.last_ts),
        "gaps": sidecar.gaps,
    }


def _query(query: Query) -> dict[str, Any]:
    return {
        "instruments": [{"exchange": e, "symbol": s} for e, s in query.instruments],
        "data_types": list(query.data_types),
        "start_time": text(query.start_ts),
        "end_time": text(query.end_ts),
        "format": query.format,
    }


def _coverage(query: Query, coverage: Coverage) -> list[dict[str, Any]]:
    symbols_by_exchange: dict[str, set[str]] = defaultdict(set)
    for exchange, symbol in query.instruments:
        symbols_by_exchange[exchange].add(symbol)
    return [
        day
        for exchange, symbols in sorted(symbols_by_exchange.items())
        for day in coverage.days(exchange, symbols, query.start_ts, query.end_ts)
    ]
