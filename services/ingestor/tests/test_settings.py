"""What the ingestor accepts from its environment, and what it says when it does not."""

import re
from pathlib import Path

import pytest

from jetl2.ingestor.settings import PREFIX, Settings
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
    assert found.subscriptions[name].data_types == ("book_delta", "trade", "book_ticker")
    assert name == "okex"  # an alias is understood


@pytest.mark.parametrize(
    "name, value, found",
    [
        ("subscriptions", "{}", "at least 1 item"),
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
