from pathlib import Path

import ci_summary
import pytest
import reports
from reports import Result


def test_the_last_line_counts_over_all_reports(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    reports.write(
        tmp_path / "a.xml", [Result(suite="a", name="one"), Result(suite="a", name="two")]
    )
    reports.write(
        tmp_path / "b" / "b.xml",
        [
            Result(suite="b", name="three", skipped="no broker"),
            Result(suite="b", name="four", failure="expected 1, found 2"),
        ],
    )

    code = ci_summary.main([str(tmp_path)])

    lines = capsys.readouterr().out.splitlines()
    assert code == 1
    assert lines[-1] == "2 passed, 1 failed, 1 skipped"
    assert "  b: three: no broker" in lines
    assert "  b: four: expected 1, found 2" in lines


def test_all_passed_is_success(tmp_path: Path) -> None:
    reports.write(tmp_path / "a.xml", [Result(suite="a", name="one")])

    assert ci_summary.main([str(tmp_path)]) == 0


def test_no_test_at_all_is_a_failure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ci_summary.main([str(tmp_path / "missing")]) == 1
    assert capsys.readouterr().out.splitlines()[-1] == "0 passed, 0 failed, 0 skipped"


def test_what_xml_forbids_is_left_out_of_a_report(tmp_path: Path) -> None:
    reports.write(tmp_path / "a.xml", [Result(suite="a", name="one", failure="\x1b[31mred\x00")])

    assert reports.read(tmp_path / "a.xml")[0].failure == "[31mred"
