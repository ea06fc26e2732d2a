"""Checksums of exchanges, from plain numbers and texts."""

import zlib

from jetl2.testkit.reference.book import Levels


def kraken_checksum(bids: Levels, asks: Levels, price_places: int, size_places: int) -> int:
    """Return the sum over ten levels a side, from numbers formatted at the pair's precision."""
    text = ""
    for price, size in [*asks[:10], *bids[:10]]:
        text += f"{price:.{price_places}f}".replace(".", "").lstrip("0")
        text += f"{size:.{size_places}f}".replace(".", "").lstrip("0")
    return zlib.crc32(text.encode())


def okx_checksum(bids: list[tuple[str, str]], asks: list[tuple[str, str]]) -> int:
    """Return the signed sum over 25 levels a side by turns, from the texts as sent."""
    parts = []
    for i in range(25):
        parts += [":".join(side[i]) for side in (bids, asks) if i < len(side)]
    unsigned = zlib.crc32(":".join(parts).encode())
    return unsigned if unsigned < 2**31 else unsigned - 2**32
