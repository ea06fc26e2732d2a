"""What commands print: tables for people and for pipes, progress on standard error."""

# ruff: noqa: PLC0415, T201 - imported when needed, so that help is quick; printing is its work

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

# (bytes or files done, total, what is being done)
Advance = Callable[[int, int, str], None]


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table: drawn on a terminal, else tab-separated with a header."""
    texts = [["" if cell is None else str(cell) for cell in row] for row in rows]
    if not sys.stdout.isatty():
        for line in (columns, *texts):
            print("\t".join(line))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    drawn = Table(*columns)
    for row in texts:
        # Not as markup: brackets in symbols are symbols
        drawn.add_row(*map(Text, row))
    Console().print(drawn)


def document(value: object) -> None:
    """Print JSON on one line."""
    print(json.dumps(value))


def message(value: Any) -> None:
    """Print a protobuf message as JSON on one line."""
    from google.protobuf.json_format import MessageToDict

    document(MessageToDict(value, preserving_proto_field_name=True))


def note(text: str) -> None:
    """Say something to the person, on standard error."""
    print(text, file=sys.stderr)


@contextmanager
def progress(what: str, *, in_bytes: bool = False) -> Iterator[Advance]:
    """Show how far something is: a bar on a terminal, else a line when what is done changes."""
    if not sys.stderr.isatty():
        last = ""

        def say(_: int, __: int, stage: str) -> None:
            nonlocal last
            if stage != last:
                last = stage
                note(f"{what}: {stage}")

        yield say
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TransferSpeedColumn,
    )

    counts = (DownloadColumn(), TransferSpeedColumn()) if in_bytes else (MofNCompleteColumn(),)
    columns = (TextColumn("{task.description}"), BarColumn(), *counts, TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None)

        def show(done: int, total: int, stage: str) -> None:
            bar.update(task, completed=done, total=total or None, description=f"{what}: {stage}")

        yield show
