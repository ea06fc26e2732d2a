"""Simulated exchanges for the tests of services, which know nothing of the development stack."""

from jetl2.devstack import dialects, faults, over_fix
from jetl2.devstack.dialect import Care, Dialect
from jetl2.devstack.faults import Faults
from jetl2.devstack.fix_acceptor import Acceptor, accepting
from jetl2.devstack.simulator import NO_PING, NO_PONG, TOO_OLD, Simulator, simulating
from jetl2.devstack.sources import families

__all__ = [
    "NO_PING",
    "NO_PONG",
    "TOO_OLD",
    "Acceptor",
    "Care",
    "Dialect",
    "Faults",
    "Simulator",
    "accepting",
    "dialects",
    "families",
    "faults",
    "over_fix",
    "simulating",
]
