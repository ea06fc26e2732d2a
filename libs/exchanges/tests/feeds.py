"""Feeds made by hand: the exchanges' frames with the numbers that a test is about."""

import dataclasses
import json
from collections.abc import Iterable, Sequence
from typing import Any

from jetl2.exchanges import adapters
from jetl2.exchanges.life import Output
from jetl2.exchanges.session import SYNCED, Session
from jetl2.schemas import records
from jetl2.schemas.records import RawEvent

SYMBOL = "ABCUSDT"
SECOND = 10**9
START = 1_767_225_600 * SECOND  # a full hour


class Feed:
    """A session with a clock: each event comes 100 ms after the one before."""

    def __init__(self, exchange: str, symbol: str = SYMBOL) -> None:
        self.session = Session(adapters.get(exchange))
        self.symbol = symbol
        self.now = START
        self.counters: dict[str, int] = {}

    def raw(
        self,
        payload: object,
        *,
        kind: str = records.FRAME,
        connection: str = "c1",
        symbol: str | None = None,
        channel: str = "",
        skip: int = 0,
    ) -> list[Output]:
        self.now += SECOND // 10
        counter = self.counters.get(connection, 0)
        if kind == records.FRAME:
            self.counters[connection] = counter + 1 + skip
        data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        return self.session.feed(
            RawEvent(
                exchange=self.session.exchange.name,
                symbol=self.symbol if symbol is None else symbol,
                channel=channel,
                local_ts=self.now,
                connection_id=connection,
                counter=counter,
                kind=kind,
                payload=data,
            )
        )

    def event(self, kind: str, payload: bytes = b"", connection: str = "c1") -> list[Output]:
        return self.raw(payload, kind=kind, connection=connection)

    @property
    def state(self) -> str:
        return self.session.state(self.symbol)

    @property
    def counted(self) -> dict[str, int]:
        return {k: n for k, n in self.session.counters(self.symbol).items() if n}

    def top(self) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
        return self.session.book(self.symbol).top(10)


class Binance(Feed):
    def __init__(self) -> None:
        super().__init__("binance")

    def delta(
        self,
        first: int,
        last: int,
        bids: Sequence[tuple[str, str]] = (("9", "1"),),
        asks: Sequence[tuple[str, str]] = (),
        **where: Any,
    ) -> list[Output]:
        data = {"e": "depthUpdate", "E": 1, "s": SYMBOL, "U": first, "u": last}
        return self.raw({**data, "b": bids, "a": asks}, **where)

    def rest(self, last: int, **where: Any) -> list[Output]:
        body = {"lastUpdateId": last, "bids": [["8", "5"]], "asks": [["11", "5"]]}
        return self.raw(body, kind=records.SNAPSHOT, **where)

    def trade(self, number: int, **where: Any) -> list[Output]:
        data = {"e": "trade", "E": 1, "s": SYMBOL, "t": number, "p": "9", "q": "1", "T": 1}
        return self.raw({**data, "m": True}, **where)

    def ticker(self, number: int, **where: Any) -> list[Output]:
        data = {"u": number, "s": SYMBOL, "b": "9", "B": "1", "a": "11", "A": "2"}
        return self.raw(data, **where)

    def synced(self, last: int = 10) -> "Binance":
        self.event(records.CONNECTED)
        self.rest(last)
        self.delta(last + 1, last + 1)
        assert self.state == SYNCED
        return self


class Okx(Feed):
    def __init__(self) -> None:
        super().__init__("okex", "ABC-USDT")

    def book(
        self,
        action: str,
        prev: int,
        last: int,
        bids: Sequence[tuple[str, str]] = (("9", "1"),),
        **where: Any,
    ) -> list[Output]:
        checksum = where.pop("checksum", 0)
        item = {"bids": bids, "asks": [("11", "2")], "ts": "1", "checksum": checksum}
        item |= {"seqId": last, "prevSeqId": prev}
        arg = {"channel": "books", "instId": self.symbol}
        return self.raw({"arg": arg, "action": action, "data": [item]}, **where)

    def synced(self, connection: str = "c1") -> "Okx":
        self.book("snapshot", -1, 10, connection=connection)
        assert self.state == SYNCED
        return self


class Coinbase(Feed):
    def __init__(self) -> None:
        super().__init__("coinbase", "ABC-USD")

    def book(self, kind: str, number: int, **where: Any) -> list[Output]:
        level = {"side": "bid", "price_level": "9", "new_quantity": str(number)}
        event = {"type": kind, "product_id": self.symbol, "updates": [level]}
        return self.raw(self.frame("l2_data", number, event), **where)

    def frame(self, channel: str, number: int, *events: dict[str, Any]) -> dict[str, Any]:
        time = "2026-01-01T00:00:00Z"
        return {"channel": channel, "timestamp": time, "sequence_num": number, "events": events}


def kinds(outputs: list[Output]) -> list[type]:
    return [type(o) for o in outputs]


def only(outputs: list[Output], kind: type) -> Any:
    (found,) = outputs
    assert isinstance(found, kind)
    return found


class Kraken(Feed):
    """Without its checksum, which the contract's sessions show."""

    def __init__(self) -> None:
        super().__init__("kraken", "ABC/USD")
        self.session = Session(dataclasses.replace(self.session.exchange, checksum=None))

    def book(self, kind: str, prices: Iterable[float]) -> list[Output]:
        levels = [{"price": price, "qty": 1} for price in prices]
        item = {"symbol": self.symbol, "bids": levels, "asks": [], "checksum": 1}
        return self.raw({"channel": "book", "type": kind, "data": [item]})
