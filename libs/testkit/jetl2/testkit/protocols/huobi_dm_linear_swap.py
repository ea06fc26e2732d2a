"""The same messages as of contracts settled in coins."""

from jetl2.testkit.protocols.huobi_dm_swap import apply, decode

__all__ = ["apply", "decode"]
