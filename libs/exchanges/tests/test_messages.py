"""Book states that others collected, and what checksums rest on."""

import json

import pytest

from jetl2.orderbook import checksum
from jetl2.orderbook.book import Book as OrderBook
from jetl2.schemas import decimals
from jetl2.schemas.records import BookDelta
from tests import sessions


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
    for found in sessions.recorded():
        if found.exchange.name != "okex":
            continue
        for entry in sessions.lines(found):
            if entry["dir"] != "recv" or '"action"' not in entry["raw"]:
                continue
            for item in json.loads(entry["raw"])["data"]:
                for level in (*item["bids"], *item["asks"]):
                    for text in level[:2]:
                        assert decimals.render(*decimals.parse(text)) == text
                        levels += 1

    assert levels > 10_000
