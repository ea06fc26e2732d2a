"""Settings: what is read, and what a person sees when one is wrong."""

import pytest
from pydantic import Field, SecretStr

from jetl2.runtime import settings
from jetl2.runtime.settings import ServiceSettings


class Settings(ServiceSettings):
    """Some settings."""

    shards: int = Field(4, gt=0, description="how many")
    pairs: dict[str, list[str]] = Field({}, examples=[{"x": ["y"]}])


class Keys(ServiceSettings):
    """One setting that nobody may read."""

    keys: dict[str, SecretStr] = Field(
        {}, examples=[{"a": "..."}], json_schema_extra={"secret": True}
    )


class Needed(ServiceSettings):
    """One setting without a default."""

    bucket: str = Field(examples=["s3://lake"])


def test_values_come_from_the_environment_and_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JETL2_TOY_SHARDS", "7")
    monkeypatch.setenv("JETL2_TOY_PAIRS", '{"a": ["b"]}')

    found = settings.read(Settings, "JETL2_TOY_")

    assert (found.shards, found.pairs) == (7, {"a": ["b"]})
    assert found.bootstrap_servers == "localhost:9092"


@pytest.mark.parametrize(
    "variable, value, line",
    [
        (
            "JETL2_TOY_SHARDS",
            "many",
            (
                "JETL2_TOY_SHARDS='many': Input should be a valid integer, unable to parse string as an "
                "integer (example: 4)\n"
            ),
        ),
        (
            "JETL2_TOY_SHARDS",
            "0",
            "JETL2_TOY_SHARDS='0': Input should be greater than 0 (example: 4)\n",
        ),
        (
            "JETL2_TOY_PAIRS",
            '{"a": 1}',
            (
                "JETL2_TOY_PAIRS='{\"a\": 1}': a: Input should be a valid list "
                '(example: {"x": ["y"]})\n'
            ),
        ),
        (
            "JETL2_TOY_PAIRS",
            "{",
            (
                "JETL2_TOY_PAIRS='{': not valid JSON: Expecting property name enclosed in double quotes: "
                'line 1 column 2 (char 1) (example: {"x": ["y"]})\n'
            ),
        ),
    ],
)
def test_a_wrong_setting_is_one_line_and_code_2(
    variable: str,
    value: str,
    line: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv(variable, value)

    with pytest.raises(SystemExit) as stopped:
        settings.read(Settings, "JETL2_TOY_")

    assert stopped.value.code == 2
    assert capsys.readouterr().err == line


def test_a_missing_setting_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        settings.read(Needed, "JETL2_TOY_")

    assert stopped.value.code == 2
    assert capsys.readouterr().err == "JETL2_TOY_BUCKET: is not set (example: s3://lake)\n"


def test_a_misspelt_variable_is_pointed_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("JETL2_TOY_SHARD", "7")

    settings.read(Settings, "JETL2_TOY_")

    assert "JETL2_TOY_SHARD: not a setting, ignored; meant JETL2_TOY_SHARDS?" in (
        capsys.readouterr().err
    )


def test_the_table_lists_each_setting() -> None:
    rows = settings.table(Settings, "JETL2_TOY_")

    assert ("JETL2_TOY_SHARDS", "4", "how many") in rows
    assert len(rows) == len(Settings.model_fields)


@pytest.mark.parametrize("given", ['{"a": "hush"', '{"a": ["hush"]}', '"hush"'])
def test_a_wrong_secret_is_not_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], given: str
) -> None:
    monkeypatch.setenv("JETL2_TOY_KEYS", given)

    with pytest.raises(SystemExit) as stopped:
        settings.read(Keys, "JETL2_TOY_")

    assert stopped.value.code == settings.EXIT_WRONG_SETTING
    told = capsys.readouterr().err
    assert told.startswith("JETL2_TOY_KEYS: ")
    assert "hush" not in told
