"""Coinbase alone: messages that others collected."""

from tests import collected


def test_collected_messages_are_read_and_mean_what_others_made_of_them() -> None:
    collected.check(
        "coinbase",
        "coinbase",
        lambda e: "Advanced" in e["api"],
        least=10,
        # made wrong on purpose
        wrong=('"type": false', '"moo"'),
    )
