"""Market records written by hand, short: times in us after START_TS, one symbol of one exchange."""

from collections.abc import Sequence
from typing import Any

from jetl2.schemas.records import (
    BookDelta,
    BookTicker,
    DerivativeTicker,
    Gap,
    Liquidation,
    MarketRecord,
    Trade,
)

START_TS = 1_780_000_000_000_000_000
START_US = START_TS // 1000
EXCHANGE = "example"
SYMBOL = "BTC/USD"

Levels = list[tuple[int, int]]


def book(
    us: int, bids: Levels, asks: Levels, reason: str = "", exchange_us: int | None = None
) -> BookDelta:
    """Return a delta, or with a reason a snapshot; prices in tenths, sizes in hundredths."""
    return BookDelta(
        exchange=EXCHANGE,
        symbol=SYMBOL,
        local_ts=START_TS + us * 1000,
        exchange_ts=0 if exchange_us is None else START_TS + exchange_us * 1000,
        is_snapshot=bool(reason),
        reason=reason,
        price_exponent=-1,
        size_exponent=-2,
        bid_prices=[p for p, _ in bids],
        bid_sizes=[s for _, s in bids],
        ask_prices=[p for p, _ in asks],
        ask_sizes=[s for _, s in asks],
    )


def trade(us: int, trade_id: str, index: int = 0, exchange_us: int = 0) -> Trade:
    """Return the sale of 2 at 8531.5, the `index`-th of its message."""
    return Trade(
        exchange=EXCHANGE,
        symbol=SYMBOL,
        local_ts=START_TS + us * 1000,
        exchange_ts=START_TS + exchange_us * 1000,
        source_index=index,
        trade_id=trade_id,
        aggressor="sell",
        price=85315,
        price_exponent=-1,
        size=200,
        size_exponent=-2,
    )


def ticker(us: int, *, asks: bool = True) -> BookTicker:
    """Return a best bid of 806 at 8629.2 and ask of 5494 at 8629.3."""
    return BookTicker(
        exchange=EXCHANGE,
        symbol=SYMBOL,
        local_ts=START_TS + us * 1000,
        price_exponent=-1,
        size_exponent=0,
        bid_price=86292,
        bid_size=806,
        ask_price=86293 if asks else None,
        ask_size=5494 if asks else None,
    )


def derivative(us: int, **numbers: Any) -> DerivativeTicker:
    """Return a derivative ticker with the numbers given, as text."""
    return DerivativeTicker(
        exchange=EXCHANGE,
        symbol=SYMBOL,
        local_ts=START_TS + us * 1000,
        exchange_ts=START_TS + us * 1000,
        funding_ts=START_TS,
        **numbers,
    )


def liquidation(us: int, trade_id: str = "") -> Liquidation:
    """Return a short of 3 that was closed by buying at 8640.5."""
    return Liquidation(
        exchange=EXCHANGE,
        symbol=SYMBOL,
        local_ts=START_TS + us * 1000,
        exchange_ts=START_TS + us * 1000,
        trade_id=trade_id,
        aggressor="buy",
        price=86405,
        price_exponent=-1,
        size=3,
        size_exponent=0,
    )


def gap(us: int) -> Gap:
    """Return a gap in the book."""
    return Gap(exchange=EXCHANGE, symbol=SYMBOL, local_ts=START_TS + us * 1000, reason="checksum")


def numbered(records: Sequence[MarketRecord]) -> Sequence[MarketRecord]:
    """Give each record its seq, as the merger does."""
    for seq, record in enumerate(records, 1):
        record.seq = seq
    return records
