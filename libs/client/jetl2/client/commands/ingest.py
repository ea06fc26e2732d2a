"""`jetl2 ingest`: the ingestor's own commands, where it is installed."""

import importlib.util
import os
import sys

import typer

from jetl2.client.errors import ClientError

# A service: started, never imported
_MODULE = "jetl2.ingestor"
COMMANDS = ("exchanges", "instruments", "check")


def ingest(context: typer.Context) -> None:
    """List exchanges and their instruments, or try one from here: exchanges, instruments, check.

    Needs the ingestor beside the client (wheel jetl2-ingestor), and neither Kafka nor an API. Each
    command has a --help of its own, and --json.

    Example: jetl2 ingest check kraken BTC/USD --seconds 20
    """
    words = context.args
    if not words or words[0] not in COMMANDS:
        print(context.get_help())  # noqa: T201 - printing is its work
        asked = words in (["--help"], ["-h"])
        raise typer.Exit(0 if asked else 2)
    if importlib.util.find_spec(_MODULE) is None:
        raise ClientError("the ingestor is not installed here: pip install jetl2-ingestor")
    # In our place, so that signals and the exit code are its own
    os.execv(sys.executable, [sys.executable, "-m", _MODULE, *words])  # noqa: S606
