"""The same messages as of the spot market, on channels of another name."""

from jetl2.testkit.protocols.gate_io import apply

__all__ = ["apply"]
