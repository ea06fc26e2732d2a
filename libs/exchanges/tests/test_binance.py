"""Binance alone: messages that others collected."""

from tests import collected


def test_collected_messages_are_read_and_mean_what_others_made_of_them() -> None:
    collected.check(
        "binance",
        "binance",
        lambda e: e["market"] == "spot" and "spot" in e["api"],
        least=90,
        wrong=("moo", '{"e":"trade","p":"50000"}', '"e":"bookTicker"'),
        compared=1,
    )
