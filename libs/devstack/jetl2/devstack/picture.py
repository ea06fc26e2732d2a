"""The demo's picture: spread and depth of exported books over time, one row an exchange."""

import csv
import gzip
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.dates as mdates
from matplotlib import pyplot as plt

_LEVELS = 25
_BID, _ASK, _INK = "#2a9d6f", "#d1495b", "#30343f"


class Series(NamedTuple):
    """One book over time: spread in basis points, value of the best 25 levels of each side."""

    title: str
    times: list[datetime]
    spreads: list[float]
    bids: list[float]
    asks: list[float]


def series(title: str, path: Path) -> Series:
    """Read a book_snapshot_25 file; floats are good enough for a picture."""
    found = Series(title, [], [], [], [])
    with gzip.open(path, "rt", newline="") as file:
        reader = csv.reader(file)
        next(reader)
        for row in reader:
            levels = [float(cell) if cell else 0.0 for cell in row[4:]]
            ask, bid = levels[0], levels[2]
            if not ask or not bid:
                continue
            found.times.append(datetime.fromtimestamp(int(row[3]) / 1e6, UTC))
            found.spreads.append((ask - bid) / (ask + bid) * 2e4)
            asks = sum(levels[i] * levels[i + 1] for i in range(0, 4 * _LEVELS, 4))
            bids = sum(levels[i] * levels[i + 1] for i in range(2, 4 * _LEVELS, 4))
            found.asks.append(asks)
            found.bids.append(bids)
    return found


def draw(books: Sequence[Series], path: Path) -> None:
    """Write the picture as PNG."""
    plt.rcParams.update({"font.size": 8, "axes.edgecolor": _INK, "axes.grid": True})
    figure, axes = plt.subplots(len(books), 2, figsize=(11, 2.1 * len(books) + 0.6), squeeze=False)
    for (left, right), book in zip(axes, books, strict=True):
        left.step(book.times, book.spreads, where="post", color=_INK, linewidth=0.7)
        left.set_title(f"{book.title}: spread, basis points", loc="left")
        left.set_ylim(bottom=0)
        right.fill_between(book.times, book.bids, step="post", color=_BID, alpha=0.7, label="bids")
        below = [-value for value in book.asks]
        right.fill_between(book.times, below, step="post", color=_ASK, alpha=0.7, label="asks")
        right.set_title(f"value of the best {_LEVELS} levels, quote currency", loc="left")
        right.yaxis.set_major_formatter(lambda value, _: _short(abs(value)))
        for axis in (left, right):
            axis.grid(alpha=0.25, linewidth=0.5)
            axis.xaxis.set_major_formatter(mdates.DateFormatter("%H:%M:%S"))  # type: ignore[no-untyped-call] # none published
            axis.xaxis.set_major_locator(mdates.AutoDateLocator(maxticks=6))  # type: ignore[no-untyped-call] # none published
            axis.spines[["top", "right"]].set_visible(False)
    axes[0][1].legend(loc="upper right", frameon=False, ncols=2)
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _short(value: float) -> str:
    for unit, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= unit:
            return f"{value / unit:g} {letter}"
    return f"{value:g}"
