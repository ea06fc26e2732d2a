"""`jetl2 admin`: the merger's own commands, where it is installed."""

import importlib.util
import os
import sys

import typer

from jetl2.client.errors import ClientError

# A service: started, never imported
_MODULE = "jetl2.merger"


def admin(context: typer.Context) -> None:
    """Look at what mergers keep in Kafka, and repair it: task, transactions, redrive, rebuild.

    Needs the merger beside the client (wheel jetl2-merger) and Kafka. Each command has a --help of
    its own, and --json.

    Example: jetl2 admin task 3 --symbols
    """
    if importlib.util.find_spec(_MODULE) is None:
        raise ClientError("the merger is not installed here: pip install jetl2-merger")
    # In our place, so that signals and the exit code are its own
    words = context.args or ["--help"]
    os.execv(sys.executable, [sys.executable, "-m", _MODULE, "admin", *words])  # noqa: S606
