"""BitMEX alone: rows with and without prices, tables of many symbols, and collected messages."""

import json
from typing import Any

import pytest

from jetl2.exchanges import adapters
from jetl2.exchanges.exchange import Address, BookRows, read
from jetl2.exchanges.life import Output
from jetl2.exchanges.session import SYNCED
from jetl2.orderbook.rows import Row
from jetl2.schemas import records
from jetl2.schemas.records import BookDelta, DerivativeTicker, Gap, Liquidation, Resync, Trade
from tests import collected
from tests.feeds import Feed, kinds, only

BITMEX = adapters.get("bitmex")
Fields = dict[str, Any]


def table(name: str, action: str, *rows: Fields, **more: object) -> Fields:
    return {"table": name, "action": action, "data": rows, **more}


def parsed(frame: Fields) -> list[Any]:
    return read(BITMEX, json.dumps(frame).encode())[1]


class Bitmex(Feed):
    def __init__(self) -> None:
        super().__init__("bitmex", "ABCUSD")

    def rows(self, action: str, *rows: Fields) -> list[Output]:
        named = [{"symbol": self.symbol, **row} for row in rows]
        return self.raw(table("orderBookL2", action, *named, filter={"symbol": self.symbol}))

    def synced(self) -> "Bitmex":
        bid = {"id": 7, "side": "Buy", "size": 5, "price": 9}
        ask = {"id": 8, "side": "Sell", "size": 6, "price": 11}
        self.rows("partial", bid, ask)
        assert self.state == SYNCED
        return self


@pytest.mark.parametrize("price", [{}, {"price": 9}], ids=["without a price", "with it"])
def test_a_row_keeps_its_price(price: Fields) -> None:
    feed = Bitmex().synced()

    feed.rows("update", {"id": 7, "side": "Buy", "size": 4, **price})
    assert feed.top() == ([(9, 4)], [(11, 6)])
    delta = only(feed.rows("delete", {"id": 7, "side": "Buy", **price}), BookDelta)
    assert (delta.bid_prices, delta.bid_sizes) == ([9], [0])
    assert feed.top() == ([], [(11, 6)])


def test_rows_at_one_price_add_up() -> None:
    feed = Bitmex().synced()

    feed.rows("insert", {"id": 70, "side": "Buy", "size": 2, "price": 9})
    assert feed.top()[0] == [(9, 7)]
    feed.rows("delete", {"id": 7, "side": "Buy"})
    assert feed.top()[0] == [(9, 2)]


def test_one_id_may_rest_on_both_sides() -> None:
    feed = Bitmex().synced()

    feed.rows("insert", {"id": 8, "side": "Buy", "size": 1, "price": 10})
    feed.rows("delete", {"id": 8, "side": "Sell"})

    assert feed.top() == ([(10, 1), (9, 5)], [])


def test_an_unknown_row_means_that_something_is_missing() -> None:
    feed = Bitmex().synced()

    assert kinds(feed.rows("update", {"id": 9, "side": "Buy", "size": 1})) == [Gap, Resync]

    assert feed.rows("insert", {"id": 9, "side": "Buy", "size": 1, "price": 8}) == []
    assert feed.synced().top() == ([(9, 5)], [(11, 6)])


def test_rows_of_many_symbols_are_told_apart() -> None:
    rows = [{"symbol": s, "id": 1, "side": "Sell", "size": 1, "price": 2} for s in "ABA"]
    frame = table("orderBookL2_25", "insert", *rows)

    found = parsed(frame)
    assert BITMEX.classify(json.dumps(frame).encode()) == (
        *(Address(symbol, "orderBookL2_25") for symbol in "AB"),
    )
    assert all(isinstance(rows, BookRows) for rows in found)
    assert [(rows.symbol, len(rows.rows)) for rows in found] == [("A", 2), ("B", 1)]
    assert found[1].rows == [Row(-1, "1", "2", bid=False, new=True)]


def test_an_empty_partial_is_an_empty_book() -> None:
    frame = table("orderBookL2", "partial", filter={"symbol": "A"})

    (rows,) = parsed(frame)
    assert (rows.symbol, rows.book.is_snapshot, rows.rows) == ("A", True, [])
    assert BITMEX.classify(json.dumps(frame).encode()) == (Address("A", "orderBookL2"),)


def test_the_newest_row_dates_the_message() -> None:
    row = {"symbol": "A", "id": 1, "side": "Sell", "size": 1}
    times = ({"timestamp": f"2026-01-01T00:00:00.{n}Z"} for n in ("250", "300", "100"))

    (rows,) = parsed(table("orderBookL2", "update", *(row | time for time in times)))
    assert rows.book.exchange_ts == 1_767_225_600_300_000_000


def test_indices_do_not_trade_and_settlements_have_no_side() -> None:
    row = {"timestamp": "2026-01-01T00:00:00.000Z", "size": 2, "price": 5.5, "trdMatchID": "x"}
    index, settled = ({"symbol": s, **row} for s in (".ABC", "ABCF26"))

    (trade,) = parsed(table("trade", "insert", index, settled))
    assert isinstance(trade, Trade)
    assert (trade.symbol, trade.aggressor) == ("ABCF26", records.UNKNOWN)


def test_an_instruments_row_that_says_nothing_of_ours_is_left_out() -> None:
    row = {"symbol": "A", "timestamp": "2026-01-01T00:00:00.000Z"}

    assert parsed(table("instrument", "update", row | {"volume": 1})) == []
    (found,) = parsed(table("instrument", "update", row | {"fundingRate": 0, "openInterest": 7}))
    assert isinstance(found, DerivativeTicker)
    assert (found.funding_rate, found.open_interest, found.mark_price) == ("0", "7", "")


def test_a_liquidation_is_the_order_that_closes() -> None:
    row = {"orderID": "x", "symbol": "A", "side": "Buy", "price": 5, "leavesQty": 3}

    (found,) = parsed(table("liquidation", "insert", row))
    assert isinstance(found, Liquidation)
    assert (found.aggressor, found.price, found.size) == (records.BUY, 5, 3)
    assert parsed(table("liquidation", "update", row)) == []


def test_instruments_and_volumes_are_read() -> None:
    item: Fields = {
        "symbol": "XBTUSDT",
        "underlying": "XBT",
        "quoteCurrency": "USDT",
        "typ": "FFWCSX",
    }
    item |= {"state": "Open", "tickSize": "0.5", "lotSize": 1000, "foreignNotional24h": "7.5"}
    inverse = item | {"isInverse": True, "underlyingToPositionMultiplier": None}
    linear = item | {"isInverse": False, "underlyingToPositionMultiplier": 1000000}
    one, other = BITMEX.instruments.parse([inverse, linear])
    volumes = BITMEX.instruments.volumes
    assert volumes

    assert (one.base, one.quote, one.kind, one.active) == ("BTC", "USDT", "perpetual", True)
    assert (one.contract_size, other.contract_size) == ("", "0.000001")
    assert list(volumes([item])) == [("XBTUSDT", 7.5)]


def test_collected_messages_are_read_and_mean_what_others_made_of_them() -> None:
    collected.check(
        "bitmex",
        "bitmex",
        lambda e: bool(e["current_api"]) and e.get("dir") != "sent",
        least=100,
        compared=4,
    )
