"""Okex alone: messages that others collected."""

from tests import collected


def test_collected_messages_are_read_and_mean_what_others_made_of_them() -> None:
    collected.check(
        "okex",
        "okx",
        lambda e: "v5" in e["api"],
        least=120,
        wrong=('"XYZ"', '"seqId":1}', '"seqId":1,"action"'),
        compared=1,
    )
