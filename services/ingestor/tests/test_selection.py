"""Which symbols are meant by names, patterns and conditions."""

from jetl2.exchanges.exchange import Instrument
from jetl2.ingestor import selection
from jetl2.ingestor.selection import Problem
from jetl2.ingestor.subscription import Entry, Selection


def listed(symbol: str, kind: str = "spot", *, active: bool = True) -> Instrument:
    base, quote = symbol.split("-")[:2]
    return Instrument(symbol=symbol, base=base, quote=quote, kind=kind, active=active)


LISTED = [
    listed("BTC-USDT"),
    listed("ETH-USDT"),
    listed("ETH-BTC"),
    listed("XRP-USDT", active=False),
    listed("BTC-USDT-SWAP", "perpetual"),
    listed("ETH-USDT-SWAP", "perpetual"),
    listed("SOL-USDC-SWAP", "perpetual"),
]
VOLUMES = {"BTC-USDT": 10.0, "ETH-USDT": 30.5, "BTC-USDT-SWAP": 500.0, "ETH-BTC": 1}


def test_names_patterns_and_conditions_give_each_symbol_once_in_their_order() -> None:
    entries: list[Entry] = [
        "ETH-BTC",
        "ETH-*",
        Selection(kind="perpetual", quote="usdt"),
        "ETH-BTC",
    ]

    found = selection.choose(entries, LISTED)

    assert found.symbols == ["ETH-BTC", "ETH-USDT", "ETH-USDT-SWAP", "BTC-USDT-SWAP"]
    assert not found.problems


def test_the_first_by_volume_are_taken_of_what_meets_the_conditions() -> None:
    best = Selection(quote="USDT", kind="spot", top=1)
    best_three = Selection(match="*-USDT*", top=3)

    assert selection.choose([best], LISTED, VOLUMES).symbols == ["ETH-USDT"]
    assert selection.choose([best_three], LISTED, VOLUMES).symbols == [
        "BTC-USDT-SWAP",
        "ETH-USDT",
        "BTC-USDT",
    ]
    # what has no volume comes last, and fewer there are than asked for
    assert len(selection.choose([Selection(top=99)], LISTED, VOLUMES).symbols) == 6


def test_volumes_that_are_not_known_leave_the_other_entries() -> None:
    found = selection.choose(["ETH-BTC", Selection(quote="USDT", top=1)], LISTED)

    assert found.symbols == ["ETH-BTC"]
    assert found.problems == [
        Problem('{ quote = "USDT", top = 1 }', "volumes are not known now", [])
    ]


def test_only_a_name_takes_what_is_not_traded_now() -> None:
    found = selection.choose(["XRP-USDT", "BTC-USD?"], LISTED)

    assert found.symbols == ["XRP-USDT", "BTC-USDT"]
    assert found.resting == ["XRP-USDT"]


def test_what_gives_nothing_is_told_with_what_comes_near() -> None:
    entries: list[Entry] = [
        "ETHUSDT",
        "DOGE-*",
        "XRP-*",
        Selection(quote="USDTT"),
        Selection(kind="future"),
        Selection(base="SOL", quote="USDT"),
        "ETH-BTC",
    ]

    found = selection.choose(entries, LISTED)

    assert found.symbols == ["ETH-BTC"]
    assert [(p.entry, p.problem) for p in found.problems] == [
        ("ETHUSDT", "is not listed"),
        ("DOGE-*", "no symbol matches 'DOGE-*'"),
        ("XRP-*", "none of what it matches is traded now"),
        ('{ quote = "USDTT" }', "no instrument has the quote 'USDTT'"),
        ('{ kind = "future" }', "no instrument has the kind 'future'"),
        ('{ base = "SOL", quote = "USDT" }', "no instrument meets all of it"),
    ]
    assert found.problems[0].close[0] == "ETH-USDT"
    assert found.problems[3].close[0] == "USDT"
    assert found.problems[4].close == ["perpetual", "spot"]


def test_what_may_have_been_meant_differs_in_case_and_signs_first() -> None:
    assert selection.near("btcusd", ["BTC/USD", "ETH/USD", "SOL/EUR"])[0] == "BTC/USD"
    assert selection.near("XYZ", ["BTC/USD"]) == []


def test_without_the_list_names_are_taken_and_the_rest_is_told() -> None:
    found = selection.unlisted(["A", "B*", Selection(quote="C")])

    assert found.symbols == ["A"]
    assert [problem.entry for problem in found.problems] == ["B*", '{ quote = "C" }']
