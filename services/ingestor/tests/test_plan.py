"""Which connection takes what, from where, when."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jetl2.ingestor import plan


@given(st.lists(st.text(), unique=True, max_size=100), st.integers(1, 20))
def test_each_symbol_is_on_one_connection_and_none_is_too_full(
    symbols: list[str], most: int
) -> None:
    groups = plan.shards(symbols, most)

    assert sorted(s for group in groups for s in group) == sorted(symbols)
    assert all(0 < len(group) <= most for group in groups)
    assert len(groups) == -(-len(symbols) // most)


def test_what_may_have_been_meant_is_told() -> None:
    found = plan.listing(["BTC-USD", "XYZ", "ETH/USD"], ["BTC/USD", "ETH/USD", "BTCUSD"])

    assert found.listed == ["ETH/USD"]
    assert set(found.missing["BTC-USD"]) <= {"BTC/USD", "BTCUSD", "ETH/USD"}
    assert found.missing["BTC-USD"]
    assert found.missing["XYZ"] == []


@pytest.mark.parametrize(
    "url, host, expected",
    [
        ("wss://a.b:9443/x?y=z", "ws://127.0.0.1:1", "ws://127.0.0.1:1/x?y=z"),
        ("wss://a.b", "ws://127.0.0.1:1", "ws://127.0.0.1:1"),
        ("wss://a.b/x", "", "wss://a.b/x"),
    ],
)
def test_another_host_keeps_path_and_query(url: str, host: str, expected: str) -> None:
    assert plan.at(url, host) == expected


def test_backoff_doubles_with_jitter_up_to_its_most() -> None:
    chance = random.Random(1)
    waits = [plan.backoff_s(attempt, 1, 10, chance) for attempt in range(8)]

    for attempt, wait_s in enumerate(waits):
        assert min(10, 2**attempt) / 2 <= wait_s <= min(10, 2**attempt)


def test_a_connection_is_renewed_before_its_lifetime() -> None:
    after_s = plan.renew_after_s(1000, random.Random(1))

    assert after_s is not None
    assert 850 <= after_s <= 950
    assert plan.renew_after_s(0, random.Random(1)) is None
