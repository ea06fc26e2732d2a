"""What the ingestor accepts from its environment, and what it says when it does not."""

import re
from pathlib import Path

import pytest

from jetl2.exchanges import adapters
from jetl2.ingestor.settings import PREFIX, Settings, wanted
from jetl2.runtime import settings

README = Path(__file__).parent.parent / "README.md"


def read(monkeypatch: pytest.MonkeyPatch, **values: str) -> Settings:
    for name, value in values.items():
        monkeypatch.setenv(f"{PREFIX}{name.upper()}", value)
    return settings.read(Settings, PREFIX)


def test_data_types_are_all_unless_said(monkeypatch: pytest.MonkeyPatch) -> None:
    found = read(monkeypatch, subscriptions='{"okx": {"symbols": ["A", "B", "A"]}}')

    (name,) = found.subscriptions
    assert found.subscriptions[name].symbols == ("A", "B")
    assert found.subscriptions[name].data_types == tuple(adapters.get("okex").channels)
    assert name == "okex"  # an alias is understood


def test_what_to_take_is_said_by_a_file_or_in_short(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "feeds.toml"
    path.write_text('[okex]\nsymbols = ["A-*"]\n')

    by_file = wanted(read(monkeypatch, feeds=str(path)))
    with pytest.raises(SystemExit):
        wanted(read(monkeypatch, subscriptions='{"okex": {"symbols": ["A"]}}'))
    both = capsys.readouterr().err
    in_short = wanted(read(monkeypatch, feeds=""))
    monkeypatch.delenv(f"{PREFIX}SUBSCRIPTIONS")
    with pytest.raises(SystemExit):
        wanted(read(monkeypatch))

    assert by_file.subscriptions["okex"].symbols == ("A-*",)
    assert by_file.source == str(path)
    assert in_short.source == f"{PREFIX}SUBSCRIPTIONS"
    assert "is given too: one of the two" in both
    assert capsys.readouterr().err == (
        f"{PREFIX}FEEDS='': neither is set, or {PREFIX}SUBSCRIPTIONS (example: feeds.toml)\n"
    )


def test_a_wrong_file_ends_the_process_with_its_place(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "feeds.toml"
    path.write_text("[okex]\nsymbols = []\n")

    with pytest.raises(SystemExit) as stopped:
        wanted(read(monkeypatch, feeds=str(path)))

    assert stopped.value.code == 2
    assert capsys.readouterr().err.startswith(f"{PREFIX}FEEDS='{path}': okex.symbols: ")


def test_a_shard_may_be_told_by_the_name_of_its_pod(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read(monkeypatch, shards="3", shard="ingestor-b-2").shard == 2
    assert read(monkeypatch, shard="1").shard == 1


@pytest.mark.parametrize(
    "name, value, found",
    [
        (
            "subscriptions",
            '{"nowhere": {"symbols": ["A"]}}',
            "unknown exchange 'nowhere': expected",
        ),
        (
            "subscriptions",
            '{"kraken": {"symbols": ["A"], "data_types": ["books"]}}',
            "kraken: unknown data type 'books': expected one of book_delta, trade",
        ),
        ("subscriptions", '{"kraken": {"symbols": []}}', "kraken.symbols: "),
        ("subscriptions", '{"kraken": {"symbols": [""]}}', "an entry is empty"),
        ("subscriptions", '{"kraken": {"symbol": ["A"]}}', "kraken.symbols: Field required"),
        ("endpoints", '{"kraken": {"ws": "localhost"}}', "expected scheme://host:port"),
        ("endpoints", '{"nowhere": {}}', "unknown exchange"),
        ("shard", "1", f"expected a number below {PREFIX}SHARDS=1"),
        ("shard", "first", "valid integer"),
        ("partitions", "0", "greater than 0"),
    ],
)
def test_a_wrong_value_names_its_variable_and_what_is_accepted(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
    value: str,
    found: str,
) -> None:
    monkeypatch.setenv(f"{PREFIX}SUBSCRIPTIONS", '{"kraken": {"symbols": ["A"]}}')

    with pytest.raises(SystemExit) as stopped:
        read(monkeypatch, **{name: value})

    said = capsys.readouterr().err
    assert stopped.value.code == 2
    assert said.startswith(f"{PREFIX}{name.upper()}=")
    assert found in said
    assert "example: " in said


def test_the_readme_lists_every_setting_with_its_default() -> None:
    rows = re.findall(
        r"^\| `(JETL2_INGESTOR_\w+)` \| (?:`([^`]*)`)?", README.read_text(), re.MULTILINE
    )

    assert rows == [(v, d) for v, d, _ in settings.table(Settings, PREFIX)]


FIX = '{"binance": {"sender": "ME", "key": "the-key", "secret": "the-secret"}}'


def test_who_is_given_credentials_is_taken_over_fix(monkeypatch: pytest.MonkeyPatch) -> None:
    found = read(monkeypatch, fix=FIX)

    credentials = found.fix["binance"]
    assert credentials.value("secret") == "the-secret"
    assert "the-" not in f"{found!r} {found.model_dump_json()}"


@pytest.mark.parametrize(
    "given, problem",
    [
        (FIX.replace('"key"', '"keys"'), "binance.keys: Extra inputs are not permitted"),
        (FIX.replace("the-key", ""), "binance needs key"),
        ('{"kraken": {"secret": "the-secret"}}', "kraken needs sender"),
        (FIX.replace("binance", "okex"), "okex is not known over FIX: expected one of binance, "),
        (FIX.replace("binance", "nowhere"), "unknown exchange 'nowhere'"),
        (FIX[:-2], "not valid JSON"),
    ],
)
def test_wrong_credentials_are_refused_and_not_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], given: str, problem: str
) -> None:
    with pytest.raises(SystemExit):
        read(monkeypatch, fix=given)

    told = capsys.readouterr().err
    assert told.startswith(f"{PREFIX}FIX: {problem}")
    assert "the-" not in told
