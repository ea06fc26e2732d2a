"""`jetl2 replay`: recorded sessions through the merge engine, without Kafka."""

# ruff: noqa: PLC0415 - imported when needed, so that help is quick

import sys
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from jetl2.client import output

if TYPE_CHECKING:
    from jetl2.exchanges.replay import Replay
    from jetl2.schemas.records import MarketRecord

_SHOWN_EVERY = 20_000
_COLUMNS = (
    "session",
    "exchange",
    "messages",
    "records",
    "unparsed",
    "gaps",
    "resyncs",
    "checksums",
    "crossed",
    "books",
    "files",
)


def replay(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="Sessions, .jsonl or .jsonl.gz.")
    ],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder for CSV files; none: no files.")
    ] = None,
    json: Annotated[  # noqa: FBT002
        bool, typer.Option("--json", help="Print an object per exchange of a session.")
    ] = False,
) -> None:
    """Merge recorded sessions as the platform does, and write the same CSV files.

    A session that cannot be read is named on standard error with the reason; the others go on, and
    the exit code is 1 at the end.

    Example: jetl2 replay session.jsonl.gz --out data --json
    """
    from jetl2.exchanges.errors import ExchangeError
    from jetl2.exchanges.replay import replay as open_replay
    from jetl2.formats.errors import FormatError

    refused = 0
    taken: set[str] = set()
    rows = []
    for path in files:
        try:
            for played in open_replay(path):
                count = _play(played, out, taken)
                summary = played.summary()
                if json:
                    output.document(summary)
                    sys.stdout.flush()
                else:
                    rows.append(_row(summary, count))
        except (ExchangeError, FormatError, OSError, EOFError, ValueError, zlib.error) as error:
            refused += 1
            text = " ".join(str(error).split())
            output.note(text if text.startswith(str(path)) else f"{path}: {text}")
    if rows:
        output.table(_COLUMNS, rows)
    if refused:
        output.note(f"{refused} of {len(files)} sessions could not be replayed")
        raise typer.Exit(1)


def _play(played: "Replay", out: Path | None, taken: set[str]) -> int:
    """Read a replay to its end; return the number of files written."""
    from jetl2.formats.files import write_files

    with _counted(played.records(), played.recording.name) as records:
        if out is None:
            for _ in records:
                pass
            return 0
        own = out / quote(played.recording.name, safe="")
        scratch = own.with_name(f".{own.name}.part")
        try:
            made = [info.path for info in write_files(records, scratch)]
            for path in made:
                # Two sessions of one day may give files of one name: the later keep to themselves
                folder = own if path.name in taken else out
                folder.mkdir(parents=True, exist_ok=True)
                path.replace(folder / path.name)
                taken.add(path.name)
        finally:
            _remove(scratch)
    return len(made)


@contextmanager
def _counted(records: "Iterable[MarketRecord]", name: str) -> "Iterator[Iterator[MarketRecord]]":
    """Show on a terminal how many records have come."""
    if not sys.stderr.isatty():
        yield iter(records)
        return
    with output.progress(name) as advance:

        def counted() -> "Iterator[MarketRecord]":
            for number, record in enumerate(records, start=1):
                if number % _SHOWN_EVERY == 0:
                    advance(number, 0, "records")
                yield record

        yield counted()


def _remove(folder: Path) -> None:
    if folder.is_dir():
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()


def _row(summary: dict[str, Any], files: int) -> tuple[object, ...]:
    checksums = summary["checksums"]
    return (
        summary["session"],
        summary["exchange"],
        summary["messages"],
        " ".join(f"{name}:{count}" for name, count in summary["records"].items()),
        summary["unparsed"],
        summary["gaps"],
        summary["resyncs"],
        f"{checksums['passed']} passed, {checksums['failed']} failed",
        summary["crossed"],
        len(summary["books"]),
        files,
    )
