"""Recorded sessions as raw events, just as the ingestor would have written them.

A session is JSON lines, plain or gzipped: a header, then what went over the connections in order
(`connect`, `sent`, `recv`, `http`). Which exchange it is shows by the URL connected to, where the
recorder kept none by the header's names and the first frames.
"""

import base64
import gzip
import itertools
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from jetl2.exchanges import adapters
from jetl2.exchanges.errors import UNREADABLE, UnexpectedFrame, UnsupportedRecording
from jetl2.exchanges.exchange import CONNECTION, Address, Classify, Exchange, read
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
        connections: What of the file is of this exchange; None: all of it.
    """

    path: Path
    name: str
    exchange: Exchange
    header: Entry
    connections: frozenset[str] | None = None

    def lines(self) -> Iterator[Entry]:
        """Yield what is of this exchange, without the header."""
        for entry in itertools.islice(entries(self.path), 1, None):
            if self.connections is None or connection_of(entry) in self.connections:
                yield entry


def recognise(path: Path) -> list[Recording]:
    """Return what a file holds, for each exchange that speaks in it.

    Raises:
        UnsupportedRecording: No session, or in a protocol that no module here speaks; says which.
        OSError: The file cannot be read.
    """
    header = next(entries(path), {})
    if header.get("t") != "session":
        message = f"{path}: expected a header with t = session in its first line"
        raise UnsupportedRecording(message)
    name = str(header.get("name") or path.name.partition(".")[0])
    by_url = _by_url(path, header)
    if not by_url:
        return [Recording(path, name, _by_header(path, header), header)]
    if len(by_url) == 1:
        return [Recording(path, name, exchange, header) for exchange, _ in by_url]
    return [
        Recording(path, f"{name}/{exchange.name}", exchange, header, frozenset(connections))
        for exchange, connections in by_url
    ]


def raw_events(recording: Recording) -> Iterator[RawEvent]:
    """Yield everything received, in recorded order, once for each symbol it is about."""
    return events(recording.exchange, recording.lines(), _first_exchange_ts(recording))


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
    classifiers: dict[str, Classify] = {}
    for entry in session:
        what, connection = entry.get("dir"), connection_of(entry)
        if what == "connect":
            urls[connection] = entry.get("url", "")
        elif what == "sent":
            local_ts = clock.at(entry, None)
            yield _event(exchange, "", "", local_ts, connection, records.SUBSCRIBED, _bytes(entry))
        elif what == "recv":
            payload = _bytes(entry)
            counter = counters.get(connection, 0)
            local_ts = clock.at(entry, lambda p=payload: _exchange_ts(exchange, p))
            if connection not in classifiers:
                classifiers[connection] = exchange.new_classifier()
            found = _addresses(classifiers[connection], payload)
            counters[connection] = counter + exchange.counts(found)
            for symbol, channel in found or [CONNECTION]:
                if symbol and (connection, symbol) not in opened:
                    opened[connection, symbol] = connection
                    url = urls.get(connection, "").encode()
                    kind = records.CONNECTED
                    yield _event(exchange, symbol, channel, local_ts, connection, kind, url)
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
    return sum(entry.get("dir") in ("recv", "http") for entry in recording.lines())


def connection_of(entry: Entry) -> str:
    """Return the connection that a line is of; "0" where the recording names none."""
    return str(entry.get("conn") or "0")


def _addresses(classify: Classify, payload: bytes) -> Sequence[Address]:
    """Return nothing for a frame that cannot be read."""
    try:
        return classify(payload)
    except UNREADABLE:
        return ()


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


def _by_url(path: Path, header: Entry) -> list[tuple[Exchange, set[str]]]:
    """Return the exchanges of the URLs connected to; none when the session kept no URL.

    Raises:
        UnsupportedRecording: There are URLs, none of them of an exchange here.
    """
    found: dict[str, tuple[Exchange, set[str]]] = {}
    unknown = ""
    for entry in entries(path):
        if entry.get("dir") == "connect" and (url := entry.get("url")):
            exchange = endpoint_of(url)
            if exchange is None:
                unknown = unknown or url
            else:
                found.setdefault(exchange.name, (exchange, set()))[1].add(connection_of(entry))
    if unknown and not found:
        message = (
            f"{path}: connected to {unknown.partition('?')[0]} "
            f"({header.get('api', 'API not named')}), "
            f"a protocol of none of the exchanges here: {', '.join(adapters.load())}"
        )
        raise UnsupportedRecording(message)
    return list(found.values())


def endpoint_of(url: str) -> Exchange | None:
    """Return the exchange whose protocol is spoken at a URL, of a websocket or FIX, if any here."""
    parts = urlsplit(url)
    wanted = f"{parts.hostname}{parts.path}/"
    for exchange in adapters.load().values():
        urls = [exchange.url, *([exchange.fix.url] if exchange.fix else [])]
        own = (f"{u.hostname}{u.path}" for u in map(urlsplit, urls))
        for endpoint in (*own, *exchange.hosts):
            if wanted.startswith(endpoint.rstrip("/") + "/"):
                return exchange
    return None


def _by_header(path: Path, header: Entry) -> Exchange:
    name, market = header.get("exchange", ""), header.get("market", "")
    api = f"{name} {market}, {header.get('api', 'API not named')}"
    candidates = [
        exchange
        for exchange in adapters.load().values()
        if name in (exchange.name, exchange.family, *exchange.aliases)
        and market in (*exchange.markets, "mixed")
    ]
    if not candidates:
        message = f"{path}: recorded as {api}: expected one of {', '.join(adapters.load())}"
        raise UnsupportedRecording(message)
    frames = [_bytes(e) for e in _first_frames(path)]
    for exchange in candidates:
        if _speaks(exchange, frames):
            return exchange
    names = ", ".join(f"{e.name} ({e.docs.partition(' ')[0]})" for e in candidates)
    message = (
        f"{path}: recorded as {api}, but none of its first {len(frames)} frames is one of "
        f"{names}: another or a retired API"
    )
    raise UnsupportedRecording(message)


def _first_frames(path: Path) -> Iterator[Entry]:
    found = 0
    for entry in entries(path):
        if entry.get("dir") == "recv":
            yield entry
            found += 1
            if found == TRIED:
                return


def _speaks(exchange: Exchange, frames: Iterable[bytes]) -> bool:
    """Whether any frame gives records."""
    classify = exchange.new_classifier()
    for payload in frames:
        try:
            if any(read(exchange, payload, address)[1] for address in classify(payload)):
                return True
        except UNREADABLE:
            continue
    return False


def _exchange_ts(exchange: Exchange, payload: bytes) -> int:
    try:
        found = read(exchange, payload)[1]
    except UnexpectedFrame:
        return 0
    return max((getattr(record, "exchange_ts", 0) for record in found), default=0)


def _first_exchange_ts(recording: Recording) -> int:
    """Return the first time that an exchange gives, where the session starts without our own."""
    for entry in recording.lines():
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
    ours, given = _segments(exchange.snapshot.url(_SYMBOL)), _segments(entry.get("url", ""))
    # what is asked for is the last word, or the one before the symbol; versions may differ
    at = ours.index(_SYMBOL) - 1 - len(ours) if _SYMBOL in ours else -1
    return len(given) >= -at and given[at] == ours[at]


def _snapshot_symbol(exchange: Exchange, entry: Entry, seen: list[str]) -> str:
    """Return whose book a REST body is: as the URL says, else the session's only symbol."""
    assert exchange.snapshot
    url, given = exchange.snapshot.url(_SYMBOL), entry.get("url", "")
    asked = parse_qs(urlsplit(given).query)
    for parameter, values in parse_qs(urlsplit(url).query).items():
        if values == [_SYMBOL] and parameter in asked:
            return asked[parameter][0]
    ours, segments = _segments(url), _segments(given)
    if _SYMBOL in ours and len(ours) == len(segments):
        return segments[ours.index(_SYMBOL)]
    symbols = set(seen)
    return entry.get("symbol") or (symbols.pop() if len(symbols) == 1 else "")


# Stands for a symbol in a URL that is made only to see where it names one
_SYMBOL = "SYMBOL"


def _segments(url: str) -> list[str]:
    return urlsplit(url).path.strip("/").split("/")
