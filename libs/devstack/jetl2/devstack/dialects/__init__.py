"""The protocols that the simulator speaks: every module of this folder, found by scanning."""

import importlib
import pkgutil
from functools import cache

from jetl2.devstack.dialect import Dialect


@cache
def load() -> dict[str, Dialect]:
    """Return every dialect by the name of its exchange, in alphabetical order."""
    found: dict[str, Dialect] = {}
    for module in sorted(pkgutil.iter_modules(__path__), key=lambda m: m.name):
        dialect: Dialect = importlib.import_module(f"{__name__}.{module.name}").DIALECT
        found[dialect.exchange] = dialect
    return found
