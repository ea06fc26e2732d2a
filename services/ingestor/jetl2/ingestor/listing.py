"""What an exchange lists, fetched: its instruments, and their volumes where it tells them."""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import NamedTuple

from jetl2.exchanges.errors import UNREADABLE
from jetl2.exchanges.exchange import Exchange, Frame, Instrument, decode_json
from jetl2.ingestor import plan
from jetl2.ingestor.errors import RefusedError, UnlistedError
from jetl2.ingestor.transport.rest import Rest
from jetl2.runtime import log

LIST_S = 30
# As many in a minute at most: lists are long, and dear where requests have a weight
LISTS = 60
WEIGHT_PER_MINUTE = 60

_log = log.get()


class Listing(NamedTuple):
    """The instruments; `volumes` by symbol are None where they were not asked for or not had."""

    instruments: list[Instrument]
    volumes: dict[str, float] | None


def rest_of(exchange: Exchange) -> Rest:
    """Return what all requests to an exchange go through: they share its allowance, and its bans."""
    snapshot = exchange.snapshot
    return Rest(exchange.name, snapshot.weight_per_minute if snapshot else WEIGHT_PER_MINUTE)


async def fetch(
    exchange: Exchange, rest_host: str = "", *, volumes: bool = False, rest: Rest | None = None
) -> Listing:
    """Return what the exchange lists now.

    Args:
        rest_host: In place of the exchange's own.
        rest: What other requests to it go through; None: there are none.
        volumes: Ask for these too, if the exchange tells them.

    Raises:
        UnlistedError: It could not be had or read, or holds nothing.
    """
    form = exchange.instruments
    try:
        async with asyncio.timeout(LIST_S), AsyncExitStack() as stack:
            if rest is None:
                rest = rest_of(exchange)
                stack.push_async_callback(rest.close)
            bodies = await _bodies(rest, form.url, rest_host, form.body)
            # Each once, also where two lists share some
            instruments = list({i.symbol: i for body in bodies for i in form.parse(body)}.values())
            if not instruments:
                message = "the list is empty"
                raise UnlistedError(message)
            found = None
            if volumes and form.volumes is not None:
                found = await _volumes(exchange, rest, rest_host, bodies)
    except (TimeoutError, RefusedError, *UNREADABLE) as error:
        message = f"{type(error).__name__}: {error}"
        raise UnlistedError(message) from error
    return Listing(instruments, found)


async def _volumes(
    exchange: Exchange, rest: Rest, rest_host: str, bodies: Sequence[Frame]
) -> dict[str, float] | None:
    form = exchange.instruments
    assert form.volumes is not None
    try:
        if form.volumes_url:
            bodies = await _bodies(rest, form.volumes_url, rest_host, "")
        return {symbol: float(volume) for body in bodies for symbol, volume in form.volumes(body)}
    except (RefusedError, *UNREADABLE) as error:
        problem = f"{type(error).__name__}: {error}"
        _log.warning("volumes_unknown", exchange=exchange.name, problem=problem)
        return None


async def _bodies(
    rest: Rest, url: str | Sequence[str], rest_host: str, body: str
) -> Sequence[Frame]:
    urls = [url] if isinstance(url, str) else url
    answers = await asyncio.gather(
        *(
            rest.get(
                plan.at(u, rest_host), rest.weight_per_minute / LISTS, attempts=2, post=body or None
            )
            for u in urls
        )
    )
    return [decode_json(answer) for answer in answers]
