"""The file that says what to take, and what is said of a wrong one."""

from pathlib import Path

import pytest

from jetl2.exchanges import adapters
from jetl2.ingestor import subscription
from jetl2.ingestor.errors import FeedsError
from jetl2.ingestor.subscription import Selection, Subscription

EXAMPLE = Path(__file__).parent.parent / "feeds.example.toml"
UNRANKED = next(e.name for e in adapters.load().values() if e.instruments.volumes is None)
RANKED = next(e.name for e in adapters.load().values() if e.instruments.volumes is not None)


def test_the_example_is_right() -> None:
    found = subscription.read(EXAMPLE)

    assert found["okex"].data_types == ("book_delta", "trade")
    assert found["kraken"].data_types == tuple(adapters.get("kraken").channels)
    assert found["kraken"].symbols == ("BTC/USD", "ETH/*", Selection(quote="EUR", base="SOL"))


@pytest.mark.parametrize(
    "text, said",
    [
        ("", "the file: Dictionary should have at least 1 item"),
        ("[kraken", "Expected ']'"),
        ("[kraken]", "kraken.symbols: Field required"),
        ('[kraken]\nsymbols = "BTC/USD"', "kraken.symbols: "),
        ("[kraken]\nsymbols = []", "kraken.symbols: "),
        ("[kraken]\nsymbols = [{}]", "symbols.0.table: expected one or more of match, kind"),
        ("[kraken]\nsymbols = ['A', {top = -1}]", "kraken.symbols.1.table.top: "),
        ("[kraken]\nsymbols = [{kind = 'swap'}]", "'perpetual'"),
        ("[kraken]\nsymbols = [{quotes = 'USD'}]", "quotes: Extra inputs are not permitted"),
        ("[kraken]\nsymbol = ['A']\nsymbols = ['B']", "kraken.symbol: Extra inputs"),
        ("[krakken]\nsymbols = ['A']", "unknown exchange 'krakken': expected one of "),
        ("[kraken]\nsymbols = ['A']\ndata_types = ['x']", "unknown data type 'x': expected one of"),
        ("[okx]\nsymbols = ['A']\n[okex]\nsymbols = ['A']", "okex is given twice"),
        (
            f"[{UNRANKED}]\nsymbols = [{{quote = 'USD', top = 5}}]",
            f'{UNRANKED}: it does not tell volumes, so that {{ quote = "USD", top = 5 }} cannot',
        ),
    ],
)
def test_what_is_wrong_is_said_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "feeds.toml"
    path.write_text(text)

    with pytest.raises(FeedsError) as raised:
        subscription.read(path)

    assert said in str(raised.value)


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(FeedsError, match="No such file"):
        subscription.read(tmp_path / "nowhere.toml")


def test_the_first_by_volume_can_be_asked_of_who_tells_volumes() -> None:
    wanted = Subscription(symbols=(Selection(top=3),))

    assert subscription.checked({RANKED: wanted})[RANKED].symbols == (Selection(top=3),)
    with pytest.raises(ValueError, match="does not tell volumes"):
        subscription.checked({UNRANKED: wanted})
