"""`jetl2 catalog`, `jetl2 coverage`, `jetl2 book`: what there is, how complete it is, how it stood."""

# ruff: noqa: PLC0415, T201 - imported when needed, so that help is quick; printing is its work

from typing import Annotated

import typer

from jetl2.client import output, times

_DAY_NS = 86_400 * 1_000_000_000

app = typer.Typer(no_args_is_help=True)

Exchange = Annotated[str, typer.Argument(help="See jetl2 catalog exchanges.")]


@app.callback()
def group() -> None:
    """Show what can be asked for.

    Example: jetl2 catalog symbols kraken --contains USD
    """


@app.command()
def exchanges() -> None:
    """Print the exchanges that there is data of, one a line.

    Example: jetl2 catalog exchanges
    """
    from jetl2.client.client import Client

    with Client() as client:
        for name in client.exchanges():
            print(name)


@app.command()
def symbols(
    exchange: Exchange,
    contains: Annotated[str, typer.Option(help="Only those that contain this.")] = "",
) -> None:
    """Print the symbols of an exchange that there is data of, one a line.

    Example: jetl2 catalog symbols kraken --contains USD
    """
    from jetl2.client.client import Client

    with Client() as client:
        for name in client.symbols(exchange, contains):
            print(name)


@app.command()
def types() -> None:
    """Show the data types that can be exported.

    Example: jetl2 catalog types
    """
    from jetl2.client.client import Client

    with Client() as client:
        output.table(("type", "what it is"), client.data_types())


@app.command()
def dates(
    exchange: Exchange,
    symbol: Annotated[str, typer.Argument(help="As the exchange writes it.")],
    data_type: Annotated[str, typer.Option("--type", "-t")] = "incremental_book_L2",
) -> None:
    """Print the days of which there is data, one a line.

    Example: jetl2 catalog dates kraken BTC/USD --type trades
    """
    from jetl2.client.client import Client

    with Client() as client:
        for day in client.dates(exchange, symbol, data_type):
            print(day)


def coverage(
    exchange: Exchange,
    symbols: Annotated[list[str] | None, typer.Argument(help="Default: all.")] = None,
    *,
    start: Annotated[str, typer.Option("--from", help="UTC, included.")],
    end: Annotated[str, typer.Option("--to", help="UTC, excluded. Default: a day later.")] = "",
    json: Annotated[bool, typer.Option("--json", help="Print JSON, an hour a line.")] = False,
) -> None:
    """Show how complete the recording is, hour by hour.

    Example: jetl2 coverage kraken BTC/USD --from 2026-11-22
    """
    from jetl2.client.client import Client

    start_ts = times.parse(start)
    end_ts = times.parse(end) if end else start_ts + _DAY_NS
    with Client() as client:
        hours = list(client.coverage(exchange, symbols or [], start_ts, end_ts))
    if json:
        for hour in hours:
            output.message(hour)
        return
    counts = (
        "rows",
        "messages",
        "gaps",
        "reconnects",
        "checksums_passed",
        "checksums_failed",
        "crossed",
        "duplicates",
    )
    output.table(
        ("symbol", "data_type", "hour", *counts),
        (
            (
                h.symbol,
                h.data_type,
                times.show(h.hour.ToNanoseconds()),
                *(getattr(h, name) for name in counts),
            )
            for h in hours
        ),
    )


def book(
    exchange: Exchange,
    symbol: Annotated[str, typer.Argument(help="As the exchange writes it.")],
    at: Annotated[str, typer.Option("--at", help="UTC, to the nanosecond if need be.")],
    depth: Annotated[int, typer.Option(help="Levels a side.")] = 10,
) -> None:
    """Show a book as it stood at an instant.

    Example: jetl2 book okex BTC-USDT --at 2026-11-22T10:30:00.5
    """
    from itertools import zip_longest

    from jetl2.client.client import Client
    from jetl2.schemas.decimals import render

    with Client() as client:
        found = client.book(exchange, symbol, times.parse(at), depth)
    sides = (
        [
            (
                render(level.size.mantissa, level.size.exponent),
                render(level.price.mantissa, level.price.exponent),
            )
            for level in side
        ]
        for side in (found.bids, found.asks)
    )
    rows = ((*(bid or ("", "")), *reversed(ask or ("", ""))) for bid, ask in zip_longest(*sides))
    output.table(("bid size", "bid", "ask", "ask size"), rows)
