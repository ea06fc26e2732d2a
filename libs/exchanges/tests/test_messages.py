"""Messages and book states that others collected, with what they made of them."""

import json
from collections.abc import Callable, Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest

from jetl2.exchanges import adapters
from jetl2.exchanges.errors import UnexpectedFrame
from jetl2.exchanges.exchange import Book, Exchange, read
from jetl2.orderbook import checksum
from jetl2.orderbook.book import Book as OrderBook
from jetl2.schemas import decimals
from jetl2.schemas.records import BookDelta, BookTicker, MarketRecord, Trade
from tests import sessions

SPOKEN: dict[str, Callable[[dict[str, Any]], bool]] = {
    "binance": lambda e: e["market"] == "spot" and "spot" in e["api"],
    "kraken": lambda e: "WS v2" in e["api"],
    "okx": lambda e: "v5" in e["api"],
    "coinbase": lambda e: "Advanced" in e["api"],
}
KINDS = ("l2_snapshot", "l2_delta", "trade", "ticker", "bbo", "ack", "heartbeat", "error")
# Fixtures that are wrong on purpose, or that are no websocket frames
WRONG = (
    "moo",
    '"XYZ"',
    '"type": false',
    '{"e":"trade","p":"50000"}',
    '"e":"bookTicker"',  # a futures stream
    '"seqId":1}',  # an update that does not say that it is one
    '"seqId":1,"action"',
)


def messages() -> Iterator[tuple[Exchange, dict[str, Any]]]:
    folder = sessions.recordings_folder()
    assert folder
    names = {alias: e for e in adapters.load().values() for alias in (e.name, *e.aliases)}
    for name, spoken in SPOKEN.items():
        for kind in KINDS:
            path = folder / "messages" / name / f"{kind}.jsonl"
            for line in path.read_text().splitlines() if path.exists() else ():
                entry = json.loads(line)
                foreign = "REST" in entry.get("channel", "") or "WS v1" in entry["api"]
                if spoken(entry) and not foreign:
                    yield names[name], entry


@pytest.mark.skipif(sessions.recordings_folder() is None, reason=sessions.ABSENT)
def test_collected_messages_are_read_unless_they_are_wrong_on_purpose() -> None:
    seen: dict[str, int] = {}
    unread = []
    for exchange, entry in messages():
        raw = entry["raw"].encode()
        try:
            _, found = read(exchange, raw)
            named = {address.symbol for address in exchange.classify(raw)}
        except UnexpectedFrame:
            unread.append(entry["raw"])
            continue
        assert {record.symbol for record in found} <= named
        seen[exchange.name] = seen.get(exchange.name, 0) + 1

    assert [raw for raw in unread if not any(mark in raw for mark in WRONG)] == []
    assert set(seen) == set(adapters.load())
    assert sum(seen.values()) > 250


@pytest.mark.skipif(sessions.recordings_folder() is None, reason=sessions.ABSENT)
def test_collected_messages_mean_what_others_normalised_them_to() -> None:
    compared = 0
    for exchange, entry in messages():
        for expected in entry.get("expected", {}).get("tardis_normalized", ()):
            found = [_normalised(r) for r in read(exchange, entry["raw"].encode())[1]]
            if not found:
                continue  # a channel that we leave out
            fields = _comparable(expected)
            if "generated" in entry["raw"]:
                continue  # made by the other library, no frame
            assert fields in found, entry["raw"][:300]
            compared += 1

    assert compared >= 15


def _comparable(expected: dict[str, Any]) -> dict[str, Any]:
    names = {
        "book_change": "timestamp isSnapshot bids asks",
        "trade": "timestamp id price amount side",
    }
    wanted = names.get(expected["type"], "askAmount askPrice bidPrice bidAmount").split()
    fields = {name: expected[name] for name in ("type", "symbol", *wanted)}
    if "timestamp" in fields:
        fields["timestamp"] = _ns(fields["timestamp"])
    return fields


def _ns(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 10**6) * 1000


def _normalised(record: MarketRecord | Book) -> dict[str, Any]:
    assert isinstance(record, BookDelta | Trade | BookTicker)
    head = {"symbol": record.symbol}
    if isinstance(record, BookDelta):
        sides = {
            name: [
                {
                    "price": _float(p, record.price_exponent),
                    "amount": _float(s, record.size_exponent),
                }
                for p, s in zip(prices, sizes, strict=True)
            ]
            for name, prices, sizes in (
                ("bids", record.bid_prices, record.bid_sizes),
                ("asks", record.ask_prices, record.ask_sizes),
            )
        }
        more = {"timestamp": record.exchange_ts, "isSnapshot": record.is_snapshot, **sides}
        return {"type": "book_change", **head, **more}
    price, size = record.price_exponent, record.size_exponent
    if isinstance(record, Trade):
        more = {"id": record.trade_id, "side": record.aggressor, "timestamp": record.exchange_ts}
        values = {"price": _float(record.price, price), "amount": _float(record.size, size)}
        return {"type": "trade", **head, **more, **values}
    return {
        "type": "book_ticker",
        **head,
        "askAmount": _float(record.ask_size, size),
        "askPrice": _float(record.ask_price, price),
        "bidPrice": _float(record.bid_price, price),
        "bidAmount": _float(record.bid_size, size),
    }


def _float(mantissa: int | None, exponent: int) -> float | None:
    return None if mantissa is None else float(Decimal(mantissa).scaleb(exponent))


@pytest.mark.skipif(sessions.recordings_folder() is None, reason=sessions.ABSENT)
@pytest.mark.parametrize("name,function", [("kraken", checksum.kraken), ("okx", checksum.okx)])
def test_collected_book_states_give_their_checksums(name: str, function: checksum.Checksum) -> None:
    folder = sessions.recordings_folder()
    assert folder
    path = folder / "messages" / name / "checksum_vector.jsonl"
    for line in path.read_text().splitlines():
        entry = json.loads(line)
        state = json.loads(entry["raw"])
        record = _snapshot(state["bids"], state["asks"])
        book = OrderBook()
        book.replace(record)

        # the source notes them without their sign
        assert function(book, record) % 2**32 == entry["expected"]["checksum"] % 2**32


def _snapshot(bids: list[list[str]], asks: list[list[str]]) -> BookDelta:
    prices, price_exponent = decimals.parse_all([level[0] for level in [*bids, *asks]])
    sizes, size_exponent = decimals.parse_all([level[1] for level in [*bids, *asks]])
    cut = len(bids)
    return BookDelta(
        symbol="S",
        is_snapshot=True,
        price_exponent=price_exponent,
        size_exponent=size_exponent,
        bid_prices=prices[:cut],
        bid_sizes=sizes[:cut],
        ask_prices=prices[cut:],
        ask_sizes=sizes[cut:],
    )


@pytest.mark.skipif(sessions.recordings_folder() is None, reason=sessions.ABSENT)
def test_okx_sends_numbers_in_their_shortest_form() -> None:
    """What its checksum from mantissas rests on."""
    folder = sessions.recordings_folder()
    assert folder
    levels = 0
    for path in sessions.recorded():
        if path.parent.name != "okx":
            continue
        for entry in sessions.lines(path)[1]:
            if entry["dir"] != "recv" or '"action"' not in entry["raw"]:
                continue
            for item in json.loads(entry["raw"])["data"]:
                for level in (*item["bids"], *item["asks"]):
                    for text in level[:2]:
                        assert decimals.render(*decimals.parse(text)) == text
                        levels += 1

    assert levels > 10_000
