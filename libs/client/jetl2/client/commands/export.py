"""`jetl2 export`: ask for files, wait for them, fetch them."""

# ruff: noqa: PLC0415, T201 - imported when needed, so that help is quick; printing is its work

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jetl2.client import output, times
from jetl2.client.errors import Invalid

if TYPE_CHECKING:
    from jetl2.client.client import Client
    from jetl2.schemas.pb import export_pb2

_DAY_NS = 86_400 * 1_000_000_000
_DEFAULT_TYPES = ["trades", "incremental_book_L2"]

app = typer.Typer(no_args_is_help=True)

Instruments = Annotated[
    list[str],
    typer.Argument(metavar="EXCHANGE:SYMBOL...", help="Symbols as the exchange writes them."),
]
Types = Annotated[
    list[str],
    typer.Option(
        "--types", "-t", help="Data types, by commas or repeated; see jetl2 catalog types."
    ),
]
From = Annotated[
    str, typer.Option("--from", help="2026-11-22 or 2026-11-22T10:30:00.5, UTC; included.")
]
To = Annotated[str, typer.Option("--to", help="The same, excluded. Default: a day later.")]
Name = Annotated[str, typer.Argument(metavar="EXPORT", help="exports/..., or its id.")]
Out = Annotated[Path, typer.Option("--out", "-o", help="Folder for the files.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Retry = Annotated[
    str, typer.Option("--request-id", help="Retry key: the same one gives the same export.")
]


@app.callback()
def group() -> None:
    """Ask for files, wait for them, fetch them.

    Example: jetl2 export run binance:BTCUSDT --from 2026-11-22 --out data
    """


@app.command()
def create(
    instruments: Instruments,
    start: From,
    end: To = "",
    types: Types = _DEFAULT_TYPES,
    request_id: Retry = "",
) -> None:
    """Ask for an export and print its name.

    Example: jetl2 export create kraken:BTC/USD -t trades,quotes --from 2026-11-22
    """
    with _client() as client:
        print(f"exports/{_create(client, instruments, types, start, end, request_id)}")


@app.command()
def run(
    instruments: Instruments,
    start: From,
    end: To = "",
    types: Types = _DEFAULT_TYPES,
    out: Out = Path(),
    request_id: Retry = "",
) -> None:
    """Ask for an export, wait for it and fetch its files.

    Example: jetl2 export run binance:BTCUSDT -t quotes --from 2026-11-22T10:00 --out data
    """
    with _client() as client:
        export_id = _create(client, instruments, types, start, end, request_id)
        _wait(client, export_id)
        _download(client, export_id, out)


@app.command()
def estimate(
    instruments: Instruments, start: From, end: To = "", types: Types = _DEFAULT_TYPES
) -> None:
    """Say what an export would take, and make nothing; prints JSON.

    Example: jetl2 export estimate binance:BTCUSDT --from 2026-11-22
    """
    with _client() as client:
        output.message(client.estimate_export(*_query(instruments, types, start, end)))


@app.command("list")
def list_(json: Json = False, limit: Annotated[int, typer.Option(min=1)] = 50) -> None:  # noqa: FBT002
    """Show exports, newest first.

    Example: jetl2 export list
    """
    from itertools import islice

    with _client() as client:
        exports = list(islice(client.exports(), limit))
    if json:
        for export in exports:
            output.message(export)
        return
    columns = ("export", "state", "created", "files", "rows", "bytes", "instruments", "types")
    output.table(columns, map(_row, exports))


@app.command()
def get(name: Name, json: Json = False) -> None:  # noqa: FBT002
    """Show an export.

    Example: jetl2 export get exports/69c1f04b0c5d9e0012ab34cd --json
    """
    with _client() as client:
        export = client.get_export(f"exports/{_id(name)}")
        if json:
            output.message(export)
            return
        columns = ("export", "state", "created", "files", "rows", "bytes", "instruments", "types")
        for label, cell in zip(columns, _row(export), strict=True):
            print(f"{label:12} {cell}")
        if export.error.message:
            print(f"{'error':12} {export.error.message}")
        for day in export.missing:
            what = f"{day.exchange} {day.symbol} {day.data_type} {day.date}"
            print(f"{'not recorded':12} {what}")


@app.command()
def wait(
    name: Name,
    timeout: Annotated[float | None, typer.Option(help="Seconds; default: until done.")] = None,
) -> None:
    """Wait until an export is done, with its progress; exit code 1 when it fails.

    Example: jetl2 export wait exports/69c1f04b0c5d9e0012ab34cd --timeout 600
    """
    with _client() as client:
        _wait(client, _id(name), timeout)


@app.command()
def download(name: Name, out: Out = Path()) -> None:
    """Fetch the files of an export that is done; go on where an earlier try broke off.

    Example: jetl2 export download exports/69c1f04b0c5d9e0012ab34cd --out data
    """
    with _client() as client:
        _download(client, _id(name), out)


@app.command()
def cancel(name: Name) -> None:
    """Cancel an export that is not done.

    Example: jetl2 export cancel exports/69c1f04b0c5d9e0012ab34cd
    """
    with _client() as client:
        client.cancel(f"operations/{_id(name)}")


@app.command()
def delete(name: Name) -> None:
    """Cancel and forget an export; its files expire by themselves.

    Example: jetl2 export delete exports/69c1f04b0c5d9e0012ab34cd
    """
    with _client() as client:
        client.delete_export(f"exports/{_id(name)}")


def _client() -> "Client":
    from jetl2.client.client import Client

    return Client()


def _query(
    instruments: list[str], types: list[str], start: str, end: str
) -> tuple[list[tuple[str, str]], list[str], int, int]:
    pairs = []
    for text in instruments:
        exchange, colon, symbol = text.partition(":")
        if not (exchange and colon and symbol):
            raise Invalid(
                f"{text!r}: expected EXCHANGE:SYMBOL, the symbol as the exchange writes it"
            )
        pairs.append((exchange, symbol))
    names = [name.strip() for part in types for name in part.split(",") if name.strip()]
    start_ts = times.parse(start)
    return pairs, names, start_ts, times.parse(end) if end else start_ts + _DAY_NS


def _create(
    client: "Client",
    instruments: list[str],
    types: list[str],
    start: str,
    end: str,
    request_id: str,
) -> str:
    from jetl2.client.messages import metadata

    query = _query(instruments, types, start, end)
    operation = client.create_export(*query, request_id=request_id)
    if metadata(operation).deduplicated:
        output.note("an equal export was there already")
    return _id(operation.name)


def _wait(client: "Client", export_id: str, timeout_s: float | None = None) -> None:
    with output.progress(f"exports/{export_id}") as advance:

        def on_metadata(found: "export_pb2.ExportMetadata") -> None:
            stage = f"{found.stage}, {found.files_done} of {found.files_total} files"
            advance(found.files_done, found.files_total, stage)

        try:
            export = client.wait(f"operations/{export_id}", on_metadata, timeout_s)
        except KeyboardInterrupt:
            output.note(f"the export goes on; jetl2 export wait exports/{export_id}")
            raise
    done = f"{export.file_count} files, {export.rows} rows, {export.size_bytes} bytes"
    output.note(f"exports/{export_id}: {done}")
    for day in export.missing:
        output.note(f"not recorded: {day.exchange} {day.symbol} {day.data_type} {day.date}")


def _download(client: "Client", export_id: str, out: Path) -> None:
    total = client.get_export(f"exports/{export_id}").size_bytes
    lock, done = threading.Lock(), 0
    with output.progress(f"exports/{export_id}", in_bytes=True) as advance:

        def on_bytes(count: int) -> None:
            nonlocal done
            with lock:
                done += count
                advance(done, total, "fetching files")

        paths = client.download(f"exports/{export_id}", out, on_bytes)
    for path in paths:
        print(path)


def _id(name: str) -> str:
    return name.removeprefix("exports/").removeprefix("operations/")


def _row(export: "export_pb2.Export") -> tuple[object, ...]:
    from jetl2.schemas.pb import export_pb2

    state = export_pb2.ExportState.Name(export.state).removeprefix("EXPORT_STATE_").lower()
    return (
        export.name,
        state,
        times.show(export.create_time.ToNanoseconds()),
        export.file_count,
        export.rows,
        export.size_bytes,
        " ".join(f"{i.exchange}:{i.symbol}" for i in export.query.instruments),
        ",".join(export.query.data_types),
    )
