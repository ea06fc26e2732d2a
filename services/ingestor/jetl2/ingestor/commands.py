"""`jetl2 ingest exchanges|instruments|check`: what there is, and whether it works from here."""

# ruff: noqa: T201 - printing is its work

import argparse
import asyncio
import json
import os
import signal
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from pydantic import ValidationError
from rich.box import SIMPLE
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from jetl2.exchanges import adapters, overview
from jetl2.exchanges.exchange import Exchange, Instrument
from jetl2.ingestor import listing, selection
from jetl2.ingestor.errors import UnlistedError
from jetl2.ingestor.settings import PREFIX, Endpoint, Settings
from jetl2.ingestor.subscription import KINDS, Selection, exchange_named
from jetl2.ingestor.trial import Trial
from jetl2.runtime import log
from jetl2.runtime.settings import read

NAMES = ("exchanges", "instruments", "check")
# Symbols that are tried when none is named
TRIED = 3
_TRIED_FIRST = frozenset({"BTC", "XBT", "ETH"})


def main(argv: Sequence[str]) -> int:
    """Do what one of the commands says; return the exit code.

    Raises:
        SystemExit: 0 after --help, 2 for a wrong argument.
    """
    try:
        code = _do(_given(argv))
        sys.stdout.flush()
    except BrokenPipeError:
        # Who read it has enough; the interpreter must not try to write the rest
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return code


def _do(given: argparse.Namespace) -> int:
    log.setup("info" if given.verbose else "warning", "auto")
    if given.command == "exchanges":
        return _exchanges(as_json=given.json)
    try:
        exchange = exchange_named(given.exchange)
        endpoint = Endpoint(ws=given.ws, rest=given.rest, fix=given.fix)
    except ValidationError as error:
        return _refuse("; ".join(str(p["msg"]) for p in error.errors()))
    except ValueError as error:
        return _refuse(str(error))
    if given.command == "instruments":
        return asyncio.run(_instruments(exchange, endpoint, given))
    return asyncio.run(_check(exchange, endpoint, given))


def _given(argv: Sequence[str]) -> argparse.Namespace:
    parser = _parser()
    given, more = parser.parse_known_args(argv)
    # argparse takes positional arguments in one piece only: symbols may follow an option, too
    if more and (given.command != "check" or any(word.startswith("-") for word in more)):
        parser.error(f"unrecognized arguments: {' '.join(more)}")
    if more:
        given.symbols += more
    return given


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="jetl2 ingest",
        description="What exchanges there are, what they list, and whether one works from here.",
        epilog="Example: jetl2 ingest check EXCHANGE SYMBOL --seconds 20",
    )
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--json", action="store_true", help="print JSON")
    common.add_argument("--verbose", action="store_true", help="log what happens, too")
    of_one = argparse.ArgumentParser(add_help=False)
    of_one.add_argument("exchange", help="its id, as `jetl2 ingest exchanges` lists it")
    of_one.add_argument("--ws", default="", help="in place of its websocket host: ws://host:port")
    of_one.add_argument("--rest", default="", help="in place of its REST host: http://host:port")
    of_one.add_argument("--fix", default="", help="in place of its FIX host: fix+tls://host:port")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser(
        "exchanges",
        parents=[common],
        help="what each exchange offers, by its declaration",
        epilog="Example: jetl2 ingest exchanges --json",
    )
    listed = commands.add_parser(
        "instruments",
        parents=[common, of_one],
        help="what an exchange lists now; the same conditions as in a file of feeds",
        epilog="Example: jetl2 ingest instruments EXCHANGE --kind spot --quote USDT --match 'B*'",
    )
    listed.add_argument("--kind", choices=KINDS, default="")
    listed.add_argument("--base", default="")
    listed.add_argument("--quote", default="")
    listed.add_argument("--match", default="", help="a pattern: * any characters, ? one")
    listed.add_argument("--top", type=int, default=0, help="the first by the volume of 24 h")
    listed.add_argument("--all", action="store_true", help="also what is not traded now")
    check = commands.add_parser(
        "check",
        parents=[common, of_one],
        help="connect, read and merge for a while, without Kafka; report",
        description="Connects as the ingestor does, reads and merges what comes, without Kafka. "
        "Exit code 1: a book did not come, or something was refused or could not be read.",
        epilog="Example: jetl2 ingest check EXCHANGE BTC-USD 'ETH-*' --seconds 20",
    )
    check.add_argument("symbols", nargs="*", metavar="SYMBOL", help="names or patterns")
    check.add_argument("--seconds", type=float, default=60)
    check.add_argument(
        "--over-fix", action="store_true", help=f"over FIX, with the credentials of {PREFIX}FIX"
    )
    return parser


def _exchanges(*, as_json: bool) -> int:
    known = adapters.load().values()
    if as_json:
        print(json.dumps([overview.row(exchange) for exchange in known]))
    elif sys.stdout.isatty():
        short = ("exchange", "data types", "book", "proof of continuity", "FIX")
        _table(short, map(_short, known))
        print("All of it: jetl2 ingest exchanges --json, or docs/exchanges.md")
    else:
        _table(overview.columns(), (overview.cells(exchange) for exchange in known))
    return 0


def _short(exchange: Exchange) -> tuple[str, ...]:
    """Return what fits on a terminal."""
    _, _, book, proof, *_ = overview.cells(exchange)
    return exchange.name, ", ".join(exchange.channels), book, proof, "yes" if exchange.fix else ""


async def _instruments(exchange: Exchange, endpoint: Endpoint, given: argparse.Namespace) -> int:
    if given.top and exchange.instruments.volumes is None:
        return _refuse(f"{exchange.name} does not tell volumes: --top cannot be used")
    tells = exchange.instruments.volumes is not None
    try:
        found = await listing.fetch(exchange, endpoint.rest, volumes=tells)
    except UnlistedError as error:
        return _fail(f"{exchange.name}: {error}")
    listed = found.instruments
    if given.all:
        listed = [i._replace(active=True) for i in listed]
    conditions = {n: getattr(given, n) for n in ("match", "kind", "base", "quote", "top")}
    if any(conditions.values()):
        chosen = selection.choose([Selection(**conditions)], listed, found.volumes)
        for problem in chosen.problems:
            close = f": {', '.join(problem.close)}?" if problem.close else ""
            return _fail(f"{exchange.name}: {problem.entry}: {problem.problem}{close}")
        wanted = chosen.symbols
    else:
        wanted = [i.symbol for i in listed if i.active]
    by_symbol = {i.symbol: i for i in found.instruments}
    rows = [_row(by_symbol[symbol], found.volumes) for symbol in wanted]
    if given.json:
        print(json.dumps(rows))
    elif rows:
        _table(list(rows[0]), (["" if v is None else str(v) for v in r.values()] for r in rows))
    return 0


def _row(instrument: Instrument, volumes: dict[str, float] | None) -> dict[str, Any]:
    told = {} if volumes is None else {"volume_24h": volumes.get(instrument.symbol)}
    return {**instrument._asdict(), **told}


async def _check(exchange: Exchange, endpoint: Endpoint, given: argparse.Namespace) -> int:
    credentials = None
    data_types: Sequence[str] = tuple(exchange.channels)
    if given.over_fix:
        credentials = read(Settings, PREFIX).fix.get(exchange.name)
        if credentials is None or exchange.fix is None:
            return _refuse(f"{PREFIX}FIX has no credentials for {exchange.name}")
        data_types = exchange.fix.data_types
    problems: list[str] = []
    listed: list[Instrument] = []
    try:
        tells = not given.symbols and exchange.instruments.volumes is not None
        found = await listing.fetch(exchange, endpoint.rest, volumes=tells)
    except UnlistedError as error:
        problems.append(f"the list of instruments could not be had: {error}")
        chosen = selection.unlisted(given.symbols)
    else:
        listed = found.instruments
        chosen = selection.choose(given.symbols or _tried(listed, found.volumes), listed)
    for problem in chosen.problems:
        close = f"; close to it: {', '.join(problem.close)}" if problem.close else ""
        problems.append(f"{problem.entry} {problem.problem}{close}")
    trial = Trial(exchange, chosen.symbols, data_types)
    if chosen.symbols:
        await trial.run(given.seconds, endpoint, _until_interrupted(), credentials)
    else:
        problems.append("there is no symbol to try: name one")
    report = trial.report()
    report["instruments"] = len(listed)
    report["instruments_active"] = sum(i.active for i in listed)
    report["problems"] = [*problems, *(report["problems"] if chosen.symbols else [])]
    if given.json:
        print(json.dumps(report))
    else:
        print("\n".join(_told(report)))
    return 1 if report["problems"] else 0


def _until_interrupted() -> asyncio.Event:
    """Return an event that is set by Ctrl-C: the report of what came until then is wanted."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, stop.set)
    return stop


def _tried(listed: Sequence[Instrument], volumes: dict[str, float] | None) -> list[str]:
    """Return what is tried when nothing is named: the largest by volume, or well-known coins."""
    active = [i for i in listed if i.active]
    if volumes:
        active.sort(key=lambda i: -volumes.get(i.symbol, 0))
    else:
        active.sort(key=lambda i: i.base not in _TRIED_FIRST)
    return [i.symbol for i in active[:TRIED]]


def _told(report: dict[str, Any]) -> Iterable[str]:
    """Yield the report as lines for a person."""
    books = report["books"]
    came = sum(book["first_after_s"] is not None for book in books.values())
    yield f"{report['exchange']}: {came} of {len(books)} books came in {report['seconds']:g} s"
    yield _line(
        "listed", f"{report['instruments']} instruments, {report['instruments_active']} traded now"
    )
    after_s = report["connected_after_s"]
    breaks = f", broken: {'; '.join(report['breaks'])}" if report["breaks"] else ", no break"
    yield _line(
        "connected",
        "no" if after_s is None else f"after {after_s:g} s, {report['connections']} in all{breaks}",
    )
    refused = f", refused {len(report['refused'])}" if report["refused"] else ", none refused"
    yield _line("subscribed", f"{report['requests']} requests{refused}")
    yield _line("messages", f"{report['messages']}, {report['messages_per_second']:g} a second")
    counts = ", ".join(f"{name} {count}" for name, count in report["records"].items())
    yield _line("records", counts or "none")
    yield _line("unread", str(report["unread"]))
    for shown in report["unread_shown"]:
        yield _line("", f"{shown['error']}: {shown['payload']}")
    yield _line("gaps", f"{report['gaps']}, {report['resyncs']} resyncs")
    for gap in report["gaps_shown"]:
        yield _line("", f"{gap['symbol']}: {gap['reason']}: {gap['detail']}")
    yield _line("proof", f"{', '.join(report['proof'])} (by what a loss is noticed)")
    checksums = report["checksums"]
    yield _line("checksums", f"{checksums['passed']} passed, {checksums['failed']} failed")
    if (behind := report["behind_ms"]) is not None:
        yield _line(
            "clock",
            f"messages came {behind['median']:g} ms after the exchange's time "
            f"({behind['least']:g} to {behind['most']:g}; the way and both clocks)",
        )
    for symbol, book in books.items():
        after_s = book["first_after_s"]
        if after_s is None:
            yield _line(symbol, "no book")
            continue
        bid, ask = (" x ".join(book[side]) if book[side] else "-" for side in ("bid", "ask"))
        yield _line(
            symbol,
            f"first book after {after_s:g} s, {book['state']}, {book['levels']} levels, "
            f"bid {bid}, ask {ask}",
        )
    for problem in report["problems"]:
        yield f"problem: {problem}"


def _line(name: str, text: str) -> str:
    return f"  {name:<14}  {' '.join(text.split())}"


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table that fits on a terminal, else tab-separated, with a header."""
    if not sys.stdout.isatty():
        for row in (columns, *rows):
            print("\t".join(row))
        return
    table = Table(*columns, box=SIMPLE, pad_edge=False, row_styles=("", "dim"))
    for row in rows:
        table.add_row(*map(escape, row))
    Console().print(table)


def _refuse(message: str) -> int:
    print(f"jetl2 ingest: {message}", file=sys.stderr)
    return 2


def _fail(message: str) -> int:
    print(f"jetl2 ingest: {message}", file=sys.stderr)
    return 1
