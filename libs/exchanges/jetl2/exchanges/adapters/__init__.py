"""The exchanges there are: every module of this folder, found by scanning; no list to edit."""

import importlib
import pkgutil
from functools import cache

from jetl2.exchanges.errors import UnknownExchange
from jetl2.exchanges.exchange import Exchange


@cache
def load() -> dict[str, Exchange]:
    """Return every exchange by its name, in alphabetical order."""
    found: dict[str, Exchange] = {}
    for module in sorted(pkgutil.iter_modules(__path__), key=lambda m: m.name):
        exchange: Exchange = importlib.import_module(f"{__name__}.{module.name}").EXCHANGE
        found[exchange.name] = exchange
    return found


def get(name: str) -> Exchange:
    """Return one exchange.

    Raises:
        UnknownExchange: None of that name; the message lists the names there are.
    """
    try:
        return load()[name]
    except KeyError:
        message = f"unknown exchange {name!r}: expected one of {', '.join(load())}"
        raise UnknownExchange(message) from None
