"""`python -m jetl2.devstack`: fetch what the stack needs, keep it up, simulate exchanges, run the demo."""

import json
import signal
import sys
import tempfile
import time
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from jetl2.devstack import dialects, downloads, faults, kafka, simulator, sources, stack
from jetl2.devstack.errors import StackError

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)

_KINDS = ", ".join(faults.KINDS)


@app.command()
def fetch() -> None:
    """Download the jars of Kafka and of Spark's connectors, unless they are cached."""
    for name in (downloads.KAFKA, downloads.SPARK):
        typer.echo(f"{name}: {len(downloads.jars(name))} jars verified")


@app.command()
def up(
    folder: Annotated[
        Path | None, typer.Option(help="keeps the data for the next run; unset: thrown away")
    ] = None,
    partitions: Annotated[int, typer.Option(help="of each topic")] = 4,
) -> None:
    """Run Kafka and S3 until Ctrl-C, and print the settings by which services find them."""
    with (
        tempfile.TemporaryDirectory(prefix="jetl2-stack-") as scratch,
        stack.up(folder or Path(scratch)) as running,
    ):
        servers = running.broker.bootstrap_servers
        kafka.create_exchange_topics(servers, dialects.load(), partitions)
        for package in ("INGESTOR", "MERGER", "LANDING"):
            typer.echo(f"export JETL2_{package}_BOOTSTRAP_SERVERS={servers}")
        typer.echo(f"export JETL2_LANDING_LAKE=s3://{stack.LAKE}")
        typer.echo(f"export JETL2_API_GRPC_LAKE=s3://{stack.LAKE}")
        typer.echo(f"export JETL2_API_GRPC_DOWNLOADS=s3://{stack.DOWNLOADS}")
        for name, value in running.s3.env().items():
            typer.echo(f"export {name}={value}")
        typer.echo("# it is up; Ctrl-C stops it", err=True)
        while True:
            for process in running.processes:
                process.check()
            time.sleep(1)


@app.command()
def simulate(
    exchange: Annotated[list[str] | None, typer.Option(help="unset: all")] = None,
    seed: int = 1,
    events: Annotated[int, typer.Option(help="of each exchange; then it stands still")] = 10_000,
    rate: Annotated[float, typer.Option(help="events a second of each exchange")] = 40,
    messages: Annotated[
        float, typer.Option(help="messages a second of all together, in place of --rate")
    ] = 0,
    fault: Annotated[
        list[str] | None,
        typer.Option(help=f"KIND=PROBABILITY of each book delta; {_KINDS}"),
    ] = None,
) -> None:
    """Run simulated exchanges until Ctrl-C, and print the ingestor's settings for them.

    While it runs, GET /_control/fault?kind=drop&symbol=S asks for misbehaviour,
    GET /_control/book?symbol=S gives the true book, and GET /_control/end lets it come to its end.
    """
    known = dialects.load()
    for name in exchange or ():
        if name not in known:
            message = f"unknown exchange {name!r}: expected one of {', '.join(known)}"
            raise StackError(message)
    rates = dict(_rate(text) for text in fault or ())
    simulators = [
        simulator.Simulator(
            known[name],
            seed=seed,
            events=events,
            events_per_second=rate,
            messages_per_second=messages / len(exchange or known),
            # Nobody here asks for the past, and it would fill the memory
            sample_every=0,
            misbehaviour=faults.Faults(seed, rates),
        )
        for name in exchange or known
    ]
    with sources.simulated(simulators):
        wanted = {s.exchange: {"symbols": s.symbols} for s in simulators}
        endpoints = {s.exchange: s.endpoints for s in simulators}
        typer.echo(f"export JETL2_INGESTOR_SUBSCRIPTIONS='{json.dumps(wanted)}'")
        typer.echo(f"export JETL2_INGESTOR_ENDPOINTS='{json.dumps(endpoints)}'")
        sys.stdout.flush()
        while True:
            time.sleep(1)


@app.command()
def demo(
    source: Annotated[
        str, typer.Option(help="live, recordings or simulated; unset: SOURCE, else what is there")
    ] = "",
    out: Annotated[Path, typer.Option(help="folder of the files, logs and picture")] = Path(
        "demo-output"
    ),
    seconds: Annotated[int, typer.Option(help="how long the source plays")] = 30,
) -> None:
    """Run the whole platform once on this machine, and print what came out."""
    # Much is imported, that the other commands need not wait for
    from jetl2.devstack import demo as whole  # noqa: PLC0415

    whole.run(source, out, seconds)


@app.command()
def soak(
    seconds: Annotated[float, typer.Option(help="how long it is watched")] = 3600,
    rate: Annotated[float, typer.Option(help="messages a second, all exchanges together")] = 5000,
    exchanges: Annotated[int, typer.Option(help="how many")] = 24,
    out: Annotated[Path, typer.Option(help="folder of report, picture and logs")] = Path(
        "soak-output"
    ),
    sample: Annotated[float, typer.Option(help="seconds between two looks")] = 10,
    fault: Annotated[
        list[str] | None,
        typer.Option(help=f"KIND=PROBABILITY of each book delta, to see it noticed; {_KINDS}"),
    ] = None,
    partitions: Annotated[int, typer.Option(min=1, help="of every topic")] = 2,
    setting: Annotated[
        list[str] | None,
        typer.Option(help="SERVICE:NAME=VALUE, such as merger:JETL2_MERGER_COMMIT_INTERVAL_MS=200"),
    ] = None,
) -> None:
    """Run the services under simulated exchanges for long; exit code 1 if anything grows or is lost."""
    from jetl2.devstack import soak as whole  # noqa: PLC0415 - as above

    run = whole.Soak(
        whole.Options(
            seconds=seconds,
            rate=rate,
            exchanges=exchanges,
            out=out.absolute(),
            sample_s=sample,
            faults=fault or (),
            partitions=partitions,
            settings=setting or (),
        )
    )
    passed = run.run()
    typer.echo(run.text())
    raise typer.Exit(0 if passed else 1)


def main() -> int:
    """Run the command; errors become one message and exit code 1, Ctrl-C and SIGTERM clean up."""
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        app()
    except StackError as error:
        sys.stderr.write(f"jetl2: {error}\n")
        return 1
    return 0


def _rate(text: str) -> tuple[str, float]:
    kind, _, probability = text.partition("=")
    if kind not in faults.KINDS:
        message = f"unknown fault {kind!r}: expected one of {_KINDS}"
        raise StackError(message)
    return kind, float(probability or 0.01)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
