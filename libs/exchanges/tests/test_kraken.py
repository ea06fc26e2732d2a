"""Kraken alone: messages that others collected."""

from tests import collected


def test_collected_messages_are_read_and_mean_what_others_made_of_them() -> None:
    collected.check(
        "kraken",
        "kraken",
        lambda e: "WS v2" in e["api"],
        least=30,
        wrong=("moo", '"XYZ"', '"type": false'),
        compared=1,
    )
