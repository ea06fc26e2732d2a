"""What is made of checkov's reports."""

from typing import Any

import check_security


def _report(kind: str, *failed: str, passed: int = 1) -> dict[str, Any]:
    found = [
        {"check_id": each, "check_name": "Be safe", "file_path": "/a.tf", "resource": "aws_x.this"}
        for each in failed
    ]
    return {
        "check_type": kind,
        "summary": {"passed": passed},
        "results": {"failed_checks": found, "parsing_errors": []},
    }


def test_a_finding_is_told_once_and_one_with_a_reason_is_not() -> None:
    reports = [_report("terraform", "CKV_1", "CKV_1", "CKV_2"), _report("kubernetes")]

    assert check_security.problems(reports, {"CKV_2": "It costs too much."}) == [
        "a.tf: aws_x.this: CKV_1: Be safe"
    ]


def test_a_reason_for_nothing_goes_and_none_is_not_one() -> None:
    reports = [_report("terraform", "CKV_2"), _report("kubernetes")]

    assert check_security.problems(reports, {"CKV_2": "", "CKV_3": "It was so."}) == [
        "infra/checkov.yaml: CKV_3 finds nothing any more",
        "infra/checkov.yaml: CKV_2 has no reason",
    ]


def test_what_was_not_looked_at_is_not_safe() -> None:
    broken = _report("terraform")
    broken["results"]["parsing_errors"] = ["/b.tf"]

    assert check_security.problems([broken, _report("kubernetes", passed=0)], {}) == [
        "checkov looked at nothing of ['kubernetes']",
        "/b.tf: cannot be read",
    ]
