"""The summary of a plan: what it counts, and what it does not let pass."""

from typing import Any

import check_plan


def _change(kind: str, *actions: str) -> dict[str, Any]:
    return {"type": kind, "address": f"module.x.{kind}.this", "change": {"actions": list(actions)}}


def test_types_are_counted_the_most_frequent_first() -> None:
    changes = [
        _change("aws_kms_key", "create"),
        _change("aws_iam_role", "create"),
        _change("aws_iam_role", "create"),
        _change("aws_caller_identity", "read"),
    ]

    assert check_plan.summary("dev", changes) == [
        "note: a plan of dev makes 3 resources of 2 types",
        "note: 2 iam_role",
        "note: 1 each of: kms_key",
    ]
    assert check_plan.unexpected(changes) == []


def test_an_empty_account_has_nothing_to_change_or_destroy() -> None:
    changes = [_change("aws_kms_key", "delete", "create"), _change("aws_iam_role", "no-op")]

    assert check_plan.unexpected(changes) == [
        "module.x.aws_kms_key.this: delete/create in an account that holds nothing",
        "module.x.aws_iam_role.this: no-op in an account that holds nothing",
    ]
