"""The whole way from exchanges to merged records under trial: simulated exchanges are the truth."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from jetl2.campaign import oracle, wire
from jetl2.campaign.kept import KILLED, Clock, Kept
from jetl2.campaign.mergers import Member, members
from jetl2.campaign.oracle import Verdict
from jetl2.campaign.trial import Trial
from jetl2.campaign.truth import Levels, Name
from jetl2.devstack import dialects, faults, kafka, pipeline, simulator, sources
from jetl2.devstack.errors import NotReadyError
from jetl2.devstack.process import free_ports, wait_until

PARTITIONS = 4
_GIVE_UP_S = 120


class Recorder(Kept):
    """One ingestor, with the port at which it is asked how it is."""

    def __init__(
        self,
        name: str,
        servers: str,
        exchanges: Sequence[simulator.Simulator],
        folder: Path,
        settings: Mapping[str, object],
        clock: Clock | None = None,
    ) -> None:
        """Start it.

        Args:
            name: Of the process.
            servers: Of the broker, or of a proxy before it.
            exchanges: What it records.
            folder: For its log.
            settings: Of the ingestor, by name.
            clock: That it stamps by; None: the machine's.
        """
        (self.port,) = free_ports(1)
        wanted = {e.exchange: {"symbols": e.symbols, "data_types": TYPES} for e in exchanges}
        given = {
            "bootstrap_servers": servers,
            "subscriptions": wanted,
            "endpoints": {e.exchange: e.endpoints for e in exchanges},
            "partitions": PARTITIONS,
            "http_port": self.port,
            "backoff_s": 0.2,
        }
        super().__init__("ingestor", name, folder, given | dict(settings), clock)

    def die_once(self) -> None:
        """Kill it, and return when that life has ended; it is started again."""
        deaths = self.ended[KILLED]
        self.kill()
        self.wait_ended(KILLED, deaths + 1)

    def ready(self) -> bool:
        """Whether it says that all its connections are open."""
        return pipeline.answers(f"http://127.0.0.1:{self.port}/readyz")


TYPES = ["book_delta", "trade"]


@dataclass
class Site:
    """What a scenario works on."""

    trial: Trial
    servers: str
    exchanges: list[simulator.Simulator]
    recorders: list[Recorder]
    mergers: list[Member]

    def wait_ready(self) -> None:
        """Wait until every recorder has all its connections.

        Raises:
            NotReadyError: One has not.
        """
        for recorder in self.recorders:
            wait_until(recorder.ready, f"{recorder.name} is ready", timeout_s=_GIVE_UP_S)

    def rest(self) -> list[tuple[str, dict[str, Any]]]:
        """Let the exchanges behave and stand still, and the books come true; return all records.

        What does not come true in time is a problem of the trial.
        """
        self.wait_ready()
        for exchange in self.exchanges:
            exchange.end()
        try:
            wait_until(self._is_true, "the true books", timeout_s=_GIVE_UP_S, interval_s=1)
        except NotReadyError as error:
            self.trial.problem(str(error))
        return market(self)

    def _is_true(self) -> bool:
        if not all(e.finished() for e in self.exchanges):
            return False
        built = books(market(self))
        return all(
            built[e.exchange, s] == true_book(e, s) for e in self.exchanges for s in e.symbols
        )


@contextmanager
def site(
    trial: Trial,
    names: Sequence[str],
    *,
    recorders: int = 1,
    rate: float = 40,
    rates: Mapping[str, float] | None = None,
    clocks: Sequence[Clock] = (),
    **settings: object,
) -> Iterator[Site]:
    """Record simulated exchanges for the length of the block.

    Args:
        trial: What all follows from.
        names: Of the exchanges; their trades are numbered from 1, as text.
        recorders: How many record the same.
        rate: Market events a second of each exchange.
        rates: How probable each misbehaviour is for a book delta.
        clocks: Of each recorder, then of the merger; none: the machine's for all.
        settings: Of the recorders, by name.
    """
    known = dialects.load()
    exchanges = [
        simulator.Simulator(
            known[name],
            seed=trial.seed,
            events=10**9,
            events_per_second=rate,
            misbehaviour=faults.Faults(trial.seed, rates or {}),
        )
        for name in names
    ]
    with kafka.broker(trial.folder / "kafka") as broker, sources.simulated(exchanges):
        servers = broker.bootstrap_servers
        kafka.create_exchange_topics(servers, names, PARTITIONS)
        running: list[Recorder] = []
        own: Sequence[Clock | None] = clocks or [None] * (recorders + 1)
        with members(1, servers, trial.folder, clock=own[-1]) as mergers:
            try:
                for n in range(recorders):
                    name = f"ingestor-{n}"
                    one = Recorder(name, servers, exchanges, trial.folder, settings, own[n])
                    running.append(one)
                at = Site(trial, servers, exchanges, running, mergers)
                at.wait_ready()
                yield at
            finally:
                for recorder in running:
                    recorder.abandon()


def market(at: Site) -> list[tuple[str, dict[str, Any]]]:
    """Return all merged records, decoded, in order within each symbol."""
    names = [f"market.{e.exchange}" for e in at.exchanges]
    return [wire.decode(message.value()) for message in kafka.read(at.servers, names)]


def judge(at: Site, found: Sequence[tuple[str, dict[str, Any]]]) -> Verdict:
    """Compare merged records with the simulators' truth: numbering, trades, books, gaps that show.

    What a gap hides is not there; all else must be: each trade once, no delta inside of a gap, and
    at the end the true book.
    """
    verdict = Verdict()
    _numbering(verdict, found)
    trades = Counter(
        (fields["exchange"], fields["symbol"], fields["trade_id"])
        for kind, fields in found
        if kind == "Trade"
    )
    for trade, count in trades.items():
        if count > 1:
            verdict.tell("duplicated", f"trade {trade}", count - 1)
    built = books(found)
    for exchange in at.exchanges:
        for symbol in exchange.symbols:
            name = (exchange.exchange, symbol)
            if built[name] != true_book(exchange, symbol):
                verdict.tell("wrong_books", f"{name} ends otherwise than the true book")
    return verdict


def _numbering(verdict: Verdict, found: Sequence[tuple[str, dict[str, Any]]]) -> None:
    seqs: Counter[Name] = Counter()
    lost: dict[Name, bool] = defaultdict(lambda: True)
    for kind, fields in found:
        name = (fields["exchange"], fields["symbol"])
        seqs[name] += 1
        verdict.records += 1
        if fields["seq"] != seqs[name]:
            verdict.tell("wrong", f"{name} has seq {fields['seq']}, expected {seqs[name]}")
            seqs[name] = fields["seq"]
        if kind == "Gap":
            lost[name] = True
        elif kind == "BookDelta":
            if lost[name] and not fields["is_snapshot"]:
                verdict.tell("wrong", f"{name}: a delta inside of a gap, seq {fields['seq']}")
            lost[name] = False


def want_all_trades(at: Site, found: Sequence[tuple[str, dict[str, Any]]]) -> None:
    """Note as a problem what of each symbol's trades is not there, of those since the first that is."""
    ids: dict[Name, set[int]] = defaultdict(set)
    for kind, fields in found:
        if kind == "Trade":
            ids[fields["exchange"], fields["symbol"]].add(int(fields["trade_id"]))
    for exchange in at.exchanges:
        for symbol, truth in exchange.markets.items():
            known = ids[exchange.exchange, symbol]
            wanted = range(min(known, default=1), truth.trade_id + 1)
            if away := len(set(wanted) - known):
                at.trial.problem(f"{away} trades of {exchange.exchange} {symbol} are missing")


def books(found: Sequence[tuple[str, dict[str, Any]]]) -> dict[Name, tuple[Levels, Levels]]:
    """Return the books that merged records come to."""
    built: dict[Name, tuple[Levels, Levels]] = defaultdict(lambda: ({}, {}))
    for kind, fields in found:
        if kind == "BookDelta":
            oracle.apply(built[fields["exchange"], fields["symbol"]], fields)
    return built


def true_book(exchange: simulator.Simulator, symbol: str) -> tuple[Levels, Levels]:
    """Return the true bids and asks, as deep as the exchange shows them."""
    bids, asks = exchange.book(symbol)
    depth = exchange.depth
    shown = [{Decimal(p): Decimal(s) for p, s in side[:depth]} for side in (bids, asks)]
    return shown[0], shown[1]
