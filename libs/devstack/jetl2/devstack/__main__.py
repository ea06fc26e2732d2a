"""`python -m jetl2.devstack`: fetch what the stack needs, keep it up, or run the demo."""

import signal
import sys
import tempfile
import time
from pathlib import Path
from types import FrameType

import typer

from jetl2.devstack import downloads, stack
from jetl2.devstack.errors import StackError

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)


@app.command()
def fetch() -> None:
    """Download the jars of Kafka and of Spark's connectors, unless they are cached."""
    for name in (downloads.KAFKA, downloads.SPARK):
        typer.echo(f"{name}: {len(downloads.jars(name))} jars verified")


@app.command()
def up(folder: Path | None = None) -> None:
    """Run Kafka and S3 until Ctrl-C, and print where they are.

    Args:
        folder: Keeps their data from one run to the next; without it, the data is thrown away.
    """
    with (
        tempfile.TemporaryDirectory(prefix="jetl2-stack-") as scratch,
        stack.up(folder or Path(scratch)) as running,
    ):
        typer.echo(f"export JETL2_KAFKA={running.broker.bootstrap_servers}")
        for name, value in running.s3.env().items():
            typer.echo(f"export {name}={value}")
        typer.echo(f"# buckets: {stack.LAKE}, {stack.DOWNLOADS}. Ctrl-C stops it.", err=True)
        while True:
            for process in running.processes:
                process.check()
            time.sleep(1)


def main() -> int:
    """Run the command; errors become one message and exit code 1, Ctrl-C and SIGTERM clean up."""
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        app(standalone_mode=False)
    except StackError as error:
        sys.stderr.write(f"jetl2: {error}\n")
        return 1
    except (KeyboardInterrupt, typer.Abort):
        sys.stderr.write("jetl2: stopped\n")
        return 130
    except typer.Exit as end:
        return end.exit_code
    return 0


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
