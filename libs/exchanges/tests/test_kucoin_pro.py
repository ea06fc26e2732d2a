"""KuCoin's Pro websocket alone: books of other depths, times, and messages that others collected."""

import json
from typing import Any

import pytest

from jetl2.exchanges import adapters
from jetl2.exchanges.errors import UnexpectedFrame
from jetl2.exchanges.exchange import Address, read
from jetl2.schemas.records import BUY, BookDelta, Trade
from tests import collected

PRO = adapters.get("kucoin-pro")


def push(channel: str, data: dict[str, Any], **more: str) -> bytes:
    return json.dumps({"T": channel, **more, "d": {"s": "ABC-USDT"} | data}).encode()


def test_books_of_other_depths_have_a_channel_of_their_own() -> None:
    data = {"O": 5, "C": 5, "M": 1, "a": [], "b": [["4", "1"]]}
    ours = push("obu.SPOT", data, dp="increment@10ms", t="snapshot")
    other = push("obu.SPOT", data, dp="50", t="snapshot")

    assert PRO.classify(ours) == (Address("ABC-USDT", PRO.channels["book_delta"]),)
    assert PRO.classify(other) == (Address("ABC-USDT", "obu.SPOT.50"),)
    assert len(read(PRO, ours)[1]) == 1
    assert read(PRO, other)[1] == []


@pytest.mark.parametrize("time", [1767225600123, 1767225600123000, 1767225600123000000])
def test_a_time_is_read_by_its_size(time: int) -> None:
    data = {"M": time, "S": "BUY", "p": "4", "q": "1.50", "ti": "7", "E": 7}
    (record,) = read(PRO, push("trade.SPOT", data))[1]

    assert isinstance(record, Trade)
    assert (record.exchange_ts, record.aggressor) == (1767225600123000000, BUY)


def test_a_refused_request_is_an_error() -> None:
    assert PRO.classify(b'{"id":"1","result":true}') == (Address("", "ack"),)
    assert PRO.classify(b'{"id":"1","result":false,"message":"no"}') == (Address("", "error"),)
    assert PRO.classify(b'{"type":"error","result":null}') == (Address("", "error"),)
    assert PRO.classify(b'{"id":"1","type":"pong","ts":7}') == (Address("", "pong"),)


def test_each_topic_is_a_request_of_its_own() -> None:
    book, trade = (json.loads(t) for t in PRO.subscribe(["ABC-USDT"], ["book_delta", "trade"]))

    assert (book["channel"], book["depth"]) == ("obu", "increment@10ms")
    assert (trade["channel"], trade["tradeType"], "depth" in trade) == ("trade", "SPOT", False)
    assert PRO.resubscribe
    assert [json.loads(t)["action"] for t in PRO.resubscribe("ABC-USDT")] == [
        "unsubscribe",
        "subscribe",
    ]


def test_collected_messages_are_read() -> None:
    """They are of futures, whose messages have the same form."""
    seen = 0
    kinds = (*collected.KINDS, "other")
    for entry in collected.messages("kucoin", lambda e: "Pro" in e["api"], kinds):
        raw = collected.payload(entry)
        if b".FUTURES" in raw:
            with pytest.raises(UnexpectedFrame, match=r"found '.*FUTURES'"):
                read(PRO, raw)
        raw = raw.replace(b".FUTURES", b".SPOT").replace(b'"increment"', b'"increment@10ms"')
        for record in read(PRO, raw)[1]:
            assert isinstance(record, BookDelta | Trade)
            assert record.exchange_ts > 1_771_000_000 * 10**9
        seen += 1

    assert seen >= 5
