"""As the futures of the other margin."""

from jetl2.testkit.protocols.binance_futures import apply

__all__ = ["apply"]
