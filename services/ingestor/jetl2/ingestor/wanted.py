"""Which symbols of an exchange this process takes: listed, chosen, reported, divided over replicas."""

from jetl2.exchanges.exchange import Exchange
from jetl2.ingestor import listing, metrics, plan, selection
from jetl2.ingestor.errors import UnlistedError
from jetl2.ingestor.selection import PATTERN, Chosen
from jetl2.ingestor.settings import Settings
from jetl2.ingestor.subscription import Selection
from jetl2.runtime import log

_log = log.get()


async def symbols(settings: Settings, exchange: Exchange) -> list[str]:
    """Return the symbols to take; what cannot be found is logged, with what may have been meant."""
    entries = settings.subscriptions[exchange.name].symbols
    endpoint = settings.endpoints.get(exchange.name)
    ranked = any(isinstance(entry, Selection) and entry.top for entry in entries)
    try:
        found = await listing.fetch(exchange, endpoint.rest if endpoint else "", volumes=ranked)
    except UnlistedError as error:
        _log.warning("instruments_unknown", exchange=exchange.name, problem=str(error))
        chosen = selection.unlisted(entries)
    else:
        chosen = selection.choose(entries, found.instruments, found.volumes)
    _report(settings, exchange.name, chosen)
    own = plan.own(exchange.name, chosen.symbols, settings.shard, settings.shards)
    _log.info(
        "symbols_chosen",
        exchange=exchange.name,
        chosen=len(chosen.symbols),
        taken=len(own),
        shard=f"{settings.shard} of {settings.shards}",
    )
    return own


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
