"""`merger admin` (`jetl2 admin`): task, transactions, redrive, rebuild."""

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from confluent_kafka import KafkaException

from jetl2.exchanges import adapters
from jetl2.exchanges.errors import UnknownExchange
from jetl2.exchanges.exchange import Exchange
from jetl2.merger.admin import rebuild, redrive, show, task, transactions, verdicts
from jetl2.merger.admin.errors import AdminError, UsageError
from jetl2.merger.admin.reading import Cluster, raw_exchanges
from jetl2.merger.settings import Settings
from jetl2.runtime import kafka, log
from jetl2.runtime.settings import read
from jetl2.schemas import topics

PREFIX = "JETL2_MERGER_"
FAILED = 1
WRONG = 2
INTERRUPTED = 130
LETTERS = 1000
_EXIT_CODES = (
    "Exit codes: 0 done, and nothing is wrong; 1 failed, or something is wrong; 2 wrong usage."
)
_KAFKA = (
    f"Kafka, group and changelog are the merger's: {PREFIX}BOOTSTRAP_SERVERS, {PREFIX}GROUP_ID, "
)


def main(argv: Sequence[str]) -> int:
    """Do what a command says; return the exit code.

    Raises:
        SystemExit: 0 after --help, 2 for a wrong argument or setting.
    """
    given = _parser().parse_args(argv)
    settings = read(Settings, PREFIX)
    kafka.check()
    log.setup("info" if given.verbose else "error", "auto")
    servers = {"bootstrap_servers": given.bootstrap_servers} if given.bootstrap_servers else {}
    settings = settings.model_copy(update=servers)
    run: Callable[[argparse.Namespace, Settings], int] = given.run
    try:
        return run(given, settings)
    except AdminError as error:
        show.note(f"jetl2 admin: {' '.join(str(error).split())}")
        return error.exit_code
    except kafka.TopicError as error:
        show.note(f"jetl2 admin: {error}")
    except KafkaException as error:
        show.note(f"jetl2 admin: Kafka: {error.args[0].str()}")
    except KeyboardInterrupt:
        return INTERRUPTED
    return FAILED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="jetl2 admin",
        description="Look at what mergers keep in Kafka, and repair what can be repaired.",
        epilog=f"{_KAFKA}{PREFIX}CHANGELOG, JETL2_KAFKA_PROPERTIES. {_EXIT_CODES}",
    )
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--json", action="store_true", help="print one JSON object")
    common.add_argument("--verbose", action="store_true", help="log what happens, too")
    common.add_argument(
        "--bootstrap-servers", default="", metavar="HOST:PORT,...", help="in place of the setting"
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name: str, does: str, about: str, example: str, run: object) -> Any:
        made = commands.add_parser(
            name,
            parents=[common],
            help=does,
            description=about,
            epilog=f"Example: jetl2 admin {example}",
        )
        made.set_defaults(run=run)
        return made

    one = add(
        "task",
        "state of merger tasks: offsets, lag, symbols, whether they would start",
        "What tasks have committed, from changelog and group, and whether a merger would start with "
        "it, without the replay. Exit code 1: one would be refused.",
        "task 3 --symbols",
        _task,
    )
    one.add_argument("tasks", nargs="*", type=int, metavar="NUMBER", help="none: every task")
    one.add_argument("--symbols", action="store_true", help="each symbol: status, seq, state")
    hanging = add(
        "transactions",
        "transactions that hold readers back, the oldest first",
        "Partitions whose last stable offset stays behind their end, and since when. "
        "Exit code 1: one is older than --older-than.",
        "transactions --older-than 30",
        _transactions,
    )
    hanging.add_argument("topics", nargs="*", metavar="TOPIC", help="none: every topic")
    hanging.add_argument(
        "--older-than",
        type=float,
        default=transactions.HANGING_S,
        metavar="SECONDS",
        help="what counts as hanging (default: %(default)g)",
    )
    again = add(
        "redrive",
        "dead letters back to the raw topic, or into a file",
        "Shows what would become of the dead letters of an exchange; --apply sends those that may "
        "go back to the raw topic, each at most once: trades and liquidations with ids that can be "
        "read now and have not come another way. What could change a book is left, always.",
        "redrive EXCHANGE --symbol BTC-USD --from 2026-11-22T10:00",
        _redrive,
    )
    again.add_argument("exchange")
    again.add_argument("--symbol", action="append", default=[], help="only of it; may be repeated")
    _add_times(again)
    again.add_argument("--apply", action="store_true", help="send; without it nothing is changed")
    again.add_argument("--out", type=Path, metavar="FILE", help="write all of them as JSON lines")
    again.add_argument(
        "--limit", type=int, default=LETTERS, help="most of them sent at once (%(default)s)"
    )
    anew = add(
        "rebuild",
        "a symbol's records from the raw topic, as CSV files to compare",
        "Merges a symbol's raw events once more, by this release, into the files that an export "
        "has. Nothing in Kafka is changed; seq begins at 1.",
        "rebuild EXCHANGE BTC-USD --from 2026-11-22 --out rebuilt",
        _rebuild,
    )
    anew.add_argument("exchange")
    anew.add_argument("symbol")
    _add_times(anew)
    anew.add_argument("--out", type=Path, required=True, metavar="FOLDER")
    return parser


def _add_times(parser: argparse.ArgumentParser) -> None:
    example = "2026-11-22 or 2026-11-22T10:30:00 (UTC)"
    parser.add_argument("--from", dest="from_ts", default="", metavar="TIME", help=example)
    parser.add_argument("--to", dest="to_ts", default="", metavar="TIME", help="before it")


def _times(given: argparse.Namespace) -> tuple[int, int]:
    from_ts, to_ts = (show.time_of(t) if t else 0 for t in (given.from_ts, given.to_ts))
    if to_ts and to_ts <= from_ts:
        message = f"--to {given.to_ts} is not after --from {given.from_ts}"
        raise UsageError(message)
    return from_ts, to_ts


def _exchange(name: str) -> Exchange:
    try:
        return adapters.get(name)
    except UnknownExchange as error:
        raise UsageError(str(error)) from error


def _task(given: argparse.Namespace, settings: Settings) -> int:
    cluster = Cluster(settings.bootstrap_servers)
    known = adapters.load()
    names = settings.exchanges or raw_exchanges(cluster)
    exchanges = {name: known[name] for name in names if name in known}
    if not exchanges:
        message = f"there is no raw topic of a known exchange at {settings.bootstrap_servers}"
        raise AdminError(message)
    numbers = given.tasks or range(cluster.of(settings.changelog))
    reports = [task.look(cluster, settings, exchanges, number) for number in numbers]
    if given.json:
        show.document({"tasks": reports})
    else:
        for report in reports:
            _tell_task(report, symbols=given.symbols)
    return FAILED if any(report["refused"] for report in reports) else 0


def _tell_task(report: dict[str, Any], *, symbols: bool) -> None:
    age_s = report["commit_age_s"]
    statuses: dict[str, int] = {}
    for symbol in report["symbols"]:
        statuses[symbol["status"]] = statuses.get(symbol["status"], 0) + 1
    counts = ", ".join(f"{count} {status}" for status, count in sorted(statuses.items()))
    oldest_s = max((s["state_age_s"] for s in report["symbols"]), default=0)
    age = "never committed" if age_s is None else f"last commit {age_s:g} s ago"
    show.line(f"task {report['task']}: {age}{', at work' if report['at_work'] else ''}")
    show.line(f"  symbols     {len(report['symbols'])} ({counts or 'none'})")
    show.line(f"  states      the oldest was written {oldest_s:g} s ago")
    show.line(f"  next start  {report['next_start']}, {report['replays']} raw events to replay")
    rows = [tuple(row.values()) for row in report["topics"]]
    show.table(("topic", "changelog", "committed", "written", "low", "high", "lag"), rows)
    if symbols and report["symbols"]:
        columns = list(report["symbols"][0])
        show.table(columns, (tuple(symbol.values()) for symbol in report["symbols"]))


def _transactions(given: argparse.Namespace, settings: Settings) -> int:
    cluster = Cluster(settings.bootstrap_servers)
    wanted = given.topics or [name for name in cluster.partitions if not name.startswith("__")]
    rows = transactions.find(cluster, wanted, settings.group_id, given.older_than)
    hanging = [row for row in rows if row["hanging"]]
    if given.json:
        for row in hanging:
            row["commands"] = transactions.advice(cluster, row)
        show.document({"transactions": rows, "hanging": len(hanging)})
    else:
        show.line(f"{len(rows)} transactions are open, {len(hanging)} hanging")
        if rows:
            show.table(list(rows[0]), (tuple(row.values()) for row in rows))
        for row in hanging:
            show.line(f"{row['topic']}-{row['partition']}: who it is, and how to end it:")
            for command in transactions.advice(cluster, row):
                show.line(f"  {command}")
    return FAILED if hanging else 0


def _redrive(given: argparse.Namespace, settings: Settings) -> int:
    exchange = _exchange(given.exchange)
    from_ts, to_ts = _times(given)
    if given.limit < 1:
        message = "--limit must be at least 1"
        raise UsageError(message)
    cluster = Cluster(settings.bootstrap_servers)
    # All of them are looked for before anything is written
    for name in (topics.dead_letter, topics.raw, topics.market):
        cluster.of(name(exchange.name))
    wanted = redrive.Wanted(symbols=frozenset(given.symbol), from_ts=from_ts, to_ts=to_ts)
    sent: list[verdicts.Found] = []
    if given.apply:
        found, sent = redrive.apply(cluster, exchange, wanted, given.limit)
    else:
        found = redrive.find(cluster, exchange, wanted)
    if given.out is not None:
        _write(given.out, found)
    _tell_redrive(given, exchange.name, found, len(sent))
    return 0


def _tell_redrive(
    given: argparse.Namespace, name: str, found: Sequence[verdicts.Found], sent: int
) -> None:
    counts: dict[str, int] = {}
    for each in found:
        counts[each.verdict] = counts.get(each.verdict, 0) + 1
    may = counts.get(verdicts.REDRIVE, 0)
    if given.json:
        show.document(
            {
                "exchange": name,
                "letters": len(found),
                "may_be_redriven": may,
                "redriven": sent,
                "applied": given.apply,
                "verdicts": counts,
            }
        )
        return
    if counts:
        show.table(("letters", "verdict"), ((n, v) for v, n in sorted(counts.items())))
    if given.apply:
        show.line(f"{sent} of {len(found)} dead letters of {name} were redriven")
        if may > sent:
            show.line(f"{may - sent} are left by --limit: run it again")
    else:
        show.line(f"{may} of {len(found)} dead letters of {name} would be redriven")
        if may:
            show.line("nothing was changed; --apply sends them")


def _write(path: Path, found: Sequence[verdicts.Found]) -> None:
    try:
        with path.open("w", encoding="utf-8") as file:
            file.writelines(json.dumps(each.described()) + "\n" for each in found)
    except OSError as error:
        message = f"{path}: {error.strerror}"
        raise AdminError(message) from error


def _rebuild(given: argparse.Namespace, settings: Settings) -> int:
    exchange = _exchange(given.exchange)
    from_ts, to_ts = _times(given)
    cluster = Cluster(settings.bootstrap_servers)
    found = rebuild.rebuild(
        cluster, exchange, given.symbol, given.out, from_ts=from_ts, to_ts=to_ts
    )
    if given.json:
        show.document(found)
        return 0
    for name, value in found.items():
        shown = value
        if isinstance(value, dict):
            shown = ", ".join(f"{n} {count}" for n, count in value.items())
        elif isinstance(value, list):
            shown = ", ".join(value) if name == "files" else " x ".join(value)
        show.line(f"{name:<12}{'' if shown is None else shown}")
    return 0
