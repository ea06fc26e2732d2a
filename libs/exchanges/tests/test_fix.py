"""What is read of FIX, logons by the published examples, and what only one of the exchanges has."""

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator
from copy import copy
from typing import Any

import pytest

from jetl2.exchanges import adapters, fix, recording, signing
from jetl2.exchanges.errors import UnexpectedFrame
from jetl2.exchanges.exchange import BookRows, Exchange, read
from jetl2.exchanges.fix import Login
from jetl2.exchanges.life import Output
from jetl2.exchanges.session import GAP, SYNCED, Session
from jetl2.orderbook.rows import Row
from jetl2.schemas import records
from jetl2.schemas.records import UNKNOWN, BookDelta, DeadLetter, Gap, RawEvent, Resync, Trade
from tests import sessions

OVER_FIX = [name for name, exchange in adapters.load().items() if exchange.fix]
SECOND = 10**9
START = 1_767_225_600 * SECOND

LOGIN = Login(
    sender="EXAMPLE",
    target="SPOT",
    key="the-key",
    secret="",
    passphrase="the-phrase",
    number="1",
    sent="20240627-11:17:25.223",
    ms=1719487045223,
    nonce=bytes(range(32)),
)
# A published example, "solely for illustrative purposes"
EXAMPLE_KEY = """-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIIJEYWtGBrhACmb9Dvy+qa8WEf0lQOl1s4CLIAB9m89u
-----END PRIVATE KEY-----
"""
EXAMPLE_SIGNATURE = (
    "4MHXelVVcpkdwuLbl6n73HQUXUf1dse2PCgT1DYqW9w8AVZ1RACFGM+5UdlGPrQHrgtS3CvsRURC1oj73j8gCA=="
)


def raw(kind: str, number: int, *fields: tuple[int, Any], begin: str = "FIX.4.4") -> bytes:
    """Return a whole message from an exchange."""
    head = [(35, kind), (34, number), (49, "THEM"), (52, "20260101-00:00:01.500"), (56, "ME")]
    body = "".join(f"{tag}={value}\x01" for tag, value in [*head, *fields])
    text = f"8={begin}\x019={len(body)}\x01{body}"
    return f"{text}10={sum(text.encode()) % 256:03}\x01".encode()


class Line:
    """A connection whose messages are fed to a session, each with its number."""

    def __init__(self, name: str, symbol: str) -> None:
        self.exchange = adapters.get(name)
        self.session = Session(self.exchange)
        self.symbol = symbol
        self.connection = "c1"
        self.clock = [0]
        self.number = 1
        self.counter = 0
        self.event(records.CONNECTED, b"fix://127.0.0.1:1")

    def say(self, kind: str, *fields: tuple[int, Any], skip: int = 0) -> list[Output]:
        """Feed the next message; `skip` are lost before it."""
        self.number += 1 + skip
        found = self.event(records.FRAME, raw(kind, self.number, *fields))
        self.counter += 1
        return found

    def second(self) -> "Line":
        """Return another connection of the same session."""
        other = copy(self)
        other.connection, other.number, other.counter = "c2", 100, 0
        other.event(records.CONNECTED, b"fix://127.0.0.1:1")
        return other

    def event(self, kind: str, payload: bytes) -> list[Output]:
        """Feed an event of the connection."""
        self.clock[0] += SECOND // 10
        return self.session.feed(
            RawEvent(
                exchange=self.exchange.name,
                symbol=self.symbol,
                channel=self.exchange.channels["book_delta"],
                local_ts=START + self.clock[0],
                connection_id=self.connection,
                counter=self.counter,
                kind=kind,
                payload=payload,
            )
        )

    @property
    def state(self) -> str:
        return self.session.state(self.symbol)


def of(outputs: list[Output], kind: type) -> list[Any]:
    return [o for o in outputs if isinstance(o, kind)]


# RFC 8032, section 7.1
@pytest.mark.parametrize(
    "key", ["", "no key", EXAMPLE_KEY[:60], EXAMPLE_KEY.replace("MC4C", "MC4D")]
)
def test_a_wrong_key_is_refused_without_showing_it(key: str) -> None:
    with pytest.raises(ValueError, match="expected a private Ed25519 key") as caught:
        signing.ed25519(key, b"")

    assert "IIJEYW" not in str(caught.value)


@pytest.mark.parametrize(
    "secret", [EXAMPLE_KEY, EXAMPLE_KEY.split("\n")[1]], ids=["in PEM", "its middle"]
)
def test_binance_is_logged_on_to_as_its_example(secret: str) -> None:
    fields = dict(_fix("binance").logon(LOGIN._replace(secret=secret)))

    assert (fields[96], fields[95]) == (EXAMPLE_SIGNATURE, 88)
    assert (fields[98], fields[141], fields[553]) == (0, "Y", "the-key")


def test_coinbase_exchange_is_logged_on_to_with_a_sum_over_the_header() -> None:
    secret = base64.b64encode(b"nobody's").decode()
    login = LOGIN._replace(sender="the-key", target="Coinbase", secret=secret)

    fields = dict(_fix("coinbase-exchange").logon(login))

    signed = b"20240627-11:17:25.223\x01A\x011\x01the-key\x01Coinbase\x01the-phrase"
    expected = hmac.digest(b"nobody's", signed, "sha256")
    assert fields[96] == base64.b64encode(expected).decode()
    assert fields[95] == len(fields[96])
    assert (fields[553], fields[554], fields[1137]) == ("the-key", "the-phrase", 9)


def test_deribit_is_logged_on_to_with_a_hash_of_time_nonce_and_secret() -> None:
    fields = dict(_fix("deribit").logon(LOGIN._replace(secret="hush")))

    nonce = base64.b64encode(bytes(range(32))).decode()
    assert fields[96] == f"1719487045223.{nonce}"
    digest = hashlib.sha256(f"{fields[96]}hush".encode()).digest()
    assert fields[554] == base64.b64encode(digest).decode()


def test_kraken_is_logged_on_to_without_a_key() -> None:
    assert dict(_fix("kraken").logon(LOGIN)) == {98: 0, 108: 60, 141: "Y"}


@pytest.mark.parametrize("name", OVER_FIX)
def test_every_symbol_is_asked_for_and_can_be_asked_for_anew(name: str) -> None:
    exchange = adapters.get(name).over_fix()
    requests = exchange.subscribe(["A", "B"], ["book_delta", "trade"])
    again = exchange.resubscribe and exchange.resubscribe("A")

    asked = [text for text in requests if text.startswith("35=V\x01")]
    assert all(text.endswith("\x01") and "\x01262=" in text for text in asked)
    assert {"A", "B"} == {text.split("\x0155=")[1].split("\x01")[0] for text in asked}
    assert again
    assert [text.split("\x01263=")[1][0] for text in again if "\x01263=" in text] == ["2", "1"]
    assert set(exchange.channels) == {"book_delta", "trade"}
    assert exchange.url.startswith("fix+tls://")
    assert exchange.over_fix().url == exchange.url


@pytest.mark.parametrize("name", OVER_FIX)
def test_only_what_is_asked_for_is_subscribed(name: str) -> None:
    side = _fix(name)
    assert side.subscribe(["A"], ["book_ticker"]) == []
    for data_type, own, other in (("trade", "269=2", "269=0"), ("book_delta", "269=0", "269=2")):
        text = "".join(side.subscribe(["A"], [data_type]))
        assert "\x01267=" not in text or (
            f"\x01{own}\x01" in text and f"\x01{other}\x01" not in text
        )


@pytest.mark.parametrize(
    "payload, problem",
    [
        (
            raw("X", 2, (55, "A"), (268, 2), (279, 0), (269, 0)),
            "expected 2 entries of 279, found 1",
        ),
        (raw("W", 2, (55, "A"), (268, 0))[:-1], "from BeginString to CheckSum"),
        (raw("8", 2, (55, "A")), "expected market data"),
        (raw("W", 2, (55, "A"), (268, 1), (269, 0), (270, "9"), (271, "nan")), "DecimalError"),
        (
            raw("W", 2, (55, "A"), (268, 1), (269, 0), (271, "1")),
            "expected the field '270', which is not there",
        ),
        (
            raw("X", 2, (55, "A"), (268, 1), (279, 1), (269, 7), (270, 1)),
            "type .269. 0, 1 or 2, found '7'",
        ),
        (b"8=FIX.4.4\x019=5\x0135=0\x0110=000\x01", "expected the field '34'"),
        (b"8=FIX", "from BeginString to CheckSum"),
    ],
)
def test_messages_that_cannot_be_read_say_what_is_wrong(payload: bytes, problem: str) -> None:
    with pytest.raises(UnexpectedFrame, match=problem):
        read(adapters.get("deribit"), payload)


@pytest.mark.parametrize(
    "payload, found",
    [
        (raw("3", 2, (58, "Required tag missing")), [("", "error")]),
        (raw("j", 2, (58, "Unsupported")), [("", "error")]),
        (raw("Y", 2, (262, "A"), (58, "unsupported symbol")), [("", "error")]),
        (raw("0", 2), [("", "fix 0")]),
        (raw("X", 2, (55, "A"), (268, 1), (279, 0), (269, 2)), [("A", "trades")]),
        (
            raw("X", 2, (268, 2), (279, 0), (269, 0), (55, "A"), (279, 0), (269, 2), (55, "B")),
            [("A", "book"), ("B", "book")],
        ),
    ],
)
def test_messages_are_addressed(payload: bytes, found: list[tuple[str, str]]) -> None:
    classify = adapters.get("deribit").new_classifier()
    channels = adapters.get("deribit").channels
    names = {"book": channels["book_delta"], "trades": channels["trade"]}

    assert [tuple(a) for a in classify(payload)] == [(s, names.get(c, c)) for s, c in found]


def test_what_people_see_of_a_message_names_no_side() -> None:
    assert fix.shown(raw("Y", 2, (262, "A"), (58, "no")), 200).split("|")[2:-2] == [
        "35=Y",
        "34=2",
        "52=20260101-00:00:01.500",
        "262=A",
        "58=no",
    ]
    assert fix.shown(b'{"error": 1}', 8) == '{"error"'


def test_times_keep_their_digits_and_a_time_of_day_may_be_of_yesterday() -> None:
    assert fix.ns("20260101-00:00:00.123456789") == START + 123_456_789
    assert fix.ns("20260101-00:00:05") == START + 5 * SECOND
    sent = "20260101-00:00:01.000"
    assert fix.ns_of_day("00:00:01.250", sent) == START + 1_250_000_000
    assert fix.ns_of_day("23:59:59.5", sent) == START - 500_000_000


@pytest.mark.parametrize("folder", ["binance", "deribit", "kraken"])
def test_collected_messages_are_read(folder: str) -> None:
    exchange = adapters.get(folder)
    classify = exchange.new_classifier()
    seen = 0
    for entry in _collected(folder):
        payload = entry["raw"].encode()
        if entry["raw"].split("\x0135=")[1][0] in "Vx" or "-DRV-" in entry["raw"]:
            continue  # ours; another market's
        addresses = classify(payload)
        _, found = read(exchange, payload)
        if entry["kind"] == "l2_snapshot":
            if "BOOK_TICKER" in entry["raw"]:
                continue
            (book,) = (r for r in found if isinstance(r, BookDelta))
            assert book.is_snapshot
        elif entry["kind"] == "l2_delta":
            assert isinstance(found[0], BookDelta)
        elif entry["kind"] == "trade":
            assert found
            assert all(isinstance(r, Trade) for r in found)
        else:
            assert not any(isinstance(r, BookDelta | Trade) for r in found)
        assert {r.symbol for r in found} <= {a.symbol for a in addresses}
        seen += 1
    assert seen >= 4


def test_collected_messages_mean_what_they_say() -> None:
    by_kind = {e["kind"]: e["raw"].encode() for e in _collected("deribit")}
    exchange = adapters.get("deribit")

    (whole,) = read(exchange, by_kind["l2_snapshot"])[1]
    trades = read(exchange, by_kind["trade"])[1]

    assert isinstance(whole, BookDelta)
    assert len(whole.bid_prices) + len(whole.ask_prices) == 132
    assert (whole.bid_prices[0], whole.price_exponent) == (105905000, -4)
    first = trades[0]
    assert isinstance(first, Trade)
    assert (first.trade_id, first.aggressor, first.price) == ("18254681", "buy", 105195000)
    assert [t.size for t in trades if isinstance(t, Trade)] == [
        8260000,
        420000,
        420000,
        420000,
        270000,
    ]

    (bnb,) = (e["raw"].encode() for e in _collected("binance") if e["kind"] == "trade")
    found = read(adapters.get("binance"), bnb)[1]
    # what its document's example leaves out
    assert [(t.trade_id, t.aggressor) for t in found if isinstance(t, Trade)] == [
        ("0", UNKNOWN),
        ("1", UNKNOWN),
        ("2", UNKNOWN),
    ]


def test_the_checksum_of_kraken_s_own_example_is_right() -> None:
    line = Line("kraken", "BTC/USD")
    pair = [e["raw"].encode() for e in _collected("kraken") if "56=CLIENT" in e["raw"]]
    chosen = [p for p in pair if fix.kind_of(p) in ("y", "W", "X")]
    outputs: list[Output] = []
    for payload in chosen:
        line.counter = fix.decode(payload).number
        outputs += line.event(records.FRAME, payload)

    assert [fix.kind_of(p) for p in chosen] == ["y", "W", "X"]
    assert line.session.counters("BTC/USD")["checksums_passed"] == 1
    assert [o.verified for o in of(outputs, BookDelta)] == ["none", "passed"]


def test_a_message_lost_is_a_gap_where_the_book_has_no_numbers() -> None:
    line = Line("deribit", "A")
    side = [(55, "A"), (268, 1)]
    line.say("W", *side, (269, 0), (270, "9"), (271, "1"))
    line.say("X", *side, (279, 1), (269, 0), (270, "9"), (271, "2"), (272, "20260101-00:00:01"))
    assert line.state == SYNCED

    found = line.say("X", *side, (279, 1), (269, 0), (270, "9"), (271, "3"), skip=1)

    assert line.state == GAP
    assert [gap.reason for gap in of(found, Gap)] == ["connection_sequence"]
    assert of(found, Resync)


def test_a_second_recorder_s_session_goes_on_when_the_first_ends() -> None:
    first = Line("deribit", "A")
    side = [(55, "A"), (268, 1)]
    at = (272, "20260101-00:00:01")
    first.say("W", *side, (269, 0), (270, "9"), (271, "1"))
    second = first.second()
    second.say("W", *side, (269, 0), (270, "9"), (271, "1"))
    twice = [
        line.say("X", *side, (279, 1), (269, 0), (270, "9"), (271, "2"), at)
        for line in (first, second)
    ]
    ended = first.event(records.DISCONNECTED, b"exchange logged out")
    goes_on = second.say("X", *side, (279, 1), (269, 0), (270, "9"), (271, "3"), at)

    assert [len(found) for found in twice] == [1, 0]
    assert not of(ended, Gap)
    assert of(goes_on, BookDelta)[0].bid_sizes == [3]


def test_binance_s_ranges_must_go_on_from_its_snapshot() -> None:
    line = Line("binance", "A")
    level = [(279, 1), (269, 0), (270, "9"), (271, "2"), (55, "A")]
    line.say("W", (55, "A"), (25044, 10), (268, 1), (269, 0), (270, "9"), (271, "1"))
    dropped = line.say("X", (268, 1), *level, (25043, 8), (25044, 10))
    applied = line.say("X", (268, 1), *level, (25043, 9), (25044, 12))
    missing = line.say("X", (268, 1), *level, (25043, 14), (25044, 15))

    assert not dropped
    assert of(applied, BookDelta)
    assert [gap.reason for gap in of(missing, Gap)] == ["sequence"]


def order(kind: int, name: str, price: str, size: str) -> list[tuple[int, Any]]:
    return [(269, kind), (278, name), (270, price), (271, size)]


def part(last: str, *orders: list[tuple[int, Any]]) -> list[tuple[int, Any]]:
    entries = [pair for fields in orders for pair in fields]
    return [(83, 50), (893, last), (55, "A"), (268, len(orders)), *entries]


def test_a_snapshot_in_several_messages_is_one_book_at_its_end() -> None:
    line = Line("coinbase-exchange", "A")
    first = line.say("W", *part("N", order(0, "a", "9", "1"), order(0, "b", "9", "2")))
    saved = line.session.dump("A")
    line.session = Session(line.exchange)
    line.session.load("A", saved)
    last = line.say("W", *part("Y", order(1, "c", "11", "4")))

    assert not first
    (whole,) = of(last, BookDelta)
    assert (whole.bid_prices, whole.bid_sizes, whole.ask_sizes) == ([9], [3], [4])
    assert (whole.is_snapshot, whole.last_seq) == (True, 50)


@pytest.mark.parametrize("lost", [0, 1])
def test_a_snapshot_that_lacks_a_part_is_no_book(lost: int) -> None:
    line = Line("coinbase-exchange", "A")
    line.say("0")
    line.event(records.FRAME, raw("Y", line.number, (262, "B"), (58, "no")))
    parts = [
        part("N", order(0, "a", "9", "1")),
        part("N", order(0, "b", "8", "1")),
        part("Y", order(1, "c", "11", "4")),
    ]
    outputs: list[Output] = []
    for at, fields in enumerate(parts):
        if at != lost:
            outputs += line.say("W", *fields, skip=1 if at == lost + 1 else 0)

    assert not of(outputs, BookDelta)
    assert of(outputs, Resync)
    anew = [line.say("W", *fields) for fields in parts]
    assert of(anew[-1], BookDelta)


def test_coinbase_exchange_s_orders_make_levels_and_all_its_messages_are_numbered() -> None:
    line = Line("coinbase-exchange", "A")
    line.say("W", *part("Y", order(0, "a", "9", "1"), order(1, "c", "11", "4")))

    def change(number: int, action: int, *fields: tuple[int, Any]) -> list[Output]:
        return line.say("X", (268, 1), (279, action), *fields, (83, number), (55, "A"))

    ack = change(51, 0, (269, 0), (270, "10"), (271, "5"), (40, 2))
    added = change(52, 0, *order(0, "d", "9", "0.5"))
    taker = change(53, 2, *order(1, "z", "11", "0"))
    status = line.say("f", (55, "A"), (83, 54), (326, 17))
    traded = change(55, 0, (269, 2), (278, "c"), (270, "11"), (271, "1"), (5797, 1))
    reduced = change(56, 1, *order(1, "c", "11", "3"))
    assert (ack, taker, status) == ([], [], [])
    assert of(added, BookDelta)[0].bid_sizes == [15]
    (trade,) = of(traded, Trade)
    assert (trade.aggressor, trade.trade_id) == ("buy", "rpt-55")
    assert of(reduced, BookDelta)[0].ask_sizes[0] == 30
    assert line.session.sequence("A") == 56

    missing = change(58, 1, *order(1, "c", "11", "2"))
    assert [gap.reason for gap in of(missing, Gap)] == ["sequence"]


def test_rows_name_what_is_new() -> None:
    fields = [(279, 0), *order(0, "a", "9", "1"), (83, 7), (55, "A")]
    (found,) = read(adapters.get("coinbase-exchange"), raw("X", 2, (268, 1), *fields))[1]

    assert isinstance(found, BookRows)
    assert (found.strict, list(found.rows)) == (False, [Row("a", "1", "9", bid=True, new=True)])


def test_a_websocket_of_the_same_exchange_keeps_its_own_rule() -> None:
    line = Line("coinbase-exchange", "A")
    line.say("W", *part("Y", order(0, "a", "9", "1"), order(1, "c", "11", "4")))
    line.event(records.DISCONNECTED, b"cut")

    found = line.session.feed(
        RawEvent(
            exchange=line.exchange.name,
            symbol="A",
            channel=line.exchange.channels["book_delta"],
            local_ts=START + 100 * SECOND,
            connection_id="websocket",
            payload=json.dumps(
                {"type": "snapshot", "product_id": "A", "bids": [["8", "1"]], "asks": [["12", "1"]]}
            ).encode(),
        )
    )

    (whole,) = of(found, BookDelta)
    assert whole.verified == records.UNPROVEN


def test_a_garbled_message_is_a_dead_letter() -> None:
    line = Line("deribit", "A")
    found = line.event(records.FRAME, raw("W", 2, (55, "A"), (268, 1), (269, 0))[:-9])

    assert "CheckSum" in of(found, DeadLetter)[0].error


@pytest.mark.parametrize("name", OVER_FIX)
def test_a_recording_is_recognised_by_its_address(name: str) -> None:
    exchange: Exchange = adapters.get(name)
    assert recording.endpoint_of(exchange.over_fix().url) is exchange


def _fix(name: str) -> fix.Fix:
    side = adapters.get(name).fix
    assert side is not None
    return side


def _collected(folder: str) -> Iterator[dict[str, Any]]:
    place = sessions.recordings_folder()
    if place is None:
        pytest.skip(sessions.ABSENT)
    for text in (place / "messages" / folder / "fix.jsonl").read_text().splitlines():
        yield json.loads(text)
