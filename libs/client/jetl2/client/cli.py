"""The `jetl2` command: what it can do, and how it ends."""

# ruff: noqa: T201 - printing is its work

import importlib.metadata
import sys

import typer

from jetl2.client.commands import admin, catalog, export, ingest, replay
from jetl2.client.errors import ClientError

_EPILOG = (
    "Environment: JETL2_API (host:port or https://host:port, default localhost:50051), "
    "JETL2_API_KEY, JETL2_API_CA. "
    "Exit codes: 0 done, 1 failed, 2 wrong usage or request."
)

app = typer.Typer(
    name="jetl2",
    epilog=_EPILOG,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(export.app, name="export")
app.add_typer(catalog.app, name="catalog")
app.command("coverage")(catalog.coverage)
app.command("book")(catalog.book)
app.command("replay")(replay.replay)
app.command(
    "ingest",
    add_help_option=False,
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
)(ingest.ingest)
app.command(
    "admin",
    add_help_option=False,
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
)(admin.admin)


@app.callback(invoke_without_command=True)
def _options(
    version: bool = typer.Option(False, "--version", help="Print the version and end."),  # noqa: FBT001
) -> None:
    """Ask for order books and trades of crypto exchanges, fetch them, replay recorded sessions.

    Example: jetl2 export run binance:BTCUSDT --from 2026-11-22 --out data
    """
    if version:
        try:
            number = importlib.metadata.version("jetl2-client")
        except importlib.metadata.PackageNotFoundError:
            number = "(from sources)"
        print(f"jetl2 {number}")
        raise typer.Exit


def main() -> None:
    """Run the command; an error is one line on standard error."""
    try:
        app(prog_name="jetl2")
    except ClientError as error:
        _end(str(error), error.exit_code)
    except (OSError, TimeoutError) as error:
        _end(str(error), 1)


def _end(message: str, code: int) -> None:
    print(f"jetl2: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(code)
