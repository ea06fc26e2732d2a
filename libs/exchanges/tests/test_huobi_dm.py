"""HTX contracts alone: versions of one connection, whole books, events on a second websocket."""

import gzip
import json
from datetime import datetime
from typing import Any

import pytest

from jetl2.exchanges import adapters, recording
from jetl2.exchanges.errors import UnexpectedFrame
from jetl2.exchanges.exchange import PING, Address, Book, Exchange, read
from jetl2.exchanges.life import Output
from jetl2.exchanges.session import SYNCED
from jetl2.schemas import records
from jetl2.schemas.records import BookDelta, BookTicker, DerivativeTicker, Gap, Liquidation, Resync
from tests import collected, sessions
from tests.feeds import Feed, kinds, only

COINS, LINEAR = adapters.get("huobi-dm-swap"), adapters.get("huobi-dm-linear-swap")
both = pytest.mark.parametrize("exchange", [COINS, LINEAR], ids=["coins", "linear"])
TOPIC = "market.ABC-USD.depth.size_150.high_freq"
WHOLE = "market.ABC-USD.depth.step0"


def packed(frame: object) -> bytes:
    return gzip.compress(json.dumps(frame).encode())


class Contracts(Feed):
    def __init__(self) -> None:
        super().__init__("huobi-dm-swap", "ABC-USD")

    def book(
        self, event: str, version: int, *bids: tuple[float, int], **where: Any
    ) -> list[Output]:
        tick = {"event": event, "version": version, "bids": bids, "asks": [(11, 5)]}
        return self.raw(packed({"ch": TOPIC, "ts": 1767225600000, "tick": tick}), **where)

    def whole(self, *bids: tuple[float, int]) -> list[Output]:
        tick = {"bids": bids, "asks": [(11, 5)], "version": 1767225600}
        return self.raw(packed({"ch": WHOLE, "ts": 1767225600000, "tick": tick}))


def test_versions_follow_by_one() -> None:
    feed = Contracts()
    feed.book("snapshot", 7, (9, 1))
    assert feed.state == SYNCED

    only(feed.book("update", 8, (8, 2)), BookDelta)
    assert feed.top() == ([(9, 1), (8, 2)], [(11, 5)])
    assert kinds(feed.book("update", 10, (7, 1))) == [Gap, Resync]


def test_versions_of_another_connection_are_no_ones_successors() -> None:
    feed = Contracts()
    feed.book("snapshot", 7, (9, 1))
    feed.book("snapshot", 500, (9, 1), connection="c2")

    assert feed.book("update", 501, (8, 2), connection="c2") == []
    only(feed.book("update", 8, (8, 2)), BookDelta)
    assert feed.counted["duplicates"] == 1


def test_whole_books_replace_the_book() -> None:
    feed = Contracts()
    feed.whole((9, 1), (8, 2))
    assert feed.state == SYNCED

    record = only(feed.whole((9, 3)), BookDelta)

    assert (record.is_snapshot, record.reason) == (True, records.UPDATE)
    assert record.verified == records.UNPROVEN
    assert feed.top() == ([(9, 3)], [(11, 5)])


def test_whole_books_do_not_disturb_a_numbered_one() -> None:
    feed = Contracts()
    feed.book("snapshot", 7, (9, 1))

    assert feed.whole((7, 1)) == []
    assert feed.top() == ([(9, 1)], [(11, 5)])
    only(feed.book("update", 8, (8, 2)), BookDelta)


def test_the_book_is_cut_to_the_acknowledged_depth() -> None:
    feed = Contracts()
    feed.raw(packed({"subbed": TOPIC.replace("150", "20"), "status": "ok"}))
    feed.book("snapshot", 1, *((price, 1) for price in range(10, 0, -1)), (0.5, 1))
    feed.book("update", 2, *((price / 4, 1) for price in range(5, 40, 4)))

    bids, _ = feed.session.book("ABC-USD").top(100)
    assert len(bids) == 20
    assert bids[-1] == (50, 1)


def test_a_book_without_an_event_is_a_snapshot_and_unknown_events_are_refused() -> None:
    frame: dict[str, Any] = {"ch": TOPIC, "ts": 1, "tick": {"version": 1, "bids": [(9, 1)]}}
    (record,) = read(COINS, packed(frame))[1]
    assert isinstance(record, BookDelta)
    assert record.is_snapshot

    frame["tick"]["event"] = "merge"
    with pytest.raises(UnexpectedFrame, match="event snapshot or update, found 'merge'"):
        read(COINS, packed(frame))
    del frame["tick"]["version"]
    frame["tick"]["event"] = "update"
    with pytest.raises(UnexpectedFrame, match="version"):
        read(COINS, packed(frame))


def test_a_side_of_the_best_prices_may_be_empty() -> None:
    tick = {"ask": [11, 5], "version": 3, "mrid": 3}
    (record,) = read(COINS, packed({"ch": "market.ABC-USD.bbo", "ts": 1, "tick": tick}))[1]

    assert isinstance(record, BookTicker)
    assert (record.bid_price, record.ask_price, record.ask_size) == (None, 11, 5)


@both
def test_each_type_goes_to_its_websocket_in_its_form(exchange: Exchange) -> None:
    def sent(*data_types: str) -> list[Any]:
        return [
            json.loads(t) for t in exchange.subscribe(["ABC-USD", "ABC-USDT-261225"], data_types)
        ]

    assert sent("book_delta")[0] == {"sub": TOPIC, "data_type": "incremental", "id": TOPIC}
    assert sent("trade")[0]["sub"] == "market.ABC-USD.trade.detail"
    # what is delivered at a date pays no funding
    funding = "public.ABC-USD.funding_rate"
    assert sent("derivative_ticker") == [{"op": "sub", "cid": funding, "topic": funding}]
    assert len(sent("liquidation")) == 2
    assert exchange.resubscribe
    requests = [json.loads(text) for text in exchange.resubscribe("ABC-USD")]
    assert [(*r,)[0] for r in requests] == ["unsub", "sub"]
    assert exchange.route
    assert exchange.route("ABC-USD", "book_ticker") == exchange.url
    assert exchange.route("ABC-USD", "liquidation") == exchange.url.replace("-ws", "-notification")


@both
def test_each_websockets_ping_is_answered_in_its_form(exchange: Exchange) -> None:
    assert exchange.keepalive.answer
    for ping, pong in (
        ({"ping": 1767225600000}, '{"pong":1767225600000}'),
        ({"op": "ping", "ts": "1767225600000"}, '{"op":"pong","ts":"1767225600000"}'),
    ):
        assert exchange.classify(packed(ping)) == (Address("", PING),)
        assert exchange.keepalive.answer(packed(ping)) == pong
        assert read(exchange, packed(ping))[1] == []


@pytest.mark.parametrize(
    "frame,address",
    [
        ({"subbed": TOPIC, "status": "ok"}, Address("ABC-USD", "depth.size_150.high_freq")),
        ({"op": "sub", "topic": "public.ABC-USD.funding_rate", "err-code": 0}, None),
        ({"op": "sub", "topic": "public.A.funding_rate", "err-code": 2011}, Address("", "error")),
        ({"status": "error", "err-code": 1001}, Address("", "error")),
        ({"status": "error", "err-code": "bad-request"}, Address("", "error")),
        ({"op": "close", "ts": 1}, Address("", "close")),
    ],
)
def test_answers_name_what_they_are_about(frame: dict[str, Any], address: Address | None) -> None:
    expected = address or Address("ABC-USD", "funding_rate")

    assert COINS.classify(packed(frame)) == (expected,)
    assert read(COINS, packed(frame))[1] == (
        [Book(symbol="ABC-USD", depth=150)] if "subbed" in frame else []
    )


@pytest.mark.parametrize(
    "frame",
    [
        {"ch": "market.ABC-USD.no_such", "tick": {}},
        {"ch": "market.ABC-USD", "tick": {}},
        {"op": "notify", "topic": "public.ABC-USD.no_such", "data": []},
        {"tick": {}},
    ],
)
def test_foreign_topics_are_refused(frame: dict[str, Any]) -> None:
    with pytest.raises(UnexpectedFrame, match="expected a topic"):
        read(COINS, packed(frame))


def test_notices_may_be_about_several_contracts() -> None:
    item = {"funding_rate": "0.0001", "estimated_rate": "-0.0002", "settlement_time": "28800000"}
    data = [item | {"contract_code": "ABC-USD"}, item | {"contract_code": "DEF-USD"}]
    frame = packed({"op": "notify", "topic": "public.*.funding_rate", "ts": 5, "data": data})

    assert [symbol for symbol, _ in COINS.classify(frame)] == ["ABC-USD", "DEF-USD"]
    first, second = read(COINS, frame)[1]
    assert isinstance(first, DerivativeTicker)
    assert (first.funding_rate, first.predicted_funding_rate) == ("0.0001", "-0.0002")
    assert (first.funding_ts, first.exchange_ts) == (28800 * 10**9, 5 * 10**6)
    assert second.symbol == "DEF-USD"


def test_a_long_is_liquidated_by_a_sale() -> None:
    item = {"contract_code": "ABC-USD", "direction": "sell", "volume": 3.0, "price": 9.5}
    topic = "public.ABC-USD.liquidation_orders"
    frame = {"op": "notify", "topic": topic, "ts": 5, "data": [item | {"created_at": 4}]}
    (record,) = read(COINS, packed(frame))[1]

    assert isinstance(record, Liquidation)
    assert (record.aggressor, record.exchange_ts) == (records.SELL, 4 * 10**6)
    assert record.size * 10.0**record.size_exponent == 3


def test_instruments_and_volumes_are_read() -> None:
    item = {"contract_size": "0.001", "price_tick": "0.1", "contract_status": 1}
    data = [item | {"contract_code": code} for code in ("ABC-USDT", "ABC-USDT-261225")]
    swap, future = LINEAR.instruments.parse({"data": data})

    assert (swap.base, swap.quote, swap.kind, swap.active) == ("ABC", "USDT", "perpetual", True)
    assert (swap.contract_size, swap.price_increment, future.kind) == ("0.001", "0.1", "future")
    volumes = COINS.instruments.volumes
    assert volumes
    ticks = [
        {"contract_code": "A", "trade_turnover": "8.5", "amount": "1", "close": "1"},
        {"contract_code": "B", "amount": "2", "close": "1.5"},
    ]
    assert list(volumes({"ticks": ticks})) == [("A", 8.5), ("B", 3.0)]


@pytest.mark.skipif(sessions.recordings_folder() is None, reason=sessions.ABSENT)
def test_sessions_of_contracts_are_recognised_by_their_url() -> None:
    (path,) = [path for path in sessions.files() if "inverse-swap" in path.name]

    (found,) = recording.recognise(path)
    assert found.exchange is COINS


def spoken(market: str) -> Any:
    def ours(message: collected.Message) -> bool:
        # by REST: lists, and answers with a status beside their topic
        by_rest = '"status":"ok","t' in message["raw"] or '"symbol":"*"' in message["raw"]
        wanted = message["market"] == market and message.get("dir") != "sent"
        return bool(wanted and not by_rest and "_" not in (message.get("symbol") or ""))

    return ours


WEBSOCKET = (*collected.KINDS, "other")


@pytest.mark.parametrize(
    "name,market,least,compared",
    [("huobi-dm-swap", "inverse", 25, 4), ("huobi-dm-linear-swap", "linear", 30, 4)],
)
def test_collected_messages_are_read_and_mean_what_others_made_of_them(
    name: str, market: str, least: int, compared: int
) -> None:
    collected.check(
        name,
        "htx",
        spoken(market),
        least=least,
        compared=compared,
        kinds=WEBSOCKET,
    )


@pytest.mark.parametrize("exchange,market", [(COINS, "inverse"), (LINEAR, "linear")])
def test_collected_notices_mean_what_others_made_of_them(exchange: Exchange, market: str) -> None:
    compared = set()
    for entry in collected.messages("htx", spoken(market), ["other"]):
        normalised = (entry.get("expected") or {}).get("tardis_normalized")
        # another library's own requests by REST, and what beside candles is told
        if not normalised or "public." not in entry["raw"]:
            continue
        (expected,), (found,) = normalised, read(exchange, collected.payload(entry))[1]
        if not isinstance(found, Liquidation):
            assert isinstance(found, DerivativeTicker)
            assert float(found.funding_rate) == expected["fundingRate"]
            assert float(found.predicted_funding_rate) == expected["predictedFundingRate"]
            assert found.funding_ts == _ns(expected["fundingTimestamp"])
        elif found.symbol == expected["symbol"]:
            assert found.price * 10.0**found.price_exponent == pytest.approx(expected["price"])
            assert found.size * 10.0**found.size_exponent == expected["amount"]
            assert (found.aggressor, found.exchange_ts) == (
                expected["side"],
                _ns(expected["timestamp"]),
            )
        compared.add(type(found))

    assert compared == {DerivativeTicker, Liquidation}


def _ns(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000) * 10**6
