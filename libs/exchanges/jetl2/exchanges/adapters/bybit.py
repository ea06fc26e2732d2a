"""Bybit derivatives, v5: linear and inverse contracts, a websocket each; the book in its topic.

The best prices are a book of one level, which is sent whole. Sizes of
inverse contracts are dollars. Options have another protocol.
"""

import re
from collections.abc import Iterable

from jetl2.exchanges import dotted_topics
from jetl2.exchanges.exchange import Frame, Instruments

PUBLIC = "wss://stream.bybit.com/v5/public/"
REST = "https://api.bybit.com/v5/market/"
KINDS = ("linear", "inverse")

# BTCUSD, and with month and year of its end BTCUSDH27; linear are BTCUSDT, BTCPERP, BTC-26MAR27
_INVERSE = re.compile(r"[A-Z0-9]+USD(?:[FGHJKMNQUVXZ]\d\d)?")


def route(symbol: str, _data_type: str) -> str:
    """Return the websocket of a symbol."""
    return PUBLIC + ("inverse" if _INVERSE.fullmatch(symbol) else "linear")


def parse_volumes(body: Frame) -> Iterable[tuple[str, float]]:
    """Return what was traded in dollars, which is what one inverse contract is."""
    field = "volume24h" if body["result"]["category"] == "inverse" else "turnover24h"
    for item in body["result"]["list"]:
        yield item["symbol"], float(item[field])


EXCHANGE = dotted_topics.exchange(
    name="bybit",
    docs="https://bybit-exchange.github.io/docs/v5/ws/connect (2026-07-24, read 2026-11-22)",
    url=f"{PUBLIC}linear",
    hosts=("stream.bybit.com/v5/public/inverse",),
    route=route,
    markets=KINDS,
    channels=dotted_topics.DERIVATIVES,
    instruments=Instruments(
        url=[f"{REST}instruments-info?category={kind}&limit=1000" for kind in KINDS],
        parse=dotted_topics.parse_instruments,
        volumes_url=[f"{REST}tickers?category={kind}" for kind in KINDS],
        volumes=parse_volumes,
    ),
)
