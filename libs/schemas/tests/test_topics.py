"""Topic names, the partition of a symbol, and the settings of each topic."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jetl2.schemas import topics


def test_topics_are_named_after_what_they_hold_and_their_exchange() -> None:
    assert topics.raw("okex") == "raw.okex"
    assert topics.market("binance-futures") == "market.binance-futures"
    assert topics.control("okex") == "control.okex"
    assert topics.dead_letter("okex") == "dead.okex"


# A symbol's partition is part of the contract: were one of these to move, every book would split
@pytest.mark.parametrize(
    "symbol,partitions,expected",
    [("", 12, 0), ("BTCUSDT", 12, 3), ("BTC/USD", 12, 3), ("ETH-USDT", 4, 1), ("ÄÖ", 7, 4)],
)
def test_the_partition_of_a_symbol_never_moves(symbol: str, partitions: int, expected: int) -> None:
    assert topics.partition(symbol, partitions) == expected


def test_the_partition_is_by_the_common_crc_32() -> None:
    # The check value that the algorithm is published with
    assert topics.partition("123456789", 2**32) == 0xCBF43926


@given(st.text(st.characters(exclude_categories=["Cs"])), st.integers(1, 1000))
def test_every_symbol_has_a_partition(symbol: str, partitions: int) -> None:
    assert 0 <= topics.partition(symbol, partitions) < partitions


def test_the_changelog_is_compacted_and_small_enough_to_be_read_at_a_restart() -> None:
    for name in (topics.CHANGELOG, "second.changelog"):
        config = topics.config(name)
        assert config["cleanup.policy"] == "compact"
        assert "retention.ms" not in config
        # A record larger than a segment is refused by the broker
        assert int(config["segment.bytes"]) >= int(config["max.message.bytes"])


def test_raw_topics_are_kept_for_seven_days_and_market_topics_for_three() -> None:
    day_ms = 24 * 3600 * 1000

    assert topics.config("raw.okex")["retention.ms"] == str(7 * day_ms)
    assert topics.config("dead.okex")["retention.ms"] == str(7 * day_ms)
    assert topics.config("market.okex")["retention.ms"] == str(3 * day_ms)


def test_a_whole_book_fits_one_record_of_any_topic() -> None:
    for name in ("raw.x", "market.x", "dead.x", topics.CHANGELOG):
        assert int(topics.config(name)["max.message.bytes"]) >= 5_000_000


def test_whatever_fitted_a_raw_topic_fits_the_dead_letters_with_its_reason() -> None:
    limits = [int(topics.config(t)["max.message.bytes"]) for t in ("raw.okex", "dead.okex")]

    assert limits[0] < limits[1]
