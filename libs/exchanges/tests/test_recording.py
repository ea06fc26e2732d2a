"""Sessions in files: which exchange they are of, and what they become."""

import base64
import gzip
import json
import re
from pathlib import Path
from typing import Any

import pytest

from jetl2.exchanges import adapters, recording, replay
from jetl2.exchanges.errors import UnknownExchange, UnsupportedRecording
from jetl2.schemas import records
from tests import sessions

KNOWN = ", ".join(adapters.load())

HEADER = {"t": "session", "exchange": "binance", "name": "made", "market": "spot", "api": "v9"}
CONNECT = {"dir": "connect", "conn": "a", "url": "wss://stream.binance.com:9443/stream"}


def written(folder: Path, *lines: dict[str, Any], name: str = "session-made.jsonl") -> Path:
    path = folder / name
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def received(raw: object, ts: str | None = "1767225600.5", **more: Any) -> dict[str, Any]:
    return {"ts": ts, "dir": "recv", "conn": "a", "raw": json.dumps(raw), **more}


def trade(number: int, symbol: str = "ABCUSDT", time: int = 1767225600000) -> dict[str, Any]:
    data = {"e": "trade", "E": time, "s": symbol, "t": number, "p": "9", "q": "1", "T": time}
    return {**data, "m": True}


@pytest.mark.parametrize(
    "url,name",
    [
        ("wss://stream.binance.com:9443/stream?streams=a@trade", "binance"),
        ("wss://stream.binance.com/ws/a@trade", "binance"),
        ("wss://data-stream.binance.vision/ws/a@trade", "binance"),
        ("wss://ws.kraken.com/v2", "kraken"),
        ("wss://ws.okx.com:8443/ws/v5/public", "okex"),
        ("wss://ws.okex.com:8443/ws/v5/public", "okex"),
        ("wss://real.okcoin.com:8443/ws/v5/public", "okex"),
        ("wss://advanced-trade-ws.coinbase.com", "coinbase"),
    ],
)
def test_a_url_shows_the_exchange(url: str, name: str) -> None:
    found = recording.endpoint_of(url)

    assert found
    assert found.name == name


@pytest.mark.parametrize(
    "url",
    [
        "wss://ws.kraken.com",
        "wss://ws.kraken.com/v20",
        "wss://real.okex.com:8443/ws/v3",
        "wss://real.okcoin.com:8443/ws/v3",
        "wss://example.com/feed",
    ],
)
def test_a_retired_or_foreign_protocol_is_refused_by_its_url(url: str, tmp_path: Path) -> None:
    path = written(tmp_path, HEADER, {**CONNECT, "url": url}, received(trade(1)))

    with pytest.raises(UnsupportedRecording) as error:
        recording.recognise(path)

    assert url in str(error.value)
    assert "v9" in str(error.value)
    assert ", ".join(adapters.load()) in str(error.value)


def test_without_a_url_header_and_frames_show_the_exchange(tmp_path: Path) -> None:
    path = written(tmp_path, HEADER, received(trade(1)))

    (found,) = recording.recognise(path)
    assert found.exchange is adapters.get("binance")
    assert found.name == "made"


@pytest.mark.parametrize("header", [{"exchange": "nowhere"}, {"market": "weather"}])
def test_a_header_of_no_exchange_here_is_refused(header: dict[str, str], tmp_path: Path) -> None:
    path = written(tmp_path, {**HEADER, **header}, received(trade(1)))

    with pytest.raises(UnsupportedRecording, match=f"expected one of {KNOWN}"):
        recording.recognise(path)


def test_frames_of_another_protocol_are_refused(tmp_path: Path) -> None:
    path = written(tmp_path, HEADER, received({"type": "l2update"}), received([1, {"b": []}]))

    with pytest.raises(UnsupportedRecording, match="none of its first 2 frames"):
        recording.recognise(path)


@pytest.mark.parametrize("text", ["", "{}\n", "[]\n", "text\n", '{"t": "other"}\n'])
def test_what_is_no_session_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "other.jsonl"
    path.write_text(text)

    with pytest.raises(UnsupportedRecording, match=r"header|JSON"):
        recording.recognise(path)


def test_two_exchanges_in_one_file_are_told_apart_by_their_connections(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        HEADER,
        {**CONNECT, "conn": "a", "url": "wss://stream.binance.com:9443/stream"},
        {**CONNECT, "conn": "b", "url": "wss://ws.kraken.com/v2"},
        {**received(trade(1)), "conn": "a"},
        {**received({"channel": "heartbeat"}), "conn": "b"},
        {**received(trade(2)), "conn": "a"},
    )

    binance, kraken = recording.recognise(path)

    assert (binance.name, binance.exchange.name) == ("made/binance", "binance")
    assert kraken.exchange.name == "kraken"
    assert (recording.messages(binance), recording.messages(kraken)) == (2, 1)
    assert {raw.connection_id for raw in recording.raw_events(binance)} == {"a"}


def test_gzip_and_base64_are_undone(tmp_path: Path) -> None:
    raw = base64.b64encode(json.dumps(trade(1)).encode()).decode()
    entry = {**received(None), "raw": raw, "encoding": "base64"}
    path = tmp_path / "session-made.jsonl.gz"
    path.write_bytes(
        gzip.compress("\n".join(json.dumps(e) for e in (HEADER, CONNECT, {}, entry)).encode())
    )

    (found,) = recording.recognise(path)
    (_, raw_event) = recording.raw_events(found)
    assert json.loads(raw_event.payload) == trade(1)
    assert recording.messages(found) == 1


@pytest.mark.parametrize(
    "text,ns",
    [
        ("1617566590.378895", 1617566590378895000),
        ("1723161253.937085629", 1723161253937085629),
        ("1767225600", 1767225600000000000),
        ("1767225600.1", 1767225600100000000),
    ],
)
def test_receive_times_are_read_by_their_decimals(text: str, ns: int) -> None:
    assert recording.ns_from_seconds(text) == ns


def test_a_symbol_is_connected_before_its_first_frame_and_frames_are_counted() -> None:
    session = [
        CONNECT,
        {"dir": "sent", "conn": "a", "ts": "1767225600", "raw": "{}"},
        received({"result": None, "id": 1}),
        received(trade(1)),
        received(trade(1, "XYZUSDT")),
        received(trade(2)),
    ]
    found = list(recording.events(adapters.get("binance"), session))

    assert [(raw.kind, raw.symbol, raw.counter) for raw in found] == [
        (records.SUBSCRIBED, "", 0),
        (records.FRAME, "", 0),
        (records.CONNECTED, "ABCUSDT", 0),
        (records.FRAME, "ABCUSDT", 1),
        (records.CONNECTED, "XYZUSDT", 0),
        (records.FRAME, "XYZUSDT", 2),
        (records.FRAME, "ABCUSDT", 3),
    ]
    assert found[2].payload == CONNECT["url"].encode()
    assert found[3].channel == "trade"


def test_a_frame_of_several_symbols_is_written_once_for_each() -> None:
    updates = [{"side": "bid", "price_level": "1", "new_quantity": "1"}]
    events = [{"type": "snapshot", "product_id": p, "updates": updates} for p in ("A-B", "C-D")]
    frame = {"channel": "l2_data", "timestamp": "2026-01-01T00:00:00Z", "sequence_num": 0}
    session = [received({**frame, "events": events})]
    found = list(recording.events(adapters.get("coinbase"), session))

    frames = [raw for raw in found if raw.kind == records.FRAME]
    assert [(raw.symbol, raw.counter) for raw in frames] == [("A-B", 0), ("C-D", 0)]


def test_a_frame_that_cannot_be_read_belongs_to_no_symbol() -> None:
    (raw,) = recording.events(adapters.get("binance"), [{**received(None), "raw": "{"}])

    assert (raw.symbol, raw.channel, raw.payload) == ("", "", b"{")


def test_a_frame_that_cannot_be_read_is_told_to_each_symbol_and_not_counted() -> None:
    session = [
        CONNECT,
        received(trade(1)),
        received(trade(1, "XYZUSDT")),
        {**received(""), "raw": "{"},
        received(trade(2)),
    ]
    events = list(recording.events(adapters.get("binance"), session))

    told = [e.symbol for e in events if e.kind == records.UNREADABLE]
    assert told == ["ABCUSDT", "XYZUSDT"]
    assert [e.counter for e in events if e.kind == records.FRAME] == [0, 1, 2, 2]


def rest(url: str, **more: Any) -> dict[str, Any]:
    body = {"lastUpdateId": 1, "bids": [], "asks": []}
    return {
        "ts": "1767225601",
        "dir": "http",
        "conn": "h",
        "url": url,
        "raw": json.dumps(body),
        **more,
    }


def test_a_rest_books_symbol_is_its_urls_and_its_connection_the_symbols() -> None:
    url = "https://www.binance.com/api/v1/depth?symbol=ABCUSDT&limit=5"
    session = [received(trade(1)), received(trade(1, "XYZUSDT")), rest(url)]
    *_, raw = recording.events(adapters.get("binance"), session)

    assert (raw.kind, raw.symbol, raw.connection_id) == (records.SNAPSHOT, "ABCUSDT", "a")


@pytest.mark.parametrize("more", [{"kind": "rest_snapshot"}, {"symbol": "ABCUSDT"}])
def test_a_rest_book_without_a_symbol_is_of_the_sessions_only_one(more: dict[str, str]) -> None:
    session = [received(trade(1)), rest("https://www.binance.com/api/v3/depth", **more)]
    *_, raw = recording.events(adapters.get("binance"), session)

    assert (raw.kind, raw.symbol) == (records.SNAPSHOT, "ABCUSDT")


def test_other_rest_answers_are_counted_but_no_events(tmp_path: Path) -> None:
    answer = rest("https://api.binance.com/api/v3/exchangeInfo")
    path = written(tmp_path, HEADER, CONNECT, received(trade(1)), answer)
    (found,) = recording.recognise(path)

    assert recording.messages(found) == 2
    assert [raw.kind for raw in recording.raw_events(found)] == [records.CONNECTED, records.FRAME]


def test_without_receive_times_the_exchanges_own_stand_in_and_never_go_back(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        HEADER,
        received({"result": None, "id": 1}, ts=None),
        received(trade(1, time=1767225605000), ts=None),
        received(trade(2, time=1767225604000), ts=None),
        received(trade(3, time=1767225606000), ts=None),
    )
    (found,) = recording.recognise(path)
    times = [raw.local_ts for raw in recording.raw_events(found) if raw.kind == records.FRAME]

    second = 1767225605 * 10**9
    assert times == [second, second + 1, second + 2, second + 10**9]


def test_without_any_time_events_are_still_in_order() -> None:
    ack = received({"result": None, "id": 1}, ts=None)
    found = recording.events(adapters.get("binance"), [ack, ack])

    assert [raw.local_ts for raw in found] == [1, 2]


def test_an_unknown_exchange_is_answered_with_the_known_ones() -> None:
    with pytest.raises(UnknownExchange, match=f"'nowhere': expected one of {KNOWN}"):
        adapters.get("nowhere")


def test_the_summary_counts_what_could_not_be_read_once_a_message(tmp_path: Path) -> None:
    path = written(
        tmp_path, HEADER, CONNECT, received(trade(1)), received({"e": "what"}), received(trade(2))
    )
    (found,) = replay.replay(path)
    assert len(list(found.records())) == 2

    assert found.summary() == {
        "session": "made",
        "exchange": "binance",
        "messages": 3,
        "records": {"trade": 2},
        "unparsed": 1,
        "gaps": 0,
        "resyncs": 0,
        "checksums": {"passed": 0, "failed": 0},
        "crossed": 0,
        "books": {},
    }
    assert "what" in found.dead[0].error


@pytest.mark.skipif(sessions.recordings_folder() is None, reason=sessions.ABSENT)
def test_every_recorded_session_is_replayed_or_refused_with_its_reason() -> None:
    """Each that is no protocol of an exchange here names what it is."""
    spoken = sessions.recorded()
    for path in set(sessions.files()) - {found.path for found in spoken}:
        with pytest.raises(UnsupportedRecording, match=re.escape(str(path))):
            recording.recognise(path)

    assert len(spoken) >= 10
    # whose ended protocols are read as well, by presence
    older = {found.exchange.name for found in spoken if not found.header["current_api"]}
    assert older <= {"bitget"}
