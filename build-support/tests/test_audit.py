import sys

import audit
import pytest


def test_what_is_known_fails(capsys: pytest.CaptureFixture[str]) -> None:
    script = "print('Found 1 known vulnerability'); raise SystemExit(1)"

    assert audit.main([sys.executable, "-c", script]) == 1

    said = capsys.readouterr().out
    assert "Found 1 known vulnerability" in said
    assert "--ignore-vuln ID" in said


def test_no_answer_is_no_good_answer(capsys: pytest.CaptureFixture[str]) -> None:
    script = "raise ConnectionError('no route to host')"

    assert audit.main([sys.executable, "-c", script]) == 1

    said = capsys.readouterr().out
    assert "Not audited, as nobody answered: ConnectionError: no route to host" in said
    assert "--ignore-vuln" not in said


def test_all_pins_are_asked_about(capsys: pytest.CaptureFixture[str]) -> None:
    assert audit.main([sys.executable, "-c", "import sys; print(sys.argv[1:])"]) == 0

    said = capsys.readouterr().out
    assert "3rdparty/constraints.txt" in said
    assert "3rdparty/client.txt" in said
