"""What simulated exchanges say over FIX: every module of this folder, by its exchange's name."""

import importlib
import pkgutil

from jetl2.devstack.fix_acceptor import Speaker


def names() -> list[str]:
    """Return the modules there are, in alphabetical order."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def speaker(name: str) -> Speaker:
    """Return a new speaker of a module: it keeps what its clients see alike."""
    made: Speaker = importlib.import_module(f"{__name__}.{name}").Speaker()
    return made
