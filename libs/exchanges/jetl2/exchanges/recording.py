"""Recorded sessions as raw events, just as the ingestor would have written them.

A session is JSON lines, plain or gzipped: a header, then what went over the connections in order
(`connect`, `sent`, `recv`, `http`). Which exchange it is shows by the URL connected to, where the
recorder kept none by the header's names and the first frames.
"""

import base64
import gzip
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from jetl2.exchanges import adapters
from jetl2.exchanges.errors import UnexpectedFrame, UnsupportedRecording
from jetl2.exchanges.exchange import Exchange, read
from jetl2.schemas import records
from jetl2.schemas.records import RawEvent

# So many frames are tried where nothing but the header's names tells the protocol
TRIED = 20

Entry = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Recording:
    """A session in a protocol that we speak.

    Args:
        name: As its header says, else its file's name.
    """

    path: Path
    name: str
    exchange: Exchange
    header: Entry


def recognise(path: Path) -> Recording:
    """Return what a file holds.

    Raises:
        UnsupportedRecording: No session, or in a protocol that no module here speaks; says which.
        OSError: The file cannot be read.
    """
    header = next(entries(path), {})
    if header.get("t") != "session":
        message = f"{path}: expected a header with t = session in its first line"
        raise UnsupportedRecording(message)
    name = str(header.get("name") or path.name.partition(".")[0])
    exchange = _by_url(path, header) or _by_header(path, header)
    return Recording(path, name, exchange, header)


def raw_events(recording: Recording) -> Iterator[RawEvent]:
    """Yield everything received, in recorded order, once for each symbol it is about."""
    return events(recording.exchange, entries(recording.path), _first_exchange_ts(recording))


def events(exchange: Exchange, session: Iterable[Entry], start_ts: int = 0) -> Iterator[RawEvent]:
    """Yield raw events of a session's lines, its header left out or not.

    A connection opens for a symbol with the symbol's first frame. Where a line has no receive time
    the exchange's own stands in for it, else the time of the event before.

    Args:
        start_ts: Time of what comes before any time is known.
    """
    clock = _Clock(start_ts)
    counters: dict[str, int] = {}
    opened: dict[tuple[str, str], str] = {}
    urls: dict[str, str] = {}
    for entry in session:
        what, connection = entry.get("dir"), str(entry.get("conn") or "0")
        if what == "connect":
            urls[connection] = entry.get("url", "")
        elif what == "sent":
            local_ts = clock.at(entry, None)
            yield _event(exchange, "", "", local_ts, connection, records.SUBSCRIBED, _bytes(entry))
        elif what == "recv":
            payload = _bytes(entry)
            counter = counters.get(connection, 0)
            local_ts = clock.at(entry, lambda p=payload: _exchange_ts(exchange, p))
            found = addresses(exchange, payload)
            counters[connection] = counter + bool(found)
            for symbol, channel in found or [("", "")]:
                if symbol and (connection, symbol) not in opened:
                    opened[connection, symbol] = connection
                    url = urls.get(connection, "").encode()
                    kind = records.CONNECTED
                    yield _event(exchange, symbol, "", local_ts, connection, kind, url)
                raw = _event(
                    exchange, symbol, channel, local_ts, connection, records.FRAME, payload
                )
                raw.counter = counter
                yield raw
            for symbol in () if found else [s for c, s in opened if c == connection]:
                kind = records.UNREADABLE
                yield _event(exchange, symbol, "", local_ts, connection, kind, b"")
        elif what == "http" and exchange.snapshot and _is_snapshot(exchange, entry):
            symbol = _snapshot_symbol(exchange, entry, [s for _, s in opened])
            # the connection that the snapshot is for is where the symbol's frames come
            target = next((c for c, s in opened if s == symbol), connection)
            local_ts = clock.at(entry, None)
            kind = records.SNAPSHOT
            yield _event(exchange, symbol, "", local_ts, target, kind, _bytes(entry))


def messages(recording: Recording) -> int:
    """Return how many messages were received, by websocket or by REST."""
    return sum(entry.get("dir") in ("recv", "http") for entry in entries(recording.path))


def addresses(exchange: Exchange, payload: bytes) -> list[tuple[str, str]]:
    """Return (symbol, channel) of a frame; nothing for one that cannot be read."""
    try:
        return [(a.symbol, a.channel) for a in exchange.classify(payload)]
    except UnexpectedFrame:
        return []


def ns_from_seconds(text: str) -> int:
    """Return ns of a time in seconds, by its decimals."""
    whole, _, part = text.partition(".")
    return int(whole) * 10**9 + int(part[:9].ljust(9, "0"))


class _Clock:
    """Receive times of a session, monotone where the recording has none."""

    def __init__(self, start: int) -> None:
        self._last = start

    def at(self, entry: Entry, exchange_ts: Any) -> int:
        text = entry.get("ts")
        if text is not None:
            self._last = ns_from_seconds(str(text))
        else:
            self._last = max(self._last + 1, exchange_ts() if exchange_ts else 0)
        return self._last


def entries(path: Path) -> Iterator[Entry]:
    """Yield the lines of a session, the header first.

    Raises:
        UnsupportedRecording: A line is no JSON object.
    """
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                entry = json.loads(line)
            except ValueError as error:
                message = f"{path}: line {number} is not JSON: {error}"
                raise UnsupportedRecording(message) from None
            if not isinstance(entry, dict):
                message = f"{path}: line {number} is not a JSON object"
                raise UnsupportedRecording(message)
            yield entry


def _bytes(entry: Entry) -> bytes:
    raw = entry.get("raw", "")
    return base64.b64decode(raw) if entry.get("encoding") == "base64" else str(raw).encode()


def _event(
    exchange: Exchange,
    symbol: str,
    channel: str,
    local_ts: int,
    connection_id: str,
    kind: str,
    payload: bytes,
) -> RawEvent:
    return RawEvent(
        exchange=exchange.name,
        symbol=symbol,
        channel=channel,
        local_ts=local_ts,
        connection_id=connection_id,
        kind=kind,
        payload=payload,
    )


def _by_url(path: Path, header: Entry) -> Exchange | None:
    """Return the exchange of the first URL connected to; None when the session kept none."""
    url = next((e["url"] for e in entries(path) if e.get("dir") == "connect"), None)
    if not url:
        return None
    found = endpoint_of(url)
    if found:
        return found
    message = (
        f"{path}: connected to {url.partition('?')[0]} ({header.get('api', 'API not named')}), "
        f"a protocol of none of the exchanges here: {', '.join(adapters.load())}"
    )
    raise UnsupportedRecording(message)


def endpoint_of(url: str) -> Exchange | None:
    """Return the exchange whose protocol is spoken at a websocket URL, if any here."""
    parts = urlsplit(url)
    wanted = f"{parts.hostname}{parts.path}/"
    for exchange in adapters.load().values():
        own = urlsplit(exchange.url)
        for endpoint in (f"{own.hostname}{own.path}", *exchange.hosts):
            if wanted.startswith(endpoint.rstrip("/") + "/"):
                return exchange
    return None


def _by_header(path: Path, header: Entry) -> Exchange:
    name, market = header.get("exchange", ""), header.get("market", "")
    api = f"{name} {market}, {header.get('api', 'API not named')}"
    for exchange in adapters.load().values():
        if name in (exchange.name, *exchange.aliases) and market in (exchange.market, "mixed"):
            frames = [_bytes(e) for e in _first_frames(path)]
            if any(_readable(exchange, frame) for frame in frames):
                return exchange
            message = (
                f"{path}: recorded as {api}, but none of its first {len(frames)} frames is one of "
                f"{exchange.name} ({exchange.docs.partition(' ')[0]}): another or a retired API"
            )
            raise UnsupportedRecording(message)
    message = f"{path}: recorded as {api}: expected one of {', '.join(adapters.load())}"
    raise UnsupportedRecording(message)


def _first_frames(path: Path) -> Iterator[Entry]:
    found = 0
    for entry in entries(path):
        if entry.get("dir") == "recv":
            yield entry
            found += 1
            if found == TRIED:
                return


def _readable(exchange: Exchange, payload: bytes) -> bool:
    try:
        return bool(read(exchange, payload)[1])
    except UnexpectedFrame:
        return False


def _exchange_ts(exchange: Exchange, payload: bytes) -> int:
    try:
        found = read(exchange, payload)[1]
    except UnexpectedFrame:
        return 0
    return max((getattr(record, "exchange_ts", 0) for record in found), default=0)


def _first_exchange_ts(recording: Recording) -> int:
    """Return the first time that an exchange gives, where the session starts without our own."""
    for entry in entries(recording.path):
        if entry.get("ts") is not None:
            return 0
        if entry.get("dir") == "recv":
            found = _exchange_ts(recording.exchange, _bytes(entry))
            if found:
                return found - 1
    return 0


def _is_snapshot(exchange: Exchange, entry: Entry) -> bool:
    if entry.get("kind") == "rest_snapshot":
        return True
    assert exchange.snapshot
    ours = urlsplit(exchange.snapshot.url("")).path.rpartition("/")[2]
    return urlsplit(entry.get("url", "")).path.rpartition("/")[2] == ours


def _snapshot_symbol(exchange: Exchange, entry: Entry, seen: list[str]) -> str:
    """Return whose book a REST body is: by the URL's parameter, else the session's only symbol."""
    assert exchange.snapshot
    marked = parse_qs(urlsplit(exchange.snapshot.url("SYMBOL")).query)
    given = parse_qs(urlsplit(entry.get("url", "")).query)
    for parameter, values in marked.items():
        if values == ["SYMBOL"] and parameter in given:
            return given[parameter][0]
    symbols = set(seen)
    return entry.get("symbol") or (symbols.pop() if len(symbols) == 1 else "")
