"""As the derivatives of the same exchange."""

from jetl2.testkit.protocols.bybit import apply

__all__ = ["apply"]
