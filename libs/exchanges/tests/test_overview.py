"""What people are told of the exchanges is what the declarations say."""

from dataclasses import replace

from jetl2.exchanges import adapters, overview
from jetl2.exchanges.exchange import Keepalive, Limits
from jetl2.orderbook import sequence

ANY = next(iter(adapters.load().values()))
OVER_FIX = next(exchange for exchange in adapters.load().values() if exchange.fix)


def test_a_loss_is_noticed_by_numbers_by_a_sum_or_not_at_all() -> None:
    numbered = replace(ANY, rule=sequence.CHAN_PREV, checksum=None)

    assert overview.proof(numbered) == ["sequence"]
    assert overview.proof(replace(numbered, checksum=lambda *_: 0)) == ["sequence", "checksum"]
    assert overview.proof(replace(numbered, rule=sequence.UNPROVEN)) == ["none"]
    assert overview.proof(replace(numbered, rule=sequence.FULL_REPLACE)) == ["whole books"]


def test_a_row_holds_for_every_exchange_what_the_columns_name() -> None:
    for exchange in adapters.load().values():
        found = overview.row(exchange)

        assert found["exchange"] == exchange.name
        assert found["channels"]
        assert len(overview.cells(exchange)) == len(overview.columns())


def test_the_page_has_a_line_for_each_exchange_and_quotes_what_is_sent() -> None:
    strange = replace(
        ANY,
        name="here",
        docs="https://docs.example/books (v2, read 2026-11-22)",
        fix=None,
        channels={"book_delta": "a|b"},
        rule=sequence.UNPROVEN,
        checksum=None,
        depths=(),
        book_depth=20,
        keepalive=Keepalive(message="ping", interval_s=15, stale_s=40, answer=lambda _: ""),
        limits=Limits(symbols=7, sends_per_second=0.5, lifetime_s=7200),
    )

    *_, first, last = overview.page([OVER_FIX, strange]).splitlines()

    assert last.count(" | ") == len(overview.columns()) - 1
    assert last.startswith("| **here** | book_delta: `a\\|b` | ")
    assert "20 levels | none |  | `ping` each 15 s, answers pings, dead after 40 s" in last
    assert "7 symbols, 0.5 requests/s, 30 connects/min, renewed within 2 h" in last
    assert last.endswith("[documents](https://docs.example/books) (v2, read 2026-11-22) |")
    assert "; over FIX: " in first
