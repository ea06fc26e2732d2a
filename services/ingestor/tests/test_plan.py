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


@given(st.lists(st.text(), unique=True, max_size=50), st.integers(1, 6))
def test_each_symbol_is_taken_by_one_replica_and_one_more_moves_only_to_itself(
    symbols: list[str], shards: int
) -> None:
    shares = [plan.own("x", symbols, n, shards) for n in range(shards)]
    after = [plan.own("x", symbols, n, shards + 1) for n in range(shards + 1)]

    assert sorted(s for share in shares for s in share) == sorted(symbols)
    for before, now in zip(shares, after, strict=False):
        assert now == [s for s in before if s not in after[-1]]


def test_replicas_take_about_the_same() -> None:
    symbols = [f"COIN{n}-USDT" for n in range(1000)]
    shares = [len(plan.own("x", symbols, n, 4)) for n in range(4)]

    assert all(200 < share < 300 for share in shares)


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
