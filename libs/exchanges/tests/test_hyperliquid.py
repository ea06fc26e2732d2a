"""Hyperliquid alone: two kinds of books on one channel, lists by POST, and what others collected."""

import json

import pytest

from jetl2.exchanges import adapters
from jetl2.exchanges.errors import UnexpectedFrame
from jetl2.exchanges.exchange import Address, Instrument, read
from jetl2.exchanges.session import SYNCED, Session
from jetl2.schemas.records import BookTicker, RawEvent
from tests import collected

HYPERLIQUID = adapters.get("hyperliquid")
BOOK = {"coin": "A", "time": 1767225600000, "levels": [[{"px": "1.0", "sz": "2", "n": 1}], []]}


def test_collected_messages_are_read_and_mean_what_others_made_of_them() -> None:
    collected.check(
        "hyperliquid",
        "hyperliquid",
        lambda e: "info" not in e["channel"],
        least=18,
        # without the time that every book has
        wrong=('"98446.0","sz":"1.1"',),
        compared=4,
    )


def test_books_of_five_levels_are_no_part_of_those_of_twenty() -> None:
    slow = json.dumps({"channel": "l2Book", "data": BOOK}).encode()
    fast = json.dumps({"channel": "l2Book", "data": {**BOOK, "fast": True}}).encode()

    assert len(read(HYPERLIQUID, slow)[1]) == 1
    assert read(HYPERLIQUID, fast)[1] == []
    assert HYPERLIQUID.classify(fast) == (Address("A", "l2Book"),)


@pytest.mark.parametrize("behind_ms,best", [(-1, 2), (0, 2), (1, 1), (59_999, 1), (60_000, 2)])
def test_a_book_that_was_overtaken_is_dropped(behind_ms: int, best: int) -> None:
    """One that seems much older is not: the time of the book before it was wrong."""
    session = Session(HYPERLIQUID)
    for number, late in enumerate((0, behind_ms)):
        levels = [[{"px": f"{number + 1}", "sz": "2", "n": 1}], []]
        book = {**BOOK, "time": 1767225600000 - late, "levels": levels}
        payload = json.dumps({"channel": "l2Book", "data": book}).encode()
        now = 1767225600 * 10**9 + number
        session.feed(
            RawEvent(
                exchange="hyperliquid",
                symbol="A",
                local_ts=now,
                connection_id="c",
                payload=payload,
            )
        )

    assert session.state("A") == SYNCED
    assert session.book("A").top(1)[0] == [(best, 2)]
    assert session.counters("A")["duplicates"] == (best == 1)


@pytest.mark.parametrize("key", ["bbo", "levels"])
def test_best_prices_may_stand_under_either_name(key: str) -> None:
    data = {"coin": "A", "time": 1767225600000, key: [None, {"px": "2.5", "sz": "1", "n": 1}]}
    _, (found,) = read(HYPERLIQUID, json.dumps({"channel": "bbo", "data": data}).encode())

    assert isinstance(found, BookTicker)
    assert (found.bid_price, found.ask_price, found.price_exponent) == (None, 25, -1)


def test_each_symbol_and_type_is_a_request() -> None:
    asked = [json.loads(f) for f in HYPERLIQUID.subscribe(["A", "B"], ["book_delta", "trade"])]

    assert [f["subscription"] for f in asked] == [
        {"type": "l2Book", "coin": "A"},
        {"type": "trades", "coin": "A"},
        {"type": "l2Book", "coin": "B"},
        {"type": "trades", "coin": "B"},
    ]


def test_trades_of_several_coins_have_an_address_each() -> None:
    frame = b'{"channel":"trades","data":[{"coin":"A"},{"coin":"B"},{"coin":"A"}]}'

    assert HYPERLIQUID.classify(frame) == (Address("A", "trades"), Address("B", "trades"))
    assert HYPERLIQUID.classify(b'{"channel":"trades","data":[]}') == (Address("", "trades"),)


@pytest.mark.parametrize("frame", [b'{"channel":"l2Book","data":{}}', b'{"data":{}}'])
def test_what_names_no_coin_or_channel_is_not_classified(frame: bytes) -> None:
    with pytest.raises(UnexpectedFrame):
        HYPERLIQUID.classify(frame)


def test_instruments_and_volumes_are_one_answer_to_a_post() -> None:
    universe = [{"name": "A", "szDecimals": 2}, {"name": "kB", "szDecimals": 0, "isDelisted": True}]
    body = [{"universe": universe}, [{"dayNtlVlm": "12.5"}, {"dayNtlVlm": "0.0"}]]
    instruments = HYPERLIQUID.instruments

    assert json.loads(instruments.body) == {"type": "metaAndAssetCtxs"}
    assert list(instruments.parse(body)) == [
        Instrument("A", "A", "USDC", "perpetual", True, "", "0.01"),
        Instrument("kB", "kB", "USDC", "perpetual", False, "", "1"),
    ]
    assert instruments.volumes
    assert list(instruments.volumes(body)) == [("A", 12.5), ("kB", 0.0)]
