"""Which symbols of an exchange this process takes: listed, chosen, reported, divided over replicas."""

import asyncio
from collections.abc import Callable, Sequence

from jetl2.exchanges.exchange import Exchange
from jetl2.ingestor import listing, metrics, plan, selection
from jetl2.ingestor.errors import UnlistedError
from jetl2.ingestor.selection import PATTERN, Chosen
from jetl2.ingestor.settings import Settings
from jetl2.ingestor.subscription import Entry, Selection
from jetl2.ingestor.transport.rest import Rest
from jetl2.runtime import log

# A list of instruments that could not be had is asked for again after this time
RETRY_S = 60

_log = log.get()


class Wanted:
    """What is wanted of one exchange, and what of it is not decided for good.

    Names are decided when they are listed, the first by volume when they were ranked; patterns and
    conditions never are: what is listed later and meets them is taken then.
    """

    def __init__(self, settings: Settings, exchange: Exchange, rest: Rest | None = None) -> None:
        """Ask nothing yet.

        Args:
            rest: What all requests to the exchange go through; None: there are no others.
        """
        self.exchange = exchange
        self._rest = rest
        # The list was had and read, with the volumes if they are needed
        self.known = False
        self.taken: list[str] = []
        self._settings = settings
        self._open = settings.subscriptions[exchange.name].symbols

    async def look(self) -> list[str]:
        """Return the symbols to take that were not taken before.

        What cannot be found is logged, with what may have been meant.
        """
        settings, name, entries = self._settings, self.exchange.name, self._open
        endpoint = settings.endpoints.get(name)
        host = endpoint.rest if endpoint else ""
        ranked = any(map(_ranked, entries))
        try:
            found = await listing.fetch(self.exchange, host, volumes=ranked, rest=self._rest)
        except UnlistedError as error:
            self.known = False
            _log.warning("instruments_unknown", exchange=name, problem=str(error))
            chosen = selection.unlisted(entries)
        else:
            self.known = not ranked or found.volumes is not None
            chosen = selection.choose(entries, found.instruments, found.volumes)
        _report(settings, name, chosen)
        problems = {problem.entry for problem in chosen.problems}
        self._open = tuple(e for e in entries if _stays(e) or str(e) in problems)
        own = plan.own(name, chosen.symbols, settings.shard, settings.shards)
        new = [symbol for symbol in own if symbol not in self.taken]
        self.taken += new
        if new or not self.taken:
            _log.info(
                "symbols_chosen",
                exchange=name,
                chosen=len(chosen.symbols),
                new=len(new),
                shard=f"{settings.shard} of {settings.shards}",
            )
        return new

    async def follow(self, take: Callable[[Sequence[str]], None]) -> None:
        """Look again and again, as long as anything is open; hand on what is new.

        A list that could not be had is asked for again sooner.
        """
        while self._settings.refresh_s and self._open:
            most_s = self._settings.refresh_s
            await asyncio.sleep(most_s if self.known else min(most_s, RETRY_S))
            if new := await self.look():
                take(new)


def _ranked(entry: Entry) -> bool:
    return isinstance(entry, Selection) and bool(entry.top)


def _stays(entry: Entry) -> bool:
    """Whether what is listed later may belong to an entry, too."""
    return not _ranked(entry) if isinstance(entry, Selection) else not PATTERN.isdisjoint(entry)


def _report(settings: Settings, exchange: str, chosen: Chosen) -> None:
    for problem in chosen.problems:
        exact = PATTERN.isdisjoint(problem.entry) and not problem.entry.startswith("{")
        _log.error(
            "symbol_not_listed" if exact else "selection_empty",
            exchange=exchange,
            source=settings.source,
            symbol=problem.entry,
            problem=problem.problem,
            close_matches=problem.close,
        )
    for symbol in chosen.resting:
        _log.warning("symbol_not_trading", exchange=exchange, symbol=symbol)
    metrics.unresolved.labels(exchange).set(len(chosen.problems))
