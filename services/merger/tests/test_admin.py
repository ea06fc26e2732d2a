"""The admin commands without Kafka: what may be redriven, that it harms no book, and the words."""

import json

import pytest

from jetl2.exchanges import adapters
from jetl2.exchanges.exchange import Exchange
from jetl2.exchanges.session import Session
from jetl2.merger.admin import commands, show, verdicts
from jetl2.merger.admin.errors import UsageError
from jetl2.merger.admin.redrive import Wanted, leave_repeated
from jetl2.merger.admin.verdicts import Found
from jetl2.schemas.records import CONNECTED, FRAME, DeadLetter, Gap, RawEvent, Trade

START_TS = 1_795_003_200_000_000_000


def trade(symbol: str, number: int) -> bytes:
    data = {"e": "trade", "E": 1, "s": symbol, "t": number, "p": "1.5", "q": "2", "T": 1}
    return json.dumps({"stream": "x@trade", "data": data | {"m": True, "M": True}}).encode()


def letter(payload: bytes, channel: str = "trade", **given: object) -> Found:
    fields: dict[str, object] = {
        "exchange": "binance",
        "symbol": "BTCUSDT",
        "channel": channel,
        "local_ts": START_TS,
        "connection_id": "c1",
        "payload": payload,
        "error": "",
    }
    return Found("dead.binance", 0, 7, DeadLetter(**fields | given))  # type: ignore[arg-type]


def judged(found: Found) -> str:
    verdicts.judge(adapters.get("binance"), found)
    return found.verdict


def test_a_trade_that_can_be_read_goes_back() -> None:
    found = letter(trade("BTCUSDT", 5))
    assert judged(found) == verdicts.REDRIVE
    assert found.ids == {"Trade 5"}


@pytest.mark.parametrize(
    "found, verdict",
    [
        (letter(b"{}", adapters.get("binance").channels["book_delta"]), verdicts.BOOK),
        (letter(b"{}", ""), verdicts.BOOK),
        (letter(b"{}", "bookTicker"), verdicts.NEWEST_WINS),
        (letter(b"{}", symbol=""), verdicts.NO_SYMBOL),
        (letter(b"{}", kind="snapshot"), verdicts.NO_FRAME),
        (letter(b"{}", kind="undecoded"), verdicts.NO_FRAME),
        (letter(b'{"stream":"x@trade","data":{"e":"trade"}}'), verdicts.UNREADABLE),
        (letter(trade("ETHUSDT", 5)), verdicts.NOTHING),
    ],
)
def test_what_could_harm_stays(found: Found, verdict: str) -> None:
    assert judged(found) == verdict


@pytest.mark.parametrize("name", sorted(adapters.load()))
def test_no_redriven_letter_is_of_a_channel_of_books(name: str) -> None:
    exchange = adapters.get(name)
    channel = exchange.channels.get("book_delta", "book")
    found = letter(b"{}", channel, exchange=name)
    verdicts.judge(exchange, found)
    assert found.verdict == verdicts.BOOK


def test_a_redriven_trade_leaves_the_book_as_it_is() -> None:
    """An exchange that counts all frames of a connection, so that an old one could look like a loss."""
    exchange = adapters.get("coinbase")
    session = Session(exchange)
    fed = session.feed
    fed(_event(exchange, "BTC-USD", b"wss://x", 0, kind=CONNECTED))
    book = {
        "channel": "l2_data",
        "timestamp": "2026-11-22T10:00:00Z",
        "sequence_num": 0,
        "events": [
            {
                "type": "snapshot",
                "product_id": "BTC-USD",
                "updates": [
                    _level("bid", "100.00", "1"),
                    _level("offer", "101.00", "2"),
                ],
            }
        ],
    }
    fed(_event(exchange, "BTC-USD", json.dumps(book).encode(), 0, channel="l2_data"))
    assert session.state("BTC-USD") == "synced"
    before = session.book("BTC-USD").top(5)
    outputs = []
    for number in (10_000, 3):
        found = letter(
            _coinbase_trade(number),
            exchange.channels["trade"],
            exchange="coinbase",
            symbol="BTC-USD",
            counter=7,
            local_ts=START_TS - 3600 * 10**9,
        )
        found.offset = number
        verdicts.judge(exchange, found)
        assert found.verdict == verdicts.REDRIVE, found.detail
        outputs += fed(verdicts.event(found))
    assert [type(o) for o in outputs] == [Trade, Trade]
    assert not [o for o in outputs if isinstance(o, Gap)]
    assert session.state("BTC-USD") == "synced"
    assert session.book("BTC-USD").top(5) == before


def _level(side: str, price: str, size: str) -> dict[str, str]:
    return {
        "side": side,
        "event_time": "2026-11-22T10:00:00Z",
        "price_level": price,
        "new_quantity": size,
    }


def _coinbase_trade(number: int) -> bytes:
    each = {
        "trade_id": str(number),
        "product_id": "BTC-USD",
        "price": "100.5",
        "size": "1",
        "side": "BUY",
        "time": "2026-11-22T09:00:00Z",
    }
    frame = {
        "channel": "market_trades",
        "timestamp": "2026-11-22T09:00:00Z",
        "sequence_num": number,
        "events": [{"type": "update", "trades": [each]}],
    }
    return json.dumps(frame).encode()


def _event(exchange: Exchange, symbol: str, payload: bytes, counter: int, **given: str) -> RawEvent:
    return RawEvent(
        exchange=exchange.name,
        symbol=symbol,
        channel=given.get("channel", ""),
        local_ts=START_TS + counter,
        connection_id="live",
        counter=counter,
        kind=given.get("kind", FRAME),
        payload=payload,
    )


def test_of_letters_of_two_recorders_one_goes() -> None:
    found = [letter(trade("BTCUSDT", number)) for number in (5, 6, 5)]
    for each in found:
        assert judged(each) == verdicts.REDRIVE
    leave_repeated(found)
    assert [each.verdict for each in found] == [verdicts.REDRIVE] * 2 + [verdicts.TWICE]


def test_letters_are_chosen_by_symbol_and_time() -> None:
    each = letter(b"{}").letter
    assert Wanted().takes(each)
    assert Wanted(symbols=frozenset({"BTCUSDT"}), from_ts=START_TS, to_ts=START_TS + 1).takes(each)
    assert not Wanted(symbols=frozenset({"ETHUSDT"})).takes(each)
    assert not Wanted(from_ts=START_TS + 1).takes(each)
    assert not Wanted(to_ts=START_TS).takes(each)


def test_letters_as_json_keep_every_byte() -> None:
    binary = letter(b"\xff\x00")
    assert bytes.fromhex(binary.described()["payload_hex"]) == b"\xff\x00"
    assert letter(b"{}").described()["payload"] == "{}"
    assert json.dumps(binary.described())


@pytest.mark.parametrize(
    "text, ts",
    [
        ("2026-11-18", 1_794_960_000_000_000_000),
        ("2026-11-18T12:00", 1_795_003_200_000_000_000),
        ("2026-11-18T12:00:00.25Z", 1_795_003_200_250_000_000),
    ],
)
def test_times_are_utc(text: str, ts: int) -> None:
    assert show.time_of(text) == ts


@pytest.mark.parametrize("text", ["yesterday", "2026-13-01", "2026-11-18T25:00", "1795003200"])
def test_other_times_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is not a time"):
        show.time_of(text)


@pytest.mark.parametrize("name", ["task", "transactions", "redrive", "rebuild"])
def test_each_command_has_help_with_an_example(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        commands.main([name, "--help"])
    assert ended.value.code == 0
    assert f"Example: jetl2 admin {name}" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    "words", [[], ["sing"], ["rebuild", "binance"], ["task", "x"], ["redrive"]]
)
def test_wrong_words_end_with_2(words: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        commands.main(words)
    assert ended.value.code == 2
