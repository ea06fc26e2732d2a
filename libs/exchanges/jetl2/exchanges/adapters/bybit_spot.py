"""Bybit spot, v5: the book in its topic, best prices as a book of one level, which is sent whole."""

from collections.abc import Iterable

from jetl2.exchanges import dotted_topics
from jetl2.exchanges.exchange import Frame, Instruments

REST = "https://api.bybit.com/v5/market/"


def parse_volumes(body: Frame) -> Iterable[tuple[str, float]]:
    """Return what was traded in dollars; coins without a price in them are left out."""
    for item in body["result"]["list"]:
        if price := item.get("usdIndexPrice"):
            yield item["symbol"], float(item["volume24h"]) * float(price)
        elif item["symbol"].endswith(("USDT", "USDC")):
            yield item["symbol"], float(item["turnover24h"])


EXCHANGE = dotted_topics.exchange(
    name="bybit-spot",
    docs="https://bybit-exchange.github.io/docs/v5/ws/connect (2026-07-24, read 2026-11-22)",
    url="wss://stream.bybit.com/v5/public/spot",
    family="bybit",
    channels=dotted_topics.SPOT,
    instruments=Instruments(
        url=f"{REST}instruments-info?category=spot&limit=1000",
        parse=dotted_topics.parse_instruments,
        volumes_url=f"{REST}tickers?category=spot",
        volumes=parse_volumes,
    ),
)
