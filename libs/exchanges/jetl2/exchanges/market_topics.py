"""Topics named market.<symbol>.<channel> in gzip frames: what the markets of such a site share."""

import zlib
from typing import Any

from jetl2.exchanges import wire
from jetl2.exchanges.errors import UnexpectedFrame
from jetl2.exchanges.exchange import Frame, decode_json
from jetl2.schemas.records import BUY, SELL, Trade

GZIP = b"\x1f\x8b"
# No frame is larger, unless somebody means harm
MOST_BYTES = 64 * 1024 * 1024
SIDES = {"buy": BUY, "sell": SELL}


def decode(payload: bytes) -> Frame:
    """Return the frame; recordings may have it without its compression."""
    return decode_json(plain(payload))


def plain(payload: bytes) -> bytes:
    """Return a frame's JSON.

    Raises:
        UnexpectedFrame: Broken or endless gzip data.
    """
    if not payload.startswith(GZIP):
        return payload
    unzip = zlib.decompressobj(wbits=31)
    try:
        found = unzip.decompress(payload, MOST_BYTES)
    except zlib.error as error:
        message = f"no gzip data: {error}"
        raise UnexpectedFrame(message) from None
    if not unzip.eof:
        message = f"expected gzip data to its end, found {len(found)} bytes and no end"
        raise UnexpectedFrame(message)
    return found


def told(topic: str, root: str = "market") -> tuple[str, str]:
    """Return the symbol and the channel that a topic names.

    Raises:
        UnexpectedFrame: It is no such topic.
    """
    market, _, rest = topic.partition(".")
    symbol, _, channel = rest.partition(".")
    if market != root or not symbol or not channel:
        message = f"expected a topic {root}.<symbol>.<channel>, found {topic!r:.100}"
        raise UnexpectedFrame(message)
    return symbol, channel


def trade(item: dict[str, Any], symbol: str) -> Trade:
    """Return one item of a message of `trade.detail`."""
    return wire.trade(
        str(item["price"]),
        str(item["amount"]),
        symbol=symbol,
        exchange_ts=wire.ns_from_epoch(item["ts"]),
        # where there is one, `id` is made of the order's, and the same for each trade of one order
        trade_id=str(item.get("tradeId") or item["id"]),
        aggressor=SIDES[item["direction"]],
    )
