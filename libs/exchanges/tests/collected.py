"""Messages that others collected, with what they made of them: read, and compared where told."""

import json
from base64 import b64decode
from collections.abc import Callable, Collection, Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest

from jetl2.exchanges import adapters
from jetl2.exchanges.errors import UNREADABLE
from jetl2.exchanges.exchange import BookRows, Exchange, Parsed, read
from jetl2.schemas.records import BookDelta, BookTicker, Trade
from tests import sessions

KINDS = ("l2_snapshot", "l2_delta", "trade", "ticker", "bbo", "ack", "heartbeat", "error")

Message = dict[str, Any]


def messages(
    folder: str, spoken: Callable[[Message], bool], kinds: Collection[str] = KINDS
) -> Iterator[Message]:
    """Yield the collected websocket messages of a folder that `spoken` says are of our protocol."""
    place = sessions.recordings_folder()
    if place is None:
        pytest.skip(sessions.ABSENT)
    for kind in kinds:
        path = place / "messages" / folder / f"{kind}.jsonl"
        for line in path.read_text().splitlines() if path.exists() else ():
            entry = {"channel": "", "market": "", "api": "", **json.loads(line)}
            if "REST" not in entry["channel"] and spoken(entry):
                yield entry


def payload(entry: Message) -> bytes:
    """Return a message as it was on the wire."""
    raw = entry["raw"]
    return b64decode(raw) if entry.get("encoding") == "base64" else raw.encode()


def check(
    name: str,
    folder: str,
    spoken: Callable[[Message], bool],
    *,
    least: int,
    wrong: Collection[str] = (),
    compared: int = 0,
    kinds: Collection[str] = KINDS,
) -> None:
    """Read every message, and compare what its source expected of it.

    Args:
        name: Of the exchange.
        folder: Below `messages`.
        spoken: Whether a message is of the protocol of this exchange's module: by its market, api,
            channel and raw text.
        least: At least so many must have been read.
        wrong: Parts of the raw text of messages that are wrong on purpose, or no frames.
        compared: At least so many must have been compared with what their source normalised them to.
        kinds: Files of the folder; "other" holds whatever its sources could not name.
    """
    exchange = adapters.get(name)
    seen = equal = 0
    unread = []
    for entry in messages(folder, spoken, kinds):
        if any(mark in entry["raw"] for mark in wrong):
            continue
        try:
            found = records_of(exchange, payload(entry))
        except UNREADABLE as error:
            unread.append((str(error), entry["raw"][:500]))
            continue
        seen += 1
        equal += _compare(entry, found)

    assert unread == [], "unread:\n" + "\n".join(map(str, unread))
    assert seen >= least, f"read {seen}"
    assert equal >= compared, f"compared {equal}"


def records_of(exchange: Exchange, raw: bytes) -> list[Parsed]:
    """Return the records of a frame, each of them of a symbol that `classify` names."""
    found: list[Parsed] = []
    for address in exchange.new_classifier()(raw):
        found += [r for r in read(exchange, raw, address)[1] if r.symbol == address.symbol]
    assert len(found) == len(read(exchange, raw)[1]) or exchange.classifier
    return found


def _compare(entry: Message, found: list[Parsed]) -> int:
    """Compare what one source normalised a message to; others' forms are for each exchange's tests."""
    if not found or "generated" in entry["raw"]:
        return 0  # a channel that we leave out; made by the other library, no frame
    if any(isinstance(r, BookRows) for r in found):
        return 0  # levels show with the rows before
    normalised = [_normalised(r) for r in found if isinstance(r, BookDelta | Trade | BookTicker)]
    count = 0
    for expected in entry.get("expected", {}).get("tardis_normalized", ()):
        if expected["type"] not in ("book_change", "trade", "book_ticker"):
            continue
        fields = _comparable(expected)
        told = [_told(record, fields) for record in normalised]
        assert fields in told, entry["raw"][:300]
        count += 1
    return count


def _told(record: dict[str, Any], fields: dict[str, Any]) -> dict[str, Any]:
    told = {name: record.get(name) for name in fields}
    if "timestamp" in told:
        # to the microsecond; where a message has no time, that source takes its own clock's
        told["timestamp"] = (told["timestamp"] or 0) // 1000 * 1000 or fields["timestamp"]
    return told


def _comparable(expected: dict[str, Any]) -> dict[str, Any]:
    names = {
        "book_change": "timestamp isSnapshot bids asks",
        "trade": "timestamp id price amount side",
    }
    wanted = names.get(expected["type"], "askAmount askPrice bidPrice bidAmount").split()
    fields = {name: expected[name] for name in ("type", "symbol", *wanted) if name in expected}
    # in capitals, whatever the exchange writes
    fields["symbol"] = fields["symbol"].upper()
    if "timestamp" in fields:
        fields["timestamp"] = _ns(fields["timestamp"])
    return fields


def _ns(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 10**6) * 1000


def _normalised(record: BookDelta | Trade | BookTicker) -> dict[str, Any]:
    head = {"symbol": record.symbol.upper()}
    # others tell microseconds at most
    time = record.exchange_ts // 1000 * 1000
    if isinstance(record, BookDelta):
        sides = {
            name: [
                {
                    "price": _float(p, record.price_exponent),
                    "amount": _float(s, record.size_exponent),
                }
                for p, s in zip(prices, sizes, strict=True)
            ]
            for name, prices, sizes in (
                ("bids", record.bid_prices, record.bid_sizes),
                ("asks", record.ask_prices, record.ask_sizes),
            )
        }
        more = {"timestamp": time, "isSnapshot": record.is_snapshot, **sides}
        return {"type": "book_change", **head, **more}
    price, size = record.price_exponent, record.size_exponent
    if isinstance(record, Trade):
        more = {"id": record.trade_id, "side": record.aggressor, "timestamp": time}
        values = {"price": _float(record.price, price), "amount": _float(record.size, size)}
        return {"type": "trade", **head, **more, **values}
    return {
        "type": "book_ticker",
        **head,
        "askAmount": _float(record.ask_size, size),
        "askPrice": _float(record.ask_price, price),
        "bidPrice": _float(record.bid_price, price),
        "bidAmount": _float(record.bid_size, size),
    }


def _float(mantissa: int | None, exponent: int) -> float | None:
    return None if mantissa is None else float(Decimal(mantissa).scaleb(exponent))
