"""As the house's first site."""

from jetl2.testkit.protocols.binance import apply

__all__ = ["apply"]
