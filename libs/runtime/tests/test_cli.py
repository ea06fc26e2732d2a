"""The shared command line."""

import pytest

from jetl2.runtime import cli
from jetl2.runtime.settings import ServiceSettings


def test_help_says_what_it_does_and_lists_the_settings(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        cli.start("toy", ServiceSettings, about="Does things.", example="toy", argv=["--help"])

    shown = capsys.readouterr().out
    assert stopped.value.code == 0
    assert "Does things." in shown
    assert "JETL2_TOY_BOOTSTRAP_SERVERS  [localhost:9092]" in shown


def test_version_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        cli.start("toy", ServiceSettings, about="", example="", argv=["--version"])

    assert stopped.value.code == 0
    assert capsys.readouterr().out == "toy (from sources)\n"


def test_without_arguments_the_settings_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JETL2_TOY_HTTP_PORT", "1234")

    settings = cli.start("toy", ServiceSettings, about="", example="", argv=[])

    assert settings.http_port == 1234
