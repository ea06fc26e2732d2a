"""Reads a folder of CSV files as the field does; runs in the readers' own environment, prints JSON.

    .cache/env/readers/bin/python field_readers.py FOLDER

nautilus_trader loads each file, hftbacktest converts trades and levels of each symbol and day and
runs a backtest to their end. The answer: by file name what each saw; nothing of ours is imported.
"""

import contextlib
import gzip
import json
import sys
from collections.abc import Callable, Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any

import hftbacktest
import numpy as np
from hftbacktest.data.utils import tardis
from hftbacktest.data.validation import correct_event_order, validate_event_order
from nautilus_trader.adapters.tardis.loaders import TardisCSVDataLoader
from nautilus_trader.core import nautilus_pyo3

SAMPLES = 200
DEPTH, CLEAR, SNAPSHOT = 1, 3, 4


def main() -> None:
    folder = Path(sys.argv[1])
    load: dict[str, Callable[[Path], list[Any]]] = {
        "trades": lambda f: _loader(f).load_trades(f, as_legacy_cython=False),
        "incremental_book_L2": lambda f: _loader(f).load_deltas(f, as_legacy_cython=False),
        "book_snapshot_5": lambda f: _loader(f).load_depth10(f, 5, as_legacy_cython=False),
        "book_snapshot_25": lambda f: _loader(f).load_depth10(f, 25, as_legacy_cython=False),
        "quotes": lambda f: _loader(f).load_quotes(f, as_legacy_cython=False),
        "book_ticker": lambda f: _loader(f).load_quotes(f, as_legacy_cython=False),
    }
    answer: dict[str, dict[str, Any]] = {}
    for path in sorted(folder.glob("*.csv.gz")):
        data_type = next(t for t in load if f"_{t}_" in path.name)
        loaded = load[data_type](path)
        found = answer[path.name] = {"data_type": data_type, "count": len(loaded)}
        if data_type == "incremental_book_L2":
            tops = _sibling(path, "book_snapshot_5")
            shown = load["book_snapshot_5"](tops) if tops.exists() else []
            found |= nautilus_book(loaded, shown)
            trades = _sibling(path, "trades")
            with contextlib.redirect_stdout(sys.stderr):
                found |= hftbacktest_book([p for p in (trades, path) if p.exists()])
    json.dump(answer, sys.stdout)


def nautilus_book(deltas: Iterable[Any], tops: list[Any]) -> dict[str, Any]:
    """Return the book after all deltas, and how often it was what the rows of the top show."""
    deltas = list(deltas)
    book = nautilus_pyo3.OrderBook(deltas[0].instrument_id, nautilus_pyo3.BookType.L2_MBP)
    wanted = {top.ts_init: top for top in tops[:: max(1, len(tops) // SAMPLES)]}
    same = differing = 0
    for number, delta in enumerate(deltas):
        book.apply_delta(delta)
        last = number + 1 == len(deltas) or deltas[number + 1].ts_init != delta.ts_init
        if last and delta.ts_init in wanted:
            top = wanted[delta.ts_init]
            equal = _top(book.bids_to_dict()) == _shown(top.bids) and (
                _top(book.asks_to_dict()) == _shown(top.asks)
            )
            same, differing = same + equal, differing + (not equal)
    return {
        "nautilus": {
            "bids": _plain(book.bids_to_dict()),
            "asks": _plain(book.asks_to_dict()),
            "same": same,
            "differing": differing,
        }
    }


def hftbacktest_book(paths: list[Path]) -> dict[str, Any]:
    """Return the book after all events as the converted file describes it, and a backtest's top."""
    size = 4_000_000
    # 2.4.4 looks one past the end of the order that it made itself and takes what is there for a
    # row: SIGSEGV, if that is large. A converter's own arrays, with a spare row 0 behind them
    tardis.correct_event_order = lambda rows, exchange, local: correct_event_order(
        rows, _with_spare(exchange), _with_spare(local)
    )
    events = tardis.convert([str(p) for p in paths], buffer_size=size, ss_buffer_size=size // 10)
    validate_event_order(events)
    sides: dict[bool, dict[float, float]] = {True: {}, False: {}}
    for event in events[(events["ev"] & np.uint64(hftbacktest.LOCAL_EVENT)) != 0]:
        kind, buy = int(event["ev"]) & 0xFF, bool(int(event["ev"]) & hftbacktest.BUY_EVENT)
        side, price = sides[buy], float(event["px"])
        if kind == CLEAR:
            sides[buy] = {p: s for p, s in side.items() if (p < price if buy else p > price)}
        elif kind in (DEPTH, SNAPSHOT):
            side[price] = float(event["qty"])
            if not event["qty"]:
                del side[price]
    asset = (
        hftbacktest.BacktestAsset()
        .data([events])
        .linear_asset(1.0)
        .constant_order_latency(0, 0)
        .risk_adverse_queue_model()
        .no_partial_fill_exchange()
        .trading_value_fee_model(0, 0)
        .tick_size(10.0 ** -_decimals(paths[-1])["price"])
        .lot_size(0.00000001)
    )
    backtest = hftbacktest.HashMapMarketDepthBacktest([asset])
    backtest.elapse(10**15)
    depth = backtest.depth(0)
    top = [round(depth.best_bid, 9), round(depth.best_ask, 9)]
    backtest.close()
    return {
        "hftbacktest": {
            "events": len(events),
            "bids": sorted(map(list, sides[True].items()), reverse=True),
            "asks": sorted(map(list, sides[False].items())),
            "backtest": top,
        }
    }


def _with_spare(order: Any) -> Any:
    return np.append(order, 0)[:-1]


def _loader(path: Path) -> TardisCSVDataLoader:
    """Return a loader that is told the instrument's decimals: from the first rows it guesses."""
    decimals = _decimals(path)
    return TardisCSVDataLoader(decimals["price"], decimals["amount"])


def _decimals(path: Path) -> dict[str, int]:
    """Return the most decimals that a price and an amount of the file have."""
    header, *lines = gzip.decompress(path.read_bytes()).decode().splitlines()
    decimals = {"price": 0, "amount": 0}
    names = header.split(",")
    for line in lines:
        for name, cell in zip(names, line.split(","), strict=True):
            kind = name.replace("_", ".").rpartition(".")[2]
            if kind in decimals and "." in cell:
                decimals[kind] = max(decimals[kind], len(cell) - cell.index(".") - 1)
    return decimals


def _sibling(path: Path, data_type: str) -> Path:
    return path.with_name(path.name.replace("_incremental_book_L2_", f"_{data_type}_"))


def _top(side: dict[Decimal, Decimal]) -> list[tuple[Decimal, Decimal]]:
    return list(side.items())[:5]


def _shown(orders: Iterable[Any]) -> list[tuple[Decimal, Decimal]]:
    pairs = [(order.price.as_decimal(), order.size.as_decimal()) for order in orders]
    return [(price, size) for price, size in pairs[:5] if size]


def _plain(side: dict[Decimal, Decimal]) -> list[list[str]]:
    return [[f"{p.normalize():f}", f"{s.normalize():f}"] for p, s in side.items()]


if __name__ == "__main__":
    main()
